/**
 * Whole sessions, cut behind every octet in either direction: what a client and a pool say and do, held against the model in `model.ts`.
 * A session has no more than a bounded number of turns of the event loop, and no wall clock; what it leaves behind fails the test.
 */
import { assertEquals } from "@std/assert";
import { BESIDES, everyCut, loginCuts, OF_CLIENT, OF_SERVER, someCuts, tryAll } from "./cuts.ts";
import { cutClient, cutPool, runWhole } from "./run.ts";
import { scramFirst } from "./scram_session.ts";
import { bdat, blocks, chunks, clear, type CutSession, data, lmtp, lmtpChunks, lockstep, quitting, windowed, windowedChunks } from "./sessions.ts";

/** Every session, how many octets server and client say in it, and how many cuts of it are tried on a client and on a pool. */
const SESSIONS: readonly (readonly [session: CutSession, ofServer: number, ofClient: number, client: number, pool: number])[] = [
  [data, 453, 313, 8 * 453 + 6 * 313, 6 * 453 + 5 * 313],
  [quitting, 453, 313, 8 * 453 + 6 * 313, 0],
  [clear, 378, 276, 8 * 378 + 6 * 276, 6 * 378 + 5 * 276],
  [lockstep, 437, 313, 8 * 437 + 6 * 313, 6 * 437 + 5 * 313],
  [bdat, 439, 321, 8 * 439 + 6 * 321, 6 * 439 + 5 * 321],
  [lmtp, 466, 313, 8 * 466 + 6 * 313, 6 * 466 + 5 * 313],
  [lmtpChunks, 452, 321, 8 * 452 + 6 * 321, 6 * 452 + 5 * 321],
  // Whoever gives up a whole sendAll is told so at its end, which is tested elsewhere.
  [windowed, 553, 412, 7 * 553 + 5 * 412, 6 * 553 + 5 * 412],
  [windowedChunks, 559, 436, 7 * 559 + 5 * 436, 6 * 559 + 5 * 436],
  // In part: what is hashed, or long, takes its time.
  [scramFirst, 617, 441, 3_100, 1_572],
  [chunks, 457, 530_806, 1_744, 620],
  [blocks, 453, 147_666, 1_202, 434],
];

Deno.test("SmtpClient tells the truth of every message on a socket that has streams only, wherever its connection is cut", async () => {
  const cuts = everyCut(data, OF_SERVER, OF_CLIENT);
  assertEquals(await tryAll(data, cuts, (session, cut) => cutClient(session, cut, true)), 6 * 453 + 5 * 313);
});

for (const [session, ofServer, ofClient, client, pool] of SESSIONS) {
  const { name, window, isLong, script } = session;
  const isInPart = isLong || session === scramFirst;
  const cuts = session === scramFirst ? loginCuts : isLong ? someCuts : everyCut;

  Deno.test(`SmtpClient and a server say what the script has, octet by octet, where nothing is cut (${name})`, async () => {
    await runWhole(session);
    assertEquals([script.serverOctets, script.clientOctets], [ofServer, ofClient]);
  });

  Deno.test(`SmtpClient tells the truth of every message, wherever its connection is cut (${name}, ${client} cuts)`, async () => {
    const besides = window > 1 ? [] : BESIDES;
    const all = cuts(session, [...OF_SERVER, ...besides, "split"], [...OF_CLIENT, ...besides]);
    assertEquals(await tryAll(session, all, cutClient), client);
  });

  // A pool says QUIT when it has no more use for a connection.
  if (session.quits) continue;
  Deno.test(`SmtpPool sends again what has surely not been sent, and nothing else, wherever a connection is cut (${name}, ${pool} cuts)`, async () => {
    const all = isInPart ? cuts(session, ["late close", "reset", "stall"], ["close", "block"]) : cuts(session, OF_SERVER, OF_CLIENT);
    assertEquals(await tryAll(session, all, cutPool), pool);
  });
}
