/**
 * The content of a message, from whatever the caller has to what the pipeline writes. Content in memory is described beforehand (SIZE, 8BITMIME); a
 * stream is described as it flows, and one that breaks a promise made to the server ends the message before its final dot.
 */
import { type SmtpErrorFacts, SmtpUnsupportedError } from "./errors.ts";
import type { Clock } from "./session/clock.ts";
import { Deadline } from "./session/deadline.ts";
import type { Content, ContentPiece } from "./session/task.ts";
import { type ContentFacts, contentFacts, isEightBit } from "./wire/content.ts";
import { checkLineEndings, edited, LineEdits, type LineEndings } from "./wire/line_edits.ts";
import { checkContent, CR, gathered, lengthOf, LF, settledOctets } from "./wire/octets.ts";
import { encodeText } from "./wire/text.ts";
import { wrong } from "./wire/wrong.ts";

/**
 * A message's content: headers, an empty line, body. Text is Unicode and goes out as UTF-8. A stream can be sent once; a function that opens one can
 * be asked again, so such a message can be sent again.
 *
 * A `Uint8Array` of at most 64 KiB is copied when the message is sent. A larger one, and a chunk of a stream, must stay as it is until the message is
 * done with: one that becomes shorter, since its buffer was handed on, is an {@linkcode SmtpBodyError}.
 */
export type MessageBody = string | Uint8Array | Blob | ReadableStream<Uint8Array> | (() => ReadableStream<Uint8Array>);

/** Octets of content that are written at once at most: each write has its own deadline, and what is under way has to fit in memory. */
const BLOCK = 65_536;
/** Octets gathered from small chunks before they are written: a write of one octet costs as much as one of a few thousand. */
const GATHER = 16_384;
/** Octets gathered for one BDAT: each is answered, and a reply costs as much as many thousand octets do. */
const CHUNK = 524_288;
/** Octets of room beyond those of one block: the next one may need more dots. */
const SLACK = 4_096;
/** How long gathered octets wait for more of a slow source, in milliseconds: a server that hears nothing for minutes hangs up. */
const PATIENCE = 1_000;

/**
 * How content stands on the wire. `"data"`: dots doubled, lines ended by CRLF, the final dot (RFC 5321 section 4.5.2). `"bdat"`: lines ended by CRLF,
 * counted (RFC 3030 section 2). `"binary"`: counted, as it is (RFC 3030 section 3).
 */
export type Framing = "data" | "bdat" | "binary";

/** A body that was checked, and what is known of it. */
export interface PreparedBody {
  /** What is known beforehand: all of it for content in memory, nothing for a stream. */
  readonly facts: ContentFacts | undefined;
  /** Whether it can be opened more than once. */
  readonly isRepeatable: boolean;
  /** @throws {TypeError} When somebody else has begun to read it meanwhile. */
  assertUnread?(): void;
  /** Begins to read it. */
  open(promise: ContentPromise): Content;
  /** The whole of it as it stands on the wire, where it is in memory; what was prepared among the parts, uncopied, where nothing in it has to change. */
  parts?(framing: Framing): readonly Uint8Array[];
}

/** What was promised to the server about the content. */
export interface ContentPromise {
  readonly framing: Framing;
  /** Whether octets above 127 may come (RFC 6152). */
  readonly isEightBitAllowed: boolean;
  /** Octets at most (RFC 1870), where there is a limit. */
  readonly maxSize?: number | undefined;
  readonly clock: Clock;
  /** What the error of a broken promise should say besides. */
  readonly about?: () => Partial<SmtpErrorFacts>;
}

/**
 * Checks `body` and reads what can be known before it is sent.
 *
 * @throws {TypeError} When it is none, is a stream in use, is text with lone surrogates, which UTF-8 cannot say, or is in memory and has a lone CR or
 * LF where they are rejected.
 */
export function prepareBody(body: MessageBody, lineEndings: LineEndings, isBinary = false): PreparedBody {
  checkLineEndings(lineEndings);
  if (typeof body === "string") {
    if (/\p{Cs}/u.test(body)) throw new TypeError("Cannot use body as a message as it must be well-formed Unicode: it has a lone surrogate");
    return prepareOctets(encodeText(body), lineEndings, isBinary);
  }
  if (body instanceof Uint8Array) {
    checkContent("body", body);
    // A copy, where it is cheap, since the caller may use the array again before it is written: what was looked at is what goes out.
    return prepareOctets(body.length <= BLOCK ? new Uint8Array(body) : settledOctets(body), lineEndings, isBinary);
  }
  const assertUnread = (): void => {
    if (body instanceof ReadableStream && body.locked) {
      throw new TypeError("Cannot use body as a message as it must be a stream that nobody reads: it is locked");
    }
  };
  assertUnread();
  const open = opener(body);
  if (open !== undefined) {
    const isRepeatable = !(body instanceof ReadableStream);
    return {
      facts: undefined,
      isRepeatable,
      assertUnread,
      open: (promise) => new FramedContent(lazySource(open), framerOf(promise.framing, lineEndings), promise),
    };
  }
  throw wrong("body as a message", "text, a Uint8Array, a Blob, a ReadableStream or a function that opens one", body);
}

