/**
 * A SASL mechanism, ready to prove one identity. The library knows some; any other can be passed in `auth: { mechanisms: [...] }`.
 *
 * Source: RFC 4422 sections 3 and 5, RFC 4954 section 4.
 *
 * @example
 * ```ts
 * import type { SaslMechanism } from "@posthorn/smtp";
 *
 * const external: SaslMechanism = {
 *   name: "EXTERNAL",
 *   isPlaintext: false,
 *   start: () => ({ initialResponse: new Uint8Array(0), isComplete: true, respond: () => new Uint8Array(0) }),
 * };
 * ```
 */
export interface SaslMechanism {
  /** Its registered name, in upper case: `"PLAIN"`. */
  readonly name: string;
  /** Whether who listens learns the secret; such a mechanism is not used without TLS. */
  readonly isPlaintext: boolean;
  /** Begins one exchange. */
  start(context: SaslContext): SaslExchange;
}

/** Whom the exchange is with. */
export interface SaslContext {
  /** The server's name. */
  readonly hostname: string;
  /** The server's port. */
  readonly port: number;
  /** Whether TLS stands. */
  readonly isSecure: boolean;
}

/** One exchange: the client's answers, in order. Octets throughout; base64 is the caller's affair. */
export interface SaslExchange {
  /** What the client says first, where the mechanism lets it. */
  readonly initialResponse?: Uint8Array;
  /** Whether all has been said and, where the server has to prove itself, its proof was right: only then is its 235 believed. */
  readonly isComplete: boolean;
  /**
   * The answer to a challenge; `undefined` stands for one that was no base64. What it throws cancels the exchange.
   *
   * @throws {SmtpAuthError} When the challenge is not one that the mechanism expects.
   */
  respond(challenge: Uint8Array | undefined): Uint8Array | Promise<Uint8Array>;
}

/** Who logs in. */
export interface Credentials {
  /** The user's name. */
  readonly username: string;
  /** The user's password. */
  readonly password: string;
}
