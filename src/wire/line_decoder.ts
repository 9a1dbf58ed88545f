import { SmtpProtocolError } from "../errors.ts";
import { CR, LF } from "./octets.ts";

/**
 * Octets of one reply line at the most, its end not counted. RFC 5321 section 4.5.3.1.5 says 512; real servers send 3 KiB; a line without an end
 * must not fill the memory.
 */
export const MAX_LINE_LENGTH: number = 16_384;

/** Options of {@linkcode LineDecoder}. */
export interface LineDecoderOptions {
  /** Octets of a line at the most, its end not counted; default {@linkcode MAX_LINE_LENGTH}. */
  readonly maxLineLength?: number;
}

/**
 * Splits octets into lines. A line ends at LF, and one CR before it belongs to the end; a bare CR is part of the line. What is not a whole line
 * yet is copied, so a chunk may be reused as soon as its lines have been taken.
 *
 * @example
 * ```ts
 * import { LineDecoder } from "@posthorn/smtp";
 *
 * const decoder = new LineDecoder();
 * const bytes = new TextEncoder().encode("250-a\r\n250 b\r\n25");
 * const lines = [...decoder.push(bytes)].map((line) => new TextDecoder().decode(line)); // ["250-a", "250 b"]
 * decoder.pending; // 2
 * ```
 *
 * Source: RFC 5321 sections 2.3.8 and 4.2.
 */
export class LineDecoder {
  readonly #limit: number;
  #buffer = new Uint8Array(0);
  #length = 0;

  /** A decoder with nothing pending. */
  constructor(options: LineDecoderOptions = {}) {
    this.#limit = options.maxLineLength ?? MAX_LINE_LENGTH;
  }

  /** Octets of a line that has no end yet. */
  get pending(): number {
    return this.#length;
  }

  /**
   * The lines that end in `chunk`, without their ends. Each is a view that is good until the next `push`; what was not taken from the iterator is
   * not decoded.
   *
   * @throws {SmtpProtocolError} When a line is longer than the limit; the lines before it come first.
   */
  *push(chunk: Uint8Array): Generator<Uint8Array, void> {
    let start = 0;
    for (;;) {
      const lf = chunk.indexOf(LF, start);
      const end = lf < 0 ? chunk.length : lf;
      // One octet more than the limit may be the CR of the line's end.
      if (this.#length + end - start > this.#limit + 1) throw tooLong(this.#limit);
      if (lf < 0) {
        this.#keep(chunk.subarray(start));
        return;
      }
      const line = this.#complete(chunk.subarray(start, end));
      if (line.length > this.#limit) throw tooLong(this.#limit);
      start = lf + 1;
      yield line;
    }
  }

  /** The rest that no LF ended, or `undefined`; the decoder is empty afterwards. */
  finish(): Uint8Array | undefined {
    const rest = this.#length === 0 ? undefined : this.#buffer.slice(0, this.#length);
    this.#length = 0;
    return rest;
  }

  #complete(tail: Uint8Array): Uint8Array {
    if (this.#length === 0) return withoutCr(tail);
    this.#keep(tail);
    const line = withoutCr(this.#buffer.subarray(0, this.#length));
    this.#length = 0;
    return line;
  }

  #keep(octets: Uint8Array): void {
    const needed = this.#length + octets.length;
    if (needed > this.#buffer.length) {
      // Doubling keeps a line that comes octet by octet linear.
      const grown = new Uint8Array(Math.max(needed, this.#buffer.length * 2, 256));
      grown.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = grown;
    }
    this.#buffer.set(octets, this.#length);
    this.#length = needed;
  }
}

function withoutCr(line: Uint8Array): Uint8Array {
  return line.at(-1) === CR ? line.subarray(0, -1) : line;
}

function tooLong(limit: number): SmtpProtocolError {
  return new SmtpProtocolError(`A line of the server has more than ${limit} octets`, { phase: "command" });
}
