/** Ways to cut octets. */

/** The whole, octet by octet, and every cut in two. */
export function* splits(octets: Uint8Array): Generator<Uint8Array[]> {
  yield [octets];
  yield Array.from(octets, (_, index) => octets.slice(index, index + 1));
  for (let at = 1; at < octets.length; at++) yield [octets.slice(0, at), octets.slice(at)];
}

/** Every cut in three: what lies between two chunk borders. */
export function* splitsInThree(octets: Uint8Array): Generator<Uint8Array[]> {
  for (let first = 0; first <= octets.length; first++) {
    for (let second = first; second <= octets.length; second++) {
      yield [octets.slice(0, first), octets.slice(first, second), octets.slice(second)];
    }
  }
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function text(octets: Uint8Array): string {
  return new TextDecoder().decode(octets);
}

export function join(chunks: Iterable<Uint8Array>): Uint8Array {
  return Uint8Array.from([...chunks].flatMap((chunk) => [...chunk]));
}
