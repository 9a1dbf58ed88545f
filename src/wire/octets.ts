/** Octets with a name, and the searches that several readers of octets share. */
import { wrong } from "./wrong.ts";

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
 * `octets`, which are `what` of a message's content.
 *
 * @throws {TypeError} When they are no Uint8Array, or one whose octets were handed to somebody else: the message would lack them.
 */
export function checkContent(what: string, octets: Uint8Array | undefined): Uint8Array {
  if (octets instanceof Uint8Array && !isGone(octets)) return octets;
  throw wrong(`${what} as content`, "a Uint8Array, not a detached one", octets);
}

/** Whether there is nothing behind the view any more. Not every runtime has a property that tells, but no method works then. */
export function isGone(octets: Uint8Array): boolean {
  if (octets.length > 0) return false;
  try {
    octets.at(0);
    return false;
  } catch {
    return true;
  }
}

/** `octets` where nobody else can change how many they are, else a copy: of shared memory, or of a buffer that can be resized. */
export function settledOctets(octets: Uint8Array): Uint8Array {
  const { buffer } = octets;
  return buffer instanceof ArrayBuffer && !Reflect.get(buffer, "resizable") ? octets : new Uint8Array(octets);
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
