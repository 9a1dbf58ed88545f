/** Octets with a name, and the searches that several readers of octets share. */

export const LF = 10;
export const CR = 13;
export const SPACE = 32;
export const HYPHEN = 45;
export const DOT = 46;

/** Index of the next `octet` in `octets`, from `from` on; `Infinity` when there is none, so that the nearer of two is their minimum. */
export function find(octets: Uint8Array, octet: number, from: number): number {
  const index = octets.indexOf(octet, from);
  return index < 0 ? Infinity : index;
}

/**
 * Where the lines of `octets` end. Four octets are looked at in one step: a call of a native search for each line of 78 octets, twice since CR and LF
 * each may stand alone, costs four times as much.
 */
export class LineEnds {
  readonly #octets: Uint8Array;
  /** The octets four by four, from the first that lies right in memory. */
  readonly #words: Int32Array;
  /** How many octets stand before the first word. */
  readonly #head: number;

  constructor(octets: Uint8Array) {
    this.#octets = octets;
    this.#head = -octets.byteOffset & 3;
    this.#words = octets.length < SHORT ? NO_WORDS : new Int32Array(octets.buffer, octets.byteOffset + this.#head, (octets.length - this.#head) >> 2);
  }

  /** Index of the next CR or LF, from `from` on; the number of octets when there is none. */
  next(from: number): number {
    const octets = this.#octets;
    const words = this.#words;
    const head = this.#head;
    const { length } = octets;
    let index = from;
    for (; index < length && ((index - head) & 3) !== 0; index++) if (isLineEnd(octets[index]!)) return index;
    let word = (index - head) >> 2;
    while (word + 1 < words.length && !(hasControl(words[word]!) || hasControl(words[word + 1]!))) word += 2;
    index = Math.max(index, head + word * 4);
    while (index < length && !isLineEnd(octets[index]!)) index++;
    return index;
  }
}

/** Octets below which it does not pay to look at four at a time. */
const SHORT = 32;
const NO_WORDS = new Int32Array(0);

function isLineEnd(octet: number): boolean {
  return octet === LF || octet === CR;
}

/** Whether one of the four octets is below 14, as CR and LF are: only there a subtraction borrows from a high bit that was not set. */
function hasControl(word: number): boolean {
  return ((word - 0x0e0e0e0e) & ~word & 0x80808080) !== 0;
}

/** How many octets the parts have together. */
export function lengthOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((length, part) => length + part.length, 0);
}

/** Octets from which on a part is worth a write of its own, rather than a copy. */
const LARGE = 16_384;
/** Octets of small parts that are put together at most, about: what is copied has to fit in memory besides. */
const TOGETHER = 65_536;

/** The parts in as few arrays as need not be copied much: small ones are put together, large ones are handed on as they are. */
export function gathered(parts: readonly Uint8Array[]): Uint8Array[] {
  const result: Uint8Array[] = [];
  let small: Uint8Array[] = [];
  let length = 0;
  const put = () => {
    if (length > 0) result.push(concat(small));
    small = [];
    length = 0;
  };
  for (const part of parts) {
    if (part.length >= LARGE || length >= TOGETHER) put();
    if (part.length >= LARGE) result.push(part);
    else {
      small.push(part);
      length += part.length;
    }
  }
  put();
  return result;
}

/** The parts one behind the other; a single part is handed on as it is. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const [first] = parts;
  if (parts.length === 1 && first !== undefined) return first;
  const whole = new Uint8Array(lengthOf(parts));
  let length = 0;
  for (const part of parts) {
    whole.set(part, length);
    length += part.length;
  }
  return whole;
}
