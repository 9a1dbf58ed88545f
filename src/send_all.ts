/** Many messages, from any source, to as many outcomes in their order. */
import { SmtpConnectionError } from "./errors.ts";
import type { Message } from "./message.ts";
import { outcomeOf, type SendOutcome } from "./outcome.ts";
import type { SendResult } from "./transaction.ts";
import { wrong } from "./wire/wrong.ts";

/** Messages in a list, from a generator, or from anything that is read one by one. */
export type Messages = Iterable<Message> | AsyncIterable<Message>;

/** How {@linkcode sendInOrder} sends. */
export interface Sender {
  /** Messages that may be taken from the source and have no outcome that was read yet. */
  readonly limit: number;
  readonly signal: AbortSignal | undefined;
  /** Sends one; called in the order of the source. `withdrawn` fires when nobody waits for the outcomes any more: what has not begun need not be sent. */
  send(message: Message, withdrawn: AbortSignal): Promise<SendResult>;
}

/**
 * Sends what `messages` gives and yields the outcomes in the same order. The source is read no further ahead than `limit`, and waits for whoever reads
 * the outcomes. When the source fails, the outcomes of all it gave come first, then its error.
 *
 * @throws {SmtpConnectionError} Of kind `aborted`, behind the outcomes of all that was begun, when `signal` fires. Whatever the source throws.
 */
export async function* sendInOrder(messages: Messages, sender: Sender): AsyncGenerator<SendOutcome, void, undefined> {
  const source = iteratorOf(messages);
  const { limit, signal } = sender;
  const withdrawn = new AbortController();
  const underWay: Promise<SendOutcome>[] = [];
  let isOver = false;
  let failure: { readonly cause: unknown } | undefined;
  let isExhausted = false;
  let isReading = false;
  let wake = (): void => {};
  const take = (next: IteratorResult<Message>): void => {
    // As a loop of the language has it; what is no result would be read for ever.
    if (typeof next !== "object" || next === null) {
      throw wrong("what messages gives", "an object", next);
    }
    if (next.done) isOver = isExhausted = true;
    else if (!isOver) underWay.push(outcomeOf(next.value, sender.send(next.value, withdrawn.signal)));
  };
  const fail = (cause: unknown): void => {
    if (!isOver) failure = { cause };
    isOver = true;
  };
  const failToRead = (cause: unknown): void => {
    fail(cause);
    isExhausted = true;
  };
  const onAbort = (): void => {
    fail(new SmtpConnectionError("aborted", "sendAll was aborted", { phase: "local", cause: signal?.reason }));
    wake();
  };
  const readOn = (): void => {
    while (!isOver && !isReading && underWay.length < limit) {
      try {
        const next = source.next();
        if (!isThenable(next)) take(next);
        else {
          isReading = true;
          Promise.resolve(next).then(take).catch(failToRead).then(() => {
            isReading = false;
            readOn();
            wake();
          });
        }
      } catch (cause) {
        failToRead(cause);
      }
    }
  };
  if (signal?.aborted) onAbort();
  signal?.addEventListener("abort", onAbort);
  try {
    for (readOn(); underWay.length > 0 || !isOver; readOn()) {
      if (underWay.length === 0) await new Promise<void>((resolve) => wake = resolve);
      else {
        yield await underWay[0]!;
        underWay.shift();
      }
    }
    if (failure !== undefined) throw failure.cause;
  } finally {
    isOver = true;
    signal?.removeEventListener("abort", onAbort);
    withdrawn.abort();
    await Promise.all(underWay);
    if (!isExhausted) await leave(source, isReading || failure !== undefined);
  }
}

/**
 * Tells `source` that nothing more is read. One that waits for its own next message may not hear it before that has come, which may be never; and where
 * there is an error to be told already, what comes of this is of no account.
 */
async function leave(source: Iterator<Message> | AsyncIterator<Message>, isUnattended: boolean): Promise<void> {
  const left = (async () => void await source.return?.())();
  if (isUnattended) left.catch(() => {});
  else await left;
}

/** By its look, not by its class: a promise may be one of another realm, or of a library. */
function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

function iteratorOf(messages: Messages): Iterator<Message> | AsyncIterator<Message> {
  if (typeof messages === "object" && messages !== null) {
    if (Symbol.asyncIterator in messages) return messages[Symbol.asyncIterator]();
    if (Symbol.iterator in messages) return messages[Symbol.iterator]();
  }
  throw wrong("messages", "a list or a generator of messages", messages);
}
