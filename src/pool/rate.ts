/** A rate limit: one token bucket for each thing that is counted, and one timer for all. */
import type { MessageBody } from "../body.ts";
import type { Message } from "../message.ts";
import type { Clock } from "../session/clock.ts";
import { MAX_TIMEOUT } from "../session/timeouts.ts";
import { encodeText } from "../wire/text.ts";
import type { RateLimit } from "./options.ts";

/** Seconds' worth that may be saved up, where nothing else is said: enough to make up for timers that are late. */
const BURST = 0.1;
/** What sums of fractions may be off. */
const TOLERANCE = 1e-9;

/**
 * A token bucket that may go into debt: a message leaves when there is a token, whatever it costs, and what it costs beyond is waited for before the
 * next. It begins with one token, so that nothing leaves faster than the rate from the very first message on.
 */
class Bucket {
  readonly #perMillisecond: number;
  readonly #capacity: number;
  #tokens = 1;
  #at: number;

  constructor(perSecond: number, burst: number, now: number) {
    this.#perMillisecond = perSecond / 1000;
    this.#capacity = Math.max(1, perSecond * burst);
    this.#at = now;
  }

  /** Milliseconds until there is a token. */
  wait(now: number): number {
    this.#tokens = Math.min(this.#capacity, this.#tokens + Math.max(0, now - this.#at) * this.#perMillisecond);
    this.#at = now;
    return this.#tokens >= 1 - TOLERANCE ? 0 : (1 - this.#tokens) / this.#perMillisecond;
  }

  /** Messages that might leave now, if each cost one token. */
  get tokens(): number {
    return Math.floor(this.#tokens + TOLERANCE);
  }

  take(cost: number): void {
    this.#tokens -= cost;
  }
}

/** See the head of the file. */
export class Rate {
  readonly #clock: Clock;
  readonly #onReady: () => void;
  readonly #messages: Bucket | undefined;
  readonly #recipients: Bucket | undefined;
  readonly #octets: Bucket | undefined;
  readonly #buckets: readonly Bucket[];
  #cancel: (() => void) | undefined;

  /** `onReady` is called when something may leave again. */
  constructor({ messages, recipients, octets, burst = BURST }: RateLimit, clock: Clock, onReady: () => void) {
    const bucket = (perSecond: number | undefined) => perSecond === undefined ? undefined : new Bucket(perSecond, burst, clock.now());
    this.#clock = clock;
    this.#onReady = onReady;
    this.#messages = bucket(messages);
    this.#recipients = bucket(recipients);
    this.#octets = bucket(octets);
    this.#buckets = [this.#messages, this.#recipients, this.#octets].filter((bucket) => bucket !== undefined);
  }

  /** How many messages may leave now, to one recipient and of one octet each; with none, `onReady` will be called. */
  allowance(): number {
    if (this.#cancel !== undefined) return 0;
    const now = this.#clock.now();
    const wait = Math.max(0, ...this.#buckets.map((bucket) => bucket.wait(now)));
    if (wait === 0) return Math.min(...this.#buckets.map(({ tokens }) => tokens));
    this.#cancel = this.#clock.schedule(() => {
      this.#cancel = undefined;
      this.#onReady();
    }, Math.min(MAX_TIMEOUT, Math.ceil(wait)));
    return 0;
  }

  /** Counts `message`, which leaves now; what is to be sent in its place, since the octets of a stream are counted as they flow. */
  take(message: Message): Message {
    const { to, body } = message;
    this.#messages?.take(1);
    this.#recipients?.take(Array.isArray(to) ? to.length : 1);
    const bucket = this.#octets;
    if (bucket === undefined) return message;
    if (typeof body === "string") bucket.take(encodeText(body).length);
    else if (body instanceof Uint8Array) bucket.take(body.length);
    else if (body instanceof Blob) bucket.take(body.size);
    else return { ...message, body: counted(body, (octets) => bucket.take(octets)) };
    return message;
  }

  /** Leaves no timer. */
  clear(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}

/** The same content, whose octets are told to `count` when they are read. It is opened no earlier than it is read, and as often as `body` can be. */
function counted(body: Exclude<MessageBody, string | Uint8Array | Blob>, count: (octets: number) => void): MessageBody {
  if (typeof body === "function") return () => counting(body, count);
  return body instanceof ReadableStream && !body.locked ? counting(() => body, count) : body;
}

function counting(open: () => ReadableStream<Uint8Array>, count: (octets: number) => void): ReadableStream<Uint8Array> {
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  return new ReadableStream<Uint8Array>({
    async pull(controller): Promise<void> {
      reader ??= open().getReader();
      const { done, value } = await reader.read();
      if (done) return controller.close();
      // Anything else is an error of whoever reads it.
      if (value instanceof Uint8Array) count(value.length);
      controller.enqueue(value);
    },
    cancel: (reason) => reader?.cancel(reason),
  }, { highWaterMark: 0 });
}
