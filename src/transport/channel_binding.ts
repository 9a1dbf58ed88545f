/**
 * Channel bindings of a TLS connection of Node, Bun or `node:tls` on Deno: `tls-exporter` with TLS 1.3 where the runtime exports keying material, else
 * `tls-server-end-point`. With TLS 1.2 the exporter is unique only where both ends derive an extended master secret (RFC 9266 section 4.2), which no
 * runtime tells.
 */
import type { NodeTlsSocket } from "./runtime_types.ts";
import type { ChannelBinding } from "./socket.ts";

/** Octets of keying material (RFC 9266 section 2). */
const EXPORTED = 32;

/** The binding of `socket`, or `undefined` where there is none to be had. */
export async function channelBindingOf(socket: NodeTlsSocket): Promise<ChannelBinding | undefined> {
  if (socket.getProtocol() === "TLSv1.3" && socket.exportKeyingMaterial !== undefined) {
    const data = socket.exportKeyingMaterial(EXPORTED, "EXPORTER-Channel-Binding", new Uint8Array(0));
    return { type: "tls-exporter", data: new Uint8Array(data) };
  }
  const { raw } = socket.getPeerCertificate();
  return raw && await endPointOf(new Uint8Array(raw));
}

/**
 * `tls-server-end-point`: the hash of the server's certificate, by the hash function of its signature; MD5 and SHA-1 give way to SHA-256. `undefined` for a
 * signature that has no hash function of its own, where the RFC defines none (RFC 5929 section 4.1).
 */
export async function endPointOf(certificate: Uint8Array<ArrayBuffer>): Promise<ChannelBinding | undefined> {
  const hash = HASHES[signatureAlgorithmOf(certificate)];
  if (hash === undefined) return undefined;
  return { type: "tls-server-end-point", data: new Uint8Array(await crypto.subtle.digest(hash, certificate)) };
}

/** Hash functions of signature algorithms, by the octets of their object identifiers: RSA PKCS #1 (RFC 8017 appendix C), ECDSA (RFC 5758 section 3.2). */
const HASHES: Readonly<Record<string, string>> = {
  "2a864886f70d010104": "SHA-256",
  "2a864886f70d010105": "SHA-256",
  "2a864886f70d01010b": "SHA-256",
  "2a864886f70d01010c": "SHA-384",
  "2a864886f70d01010d": "SHA-512",
  "2a8648ce3d0401": "SHA-256",
  "2a8648ce3d040302": "SHA-256",
  "2a8648ce3d040303": "SHA-384",
  "2a8648ce3d040304": "SHA-512",
};

/** `Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm SEQUENCE { algorithm OBJECT IDENTIFIER, ... }, ... }` (RFC 5280 section 4.1). */
function signatureAlgorithmOf(certificate: Uint8Array): string {
  const outer = elementAt(certificate, 0);
  const tbs = elementAt(certificate, outer.start);
  const algorithm = elementAt(certificate, tbs.end);
  const identifier = elementAt(certificate, algorithm.start);
  return Array.from(certificate.subarray(identifier.start, identifier.end), (octet) => octet.toString(16).padStart(2, "0")).join("");
}

/** Where the content of the DER element at `at` begins and ends; nonsense leads nowhere, and so to no known algorithm. */
function elementAt(der: Uint8Array, at: number): { readonly start: number; readonly end: number } {
  const first = der[at + 1] ?? 0;
  if (first < 0x80) return { start: at + 2, end: at + 2 + first };
  const count = first & 0x7f;
  const start = at + 2 + count;
  const length = der.subarray(at + 2, start).reduce((sum, octet) => sum * 256 + octet, 0);
  return { start, end: start + length };
}
