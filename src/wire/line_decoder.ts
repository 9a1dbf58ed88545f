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
 * yet is copied, so a chunk may be reused as soon as its lines have been read.
 *
 * Source: RFC 5321 sections 2.3.8 and 4.2.
 *
 * @example
 * ```ts
 * import { LineDecoder } from "@posthorn/smtp";
 *
 * const decoder = new LineDecoder();
 * const bytes = new TextEncoder().encode("250-a\r\n250 b\r\n25");
 * const lines = decoder.push(bytes).map((line) => new TextDecoder().decode(line)); // ["250-a", "250 b"]
 * decoder.pending; // 2
 * ```
 */
export class LineDecoder {
  readonly #limit: number;
  #buffer = new Uint8Array(0);
  #length = 0;
  #fault: SmtpProtocolError | undefined;

  /** A decoder with nothing pending. */
  constructor(options: LineDecoderOptions = {}) {
    this.#limit = options.maxLineLength ?? MAX_LINE_LENGTH;
  }

  /** Octets of a line that has no end yet. */
  get pending(): number {
    return this.#length;
  }

  /** What is wrong with the octets pushed so far; the decoder is of no use once there is something. */
  get fault(): SmtpProtocolError | undefined {
    return this.#fault;
  }

  /**
   * The lines that end in `chunk`, without their ends; views of it where they lie in it whole.
   *
   * @throws {SmtpProtocolError} When a line is longer than the limit. Lines before it are not lost: where there are some they are returned, {@linkcode
   * fault} is set, and the next call throws.
   */
  push(chunk: Uint8Array): Uint8Array[] {
    if (this.#fault !== undefined) throw this.#fault;
    const lines: Uint8Array[] = [];
    for (let start = 0;;) {
      const lf = chunk.indexOf(LF, start);
      const tail = chunk.subarray(start, lf < 0 ? chunk.length : lf);
      // One octet more than the limit may be the CR of the line's end.
      const isTooLong = this.#length + tail.length > this.#limit + 1;
      if (lf < 0 && !isTooLong) {
        this.#keep(tail);
        return lines;
      }
      const line = isTooLong ? tail : this.#complete(tail);
      if (isTooLong || line.length > this.#limit) {
        this.#fault = new SmtpProtocolError(`A line of the server has more than ${this.#limit} octets`, { phase: "command" });
        if (lines.length === 0) throw this.#fault;
        return lines;
      }
      lines.push(line);
      start = lf + 1;
    }
  }

  /** The rest that no LF ended, or `undefined`; the decoder is empty afterwards. */
  finish(): Uint8Array | undefined {
    return this.#length === 0 ? undefined : this.#take();
  }

  #take(): Uint8Array {
    const kept = this.#buffer.slice(0, this.#length);
    this.#length = 0;
    return kept;
  }

  #complete(tail: Uint8Array): Uint8Array {
    if (this.#length === 0) return withoutCr(tail);
    this.#keep(tail);
    return withoutCr(this.#take());
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
