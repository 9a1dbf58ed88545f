import { CR, DOT, LF, LineEnds } from "./octets.ts";

/**
 * What to do with a CR or an LF that stands alone in the content: `"normalize"` makes it a CRLF, `"reject"` throws. Either way none goes out: a
 * server that takes one for the end of a line can be made to see two messages in one (CVE-2023-51764 and its kin).
 */
export type LineEndings = "normalize" | "reject";

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
 * Every change is an octet put in, so a chunk that needs none is handed on as it is.
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
  readonly #reject: boolean;
  readonly #dots: boolean;
  /** What stands before the next octet: the end of a line (or nothing), a CR whose LF may follow, or the line itself. */
  #after: "end" | "cr" | "text" = "end";

  /** A stuffer at the start of a message. */
  constructor(options: DotStufferOptions = {}) {
    this.#reject = options.lineEndings === "reject";
    this.#dots = options.dots ?? true;
  }

  /**
   * The octets to write for `chunk`; the chunk itself where nothing had to change.
   *
   * @throws {TypeError} When a CR or an LF stands alone and they are rejected.
   */
  push(chunk: Uint8Array): Uint8Array {
    const { length } = chunk;
    if (length === 0) return chunk;
    const edits: Edit[] = [];
    let index = 0;
    if (this.#after === "cr") {
      if (chunk[0] === LF) index = 1;
      else this.#mend("CR", edits, { index: 0, octet: LF });
      this.#after = "end";
    }
    const ends = new LineEnds(chunk);
    while (index < length) {
      if (this.#dots && this.#after === "end" && chunk[index] === DOT) edits.push({ index, octet: DOT });
      const end = ends.next(index);
      this.#after = end === length ? "text" : end + 1 === length && chunk[end] === CR ? "cr" : "end";
      index = end + 1;
      if (this.#after !== "end") break;
      if (chunk[end] === LF) this.#mend("LF", edits, { index: end, octet: CR });
      else if (chunk[index] === LF) index++;
      else this.#mend("CR", edits, { index, octet: LF });
    }
    return edits.length === 0 ? chunk : applied(chunk, edits);
  }

  /**
   * The end of the content: CRLF where the last line has none, and the final dot where dots are asked for.
   *
   * @throws {TypeError} When the content ends in a lone CR and they are rejected.
   */
  finish(): Uint8Array {
    const after = this.#after;
    this.#after = "end";
    if (after === "cr" && this.#reject) throw lone("CR");
    const end = after === "end" ? FINAL_DOT : after === "cr" ? LF_FINAL_DOT : CRLF_FINAL_DOT;
    return this.#dots ? end : end.subarray(0, -FINAL_DOT.length);
  }

  #mend(name: "CR" | "LF", edits: Edit[], edit: Edit): void {
    if (this.#reject) throw lone(name);
    edits.push(edit);
  }
}

/** An octet to put in before the octet at `index`. */
interface Edit {
  readonly index: number;
  readonly octet: number;
}

const FINAL_DOT: Uint8Array = Uint8Array.of(DOT, CR, LF);
const LF_FINAL_DOT: Uint8Array = Uint8Array.of(LF, DOT, CR, LF);
const CRLF_FINAL_DOT: Uint8Array = Uint8Array.of(CR, LF, DOT, CR, LF);

function applied(chunk: Uint8Array, edits: readonly Edit[]): Uint8Array {
  const result = new Uint8Array(chunk.length + edits.length);
  // From the end of the result each piece moves to its place, so none needs a view of its own.
  result.set(chunk, edits.length);
  let from = 0;
  let shift = 0;
  for (const { index, octet } of edits) {
    result.copyWithin(from + shift, from + edits.length, index + edits.length);
    result[index + shift++] = octet;
    from = index;
  }
  return result;
}

function lone(name: "CR" | "LF"): TypeError {
  return new TypeError(`Cannot use content as a message as its lines must end in CRLF: it has a ${name} that stands alone`);
}
