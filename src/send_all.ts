/** Many messages, from any source, to as many outcomes in their order. */
import { SmtpConnectionError } from "./errors.ts";
import type { Message } from "./message.ts";
import { outcomeOf, type SendOutcome } from "./outcome.ts";
import type { SendResult } from "./transaction.ts";
import { quoted } from "./wire/text.ts";

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
  let reading: Promise<void> | undefined;
  const take = (next: IteratorResult<Message>): void => {
    if (next.done) isOver = true;
    else underWay.push(outcomeOf(next.value, sender.send(next.value, withdrawn.signal)));
  };
  const fail = (cause: unknown): void => {
    isOver = true;
    failure = { cause };
  };
  const readOn = (): void => {
    while (!isOver && reading === undefined && underWay.length < limit) {
      if (signal?.aborted) return fail(new SmtpConnectionError("aborted", "sendAll was aborted", { phase: "local", cause: signal.reason }));
      try {
        const next = source.next();
        if (!(next instanceof Promise)) take(next);
        else {
          reading = next.then(take, fail).then(() => {
            reading = undefined;
            readOn();
          });
        }
      } catch (cause) {
        fail(cause);
      }
    }
  };
  try {
    for (readOn(); underWay.length > 0 || !isOver; readOn()) {
      if (underWay.length === 0) await reading;
      else {
        yield await underWay[0]!;
        underWay.shift();
      }
    }
    if (failure !== undefined) throw failure.cause;
  } finally {
    withdrawn.abort();
    isOver = true;
    await Promise.all(underWay);
    await source.return?.();
  }
}

function iteratorOf(messages: Messages): Iterator<Message> | AsyncIterator<Message> {
  if (typeof messages === "object" && messages !== null) {
    if (Symbol.asyncIterator in messages) return messages[Symbol.asyncIterator]();
    if (Symbol.iterator in messages) return messages[Symbol.iterator]();
  }
  throw new TypeError(`Cannot use messages as it must be a list or a generator of messages: current value is ${quoted(messages)}`);
}
