/**
 * The server's side of a command line: MAIL, RCPT and EHLO as RFC 5321 section 4.1.2 and RFC 6531 section 3.3 spell them, read rule by rule with one
 * function for each, from the octets on the wire. It takes nothing that the grammar does not, and shares nothing with the library.
 */

/** What a server makes of a command line. */
export interface Heard {
  readonly verb: string;
  /** Local part and domain; both empty for the null sender, no domain for the postmaster. */
  readonly mailbox: readonly [localPart: string, domain: string];
  readonly parameters: readonly (readonly [keyword: string, value: string | undefined])[];
}

/** The one command in `octets`, CRLF included. Throws where they are anything else, or more. */
export function heard(octets: Uint8Array): Heard {
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(octets);
  if (!text.endsWith("\r\n")) throw new Error("no end of the line");
  const reader = new Reader(text.slice(0, -2));
  if (reader.hasControls) throw new Error("a control character");
  const isMail = reader.takes("MAIL FROM:");
  if (!isMail) reader.expect("RCPT TO:");
  const mailbox: readonly [string, string] = isMail && reader.takes("<>") ? ["", ""] : path(reader, isMail);
  const parameters: [string, string | undefined][] = [];
  while (!reader.isAtEnd) {
    reader.expect(" ");
    parameters.push(parameter(reader));
  }
  return { verb: isMail ? "MAIL" : "RCPT", mailbox, parameters };
}

/** Whether the whole of `text` is a Mailbox. */
export function isMailbox(text: string): boolean {
  return isWhole(text, mailbox);
}

/** Whether the whole of `text` is a Domain or an address-literal. */
export function isHost(text: string): boolean {
  return isWhole(text, host);
}

function isWhole(text: string, rule: (reader: Reader) => unknown): boolean {
  const reader = new Reader(text);
  try {
    rule(reader);
    return reader.isAtEnd && !reader.hasControls;
  } catch {
    return false;
  }
}

/** Code points, from left to right. */
class Reader {
  readonly #characters: readonly string[];
  #at = 0;

  constructor(text: string) {
    this.#characters = Array.from(text);
  }

  /** C0 and DEL: what is beyond ASCII is UTF8-non-ascii, whatever it shows. */
  get hasControls(): boolean {
    return this.#characters.some((character) => character < " " || character === "\x7f");
  }

  get isAtEnd(): boolean {
    return this.#at === this.#characters.length;
  }

  get next(): string {
    return this.#characters[this.#at] ?? "";
  }

  take(): string {
    return this.#characters[this.#at++] ?? "";
  }

  takes(text: string): boolean {
    const isThere = this.#characters.slice(this.#at, this.#at + text.length).join("") === text;
    if (isThere) this.#at += text.length;
    return isThere;
  }

  expect(text: string): void {
    if (!this.takes(text)) throw new Error(`no ${text} at ${this.#at}`);
  }

  /** One or more characters of a set. */
  some(isOne: (character: string) => boolean): string {
    let text = "";
    while (!this.isAtEnd && isOne(this.next)) text += this.take();
    if (text === "") throw new Error(`nothing at ${this.#at}`);
    return text;
  }
}

const isDigit = (c: string) => c >= "0" && c <= "9";
const isLetDig = (c: string) => isDigit(c) || (c >= "A" && c <= "Z") || (c >= "a" && c <= "z");
const isNonAscii = (c: string) => c.codePointAt(0)! > 0x7f;
const isAtext = (c: string) => isLetDig(c) || "!#$%&'*+-/=?^_`{|}~".includes(c) || isNonAscii(c);
const isHex = (c: string) => isDigit(c) || (c >= "A" && c <= "F") || (c >= "a" && c <= "f");

/** Path = "<" Mailbox ">"; a source route is never sent. "<postmaster>" is for RCPT alone (section 4.1.1.3). */
function path(reader: Reader, isMail: boolean): [string, string] {
  reader.expect("<");
  const [localPart, domain] = mailboxOrPostmaster(reader, isMail);
  reader.expect(">");
  return [localPart, domain];
}

