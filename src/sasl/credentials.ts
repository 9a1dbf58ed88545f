import { encodeText, hasForbidden } from "../wire/text.ts";
import type { Credentials } from "./mechanism.ts";

/**
 * Checks credentials before any I/O. Base64 would hide a line break or a NUL from the gate, but not from the server that decodes it.
 *
 * @throws {TypeError} When one is no text, is empty, or has control characters. The secret is not in the message.
 */
export function checkCredentials({ username, password }: Credentials): Credentials {
  for (const [name, value] of [["username", username], ["password", password]]) {
    if (typeof value !== "string" || value === "" || hasForbidden(value)) {
      throw new TypeError(`Cannot use ${name} to log in as it must be text, not empty and without control characters: current value is not shown`);
    }
  }
  // What is longer finds no room in the longest line of an AUTH exchange, once it is base64 (RFC 4954 section 4).
  const octets = encodeText(username + password).length;
  if (octets > 9_000) throw new RangeError(`Cannot use credentials to log in as they must have at most 9000 octets: they have ${octets}`);
  return { username, password };
}
