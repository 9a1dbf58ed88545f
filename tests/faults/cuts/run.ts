/** Runs a session that is cut, with a client or with a pool, and holds what comes of it against the model. Nothing here is of one runtime. */
import { setImmediate } from "node:timers";
import { assert, assertEquals } from "@std/assert";
import { connect, type ConnectOptions, type SendOutcome, type SendResult, type SmtpClient, SmtpError, SmtpPool } from "@posthorn/smtp";
// Loaded beforehand: what is loaded in the middle of a session takes time of the real clock.
import "../../../src/authenticate.ts";
import type { Cut, Ending } from "../../support/cut_socket.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import {
  handedOf,
  heardOf,
  isBegun,
  isNotSent,
  isStored,
  messageOf,
  openingOf,
  outcomesOf,
  type Point,
  type Told,
  waitOf,
  wholeOf,
} from "./model.ts";
import { computing } from "./computing.ts";
import { ScriptServer } from "./script_server.ts";
import type { CutSession } from "./sessions.ts";

/** Turns of the event loop that a session takes at most: far more than any needs, so that one that takes more hangs. */
const MOST_TURNS = 20_000;

/** Milliseconds in which a server that takes no more may say why, as the documentation has it. */
const LAST_WORDS = 1_000;
/** Turns without a step behind which nothing more is under way. */
const IDLE_TURNS = 2;

/** The endings that give the client the time to do all that it does upon what it has heard. */
const UNHURRIED: readonly Ending[] = ["late close", "late reset", "stall", "split", "block", "refuse", "abort"];

/** Where a session is: what is waited for, and who is told that nothing can happen any more. */
interface Watched {
  readonly server: ScriptServer;
  readonly clock: FakeClock;
  /** The caller, where it is the one to end what stalls. */
  readonly caller?: AbortController | undefined;
}

/** Waits for `promise`, a step of the session at a time; where nothing can happen any more, time passes. */
async function inSteps<T>(promise: Promise<T>, { server, clock, caller }: Watched): Promise<T> {
  let isOver = false;
  let idle = 0;
  promise.then(() => isOver = true, () => isOver = true);
  for (let turns = 0; !isOver; turns++) {
    if (turns > MOST_TURNS) throw new Error("it hangs");
    const { steps } = server;
    await new Promise<void>((resolve) => setImmediate(resolve));
    idle = steps === server.steps && computing.underWay === 0 ? idle + 1 : 0;
    if (computing.underWay > 0) turns--;
    if (idle < IDLE_TURNS || isOver || server.expire() || !server.isStuck) continue;
    if (caller === undefined) clock.fire();
    else caller.abort("enough");
  }
  return await promise;
}

function optionsOf({ options }: CutSession, server: ScriptServer, clock: FakeClock): ConnectOptions {
  return { hostname: "mx.example", ...options, clock, dial: server.dial };
}

function toldOf(outcome: SendResult | SmtpError): Told {
  const [accepted, rejected] = [outcome.accepted, outcome.rejected].map((replies) => replies.map(({ address }) => address));
  if (outcome instanceof SmtpError) {
    const { kind, phase, delivery } = outcome;
    return { status: "lost", kind, phase, delivery, accepted: accepted!, rejected: rejected! };
  }
  return { status: "sent", accepted: accepted!, rejected: rejected!, reply: outcome.reply.lines };
}

/** What `promise` comes to; an error that is not of the library is none that it may come to. */
async function settledOf<T>(promise: Promise<T>): Promise<T | SmtpError> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof SmtpError) return error;
    throw error;
  }
}

function outcomeOf(outcome: SendOutcome): SendResult | SmtpError {
  if (outcome.status === "sent") return outcome.result;
  if (outcome.error instanceof SmtpError && outcome.delivery === outcome.error.delivery) return outcome.error;
  throw outcome.error;
}

/** Everything that a client does: what became of the opening, or of each message. */
async function allOf(
  session: CutSession,
  options: ConnectOptions,
  caller?: AbortController,
): Promise<readonly (SendResult | SmtpError)[] | SmtpError> {
  const given = caller === undefined ? {} : { signal: caller.signal };
  const client = await settledOf<SmtpClient>(connect({ ...options, ...given }));
  if (client instanceof SmtpError) return client;
  const outcomes: (SendResult | SmtpError)[] = [];
  if (session.window > 1) {
    for await (const outcome of client.sendAll(session.messages, { window: session.window })) outcomes.push(outcomeOf(outcome));
  } else {
    for (const message of session.messages) {
      const quit = session.quits && message === session.messages.at(-1);
      outcomes.push(await settledOf(client.send(message, { ...given, quit })));
    }
  }
  await client.quit(given);
  return outcomes;
}

