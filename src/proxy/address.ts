/** Hosts as a proxy is told of them, and IP addresses as octets and as text. */
import { isIpv6 } from "../wire/path.ts";
import { encodeText, hasNonAscii } from "../wire/text.ts";
import { tooLong, wrong } from "../wire/wrong.ts";

/** Octets of a host's name at the most: SOCKS5 counts them in one octet (RFC 1928 section 5), and no domain is longer (RFC 1035 section 2.3.4). */
const MAX_NAME = 255;

/** A host by name or by address. */
export interface Host {
  /** The name in ASCII, or the address, IPv6 without brackets. */
  readonly name: string;
  /** The 4 or 16 octets of an address; `undefined` for a name. */
  readonly ip: Uint8Array | undefined;
}

/** An IP address and a port. */
export interface Endpoint {
  readonly ip: Uint8Array;
  readonly port: number;
}

/**
 * The host that `hostname` names, by its A-labels where it is written in other letters (RFC 5890 section 2.3.2.1).
 *
 * @throws {TypeError} When it is neither a domain name nor an IP address. {RangeError} When it is longer than a name may be.
 */
export function parseHost(hostname: string): Host {
  const must = "the name of a host or an IP address without brackets";
  if (typeof hostname !== "string") throw badHost(must, hostname);
  // Without what ends the host of a URL, a slash or a colon.
  const isForeign = hasNonAscii(hostname) && /^[\w.\u0080-\u{10ffff}-]+$/u.test(hostname) && URL.canParse(`http://${hostname}/`);
  const name = isForeign ? new URL(`http://${hostname}/`).hostname : hostname;
  // Behind the mapping, since digits are written in other letters too.
  const ip = parseIp(name);
  if (ip !== undefined) return { name, ip };
  if (!/^[\w.-]+$/.test(name)) throw badHost(must, hostname);
  const { length } = encodeText(name);
  if (length <= MAX_NAME) return { name, ip };
  throw tooLong("hostname to reach a server", MAX_NAME, length);
}

/** The octets of an IP address, 4 or 16; `undefined` when `text` is none. */
export function parseIp(text: string): Uint8Array | undefined {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

/** The text of an IP address: dotted decimals, or the form of RFC 5952 without a dotted tail. */
export function formatIp(ip: Uint8Array): string {
  if (ip.length === 4) return ip.join(".");
  const view = new DataView(ip.buffer, ip.byteOffset, ip.length);
  const groups = Array.from({ length: 8 }, (_, index) => view.getUint16(index * 2).toString(16));
  return canonicalIpv6(groups.join(":"));
}

/** An endpoint written `192.0.2.1:25` or `[2001:db8::1]:25`; `undefined` when `text` is none. A zone (`%eth0`) is of its own machine and left out. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const [, ipv6, ipv4, port = ""] = /^(?:\[([^\]%]+)(?:%[^\]]*)?\]|([\d.]+)):(0|[1-9]\d{0,4})$/.exec(text) ?? [];
  const ip = ipv6 === undefined ? parseIpv4(ipv4 ?? "") : parseIpv6(ipv6);
  return ip === undefined || Number(port) > 65_535 ? undefined : { ip, port: Number(port) };
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)
    ? Uint8Array.from(parts, Number)
    : undefined;
}

function parseIpv6(text: string): Uint8Array | undefined {
  if (!isIpv6(text)) return undefined;
  const [head = [], tail = []] = canonicalIpv6(text).split("::").map((side) => side.split(":").filter((group) => group !== ""));
  const ip = new Uint8Array(16);
  const view = new DataView(ip.buffer);
  head.forEach((group, index) => view.setUint16(index * 2, parseInt(group, 16)));
  tail.forEach((group, index) => view.setUint16((8 - tail.length + index) * 2, parseInt(group, 16)));
  return ip;
}

/** URLs have exactly one way to write an IPv6 address. */
function canonicalIpv6(text: string): string {
  return new URL(`http://[${text}]/`).hostname.slice(1, -1);
}

function badHost(must: string, given: unknown): TypeError {
  // One with an @ is a part of a URL, and its password another.
  const value = typeof given === "string" && given.includes("@") ? "***" : given;
  return wrong("hostname to reach a server", must, value);
}
