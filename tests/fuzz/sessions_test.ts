import { assert } from "@std/assert";
import { runSeeds, times } from "../support/fuzz.ts";
import { runSession } from "../support/random_sessions.ts";
import { runOddSession } from "./odd_sessions.ts";
import { runPool } from "./pool_sessions.ts";

const WINDOWS = 10_000;
const ODD = 5_000;
const LIES = 3_000;
const POOLS = 700;

Deno.test(`SmtpClient.sendAll is exact about every message in ${WINDOWS} sessions of any server, any messages, any faults and any end`, async () => {
  assert(await runSeeds(WINDOWS, 1, (seed) => runSession(seed)) >= times(WINDOWS));
});

Deno.test(`SmtpClient reports what the server saw in ${ODD} sessions of STARTTLS, AUTH, messages, verbs and aborts with one that says any code`, async () => {
  assert(await runSeeds(ODD, 2, (seed) => runOddSession(seed, false)) >= times(ODD));
});

Deno.test(`SmtpClient neither hangs nor leaks, nor takes content for commands, in ${LIES} sessions with a server that says what it was not asked`, async () => {
  assert(await runSeeds(LIES, 3, (seed) => runOddSession(seed, true)) >= times(LIES));
});

Deno.test(`SmtpPool loses and doubles no message in ${POOLS} lives with servers that say any code, hang up and refuse`, async () => {
  assert(await runSeeds(POOLS, 4, runPool) >= times(POOLS));
});
