import { encodeText, hasForbidden, hasNonAscii, quoted } from "./text.ts";
import { tooLong, wrong, wrongSecret } from "./wrong.ts";

/**
 * Mailboxes and paths by the strict grammar of RFC 5321 section 4.1.2, with the UTF-8 forms of RFC 6531 section 3.3. An address is parsed, checked
 * and rebuilt; it is never put between angle brackets as it is, and never mended: a mended address is somebody else's mailbox.
 */

/** A mailbox in its two parts, as they go out on the wire. */
export interface Mailbox {
  /** The local part, in its quotes where it has them: `"a b"` with the quotes. */
  readonly localPart: string;
  /** The domain or address literal: `example.com`, `[192.0.2.1]`. */
  readonly domain: string;
}

/** Options of {@linkcode parseMailbox}. */
export interface MailboxOptions {
  /** Whether the length limits of RFC 5321 section 4.5.3.1 hold; default `true`. */
  readonly limits?: boolean;
}

/** Octets of a local part at the most (RFC 5321 section 4.5.3.1.1). */
const MAX_LOCAL_PART = 64;
/** Octets of a domain at the most (RFC 5321 section 4.5.3.1.2). */
const MAX_DOMAIN = 255;
/** Octets of a path at the most, angle brackets counted (RFC 5321 section 4.5.3.1.3). */
const MAX_PATH = 256;
/** Octets of a label of a domain at the most (RFC 1035 section 2.3.4). */
const MAX_LABEL = 63;

/** Octets of a path at the most, less its angle brackets: of an address in ASCII its characters. */
const MAX_PLAIN = MAX_PATH - 2;

