/** Whole sessions of `sendAll` by chance: any server, any messages, any faults, any end. The same seed makes the same session. */
import { setImmediate } from "node:timers";
import { assert, assertEquals } from "@std/assert";
import { connect, type Message, type SendOutcome, type SmtpClient, SmtpError, type TraceEvent } from "@posthorn/smtp";
import { Chance } from "./chance.ts";
import { FakeClock } from "./fake_clock.ts";
import { assertExact, assertUsable, contentOf, inTime, mail } from "./model_mail.ts";
import { type Fault, type ModelOptions, ModelServer, type Moment } from "./model_server.ts";

const MOMENTS: readonly Moment[] = ["rset", "mail", "rcpt", "data", "content"];
const NOES = ["550 5.1.1 no", "451 4.3.0 later", "452 4.5.3 many", "503 5.5.1 bad sequence", "554 5.7.1 spam", "421 4.3.2 bye", "500 what"] as const;

/** A server that refuses RSET can be trusted with one transaction at a time only. */
function faultOf(chance: Chance, messages: readonly Message[], isWindowed: boolean): Fault {
  const number = Number(/^m(\d+)@/.exec(chance.one(messages).from)![1]);
  const place = { message: number, at: chance.one(MOMENTS), times: chance.from(1, 3) };
  const kind = chance.from(1, 8);
  if (kind === 1) return { ...place, isSilent: true, isTaken: chance.is(0.5) };
  if (kind === 2) return { ...place, hangsUp: "before", isTaken: chance.is(0.5) };
  if (kind === 3) return { ...place, hangsUp: "behind" };
  if (place.at === "rset" && isWindowed) return { ...place, says: "421 4.3.2 bye" };
  return { ...place, says: chance.one(NOES), staysOpen: chance.is(0.5) };
}

function serverOf(chance: Chance, messages: readonly Message[], isWindowed: boolean): ModelOptions {
  const keywords = ["8BITMIME", "PIPELINING", "CHUNKING", "LIMITS RCPTMAX=2", "LIMITS MAILMAX=7"];
  const shares = [1, 0.9, 0.6, 0.1, 0.05];
  const pause = chance.from(0, 3);
  const temper = chance.is(0.15) ? chance.one(["Courier", "Haraka", "Dovecot"] as const) : undefined;
  // One that dropped whole transactions in silence would be found out by nobody: replies are told apart by their number alone. None does.
  const isOffered = (keyword: string) => keyword !== "CHUNKING" || temper === undefined || temper === "Dovecot";
  return {
    keywords: keywords.filter((keyword, index) => chance.is(shares[index]!) && isOffered(keyword)),
    faults: Array.from({ length: chance.from(0, 3) }, () => faultOf(chance, messages, isWindowed)),
    temper,
    protocol: chance.is(0.1) ? "lmtp" : "smtp",
    isLax: chance.is(0.3),
    maxRecipients: chance.is(0.15) ? 2 : 100,
    delivery: chance.one(["whole", "line", "byte"] as const),
    pace: chance.one(["at once", "round trip", "held"] as const),
    resets: chance.is(0.3),
    onWrite: () => pause > 1 && chance.is(0.3) ? turns(pause) : undefined,
  };
}

function messageOf(chance: Chance, number: number): Message {
  const text = contentOf(number);
  const stream = (fails: boolean) => () => {
    let isGiven = false;
    return new ReadableStream<Uint8Array>({
      pull(controller): void {
        if (isGiven && fails) controller.error(new Error("the source is gone"));
        else if (isGiven) controller.close();
        else controller.enqueue(new TextEncoder().encode(text));
        isGiven = true;
      },
    });
  };
  const bodies = [
    () => text,
    () => text,
    () => text,
    () => text.repeat(700),
    () => text.repeat(2_000),
    () => "",
    () => stream(false),
    () => stream(true),
  ];
  return mail(number, {
    body: chance.one(bodies)(),
    requireAllRecipients: chance.is(0.1),
    transfer: chance.is(0.2) ? "data" : "auto",
    ...(chance.is(0.03) && { to: "no mailbox" }),
  }, chance.from(1, 4));
}

