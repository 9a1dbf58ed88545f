import { CR, LF } from "./octets.ts";

/** Octets below which it does not pay to look at four at a time. */
const SHORT = 32;
const NO_WORDS = new Int32Array(0);
/** Subtracted from four octets at once, it borrows from a high bit where one of them is below 14, as CR and LF are and hardly any other. */
const CONTROL = 0x0e0e0e0e;
const HIGH = 0x80808080 | 0;

/**
 * Looks for the few octets that matter in content. It takes four in one step: two calls of a native search for each line of 78 octets, one for CR and
 * one for LF since each may stand alone, cost four times as much.
 */
export class OctetScan {
  readonly #octets: Uint8Array;
  /** The octets four by four, from the first that lies right in memory. */
  readonly #words: Int32Array;
  /** How many octets stand before the first word. */
  readonly #head: number;

  constructor(octets: Uint8Array) {
    const { buffer, byteOffset, length } = octets;
    this.#octets = octets;
    this.#head = Math.min(-byteOffset & 3, length);
    this.#words = length < SHORT ? NO_WORDS : new Int32Array(buffer, byteOffset + this.#head, (length - this.#head) >> 2);
  }

  /** Index of the next CR or LF, from `from` on; the number of octets when there is none. */
  lineEnd(from: number): number {
    const octets = this.#octets;
    const words = this.#words;
    const head = this.#head;
    const { length } = octets;
    let index = from;
    for (; index < length && ((index - head) & 3) !== 0; index++) {
      const octet = octets[index];
      if (octet === LF || octet === CR) return index;
    }
    let word = (index - head) >> 2;
    for (const last = words.length - 1; word < last; word += 2) {
      const first = words[word]!;
      const second = words[word + 1]!;
      if ((((first - CONTROL) & ~first | (second - CONTROL) & ~second) & HIGH) !== 0) break;
    }
    if (index < head + word * 4) index = head + word * 4;
    for (; index < length; index++) {
      const octet = octets[index];
      if (octet === LF || octet === CR) return index;
    }
    return index;
  }

  /** Whether an octet is above 127. */
  isEightBit(): boolean {
    const octets = this.#octets;
    const words = this.#words;
    const head = words.length === 0 ? octets.length : this.#head;
    for (let index = 0; index < head; index++) if (octets[index]! > 127) return true;
    let word = 0;
    for (const last = words.length - 3; word < last; word += 4) {
      if (((words[word]! | words[word + 1]! | words[word + 2]! | words[word + 3]!) & HIGH) !== 0) return true;
    }
    for (let index = head + word * 4; index < octets.length; index++) if (octets[index]! > 127) return true;
    return false;
  }
}
