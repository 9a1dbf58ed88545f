import type { Dialer } from "@posthorn/smtp";
import { faultyDialer } from "./faulty_socket.ts";
import type { ScriptedServer } from "./script.ts";

/** How the octets of a server end: as they should, with a broken connection, or in silence. */
export type End = "close" | "reset" | "stall";

/** Dials `server`, of whose octets it hands on `octets` and no more. */
export function cutting(server: ScriptedServer, octets: number, end: End): Dialer {
  return faultyDialer(server.dial, { mishap: end === "close" ? "half" : end, read: octets, sparesWrites: true });
}

/** What a server says, cut in two at the octet `at` of all that it says. */
export function splitAt(at: number): (reply: Uint8Array) => Iterable<Uint8Array> {
  let seen = 0;
  return function* (reply) {
    const cut = at - seen;
    seen += reply.length;
    if (cut <= 0 || cut >= reply.length) yield reply;
    else yield* [reply.slice(0, cut), reply.slice(cut)];
  };
}
