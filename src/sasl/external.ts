import { own } from "../wire/own.ts";
import { encodeText } from "../wire/text.ts";
import { checkIdentity } from "./credentials.ts";
import type { SaslMechanism } from "./mechanism.ts";

/** Options of {@linkcode external}. */
export interface ExternalOptions {
  /** Whom to act as; default whom the server takes us for. */
  readonly authzid?: string;
}

/**
 * EXTERNAL: the server knows the client already, by the certificate of its TLS connection or by the user behind a unix socket.
 *
 * Source: RFC 4422 appendix A.
 *
 * @throws {TypeError} When `authzid` is empty or has control characters.
 *
 * @example
 * ```ts
 * import { connect } from "@posthorn/smtp";
 * import { external } from "@posthorn/smtp/sasl";
 *
 * const withCertificate = (cert: string, key: string) =>
 *   connect({ hostname: "mail.example.com", tlsOptions: { cert, key }, auth: { mechanisms: [external()] } });
 * ```
 */
export function external(options: ExternalOptions = {}): SaslMechanism {
  const { authzid }: ExternalOptions = own(options);
  checkIdentity({ authzid });
  const message = encodeText(authzid ?? "");
  return { name: "EXTERNAL", isPlaintext: false, start: () => ({ initialResponse: message, isComplete: true, respond: () => message }) };
}
