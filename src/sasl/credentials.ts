import { own } from "../wire/own.ts";
import { encodeText, hasForbidden } from "../wire/text.ts";
import type { Credentials, TokenCredentials } from "./mechanism.ts";
import { tooLong, wrongSecret } from "../wire/wrong.ts";

/** Octets of name and secret at most: what is longer finds no room in the longest line of an AUTH exchange, in base64 (RFC 4954 section 4). */
const MAX_OCTETS = 9_000;
/** What stands behind `Bearer` in a message: printable ASCII, of which every token consists (RFC 6750 section 2.1). */
const TOKEN = /^[!-~]+$/;

/**
 * Checks a name and a password before any I/O. Base64 would hide a line break or a NUL from the gate, but not from the server that decodes it.
 *
 * @throws {TypeError} When one is no text, is empty, or has control characters. {RangeError} When they are too long. No secret is in the message.
 */
export function checkCredentials<C extends Credentials>(credentials: C): C {
  const given = own(credentials, "credentials");
  const { username, password, authzid } = given;
  checkIdentity({ username, password, authzid });
  return given;
}

/**
 * Checks a name, and the token that goes with it where it is there already.
 *
 * @throws {TypeError} When one is no text, is empty, or has characters that it may not have. {RangeError} When they are too long.
 */
export function checkTokenCredentials<C extends TokenCredentials>(credentials: C): C {
  const given = own(credentials, "credentials");
  const { username, accessToken, authzid } = given;
  checkIdentity({ username, authzid });
  if (typeof accessToken !== "function") checkToken(accessToken);
  return given;
}

/** @throws {TypeError} When `token` is none. It is not in the message. {RangeError} When it is too long. */
export function checkToken(token: string): string {
  if (typeof token !== "string" || !TOKEN.test(token)) throw wrongSecret("accessToken to log in", "text in printable ASCII, without spaces");
  checkLength(token);
  return token;
}

/**
 * Checks names and secrets; those that are `undefined`, the name and the password apart, were not given.
 *
 * @throws {TypeError} When one is no text, is empty, or has control characters. {RangeError} When they are too long.
 */
export function checkIdentity(texts: Readonly<Record<string, string | undefined>>): void {
  for (const [name, value] of Object.entries(texts)) {
    if (name === "authzid" && value === undefined) continue;
    if (typeof value !== "string" || value === "" || hasForbidden(value)) {
      throw wrongSecret(`${name} to log in`, "text, not empty and without control characters");
    }
  }
  checkLength(Object.values(texts).join(""));
}

/** @throws {TypeError} When there is somebody else to act as, and `mechanism` cannot say so. */
export function refuseAuthzid(mechanism: string, authzid: string | undefined): void {
  if (authzid !== undefined) throw new TypeError(`Cannot use authzid with ${mechanism} as it must be absent: the mechanism has no place for it`);
}

function checkLength(text: string): void {
  const octets = encodeText(text).length;
  if (octets > MAX_OCTETS) throw tooLong("credentials to log in", MAX_OCTETS, octets);
}
