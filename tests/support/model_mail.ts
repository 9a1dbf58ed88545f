/** Messages for the model of a server, and what must be true of their outcomes whatever has happened. */
import { setImmediate } from "node:timers";
import { assert, assertEquals } from "@std/assert";
import type { Message, SendOutcome, SmtpClient } from "@posthorn/smtp";
import type { FakeClock } from "./fake_clock.ts";
import type { ModelServer } from "./model_server.ts";

/** Message number `number`, to `recipients` of its own; its content tells it from every other. */
export function mail(number: number, more: Partial<Message> = {}, recipients = 2): Message {
  const to = Array.from({ length: recipients }, (_, index) => `r${number}-${index + 1}@y.test`);
  return { from: `m${number}@x.test`, to, body: contentOf(number), ...more };
}

/** Messages `1` to `count`. */
export function mails(count: number, more: Partial<Message> = {}): Message[] {
  return Array.from({ length: count }, (_, index) => mail(index + 1, more));
}

/** The content of message `number`. */
export function contentOf(number: number): string {
  return `Subject: ${number}\r\n\r\n.This is ${number}.\r\nRSET\r\n..\r\n`;
}

/** All outcomes, once there are all. */
export async function collected(outcomes: AsyncIterable<SendOutcome>): Promise<SendOutcome[]> {
  const list: SendOutcome[] = [];
  for await (const outcome of outcomes) list.push(outcome);
  return list;
}

/** What `promise` resolves with, on a clock that moves on whenever nothing else does. */
export async function inTime<T>(promise: Promise<T>, clock: FakeClock): Promise<T> {
  let isDone = false;
  const done = promise.finally(() => isDone = true);
  done.catch(() => {});
  for (let rounds = 0; !isDone; rounds++) {
    assert(rounds < 100, "it never ends");
    // What is on its way arrives first, turn by turn of the event loop.
    for (let turns = 0; turns < 40 && !isDone; turns++) await new Promise<void>((resolve) => setImmediate(resolve));
    if (!isDone) await clock.skip();
  }
  return await done;
}

/** One outcome in short: `"sent"`, `"refused 550 not-sent"`, `"failed disconnected unknown"`. */
export function inShort(outcome: SendOutcome): string {
  if (outcome.status === "sent") return "sent";
  const { status, error, delivery } = outcome;
  const why = Reflect.get(error, "code") ?? Reflect.get(error, "kind") ?? error.name;
  return `${status} ${status === "refused" ? Reflect.get(error, "code") : why} ${delivery}`;
}

/**
 * What must be true of `outcomes`, of some of `messages`, whatever has happened. Where the client, or the connection, may have ended before all that
 * the server said was heard (`isCut`), a message that was answered may be in doubt.
 */
export function assertExact(server: ModelServer, messages: readonly Message[], outcomes: readonly SendOutcome[], isCut = false): void {
  const theirs = new Set(outcomes.map(({ message }) => message));
  assertEquals(outcomes.map(({ message }) => message), messages.filter((message) => theirs.has(message)), "the outcomes come in order, one for each");
  for (const outcome of outcomes) assertExactly(server, outcome, isCut);
  for (const { number, from, to } of server.taken) {
    assert(messages.some((message) => message.from === from), `${from} was taken and nobody sent it`);
    assert(to.every((address) => address.startsWith(`r${number}-`)), `${from} went to ${to}`);
    assertEquals(new Set(to).size, to.length, `${from} went to somebody twice: ${to}`);
  }
}

function assertExactly(server: ModelServer, outcome: SendOutcome, isCut: boolean): void {
  const { message, status } = outcome;
  const number = Number(/^m(\d+)@/.exec(message.from)?.[1]);
  const taken = server.taken.filter(({ from }) => from === message.from);
  const reached = taken.flatMap(({ to }) => to);
  const label = `message ${number}, ${inShort(outcome)}`;
  assertEquals(new Set(reached).size, reached.length, `${label}: nobody gets it twice: ${reached}`);
  if (typeof message.body === "string") { for (const { content } of taken) assertEquals(content, message.body, `${label}: the content is its own`); }
  if (status === "sent") {
    assertEquals(outcome.result.accepted.map(({ address }) => address).sort(), reached.sort(), `${label}: it is where it says`);
    return;
  }
  const { delivery, error } = outcome;
  if (delivery === "not-sent") return assertEquals(reached, [], `${label}: nobody has it`);
  // In doubt it is only where its end was handed over and not answered, or where some have it and others have not.
  const accepted: unknown = Reflect.get(error, "accepted");
  const isPartial = Array.isArray(accepted) && taken.length > 0;
  const answers = server.answersTo(number);
  // Neither yes nor no is no answer; and behind the first 421 of LMTP nobody hears what is said of the other recipients.
  const isAnswered = answers.some((code) => code < 300 || (code >= 400 && !(code === 421 && server.options.protocol === "lmtp")));
  assert(isPartial || (server.hasEndOf(number) && (isCut || !isAnswered)), `${label}: there is no doubt, it was answered ${answers}`);
}

/** That the client is of use still: by verbs, and by a message of its own. */
export async function assertUsable(client: SmtpClient, server: ModelServer, number: number): Promise<void> {
  const { connection } = client;
  assertEquals((await connection.noop()).code, 250);
  const [sender] = await Promise.all([connection.mail(`m${number}@x.test`), connection.rcpt(`r${number}-1@y.test`)]);
  assertEquals(sender.code, 250);
  assertEquals((await connection.rset()).code, 250);
  await client.send(mail(number));
  assertEquals(server.taken.at(-1)?.number, number);
}
