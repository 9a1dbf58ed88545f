/** Text of the wire: decoding that loses nothing, encoding that changes nothing, and printing that is safe in a log. */

const encoder = new TextEncoder();
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** C0 controls, DEL and lone surrogates: what no command line may hold (RFC 5321 section 4.1.2). */
// deno-lint-ignore no-control-regex -- they are what is looked for
const FORBIDDEN = /[\p{Cs}\u0000-\u001f\u007f]/u;
/** C0 and C1 controls and DEL, which a terminal would obey; and what ends a line in some logs, or turns the order of what is read. */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;
/** Printable US-ASCII, which nearly every line is. */
const PLAIN = /^[ -~]*$/;
const NON_ASCII = /[^\p{ASCII}]/u;

/** Octets up to which {@linkcode asciiText} costs less than a decoder, on every runtime. */
const FEW = 64;

/** The octets of `text` in UTF-8. */
export function encodeText(text: string): Uint8Array {
  return encoder.encode(text);
}

/** The text of one whole line: UTF-8, and where it is not, one character an octet (ISO 8859-1), so that nothing is lost. */
export function decodeText(octets: Uint8Array): string {
  try {
    return (octets.length <= FEW ? asciiText(octets, 0, octets.length) : undefined) ?? utf8.decode(octets);
  } catch {
    return binaryText(octets);
  }
}

/** One character for each of `octets` (ISO 8859-1). */
export function binaryText(octets: Uint8Array): string {
  let text = "";
  for (const octet of octets) text += String.fromCharCode(octet);
  return text;
}

/**
 * The octets from `start` to `end` as text where all of them are ASCII, else `undefined`. Of a few octets it costs a fraction of what a decoder does;
 * each further one costs more than with a decoder.
 */
export function asciiText(octets: Uint8Array, start: number, end: number): string | undefined {
  const codes = new Array<number>(end - start);
  for (let index = start; index < end; index++) {
    const code = octets[index]!;
    if (code > 127) return undefined;
    codes[index - start] = code;
  }
  return String.fromCharCode.apply(undefined, codes);
}

/** Whether `text` has a character beyond US-ASCII. */
export function hasNonAscii(text: string): boolean {
  return NON_ASCII.test(text);
}

/** Whether `text` has a control character or a lone surrogate, so that it can be no part of a command. */
export function hasForbidden(text: string): boolean {
  return !PLAIN.test(text) && FORBIDDEN.test(text);
}

/** `text` with every control character written as `\xNN` or `\uNNNN`, for logs and messages (CWE-117). */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (c) => c > "\xff" ? `\\u${hex(c.charCodeAt(0), 4)}` : `\\x${hex(c.charCodeAt(0))}`);
}

/** `value` in hexadecimal, with zeros in front where it has fewer than `digits`. */
export function hex(value: number, digits = 2): string {
  return value.toString(16).padStart(digits, "0");
}

/**
 * `value` as it stands in an error message: text quoted, printable, and cut where it is long; of an object what kind it is, since what it makes of itself
 * is code of somebody's that may throw, or tell a secret.
 */
export function quoted(value: unknown): string {
  if (typeof value === "string") return printable(JSON.stringify(cut(value, QUOTED_LENGTH)));
  if (Array.isArray(value)) return "a list";
  if (typeof value === "function") return "a function";
  if (typeof value === "object" && value !== null) return "an object";
  return printable(String(value)).slice(0, QUOTED_LENGTH);
}

/** `text`, of which no more than `length` characters are shown. */
export function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}

/** Characters of a value that an error message repeats at the most. */
const QUOTED_LENGTH = 100;
