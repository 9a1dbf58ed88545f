/**
 * The SASL mechanisms (RFC 4422), for those who choose themselves: pass them in `auth: { mechanisms: [...] }`, the preferred first. With
 * `auth: { username, password }` or `auth: { username, accessToken }` the library chooses among them.
 *
 * ```ts
 * import { connect } from "@posthorn/smtp";
 * import { plain, scramSha256 } from "@posthorn/smtp/sasl";
 *
 * async function ready(username: string, password: string): Promise<boolean> {
 *   const credentials = { username, password };
 *   const mechanisms = [scramSha256(credentials, { plus: true }), scramSha256(credentials), plain(credentials)];
 *   await using client = await connect({ hostname: "mail.example.com", auth: { mechanisms } });
 *   return client.connection.isAuthenticated;
 * }
 * ```
 *
 * @module
 */
export { anonymous, type AnonymousOptions } from "./anonymous.ts";
export { cramMd5 } from "./cram_md5.ts";
export { external, type ExternalOptions } from "./external.ts";
export { login } from "./login.ts";
export type { AccessTokenContext, Credentials, SaslContext, SaslExchange, SaslMechanism, TokenCredentials } from "./mechanism.ts";
export { oauthBearer } from "./oauth_bearer.ts";
export { plain } from "./plain.ts";
export { saslPrep } from "./sasl_prep.ts";
export { type ScramOptions, scramSha1, scramSha256, scramSha512 } from "./scram.ts";
export { xoauth2 } from "./xoauth2.ts";