/** Resolves after `count` turns of the event loop. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** One call of `sendAll`, or of `send` for each. */
interface Caller {
  readonly messages: readonly Message[];
  readonly window: number;
  /** Turns of the event loop between two messages of the source. */
  readonly pause: number;
  /** Outcomes after which it leaves. */
  readonly leavesAt: number;
  /** Turns of the event loop after which it gives up; none where it does not. */
  readonly abortsAt: number | undefined;
}

function callerOf(chance: Chance, first: number): Caller {
  return {
    messages: Array.from({ length: chance.from(1, 16) }, (_, index) => messageOf(chance, first + index)),
    window: chance.from(1, 8),
    pause: chance.is(0.3) ? chance.from(1, 4) : 0,
    leavesAt: chance.is(0.1) ? chance.from(1, 8) : Infinity,
    abortsAt: chance.is(0.15) ? chance.from(0, 30) : undefined,
  };
}

async function* given({ messages, pause }: Caller): AsyncGenerator<Message> {
  for (const message of messages) {
    await turns(pause);
    yield message;
  }
}

async function call(client: SmtpClient, caller: Caller): Promise<SendOutcome[]> {
  const outcomes: SendOutcome[] = [];
  const controller = new AbortController();
  if (caller.abortsAt !== undefined) turns(caller.abortsAt).then(() => controller.abort());
  try {
    const source = caller.pause === 0 ? caller.messages : given(caller);
    for await (const outcome of client.sendAll(source, { window: caller.window, signal: controller.signal })) {
      if (outcomes.push(outcome) >= caller.leavesAt) break;
    }
    if (caller.leavesAt === Infinity) assertEquals(outcomes.length, caller.messages.length, "each has an outcome");
  } catch (error) {
    if (!(error instanceof SmtpError && error.kind === "aborted" && caller.abortsAt !== undefined)) throw error;
  }
  return outcomes;
}

/** Runs the session of `seed`, and throws where something is not as it must be. */
export async function runSession(seed: number, trace?: (event: TraceEvent) => void): Promise<void> {
  const chance = new Chance(seed);
  const callers = [callerOf(chance, 1), ...(chance.is(0.3) ? [callerOf(chance, 101)] : [])];
  const server = new ModelServer(serverOf(chance, callers.flatMap(({ messages }) => messages), callers.some(({ window }) => window > 1)));
  const closesAt = chance.is(0.05) ? chance.from(0, 30) : undefined;
  const clock = new FakeClock();
  let isOver = false;
  // The replies that are held leave one turn after the other, with nobody asking.
  const flushing = (async () => {
    for (; !isOver; await turns(1)) server.flush();
  })();
  try {
    const client = await inTime(connect(server.reached({ clock, ...(trace && { trace }) })), clock);
    const closing = closesAt === undefined ? undefined : turns(closesAt).then(() => client.close());
    const all = await inTime(Promise.all(callers.map((caller) => call(client, caller))), clock);
    await closing;
    const isCut = closesAt !== undefined || server.options.resets || callers.some(({ abortsAt }) => abortsAt !== undefined);
    const messages = callers.flatMap(({ messages }) => messages);
    for (const [index, outcomes] of all.entries()) {
      const own = callers[index]!.messages;
      assertEquals(outcomes.map(({ message }) => message), own.slice(0, outcomes.length));
      assertExact(server, messages, outcomes, isCut);
    }
    assert(server.connections.length <= 2, "one connection more at most");
    assertEquals(server.connections[1]?.session.riding ?? [], [], "nothing rides on it");
    const { keywords, faults, protocol } = server.options;
    // A RSET, or a lone dot, behind the last message may be under way.
    const isSound = protocol === "smtp" && !keywords?.includes("LIMITS MAILMAX=7") && !faults?.some(({ at }) => at === "rset" || at === "content");
    if (!client.isClosed && isSound) await inTime(assertUsable(client, server, 999), clock);
    await inTime(client.quit(), clock);
    assertEquals(clock.pending, 0, "no timer is left");
  } catch (error) {
    throw new Error(
      `session ${seed}: ${JSON.stringify(server.options)}, ${
        callers.map((caller) => JSON.stringify({ ...caller, messages: caller.messages.length }))
      }`,
      {
        cause: error,
      },
    );
  } finally {
    isOver = true;
    await flushing;
  }
}
