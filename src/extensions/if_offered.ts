import type { MessageExtension } from "./extension.ts";

/**
 * The same extension for whoever can do without: a message to a server that does not offer it is sent as if nobody had asked.
 *
 * Source: RFC 3461 section 5.2.2, where a relay may do the same.
 *
 * @example
 * ```ts
 * import { dsn, ifOffered } from "@posthorn/smtp/extensions";
 *
 * ifOffered(dsn({ notify: ["failure"] })).isOptional; // true
 * ```
 */
export function ifOffered(extension: MessageExtension): MessageExtension {
  // By calls, since an extension may be of a class, whose methods no copy would have.
  return {
    keyword: extension.keyword,
    isOptional: true,
    mail: (offer) => extension.mail?.(offer) ?? {},
    rcpt: (address, offer) => extension.rcpt?.(address, offer) ?? {},
  };
}
