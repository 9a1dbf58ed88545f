/**
 * A SASL mechanism, ready to prove one identity. `@posthorn/smtp/sasl` has those that the library knows; any other can be passed besides them in
 * `auth: { mechanisms: [...] }`.
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
  /** Whether it needs `channelBinding` of its context; where the socket gives none it is not used. Default `false`. */
  readonly needsChannelBinding?: boolean;
  /** Whether it can come up with another secret when the server refuses the one it gave: then it is started once more. Default `false`. */
  readonly isRenewable?: boolean;
  /** Begins one exchange. What it throws ends the login before the server hears of it. */
  start(context: SaslContext): SaslExchange | Promise<SaslExchange>;
}

/** Whom the exchange is with, and what there is to hold on to. */
export interface SaslContext {
  /** The server's name. */
  readonly hostname: string;
  /** The server's port. */
  readonly port: number;
  /** Whether TLS stands. */
  readonly isSecure: boolean;
  /** The mechanisms that the server offers, in upper case, those apart that it has refused to know since. */
  readonly offered: readonly string[];
  /** What an exchange can be tied to, by its registered name and with its data (RFC 5056); `undefined` where the socket cannot tell. */
  readonly channelBinding: { readonly type: string; readonly data: Uint8Array } | undefined;
  /** Whether the server has just refused the secret of this same mechanism; see {@linkcode SaslMechanism.isRenewable}. */
  readonly wasRefused: boolean;
  /** Fires when nobody waits for the exchange any more. */
  readonly signal: AbortSignal;
  /**
   * Loads HMAC-MD5, which WebCrypto lacks.
   *
   * @throws {SmtpUnsupportedError} When the runtime has none.
   */
  loadHmacMd5(): Promise<(key: Uint8Array, text: Uint8Array) => Uint8Array>;
}

/** One exchange: the client's answers, in order. Octets throughout; base64 is the caller's affair. */
export interface SaslExchange {
  /** What the client says first, where the mechanism lets it. */
  readonly initialResponse?: Uint8Array;
  /** Whether all has been said and, where the server has to prove itself, its proof was right: only then is its 235 believed. */
  readonly isComplete: boolean;
  /** What the server said of its refusal in the mechanism's own terms, for the error; absent where it said nothing. */
  readonly details?: Readonly<Record<string, string>> | undefined;
  /**
   * The answer to a challenge; `undefined` stands for one that was no base64. What it throws cancels the exchange.
   *
   * @throws {SmtpAuthError} When the challenge is not one that the mechanism expects.
   */
  respond(challenge: Uint8Array | undefined): Uint8Array | Promise<Uint8Array>;
  /**
   * Takes the last challenge where a server puts it into its 235 instead of a 334 of its own. Absent: this mechanism has none to wait for.
   *
   * @throws {SmtpAuthError} When it is not the proof that is due.
   */
  conclude?(challenge: Uint8Array): Promise<void>;
}

/** Who logs in, with a password. */
export interface Credentials {
  /** The user's name. */
  readonly username: string;
  /** The user's password. */
  readonly password: string;
  /** Whom to act as, where that is somebody else. Only PLAIN and SCRAM can say it (RFC 4422 section 2). */
  readonly authzid?: string;
}

/** Who logs in, with a token of OAuth 2.0. */
export interface TokenCredentials {
  /** The user's name. */
  readonly username: string;
  /** The token, or where it comes from. A function is called for each login, and once more when the server refuses what it gave. */
  readonly accessToken: string | ((context: AccessTokenContext) => string | Promise<string>);
  /** Whom to act as, where that is somebody else. Only OAUTHBEARER can say it, and says it in place of the name (RFC 7628 section 3.1). */
  readonly authzid?: string;
}

/** What a function that gives access tokens is told. */
export interface AccessTokenContext {
  /** The user's name. */
  readonly username: string;
  /** The server's name. */
  readonly hostname: string;
  /** The server's port. */
  readonly port: number;
  /** Whether the server has just refused the token that was given last: another one is needed. */
  readonly wasRefused: boolean;
  /** Fires when nobody waits for the token any more. */
  readonly signal: AbortSignal;
}
