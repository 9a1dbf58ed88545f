import { encodeText } from "../wire/text.ts";
import { checkCredentials } from "./credentials.ts";
import type { Credentials, SaslMechanism } from "./mechanism.ts";

/**
 * PLAIN: name and password in one message, readable by who listens, so used over TLS only. They are sent as they are given: to prepare them is the
 * server's part, which knows in what form it keeps them (RFC 4616 section 2).
 *
 * Source: RFC 4616 section 2.
 *
 * @throws {TypeError} When name or password is empty or has control characters.
 *
 * @example
 * ```ts
 * import { plain } from "@posthorn/smtp/sasl";
 *
 * plain({ username: "alice", password: "s3cret" }).name; // "PLAIN"
 * ```
 */
export function plain(credentials: Credentials): SaslMechanism {
  const { username, password, authzid = "" } = checkCredentials(credentials);
  const message = encodeText(`${authzid}\0${username}\0${password}`);
  return {
    name: "PLAIN",
    isPlaintext: true,
    start: () => ({ initialResponse: message, isComplete: true, respond: () => message }),
  };
}
