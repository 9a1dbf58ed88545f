import { OctetScan } from "./octet_scan.ts";
import { CR, DOT, LF } from "./octets.ts";
import { wrong } from "./wrong.ts";

/**
 * What to do with a CR or an LF that stands alone in the content: `"normalize"` makes it a CRLF, `"reject"` throws. Either way none goes out: a
 * server that takes one for the end of a line can be made to see two messages in one (CVE-2023-51764 and its kin).
 */
export type LineEndings = "normalize" | "reject";

/** @throws {TypeError} When `value` is none of them. */
export function checkLineEndings(value: LineEndings): LineEndings {
  if (value === "normalize" || value === "reject") return value;
  throw wrong("lineEndings", '"normalize" or "reject"', value);
}

/** An octet to put in before the octet at `index`. */
export interface Edit {
  readonly index: number;
  readonly octet: number;
}

/**
 * What has to be put into content, however it is cut into chunks, so that each line ends in CRLF, and each dot at the start of a line is doubled where
 * dots are asked for. Nothing is ever taken out or replaced.
 */
export class LineEdits {
  readonly #reject: boolean;
  readonly #dots: boolean;
  /** What stands before the next octet: the end of a line (or nothing), a CR whose LF may follow, or the line itself. */
  #after: "end" | "cr" | "text" = "end";

  constructor(lineEndings: LineEndings, dots: boolean) {
    this.#reject = lineEndings === "reject";
    this.#dots = dots;
  }

  /**
   * What to put into `chunk`, in order.
   *
   * @throws {TypeError} When a CR or an LF stands alone and they are rejected.
   */
  push(chunk: Uint8Array): readonly Edit[] {
    const { length } = chunk;
    if (length === 0) return NONE;
    const edits: Edit[] = [];
    let index = 0;
    if (this.#after === "cr") {
      if (chunk[0] === LF) index = 1;
      else this.#mend("CR", edits, { index: 0, octet: LF });
      this.#after = "end";
    }
    const scan = new OctetScan(chunk);
    while (index < length) {
      if (this.#dots && this.#after === "end" && chunk[index] === DOT) edits.push({ index, octet: DOT });
      const end = scan.lineEnd(index);
      this.#after = end === length ? "text" : end + 1 === length && chunk[end] === CR ? "cr" : "end";
      if (this.#after !== "end") break;
      index = end + 1;
      if (chunk[end] === LF) this.#mend("LF", edits, { index: end, octet: CR });
      else if (chunk[index] === LF) index++;
      else this.#mend("CR", edits, { index, octet: LF });
    }
    return edits;
  }

  /**
   * What to put behind the last chunk: CRLF where the last line has none, and the final dot where dots are asked for.
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

const NONE: readonly Edit[] = [];
const FINAL_DOT: Uint8Array = Uint8Array.of(DOT, CR, LF);
const LF_FINAL_DOT: Uint8Array = Uint8Array.of(LF, DOT, CR, LF);
const CRLF_FINAL_DOT: Uint8Array = Uint8Array.of(CR, LF, DOT, CR, LF);

/** `chunk` with `edits` made, in room of that length that `take` gives; the chunk itself where there are none. */
export function edited(chunk: Uint8Array, edits: readonly Edit[], take: (length: number) => Uint8Array): Uint8Array {
  if (edits.length === 0) return chunk;
  const result = take(chunk.length + edits.length);
  // It stands at the end first, and each piece of it moves from there to its place, so that none needs a view of its own.
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