function mailboxOrPostmaster(reader: Reader, isMail: boolean): [string, string] {
  const local = localPart(reader);
  if (!isMail && local.toLowerCase() === "postmaster" && reader.next === ">") return [local, ""];
  reader.expect("@");
  return [local, host(reader)];
}

function mailbox(reader: Reader): void {
  localPart(reader);
  reader.expect("@");
  host(reader);
}

/** Local-part = Dot-string / Quoted-string, as it stands on the wire. */
function localPart(reader: Reader): string {
  if (reader.next !== '"') {
    let text = reader.some(isAtext);
    while (reader.takes(".")) text += `.${reader.some(isAtext)}`;
    return text;
  }
  let text = reader.take();
  while (reader.next !== '"') {
    const character = reader.take();
    if (character === "") throw new Error("no end of the quoted string");
    text += character;
    // quoted-pairSMTP = %d92 %d32-126
    if (character !== "\\") continue;
    const pair = reader.take();
    if (pair < " " || pair > "~") throw new Error("no character to quote");
    text += pair;
  }
  return text + reader.take();
}

function host(reader: Reader): string {
  return reader.next === "[" ? addressLiteral(reader) : domain(reader);
}

/** Domain = sub-domain *("." sub-domain); sub-domain = Let-dig [Ldh-str] / U-label */
function domain(reader: Reader): string {
  const labels = [subDomain(reader)];
  while (reader.takes(".")) labels.push(subDomain(reader));
  return labels.join(".");
}

function subDomain(reader: Reader): string {
  const label = reader.some((character) => isLetDig(character) || character === "-" || isNonAscii(character));
  if (label.startsWith("-") || label.endsWith("-")) throw new Error("a hyphen at the end of a label");
  return label;
}

function addressLiteral(reader: Reader): string {
  reader.expect("[");
  const text = reader.some((character) => character >= "!" && character <= "~" && !"[]\\".includes(character));
  reader.expect("]");
  const tag = text.slice(0, text.indexOf(":") + 1);
  const isIpv6Tag = tag.toUpperCase() === "IPV6:";
  // Standardized-tag = Ldh-str; a number and a colon is what an IPv6 address without its tag begins with.
  const isGeneral = tag.length > 1 && text.length > tag.length && Array.from(tag.slice(0, -1)).every((c) => isLetDig(c) || c === "-") &&
    !tag.endsWith("-:");
  if (isIpv6Tag ? isIpv6(text.slice(5)) : isIpv4(text) || (isGeneral && !Array.from(tag.slice(0, -1)).every(isDigit))) return `[${text}]`;
  throw new Error(`no address: ${text}`);
}

/** IPv4-address-literal = Snum 3("." Snum) */
function isIpv4(text: string): boolean {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => part.length >= 1 && part.length <= 3 && Array.from(part).every(isDigit) && Number(part) <= 255);
}

/** IPv6-addr = IPv6-full / IPv6-comp / IPv6v4-full / IPv6v4-comp (section 4.1.3). */
function isIpv6(text: string): boolean {
  const colon = text.lastIndexOf(":");
  const isDotted = text.slice(colon + 1).includes(".");
  if (isDotted && !isIpv4(text.slice(colon + 1))) return false;
  // The dotted part stands for two groups.
  const plain = isDotted ? `${text.slice(0, colon)}:0:0` : text;
  const sides = plain.split("::");
  const groups = sides.map((side) => side === "" ? [] : side.split(":"));
  const all = groups.flat();
  if (!all.every((group) => group.length >= 1 && group.length <= 4 && Array.from(group).every(isHex))) return false;
  return sides.length === 1 ? all.length === 8 : sides.length === 2 && all.length <= 6;
}

/** esmtp-param = esmtp-keyword ["=" esmtp-value] */
function parameter(reader: Reader): [string, string | undefined] {
  const keyword = reader.some((character) => isLetDig(character) || character === "-");
  if (keyword.startsWith("-")) throw new Error("a keyword that begins with a hyphen");
  if (!reader.takes("=")) return [keyword, undefined];
  return [keyword, reader.some((character) => (character >= "!" && character <= "~" && character !== "=") || isNonAscii(character))];
}
