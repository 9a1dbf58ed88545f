import type { Dialer } from "@posthorn/smtp";
import type { ScriptedServer } from "./script.ts";

/** How the octets of a server end: as they should, with a broken connection, or in silence. */
export type End = "close" | "reset" | "stall";

/** Dials `server`, of whose octets it hands on `octets` and no more. */
export function cutting(server: ScriptedServer, octets: number, end: End): Dialer {
  return () => {
    const socket = server.socket();
    const reader = socket.readable.getReader();
    let left = octets;
    return Promise.resolve({
      ...socket,
      readable: new ReadableStream<Uint8Array>({
        async pull(controller): Promise<void> {
          if (left === 0) {
            if (end === "close") controller.close();
            if (end === "reset") controller.error(new Error("connection reset"));
            return;
          }
          const { value } = await reader.read();
          if (value === undefined) return;
          const seen = value.slice(0, left);
          left -= seen.length;
          controller.enqueue(seen);
        },
      }, { highWaterMark: 0 }),
    });
  };
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
