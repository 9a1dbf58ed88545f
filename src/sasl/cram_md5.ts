import { SmtpAuthError } from "../errors.ts";
import { encodeText } from "../wire/text.ts";
import { checkCredentials, refuseAuthzid } from "./credentials.ts";
import type { Credentials, SaslMechanism } from "./mechanism.ts";

/**
 * CRAM-MD5: the password keys a hash of the server's challenge. Who listens can guess passwords at leisure, and the server proves nothing, so over TLS
 * it is the last to be chosen. It needs a runtime with `node:crypto`.
 *
 * Source: RFC 2195 section 2.
 *
 * @throws {TypeError} When name or password is empty or has control characters, or when there is an `authzid`.
 *
 * @example
 * ```ts
 * import { cramMd5 } from "@posthorn/smtp/sasl";
 *
 * cramMd5({ username: "tim", password: "tanstaaftanstaaf" }).name; // "CRAM-MD5"
 * ```
 */
export function cramMd5(credentials: Credentials): SaslMechanism {
  const { username, password, authzid } = checkCredentials(credentials);
  refuseAuthzid("CRAM-MD5", authzid);
  return {
    name: "CRAM-MD5",
    isPlaintext: false,
    start: async ({ loadHmacMd5 }) => {
      const hmac = await loadHmacMd5();
      let isComplete = false;
      return {
        get isComplete(): boolean {
          return isComplete;
        },
        respond(challenge): Uint8Array {
          if (challenge === undefined || challenge.length === 0 || isComplete) {
            throw new SmtpAuthError("The server's challenge is not of CRAM-MD5", { phase: "auth" });
          }
          isComplete = true;
          const digest = Array.from(hmac(encodeText(password), challenge), (octet) => octet.toString(16).padStart(2, "0")).join("");
          return encodeText(`${username} ${digest}`);
        },
      };
    },
  };
}
