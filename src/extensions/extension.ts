import type { EsmtpParameters } from "../wire/command.ts";
import type { Extensions } from "../wire/extensions.ts";

/**
 * What an extension of SMTP adds to the envelope of a message, or to one recipient of it. `@posthorn/smtp/extensions` has those that few people need;
 * any other can be written as such an object.
 *
 * Source: RFC 5321 sections 2.2 and 4.1.1.11.
 *
 * @example
 * ```ts
 * import type { MessageExtension } from "@posthorn/smtp";
 *
 * const traced: MessageExtension = { keyword: "X-TRACE", mail: () => ({ "X-TRACE": "on" }) };
 * ```
 */
export interface MessageExtension {
  /** The keyword of EHLO by which a server offers it: `"DSN"`. */
  readonly keyword: string;
  /** Whether the message is sent without it to a server that does not offer it; default `false`: then it is not sent at all. */
  readonly isOptional?: boolean;
  /**
   * Parameters of MAIL.
   *
   * @throws {SmtpUnsupportedError} When the server offers less than what is asked for.
   */
  mail?(offer: Offer): EsmtpParameters;
  /**
   * Parameters of RCPT for `address`.
   *
   * @throws {SmtpUnsupportedError} When the server offers less than what is asked for.
   */
  rcpt?(address: string, offer: Offer): EsmtpParameters;
}

/** What a {@linkcode MessageExtension} may go by. */
export interface Offer {
  /** What the server offers. */
  readonly extensions: Extensions;
  /** Whether TLS stands. */
  readonly isSecure: boolean;
  /** Whether the message goes out with SMTPUTF8, so that parameters may hold characters beyond ASCII (RFC 6531 section 3.4). */
  readonly isUtf8: boolean;
}
