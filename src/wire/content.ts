import { CR, find, LF } from "./octets.ts";

/** What of a message's content has to be known before MAIL: how long it will be, and whether it is 8-bit. */
export interface ContentFacts {
  /** Octets once every line ends in CRLF, dots not doubled: what SIZE counts (RFC 1870 section 3). */
  readonly octets: number;
  /** Whether an octet is above 127, so that 8BITMIME is needed (RFC 6152 section 2). */
  readonly isEightBit: boolean;
  /** Whether one of them is in the headers, so that SMTPUTF8 is needed (RFC 6532 section 3, RFC 6531 section 3.2). */
  readonly isHeaderEightBit: boolean;
  /** Whether a CR or an LF stands alone. */
  readonly hasLoneLineEnd: boolean;
}

/** Reads the facts off content that is whole in memory. */
export function contentFacts(content: Uint8Array): ContentFacts {
  let lone = 0;
  let cr = -1;
  let lf = -1;
  for (let index = 0;;) {
    if (cr < index) cr = find(content, CR, index);
    if (lf < index) lf = find(content, LF, index);
    if (cr === Infinity && lf === Infinity) break;
    const paired = lf === cr + 1;
    if (!paired) lone++;
    index = paired ? lf + 1 : Math.min(cr, lf) + 1;
  }
  const last = content.at(-1);
  const open = content.length > 0 && last !== LF && last !== CR ? 2 : 0;
  const isAnyEightBit = isEightBit(content);
  const isHeaderEightBit = isAnyEightBit && isEightBit(content.subarray(0, headerLength(content)));
  return { octets: content.length + lone + open, isEightBit: isAnyEightBit, isHeaderEightBit, hasLoneLineEnd: lone > 0 };
}

/** Where the empty line behind the headers begins; the end of the content where there is none. Each line may end in CRLF, CR or LF. */
function headerLength(content: Uint8Array): number {
  let cr = -1;
  let lf = -1;
  for (let start = 0; start < content.length;) {
    if (cr < start) cr = find(content, CR, start);
    if (lf < start) lf = find(content, LF, start);
    const end = Math.min(cr, lf);
    if (end === start) return start;
    start = lf === cr + 1 ? lf + 1 : end + 1;
  }
  return content.length;
}

/** Whether an octet of `chunk` is above 127. Four octets at a time, since this runs over every message. */
export function isEightBit(chunk: Uint8Array): boolean {
  const head = Math.min((4 - chunk.byteOffset % 4) % 4, chunk.length);
  const words = chunk.length - head >= 4 ? new Uint32Array(chunk.buffer, chunk.byteOffset + head, (chunk.length - head) >> 2) : NO_WORDS;
  for (let word = 0; word < words.length; word++) if ((words[word]! & 0x80808080) !== 0) return true;
  const isHigh = (octet: number) => octet > 127;
  return chunk.subarray(0, head).some(isHigh) || chunk.subarray(head + words.length * 4).some(isHigh);
}

const NO_WORDS = new Uint32Array(0);
