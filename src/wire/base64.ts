/** Base64 of SASL exchanges (RFC 4954 section 4, RFC 4648 section 4): over octets, never over a string. */

import { binaryText } from "./text.ts";

/** The base64 text of `octets`. */
export function encodeBase64(octets: Uint8Array): string {
  return btoa(binaryText(octets));
}

/** The octets of base64 text, or `undefined` when it is none. Strict: no space, and its padding where it is due. */
export function decodeBase64(text: string): Uint8Array | undefined {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) return undefined;
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
