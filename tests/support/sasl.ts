/** Mechanisms without a server. */
import type { SaslContext } from "@posthorn/smtp";
import { createHmac } from "node:crypto";

/** The context of an exchange with a server that offers nothing in particular, over TLS. */
export function contextOf(more: Partial<SaslContext> = {}): SaslContext {
  return {
    hostname: "server.example.com",
    port: 587,
    isSecure: true,
    offered: [],
    channelBinding: undefined,
    wasRefused: false,
    signal: new AbortController().signal,
    loadHmacMd5: () => Promise.resolve((key, text) => new Uint8Array(createHmac("md5", key).update(text).digest())),
    ...more,
  };
}

export function octets(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function text(octets: Uint8Array | undefined): string | undefined {
  return octets && new TextDecoder().decode(octets);
}

/** Base64 of text in UTF-8, for scripts. */
export function base64(text: string): string {
  return btoa(Array.from(octets(text), (octet) => String.fromCharCode(octet)).join(""));
}
