import { SmtpSecurityError } from "../errors.ts";
import type { MessageExtension } from "./extension.ts";

/**
 * REQUIRETLS: the message must go over TLS at every further hop, or come back. A server that does not offer it gets nothing, nor does any without TLS.
 *
 * Source: RFC 8689 sections 2 and 4.1.
 *
 * @example
 * ```ts
 * import { requireTls } from "@posthorn/smtp/extensions";
 *
 * requireTls().keyword; // "REQUIRETLS"
 * ```
 */
export function requireTls(): MessageExtension {
  return {
    keyword: "REQUIRETLS",
    mail: ({ isSecure }) => {
      if (isSecure) return { REQUIRETLS: true };
      throw new SmtpSecurityError("insecure", "REQUIRETLS was asked for, and this connection has no TLS", { phase: "local" });
    },
  };
}
