import { checkLineEndings, edited, LineEdits, type LineEndings } from "./line_edits.ts";
import { checkContent } from "./octets.ts";
import { own } from "./own.ts";

export type { LineEndings };

/** Options of {@linkcode DotStuffer}. */
export interface DotStufferOptions {
  /** What to do with a lone CR or LF; default `"normalize"`. */
  readonly lineEndings?: LineEndings;
  /** Whether dots are doubled and the final dot is given, as DATA wants it; without, the content is ready for BDAT. Default `true`. */
  readonly dots?: boolean;
}

/**
 * Makes content ready for DATA, however it is cut into chunks: a dot at the start of a line is doubled, every line ends in CRLF, and
 * {@linkcode DotStuffer.finish} gives the end of the last line, where it has none, and the final dot.
 *
 * Source: RFC 5321 sections 2.3.8, 4.1.1.4 and 4.5.2.
 *
 * @example
 * ```ts
 * import { DotStuffer } from "@posthorn/smtp";
 *
 * const stuffer = new DotStuffer();
 * const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
 * text(stuffer.push(new TextEncoder().encode("one\n.two"))); // "one\r\n..two"
 * text(stuffer.finish()); // "\r\n.\r\n"
 * ```
 */
export class DotStuffer {
  readonly #edits: LineEdits;

  /**
   * A stuffer at the start of a message.
   *
   * @throws {TypeError} When an option is none.
   */
  constructor(options: DotStufferOptions = {}) {
    const { lineEndings = "normalize", dots = true }: DotStufferOptions = own(options);
    this.#edits = new LineEdits(checkLineEndings(lineEndings), dots);
  }

  /**
   * The octets to write for `chunk`; the chunk itself where nothing had to change.
   *
   * @throws {TypeError} When a CR or an LF stands alone and they are rejected, or when `chunk` is no Uint8Array: it would pass unchanged.
   */
  push(chunk: Uint8Array): Uint8Array {
    checkContent("a chunk", chunk);
    return edited(chunk, this.#edits.push(chunk), (length) => new Uint8Array(length));
  }

  /**
   * The end of the content: CRLF where the last line has none, and the final dot where dots are asked for.
   *
   * @throws {TypeError} When the content ends in a lone CR and they are rejected.
   */
  finish(): Uint8Array {
    return this.#edits.finish();
  }
}
