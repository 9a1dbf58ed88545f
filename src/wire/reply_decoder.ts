import { SmtpProtocolError } from "../errors.ts";
import { LineDecoder, type LineDecoderOptions, MAX_LINE_LENGTH } from "./line_decoder.ts";
import { CR, HYPHEN, LF, SPACE } from "./octets.ts";
import { Reply } from "./reply.ts";
import { asciiText, decodeText, quoted } from "./text.ts";

/** Octets of one reply at the most, over all its lines: the largest EHLO replies have a few KiB. */
export const MAX_REPLY_LENGTH: number = 262_144;
/** Lines of one reply at the most: a server that never says the last line must not be listened to for ever. */
export const MAX_REPLY_LINES: number = 1_000;

/** Options of {@linkcode ReplyDecoder}. */
export interface ReplyDecoderOptions extends LineDecoderOptions {
  /** Octets of a reply at the most; default {@linkcode MAX_REPLY_LENGTH}. */
  readonly maxReplyLength?: number;
  /** Lines of a reply at the most; default {@linkcode MAX_REPLY_LINES}. */
  readonly maxReplyLines?: number;
}

/**
 * Turns octets into replies, however they are split.
 *
 * A line is three digits of which the first is 2 to 5, then a hyphen (more lines follow), a space, or its end. All lines of a reply bear the same
 * code: where they differ nobody can say which one counts, so that is an error and never a choice. Cost is linear in the octets.
 *
 * Source: RFC 5321 sections 4.2, 4.2.1 and 4.5.3.1.5.
 *
 * @example
 * ```ts
 * import { ReplyDecoder } from "@posthorn/smtp";
 *
 * const decoder = new ReplyDecoder();
 * const bytes = new TextEncoder().encode("250-mx.example\r\n250 PIPELINING\r\n");
 * for (const reply of decoder.push(bytes)) console.log(reply.code, reply.lines); // 250 ["mx.example", "PIPELINING"]
 * ```
 */
export class ReplyDecoder {
  /** For what does not lie in one chunk whole, and for what is too long. */
  readonly #lines: LineDecoder;
  readonly #maxLine: number;
  readonly #maxLength: number;
  readonly #maxLines: number;
  #code = 0;
  #texts: (Uint8Array | string)[] = [];
  #length = 0;
  /** The last reply of one line, and its text. */
  #latest: Reply | undefined;
  #latestText: Uint8Array | string = "";
  #fault: SmtpProtocolError | undefined;

  /** A decoder between two replies. */
  constructor(options: ReplyDecoderOptions = {}) {
    this.#lines = new LineDecoder(options);
    this.#maxLine = options.maxLineLength ?? MAX_LINE_LENGTH;
    this.#maxLength = options.maxReplyLength ?? MAX_REPLY_LENGTH;
    this.#maxLines = options.maxReplyLines ?? MAX_REPLY_LINES;
  }

  /** Whether everything that was pushed has become whole replies. */
  get isIdle(): boolean {
    return this.#lines.pending === 0 && this.#texts.length === 0;
  }

  /** What is wrong with the octets pushed so far; the decoder is of no use once there is something. */
  get fault(): SmtpProtocolError | undefined {
    return this.#fault ?? this.#lines.fault;
  }

