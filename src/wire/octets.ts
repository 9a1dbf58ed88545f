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

/** The parts one behind the other; a single part is handed on as it is. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const [first] = parts;
  if (parts.length === 1 && first !== undefined) return first;
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let length = 0;
  for (const part of parts) {
    whole.set(part, length);
    length += part.length;
  }
  return whole;
}
