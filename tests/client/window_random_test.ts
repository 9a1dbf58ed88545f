import { assertEquals } from "@std/assert";
import { runSession } from "../support/random_sessions.ts";

const SESSIONS = 400;

Deno.test(`SmtpClient.sendAll is exact about every message in ${SESSIONS} sessions of any server, any messages, any faults and any end`, async () => {
  // The same seeds each time: a failure names its own, and runSession(seed, console.log) shows it.
  for (let seed = 1; seed <= SESSIONS; seed++) assertEquals(await runSession(seed), undefined);
});
