import { checkTokenCredentials, refuseAuthzid } from "./credentials.ts";
import type { SaslMechanism, TokenCredentials } from "./mechanism.ts";
import { tokenMechanism } from "./token.ts";

/**
 * XOAUTH2: an access token of OAuth 2.0, as Google and Microsoft take it. Who listens could use the token, so used over TLS only.
 *
 * Source: RFC 7628 is its successor; the form is the one that Google documents ("Gmail XOAUTH2 Protocol").
 *
 * @throws {TypeError} When name or token is empty or has characters that it may not have, or when there is an `authzid`.
 *
 * @example
 * ```ts
 * import { xoauth2 } from "@posthorn/smtp/sasl";
 *
 * xoauth2({ username: "alice@example.com", accessToken: "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg" }).name; // "XOAUTH2"
 * ```
 */
export function xoauth2(credentials: TokenCredentials): SaslMechanism {
  const checked = checkTokenCredentials(credentials);
  refuseAuthzid("XOAUTH2", checked.authzid);
  return tokenMechanism(checked, {
    name: "XOAUTH2",
    message: (token) => `user=${checked.username}\x01auth=Bearer ${token}\x01\x01`,
    dummy: "",
  });
}