/** Content that is whole in memory. */
function prepareOctets(octets: Uint8Array, lineEndings: LineEndings, isBinary: boolean): PreparedBody {
  const { length } = octets;
  const facts = { ...contentFacts(octets), ...(isBinary && { octets: length }) };
  if (!isBinary && lineEndings === "reject" && facts.hasLoneLineEnd) {
    throw new TypeError("Cannot use body as a message as its lines must end in CRLF");
  }
  // What goes by DATA is looked at again: in a body that its owner changes meanwhile a lone dot would make commands of the rest.
  const framer = (framing: Framing) => framing === "bdat" && !facts.hasLoneLineEnd ? wellFormed(length, facts) : framerOf(framing, lineEndings);
  return {
    facts,
    isRepeatable: true,
    open: (promise) => new FramedContent(singleChunk(octets, length), framer(promise.framing), promise),
    parts: (framing) => {
      const { push, finish } = framer(framing);
      return [push(octets, fresh), finish()].filter(({ length }) => length > 0);
    },
  };
}

function opener(body: Exclude<MessageBody, string | Uint8Array>): (() => ReadableStream<Uint8Array>) | undefined {
  if (body instanceof Blob) return () => body.stream();
  if (body instanceof ReadableStream) return () => body;
  return typeof body === "function" ? body : undefined;
}

/** What a source gives at a time, as a stream says it. */
interface Given {
  readonly done: boolean;
  readonly value?: Uint8Array | undefined;
}

/** The chunks of a source, one behind the other. */
interface Source {
  read(): Promise<Given>;
  cancel(reason: unknown): void;
}

/** @param length Octets that it had when it was looked at. */
function singleChunk(chunk: Uint8Array, length: number): Source {
  let rest: Uint8Array | undefined = chunk;
  return {
    // deno-lint-ignore require-await -- what it throws is to reject
    read: async () => {
      const value = rest;
      rest = undefined;
      if (value !== undefined) checkAllThere(value.length, length);
      return { done: value === undefined, value };
    },
    cancel: () => {},
  };
}

/** A stream that is opened when it is first read, so that one whose message is refused before is still whole. */
function lazySource(open: () => ReadableStream<Uint8Array>): Source {
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  let given: { readonly reason: unknown } | undefined;
  const cancel = () => void reader?.cancel(given?.reason).catch(() => {});
  return {
    read(): Promise<Given> {
      reader ??= open().getReader();
      // Whoever opens it may have ended the connection.
      if (given !== undefined) cancel();
      return reader.read();
    },
    cancel(reason): void {
      given = { reason };
      cancel();
    },
  };
}

/** What stands between a source and the wire. */
interface Framer {
  /** `block` as it stands on the wire: itself, or changed, in room that `take` gives. */
  push(block: Uint8Array, take: (length: number) => Uint8Array): Uint8Array;
  /** What stands behind the last block. */
  finish(): Uint8Array;
}

const NOTHING = new Uint8Array(0);
const CRLF = Uint8Array.of(CR, LF);
const AS_IT_IS: Framer = { push: (block) => block, finish: () => NOTHING };

function framerOf(framing: Framing, lineEndings: LineEndings): Framer {
  if (framing === "binary") return AS_IT_IS;
  const edits = new LineEdits(lineEndings, framing === "data");
  return { push: (block, take) => edited(block, edits.push(block), take), finish: () => edits.finish() };
}

/** The framer of counted content of which is known that its lines end in CRLF: the end of the last one is all there may be to add. */
function wellFormed(length: number, { octets }: ContentFacts): Framer {
  const end = octets === length ? NOTHING : CRLF;
  return { push: (block) => block, finish: () => end };
}

/** @throws {TypeError} When of `octets` that were there when they were looked at only `left` still are. */
function checkAllThere(left: number, octets: number): void {
  if (left !== octets) throw new TypeError(`Cannot use body as content as it must stay as it is: ${octets - left} octets are gone`);
}

function fresh(length: number): Uint8Array {
  return new Uint8Array(length);
}

/** Room for blocks that have to change. It is used again once the socket has taken what stood in it: fresh memory costs more than the copy does. */
class Rooms {
  readonly #spare: Uint8Array[] = [];

  /** Room of `length` octets, at the beginning of what is put into `lent`. */
  take(length: number, lent: Uint8Array[]): Uint8Array {
    // Small blocks are put together, so their room is of no use for long.
    if (length < GATHER) return new Uint8Array(length);
    const spare = this.#spare.pop();
    // One that is too small is left to the collector, so there are never more of them than were lent at a time.
    const room = spare !== undefined && spare.length >= length ? spare : new Uint8Array(length + SLACK);
    lent.push(room);
    return room.subarray(0, length);
  }