/** Cuts `session` once, and holds what a client says of it against the model; `isStreamed` where its socket has streams only. */
export async function cutClient(session: CutSession, cut: Cut, isStreamed = false): Promise<void> {
  const { script } = session;
  const server = new ScriptServer(script, cut, isStreamed);
  const clock = new FakeClock();
  const caller = cut.by === "abort" ? new AbortController() : undefined;
  const outcomes = await inSteps(allOf(session, optionsOf(session, server, clock), caller), { server, clock, caller });
  const [{ heard, handed, reached } = raise()] = server.connections;
  const point: Point = { heard, handed };
  const opening = openingOf(script, point, cut.by);
  const { told, isReplaced } = outcomesOf(script, point, cut.by);
  if (outcomes instanceof SmtpError) assertEquals(toldOf(outcomes), opening);
  else {
    assertEquals(opening, undefined);
    assertEquals(outcomes.map(toldOf), told);
  }
  checkWire(session, cut, point);
  const first = told.map((_, index) => messageOf(script, index, point, cut.by));
  const again = told.map((told, index) => told.status === "sent" && first[index]!.status === "lost");
  assertEquals(server.stored, again.map((isAgain, index) => Number(isStored(script, index, reached)) + Number(isAgain)), "how often it was stored");
  if (cut.by === "refuse") assert(clock.now() <= LAST_WORDS, `the wait is ${clock.now()}`);
  else assertEquals(clock.now(), waitOf(script, point, cut.by), "the wait");
  assertEquals(server.connections.map(({ isClosed }) => isClosed), isReplaced ? [true, true] : [true]);
  assertEquals([clock.pending, server.mismatches], [0, []]);
}

/** The client heard all that it could hear; and where it had the time, it said all that there was to be said upon it. */
function checkWire({ script, isLong }: CutSession, cut: Cut, { heard, handed }: Point): void {
  const least = heardOf(script, cut);
  // What is lost with the write that broke is less where a flight leaves in several.
  if (isLong && cut.by === "reset") assert(heard >= least && heard <= heardOf(script, { ...cut, by: "close" }), `${heard} octets heard`);
  else assertEquals(heard, least, "octets heard");
  if (!UNHURRIED.includes(cut.by)) return;
  const most = handedOf(script, heard);
  // What is taken no more ends a long content in the middle, at the end of one of its writes.
  const isBroken = isLong && (cut.by === "block" || cut.by === "refuse");
  if (isBroken) assert(handed > cut.at && handed <= most, `${handed} octets handed over`);
  else assertEquals(handed, most, "octets handed over");
}

function raise(): never {
  throw new Error("nothing was dialled");
}

/** Cuts `session` once on the first connection of a pool, and holds what the pool does against the model. */
export async function cutPool(session: CutSession, cut: Cut): Promise<void> {
  const { script, window } = session;
  const server = new ScriptServer(script, cut);
  const clock = new FakeClock();
  const pool = new SmtpPool(optionsOf(session, server, clock), { maxConnections: 1, window, random: () => 0 });
  const all = async () => {
    const outcomes = await Promise.all(session.messages.map((message) => settledOf(pool.send(message))));
    await pool.drain();
    return outcomes;
  };
  const outcomes = await inSteps(all(), { server, clock });
  const [{ heard, handed, reached } = raise()] = server.connections;
  const point: Point = { heard, handed };
  const isOpened = openingOf(script, point, cut.by) === undefined;
  const first = session.messages.map((_, index) => messageOf(script, index, point, cut.by));
  // What is in doubt stays so; what has surely not been sent goes over the next connection, whoever has seen it before.
  const expected = first.map((told, index) =>
    isOpened && told.status === "lost" && told.delivery === "unknown" ? told : messageOf(script, index, wholeOf(script), cut.by)
  );
  assertEquals(outcomes.map(toldOf), expected);
  const again = first.map((told) => !isOpened || isNotSent(told));
  assertEquals(server.stored, again.map((isAgain, index) => Number(isStored(script, index, reached)) + Number(isAgain)), "how often it was stored");
  // With a window all are given to the first connection; without one, each when the one before is done.
  const given = first.filter((told, index) => isNotSent(told) && (window > 1 ? isBegun(script, 0, handed) : isBegun(script, index, handed)));
  const { sent, failed, retried } = pool.stats();
  const doubts = expected.filter(({ status }) => status === "lost").length;
  assertEquals([sent, failed], [expected.length - doubts, doubts]);
  assertEquals(retried, isOpened ? given.length : 0, "what is sent again was under way");
  checkWire(session, cut, point);
  assertEquals(server.connections.map(({ isClosed }) => isClosed), again.includes(true) ? [true, true] : [true]);
  assertEquals([clock.pending, server.mismatches], [0, []]);
}

/** Runs `session` with no cut: it goes as the script has it, octet by octet. */
export async function runWhole(session: CutSession): Promise<void> {
  const { script } = session;
  const server = new ScriptServer(script);
  const clock = new FakeClock();
  const outcomes = await inSteps(allOf(session, optionsOf(session, server, clock)), { server, clock });
  if (outcomes instanceof SmtpError) throw outcomes;
  assertEquals(outcomes.map(toldOf), session.messages.map((_, index) => messageOf(script, index, wholeOf(script), "close")));
  const [{ heard, handed, reached } = raise()] = server.connections;
  assertEquals([heard, handed, reached], [script.serverOctets, script.clientOctets, script.clientOctets]);
  assertEquals([server.stored, server.mismatches, clock.pending], [session.messages.map(() => 1), [], 0]);
}
