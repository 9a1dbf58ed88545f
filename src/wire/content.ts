import { OctetScan } from "./octet_scan.ts";
import { CR, LF } from "./octets.ts";

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
  const { length } = content;
  const scan = new OctetScan(content);
  let lone = 0;
  /** Where the empty line behind the headers begins, whatever ends their lines. */
  let headers: number | undefined;
  let isOpen = false;
  for (let start = 0; start < length && !isOpen;) {
    const end = scan.lineEnd(start);
    if (end === start) headers ??= start;
    const next = end + 1;
    isOpen = end === length;
    const isPaired = next < length && content[end] === CR && content[next] === LF;
    if (!isPaired && !isOpen) lone++;
    start = isPaired ? next + 1 : next;
  }
  const open = isOpen ? 2 : 0;
  const isAnyEightBit = scan.isEightBit();
  const isHeaderEightBit = isAnyEightBit && isEightBit(content.subarray(0, headers));
  return { octets: length + lone + open, isEightBit: isAnyEightBit, isHeaderEightBit, hasLoneLineEnd: lone > 0 };
}

/** Whether an octet of `chunk` is above 127. */
export function isEightBit(chunk: Uint8Array): boolean {
  return new OctetScan(chunk).isEightBit();
}