  /**
   * The replies that end in `chunk`, which may be reused afterwards.
   *
   * @throws {SmtpProtocolError} At the first line that is none of a reply, or that goes beyond a limit. Replies before it are not lost: where there are
   * some they are returned, {@linkcode fault} is set, and the next call throws.
   */
  push(chunk: Uint8Array): Reply[] {
    const replies: Reply[] = [];
    try {
      if (this.#fault !== undefined) throw this.#fault;
      for (let start = 0; start < chunk.length;) {
        const lf = chunk.indexOf(LF, start);
        const next = lf < 0 ? chunk.length : lf + 1;
        // Read where it lies, since nearly every line comes whole and a view of it costs more than its few octets.
        if (lf >= 0 && this.#lines.pending === 0 && lf - start <= this.#maxLine) {
          this.#take(chunk, start, lf > start && chunk[lf - 1] === CR ? lf - 1 : lf, replies);
        } else {
          for (const line of this.#lines.push(chunk.subarray(start, next))) this.#take(line, 0, line.length, replies);
        }
        start = next;
      }
    } catch (error) {
      if (!(error instanceof SmtpProtocolError)) throw error;
      this.#fault = error;
      if (replies.length === 0) throw error;
    }
    return replies;
  }

  /**
   * Says that there are no more octets.
   *
   * @throws {SmtpProtocolError} When they end inside a reply.
   */
  finish(): void {
    if (this.fault !== undefined) throw this.fault;
    if (!this.isIdle) throw protocolError("The server's octets end inside a reply");
  }

  /** Takes the line of `octets` from `start` to `end`, and puts the reply that it ends to `replies`. */
  #take(octets: Uint8Array, start: number, end: number, replies: Reply[]): void {
    const code = replyCode(octets, start, end);
    if (code === undefined) throw protocolError(`The server sent a line that is no reply: ${quoted(decodeText(octets.subarray(start, end)))}`);
    if (this.#texts.length > 0 && code !== this.#code) {
      throw protocolError(`The server sent one reply with two codes, ${this.#code} and ${code}`);
    }
    this.#length += end - start;
    if (this.#length > this.#maxLength) throw protocolError(`A reply of the server has more than ${this.#maxLength} octets`);
    if (this.#texts.length >= this.#maxLines) throw protocolError(`A reply of the server has more than ${this.#maxLines} lines`);
    const from = Math.min(start + 4, end);
    if (end > start + 3 && octets[start + 3] === HYPHEN) {
      this.#code = code;
      this.#texts.push(kept(octets, from, end));
      return;
    }
    if (this.#texts.length === 0) replies.push(this.#ofOneLine(code, octets, from, end));
    else {
      replies.push(new Reply(code, [...this.#texts, kept(octets, from, end)]));
      this.#texts = [];
    }
    this.#length = 0;
  }

  /** A server says the same to each of many recipients, and they share it. */
  #ofOneLine(code: number, octets: Uint8Array, from: number, end: number): Reply {
    if (code === this.#latest?.code && isText(octets, from, end, this.#latestText)) return this.#latest;
    this.#latestText = kept(octets, from, end);
    return this.#latest = new Reply(code, [this.#latestText]);
  }
}

/** Octets up to which text costs no more than a copy of them: "2.1.5 Ok". */
const SHORT = 32;

/** What outlives the chunk: short text as it is read at once, of a longer one its octets, since most are never read. */
function kept(octets: Uint8Array, start: number, end: number): Uint8Array | string {
  const text = end - start <= SHORT ? asciiText(octets, start, end) : undefined;
  // A copy by the constructor: a subclass of Uint8Array may have a slice() that shares the octets.
  return text ?? new Uint8Array(octets.subarray(start, end));
}

function isText(octets: Uint8Array, start: number, end: number, text: Uint8Array | string): boolean {
  if (typeof text !== "string" || text.length !== end - start) return false;
  // From behind, since it is there that replies differ.
  for (let index = text.length - 1; index >= 0; index--) if (text.charCodeAt(index) !== octets[start + index]) return false;
  return true;
}

function replyCode(octets: Uint8Array, start: number, end: number): number | undefined {
  if (end - start < 3) return undefined;
  const a = octets[start]!;
  const b = octets[start + 1]!;
  const c = octets[start + 2]!;
  if (a < 50 || a > 53 || b < 48 || b > 57 || c < 48 || c > 57) return undefined;
  const separator = end - start > 3 ? octets[start + 3] : SPACE;
  if (separator !== SPACE && separator !== HYPHEN) return undefined;
  return (a - 48) * 100 + (b - 48) * 10 + (c - 48);
}

function protocolError(message: string): SmtpProtocolError {
  return new SmtpProtocolError(message, { phase: "command" });
}