/** A dot-string at a domain of letters, digits and hyphens, in ASCII; of one reading, so that it takes linear time. */
const PLAIN = /^[\w!#$%&'*+\-/=?^`{|}~]+(?:\.[\w!#$%&'*+\-/=?^`{|}~]+)*@[A-Za-z0-9]+(?:(?:-+|\.)[A-Za-z0-9]+)*$/;
/** A quoted string or a dot-string, beyond ASCII too, and what is to be a domain. C1 controls are no part of it, though the gate lets them pass. */
const MAILBOX =
  /^("(?:[ !#-[\]-~\u00a0-\u{10ffff}]|\\[ -~])*"|[\w!#$%&'*+\-/=?^`{|}~\u00a0-\u{10ffff}]+(?:\.[\w!#$%&'*+\-/=?^`{|}~\u00a0-\u{10ffff}]+)*)@(.*)$/u;
/** Of ASCII it has letters, digits and hyphens. */
const LABEL = /^[\p{L}\p{N}](?:[\p{L}\p{M}\p{N}\u00b7\u200c\u200d-]*[\p{L}\p{M}\p{N}])?$/u;
/** What IDNA maps to nothing, joiners apart, and a capital that it maps to "ss" or to "ß", by its version: either way to another domain. */
const MAPPED = /(?![\u200c\u200d])\p{Default_Ignorable_Code_Point}|\u1e9e/u;
const LITERAL = /^\[(IPv6:)?(.*)\]$/i;
/** A tag of digits alone is none: an IPv6 address that lacks its own would begin with it. */
const GENERAL_LITERAL = /^(?!\d+:)[A-Za-z0-9-]*[A-Za-z0-9]:[!-Z^-~]+$/;

/**
 * Parses one mailbox, `local-part@domain`, and nothing more: no display name, no angle brackets, no comment, no source route.
 *
 * Source: RFC 5321 sections 4.1.2, 4.1.3 and 4.5.3.1, RFC 6531 section 3.3.
 *
 * @param address The mailbox, as text.
 * @returns Its two parts, each exactly as it was written.
 * @throws {TypeError} When `address` is no mailbox. {RangeError} When a part is longer than SMTP allows.
 *
 * @example
 * ```ts
 * import { parseMailbox } from "@posthorn/smtp";
 *
 * parseMailbox("alice@example.com"); // { localPart: "alice", domain: "example.com" }
 * parseMailbox('"a b"@[192.0.2.1]'); // { localPart: '"a b"', domain: "[192.0.2.1]" }
 * ```
 */
export function parseMailbox(address: string, options: MailboxOptions = {}): Mailbox {
  if (!isPlain(address)) return parseStrictly(address, options);
  const at = address.indexOf("@");
  return { localPart: address.slice(0, at), domain: address.slice(at + 1) };
}

/**
 * Whether `address` is a mailbox as nearly all are, within every limit. One expression tells, at a fiftieth of the cost of the grammar; what it does
 * not know is for {@linkcode parseStrictly} to judge, and it knows nothing that is refused there.
 */
export function isPlain(address: string): boolean {
  return typeof address === "string" && address.length <= MAX_PLAIN && PLAIN.test(address) && address.indexOf("@") <= MAX_LOCAL_PART;
}

/** What {@linkcode parseMailbox} does, by the whole grammar. */
export function parseStrictly(address: string, options: MailboxOptions = {}): Mailbox {
  const isText = typeof address === "string" && !hasForbidden(address);
  const [, localPart = "", domain = ""] = isText ? MAILBOX.exec(address) ?? [] : [];
  if (!isDomain(domain) && !isAddressLiteral(domain)) throw wrong("address", "one mailbox, local-part@domain", address);
  if (options.limits ?? true) {
    checkLength("local part", localPart, MAX_LOCAL_PART);
    checkLength("domain", domain, MAX_DOMAIN);
    checkLength("path", `<${address}>`, MAX_PATH);
  }
  return { localPart, domain };
}

/**
 * The reverse-path of a MAIL command: `<alice@example.com>`, or `<>` for the null sender, which is written `""` or `"<>"`.
 *
 * @throws {TypeError} When `address` is neither a mailbox nor the null sender. {RangeError} When it is too long.
 */
export function reversePath(address: string, options: MailboxOptions = {}): string {
  if (address === "" || address === "<>") return "<>";
  if (!isPlain(address)) parseStrictly(address, options);
  return `<${address}>`;
}

/**
 * The forward-path of a RCPT command: `<bob@example.com>`; `postmaster` alone is legal too (RFC 5321 section 4.1.1.3).
 *
 * @throws {TypeError} When `address` is no mailbox. {RangeError} When it is too long.
 */
export function forwardPath(address: string, options: MailboxOptions = {}): string {
  // What is no text might read as one thing here and as another where it is written.
  const isPostmaster = typeof address === "string" && /^postmaster$/i.test(address);
  if (!isPlain(address) && !isPostmaster) parseStrictly(address, options);
  return `<${address}>`;
}

/**
 * `address` in ASCII: its domain in A-labels (RFC 5890 section 2.3.2.1), for a server without SMTPUTF8. `undefined` when that is not possible, since
 * the local part is beyond ASCII or the domain has no such form.
 */
export function asciiMailbox(address: string): string | undefined {
  if (!hasNonAscii(address)) return address;
  const [, localPart = "", domain = ""] = /^(.*)@(.*)$/.exec(address) ?? [];
  if (hasNonAscii(localPart) || domain.startsWith("[") || !URL.canParse(`http://${domain}`)) return undefined;
  const { hostname } = new URL(`http://${domain}`);
  const isShort = hostname.length <= MAX_DOMAIN && hostname.split(".").every((label) => label.length <= MAX_LABEL);
  return isShort && isDomain(hostname) ? `${localPart}@${hostname}` : undefined;
}

/**
 * Checks the name a client gives with EHLO, HELO or LHLO: a domain in ASCII, or an address literal (RFC 5321 section 4.1.1.1).
 *
 * @throws {TypeError} When it is neither.
 */
export function checkClientName(name: string): string {
  if (typeof name !== "string" || hasNonAscii(name) || !(isDomain(name) || isAddressLiteral(name)) || name.length > MAX_DOMAIN) {
    throw wrong("name as the client's name", "a domain or an address literal like [192.0.2.1]", name);
  }
  return name;
}

/**
 * The argument of ATRN: domains with commas between them; empty where there are none (RFC 2645 section 5.2).
 *
 * @throws {TypeError} When it is no list of domains.
 */
export function checkDomains(domains: readonly string[]): string {
  // A copy has no holes, and does not change.
  const list: readonly unknown[] = Array.isArray(domains) ? [...domains] : [undefined];
  if (list.every((domain) => typeof domain === "string" && !hasNonAscii(domain) && isDomain(domain))) return list.join(",");
  throw wrong("domains in ATRN", "a list of domains in ASCII", domains);
}

/**
 * The URL of a BURL command. A space in it would make an argument of its own of what comes behind it (RFC 4468 section 3).
 *
 * @throws {TypeError} When it is no absolute URL in printable ASCII.
 */
export function checkUrl(url: string | URL): string {
  const text = String(url);
  if (/^[!-~]+$/.test(text) && URL.canParse(text)) return text;
  throw wrongSecret("url in BURL", "an absolute URL in ASCII, without spaces");
}

/** The address literal of an IP address: `[192.0.2.1]`, `[IPv6:2001:db8::1]`; `undefined` when it is none. */
export function addressLiteral(ip: string): string | undefined {
  const literal = ip.includes(":") ? `[IPv6:${ip}]` : `[${ip}]`;
  return isAddressLiteral(literal) ? literal : undefined;
}

function isDomain(text: string): boolean {
  // Only the form that IDNA maps to itself: a full-width letter or dot would name another host once a server maps it.
  if (text.normalize("NFKC") !== text || MAPPED.test(text)) return false;
  return text.split(".").every((label) => LABEL.test(label) && encodeText(label).length <= MAX_LABEL * 4);
}

function isAddressLiteral(text: string): boolean {
  const [, tag, literal = ""] = LITERAL.exec(text) ?? [];
  return tag === undefined ? isIpv4(literal) || GENERAL_LITERAL.test(literal) : isIpv6Literal(literal);
}

function isIpv4(text: string): boolean {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256);
}

/** Whether `text` is an IPv6 address, without brackets and without a zone. */
export function isIpv6(text: string): boolean {
  return /^[0-9A-Fa-f:.]+$/.test(text) && text.includes(":") && URL.canParse(`http://[${text}]/`);
}

function isIpv6Literal(text: string): boolean {
  // Unlike elsewhere "::" stands for two groups at least (RFC 5321 section 4.1.3); a dotted part is two.
  const groups = text.split(":").filter((group) => group !== "").length + (text.includes(".") ? 1 : 0);
  return isIpv6(text) && (!text.includes("::") || groups <= 6);
}

function checkLength(what: string, text: string, limit: number): void {
  const octets = encodeText(text).length;
  if (octets > limit) throw tooLong(`${what} ${quoted(text)}`, limit, octets);
}