  /** Nobody looks any more at what stands in `lent`. */
  release(lent: Uint8Array[]): void {
    this.#spare.push(...lent.splice(0));
  }
}

/** Content in pieces of a good size, framed, with its end in the same piece as what comes before it. */
class FramedContent implements Content {
  readonly #source: Source;
  readonly #promise: ContentPromise;
  readonly #framer: Framer;
  readonly #gather: number;
  readonly #rooms = new Rooms();
  /** What the source gave and the socket has not taken. */
  #rest: Uint8Array = NOTHING;
  #octets = 0;
  /** How many of them were handed on. */
  #framed = 0;
  /** The chunk that is being read; the piece before may have left it behind. */
  #reading: Promise<Uint8Array | undefined> | undefined;
  /** The moment from which the source is late: one timer for all pieces. */
  readonly #patience: Deadline;
  #onLate = () => {};
  #isCancelled = false;

  constructor(source: Source, framer: Framer, promise: ContentPromise) {
    this.#source = source;
    this.#promise = promise;
    this.#framer = framer;
    this.#gather = promise.framing === "data" ? GATHER : CHUNK;
    this.#patience = new Deadline(promise.clock, () => this.#onLate());
  }

  async next(): Promise<ContentPiece> {
    const parts: Uint8Array[] = [];
    const lent: Uint8Array[] = [];
    const take = (length: number) => this.#rooms.take(length, lent);
    let framed = 0;
    for (let length = 0; length < this.#gather;) {
      if (this.#rest.length === 0) {
        const chunk = await (length === 0 ? this.#read() : this.#readInTime());
        if (chunk === "late") break;
        if (chunk === undefined) return this.#end(parts, framed);
        this.#rest = chunk;
      }
      // Views cost more than what else is done with a block that needs no change, so most have none.
      const rest = this.#rest;
      const isWhole = rest.length <= BLOCK;
      const block = isWhole ? rest : rest.subarray(0, BLOCK);
      this.#rest = isWhole ? NOTHING : rest.subarray(BLOCK);
      this.#framed += block.length;
      const part = this.#framer.push(block, take);
      parts.push(part);
      framed += part.length;
      if (length === 0 && block.length < this.#gather && !this.#isCancelled) this.#patience.set(PATIENCE);
      length += block.length;
    }
    this.#patience.pause();
    checkAllThere(lengthOf(parts), framed);
    return { parts: gathered(parts), last: false, release: () => this.#rooms.release(lent) };
  }

  cancel(reason: unknown): void {
    this.#isCancelled = true;
    this.#patience.clear();
    this.#source.cancel(reason);
  }

  #end(parts: readonly Uint8Array[], framed: number): ContentPiece {
    this.#patience.clear();
    checkAllThere(lengthOf(parts), framed);
    // A chunk whose buffer was handed on meanwhile has no octets any more, and then this is not the end.
    checkAllThere(this.#framed, this.#octets);
    return { parts: gathered([...parts, this.#framer.finish()]), last: true };
  }

  /** Reads on, and holds the source to what was promised. */
  #read(): Promise<Uint8Array | undefined> {
    return this.#reading ??= this.#readChecked();
  }

  async #readChecked(): Promise<Uint8Array | undefined> {
    const { done, value } = await this.#source.read();
    this.#reading = undefined;
    if (done) return undefined;
    const chunk = settledOctets(checkContent("a chunk of body", value));
    const { isEightBitAllowed, maxSize, about } = this.#promise;
    this.#octets += chunk.length;
    if (maxSize !== undefined && this.#octets > maxSize) throw tooLarge(maxSize, { phase: "data", ...about?.() });
    if (!isEightBitAllowed && isEightBit(chunk)) throw eightBit({ phase: "data", ...about?.() });
    return chunk;
  }

  /** Reads on while the source is not late. What comes later is for the next piece, or for nobody. */
  #readInTime(): Promise<Uint8Array | "late" | undefined> {
    return new Promise((resolve, reject) => {
      const onLate = () => resolve("late");
      this.#onLate = onLate;
      this.#read().then(resolve, reject);
    });
  }
}

/** The error of 8-bit content without 8BITMIME (RFC 6152 section 3). */
export function eightBit(facts: SmtpErrorFacts): SmtpUnsupportedError {
  return new SmtpUnsupportedError("unsupported", "The message has octets above 127 and the server does not offer 8BITMIME", {
    ...facts,
    hint: "encode its parts as quoted-printable or base64",
  });
}

/** The error of a message beyond the server's SIZE (RFC 1870 section 6.1). */
export function tooLarge(maxSize: number, facts: SmtpErrorFacts): SmtpUnsupportedError {
  return new SmtpUnsupportedError("too-large", `The message is larger than the ${maxSize} octets that the server takes`, facts);
}
