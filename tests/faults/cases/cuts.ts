/** E: a connection that ends, at every point of a whole session. What must come of each is worked out in `../cuts/model.ts`. */
import { assertEquals } from "@std/assert";
import type { Ending } from "../../support/cut_socket.ts";
import { everyCut, tryAll } from "../cuts/cuts.ts";
import { cutClient, cutPool } from "../cuts/run.ts";
import { data } from "../cuts/sessions.ts";
import type { Fault } from "../fault.ts";

/** Octets of the session that a server and a client say. */
const SERVER = 453;
const CLIENT = 313;

/** Cuts the session everywhere by `by`, with a client and with a pool. */
async function cutEverywhere(ofServer: readonly Ending[], ofClient: readonly Ending[]): Promise<void> {
  const cuts = everyCut(data, ofServer, ofClient);
  assertEquals(cuts.length, SERVER * ofServer.length + CLIENT * ofClient.length);
  for (const run of [cutClient, cutPool]) assertEquals(await tryAll(data, cuts, (session, cut) => run(session, cut)), cuts.length);
}

export const cuts: readonly Fault[] = [
  { name: "F52 A session cut after every octet, in either direction", run: () => cutEverywhere(["close", "late close"], ["close"]) },
  { name: "F52 A session reset after every octet, in either direction", run: () => cutEverywhere(["reset", "late reset"], ["reset"]) },
  { name: "F53 A server that says nothing more after any octet, and reads on", run: () => cutEverywhere(["half close"], []) },
];
