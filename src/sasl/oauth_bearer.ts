import { checkTokenCredentials } from "./credentials.ts";
import type { SaslMechanism, TokenCredentials } from "./mechanism.ts";
import { tokenMechanism } from "./token.ts";

/**
 * OAUTHBEARER: an access token of OAuth 2.0. Who listens could use the token, so used over TLS only.
 *
 * Source: RFC 7628 sections 3.1 and 3.2.
 *
 * @throws {TypeError} When name or token is empty or has characters that it may not have.
 *
 * @example
 * ```ts
 * import { connect } from "@posthorn/smtp";
 * import { oauthBearer } from "@posthorn/smtp/sasl";
 *
 * const ready = (accessToken: string) =>
 *   connect({ hostname: "mail.example.com", auth: { mechanisms: [oauthBearer({ username: "alice@example.com", accessToken })] } });
 * ```
 */
export function oauthBearer(credentials: TokenCredentials): SaslMechanism {
  const checked = checkTokenCredentials(credentials);
  const { username, authzid = username } = checked;
  const identity = authzid.replaceAll("=", "=3D").replaceAll(",", "=2C");
  return tokenMechanism(checked, {
    name: "OAUTHBEARER",
    message: (token, { hostname, port }) => `n,a=${identity},\x01host=${hostname}\x01port=${port}\x01auth=Bearer ${token}\x01\x01`,
    dummy: "\x01",
  });
}
