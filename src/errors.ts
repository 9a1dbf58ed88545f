/**
 * The errors of the library. A class says what the caller may do next, `kind` narrows it, and every fact is a field: nothing ever has to be
 * read out of a message. Bad arguments are not here: they are `TypeError` and `RangeError`, thrown before any I/O.
 *
 * | class | what the caller may do next |
 * | --- | --- |
 * | {@linkcode SmtpReplyError} | the server said no: `transient` tells whether the same may be asked again later |
 * | {@linkcode SmtpAuthError} | use other credentials or another mechanism |
 * | {@linkcode SmtpConnectionError} | open a new connection; send again only if `delivery` is `"not-sent"` |
 * | {@linkcode SmtpSecurityError} | mend the TLS settings, the server's or one's own |
 * | {@linkcode SmtpProtocolError} | tell the operator of the server: it broke the protocol |
 * | {@linkcode SmtpUnsupportedError} | ask for less, or use another server |
 * | {@linkcode SmtpStateError} | mend the calling code: the verb was not legal here |
 * | {@linkcode SmtpBodyError} | mend the source of the message: it failed while it was read |
 */
import type { Reply } from "./wire/reply.ts";
import { cut, printable } from "./wire/text.ts";

/**
 * What is known of a message when something failed. `"not-sent"`: the server cannot have accepted it, sending it again makes no duplicate.
 * `"unknown"`: its last byte was handed to the socket and no reply came, so only a person or a log can tell (RFC 5321 section 4.5.3.2.6, RFC 1047).
 */
export type Delivery = "not-sent" | "unknown";

/** What the connection was doing when it failed; `"local"` means that nothing was said to the server about it. */
export type SmtpPhase =
  | "local"
  | "connect"
  | "greeting"
  | "ehlo"
  | "helo"
  | "starttls"
  | "auth"
  | "mail"
  | "rcpt"
  | "data"
  | "rset"
  | "quit"
  | "command"
  | "idle";

/**
 * The discriminant of {@linkcode SmtpError}.
 *
 * - `refused`: a reply of 4yz or 5yz, or one that is no success where only success will do.
 * - `authentication`: the server did not accept the credentials, or did not prove itself.
 * - `connect`, `disconnected`, `timeout`, `aborted`, `closed`: there is no connection (any more), and why.
 * - `tls`: the handshake or the certificate failed. `insecure`: going on would have needed TLS, and there is none.
 * - `protocol`: the server said what no server may say.
 * - `unsupported`: the server does not offer what was asked for. `too-large`: the message exceeds the server's SIZE.
 * - `state`: the verb is not legal in this state of the session.
 * - `body`: the message's own source failed.
 */
export type SmtpErrorKind =
  | "refused"
  | "authentication"
  | "connect"
  | "disconnected"
  | "timeout"
  | "aborted"
  | "closed"
  | "tls"
  | "insecure"
  | "protocol"
  | "unsupported"
  | "too-large"
  | "state"
  | "body";

/** Characters of a message at most: a reply may have 256 KiB. */
const MAX_MESSAGE = 2_000;

/** One recipient and the server's words about it. */
export interface RecipientReply {
  /** The address as the caller gave it. */
  readonly address: string;
  /** The server's reply to its RCPT. */
  readonly reply: Reply;
}

/** The facts of an {@linkcode SmtpError}. */
export interface SmtpErrorFacts {
  /** What the connection was doing. */
  readonly phase: SmtpPhase;
  /** What is known of the message; default `"not-sent"`. */
  readonly delivery?: Delivery | undefined;
  /** The server's reply, where there was one. */
  readonly reply?: Reply | undefined;
  /** The command, redacted: never a secret. */
  readonly command?: string | undefined;
  /** The recipient it is about. */
  readonly recipient?: string | undefined;
  /** Whether the same may succeed later without a change; default: whether the reply is 4yz. */
  readonly transient?: boolean | undefined;
  /** A cause in plain words, where one is known. */
  readonly hint?: string | undefined;
  /** The recipients the server had accepted before the failure. */
  readonly accepted?: readonly RecipientReply[] | undefined;
  /** The recipients the server had refused before the failure. */
  readonly rejected?: readonly RecipientReply[] | undefined;
  /** What a server said of a refused login in the mechanism's own terms; see {@linkcode SmtpAuthError.details}. */
  readonly details?: Readonly<Record<string, string>> | undefined;
  /** What lies below: the runtime's error, the signal's reason, the source's error. */
  readonly cause?: unknown;
}

/**
 * What every failure of the library is an instance of, bad arguments excepted.
 *
 * Source: RFC 5321 sections 3.8, 4.2.1 and 4.5.4.
 *
 * @example
 * ```ts
 * import { SmtpError } from "@posthorn/smtp";
 *
 * function mayRetry(error: unknown): boolean {
 *   return error instanceof SmtpError && error.transient && error.delivery === "not-sent";
 * }
 * ```
 */
export class SmtpError<K extends SmtpErrorKind = SmtpErrorKind> extends Error {
  /** What went wrong; see {@linkcode SmtpErrorKind}. */
  readonly kind: K;
  /** What the connection was doing. */
  readonly phase: SmtpPhase;
  /** Whether the message may have been delivered. */
  readonly delivery: Delivery;
  /** Whether the same may succeed later without a change. */
  readonly transient: boolean;
  /** The server's reply code: 550. */
  readonly code: number | undefined;
  /** The server's enhanced status code: `"5.1.1"`. */
  readonly enhancedCode: string | undefined;
  /** The server's whole reply. */
  readonly reply: Reply | undefined;
  /** The command, without secrets: `"AUTH PLAIN ***"`. */
  readonly command: string | undefined;
  /** The recipient it is about. */
  readonly recipient: string | undefined;
  /** A cause in plain words, where one is known. */
  readonly hint: string | undefined;
  /** The recipients the server had accepted before the failure. */
  readonly accepted: readonly RecipientReply[];
  /** The recipients the server had refused before the failure. */
  readonly rejected: readonly RecipientReply[];

  static {
    // On the prototype, as the platform's own errors have it; the name of the class does not survive a minifier.
    this.prototype.name = "SmtpError";
  }

  /** Made by the library; a mechanism or a dialer of your own may make one too. */
  constructor(kind: K, message: string, facts: SmtpErrorFacts) {
    const words = cut(message, MAX_MESSAGE);
    const text = facts.hint === undefined ? words : `${words} (${facts.hint})`;
    // What it is made of may be a server's words, a name in its certificate, or a proxy's (CWE-117); `reply` has all of them.
    super(printable(text), facts.cause === undefined ? undefined : { cause: facts.cause });
    this.kind = kind;
    this.phase = facts.phase;
    this.delivery = facts.delivery ?? "not-sent";
    this.reply = facts.reply;
    this.code = facts.reply?.code;
    this.enhancedCode = facts.reply?.enhancedCode;
    this.transient = facts.transient ?? facts.reply?.isTransient ?? false;
    this.command = facts.command;
    this.recipient = facts.recipient;
    this.hint = facts.hint;
    this.accepted = facts.accepted ?? [];
    this.rejected = facts.rejected ?? [];
  }
}

/**
 * The server answered, and the answer is no.
 *
 * Source: RFC 5321 section 4.2.1.
 *
 * @example
 * ```ts
 * import { SmtpReplyError } from "@posthorn/smtp";
 *
 * function advice(error: unknown): string {
 *   if (error instanceof SmtpReplyError && error.transient) return "later";
 *   throw error;
 * }
 * ```
 */
export class SmtpReplyError extends SmtpError<"refused"> {
  static {
    this.prototype.name = "SmtpReplyError";
  }

  /** Made by the library. */
  constructor(message: string, facts: SmtpErrorFacts) {
    super("refused", message, facts);
  }
}

/**
 * The credentials were refused, or the server did not prove that it knows them (RFC 4954 section 6).
 *
 * Source: RFC 4954 section 6.
 *
 * @example
 * ```ts
 * import { SmtpAuthError } from "@posthorn/smtp";
 *
 * function advice(error: unknown): string {
 *   if (error instanceof SmtpAuthError) return "ask for the password again";
 *   throw error;
 * }
 * ```
 */
export class SmtpAuthError extends SmtpError<"authentication"> {
  /**
   * What the server said in the mechanism's own terms: with a token `status`, `scope`, `schemes` and `openid-configuration` (RFC 7628 section 3.2.2), with
   * SCRAM `error` (RFC 5802 section 7). Empty where it said nothing.
   */
  readonly details: Readonly<Record<string, string>>;

  static {
    this.prototype.name = "SmtpAuthError";
  }

  /** Made by the library, and by SASL mechanisms. */
  constructor(message: string, facts: SmtpErrorFacts) {
    super("authentication", message, facts);
    this.details = facts.details ?? {};
  }
}

/**
 * There is no connection, or it has ended; it is never used again.
 *
 * Source: RFC 5321 section 3.8.
 *
 * @example
 * ```ts
 * import { SmtpConnectionError } from "@posthorn/smtp";
 *
 * function advice(error: unknown): string {
 *   if (error instanceof SmtpConnectionError && error.delivery === "not-sent") return "connect again";
 *   throw error;
 * }
 * ```
 */
export class SmtpConnectionError extends SmtpError<"connect" | "disconnected" | "timeout" | "aborted" | "closed"> {
  static {
    this.prototype.name = "SmtpConnectionError";
  }

  /** Made by the library, and by dialers. */
  constructor(kind: "connect" | "disconnected" | "timeout" | "aborted" | "closed", message: string, facts: SmtpErrorFacts) {
    const transient = kind !== "aborted" && kind !== "closed";
    super(kind, message, { ...facts, transient: facts.transient ?? transient });
  }
}

/**
 * The handshake failed (`tls`), or what was asked needs TLS and there is none (`insecure`). It is `transient` where the connection was lost in the
 * handshake, which a network can do as well as a server, and the runtime tells that from a certificate that is not trusted (Workers do not).
 *
 * Source: RFC 3207 section 4, RFC 8314 section 3.
 *
 * @example
 * ```ts
 * import { SmtpSecurityError } from "@posthorn/smtp";
 *
 * function advice(error: unknown): string {
 *   if (error instanceof SmtpSecurityError && error.kind === "insecure") return "the server has no TLS";
 *   throw error;
 * }
 * ```
 */
export class SmtpSecurityError extends SmtpError<"tls" | "insecure"> {
  static {
    this.prototype.name = "SmtpSecurityError";
  }

  /** Made by the library, and by dialers. */
  constructor(kind: "tls" | "insecure", message: string, facts: SmtpErrorFacts) {
    super(kind, message, facts);
  }
}

/**
 * The server said what no server may say; the connection is closed.
 *
 * Source: RFC 5321 section 4.2.
 *
 * @example
 * ```ts
 * import { SmtpProtocolError } from "@posthorn/smtp";
 *
 * function advice(error: unknown): string {
 *   if (error instanceof SmtpProtocolError) return "tell the operator";
 *   throw error;
 * }
 * ```
 */
export class SmtpProtocolError extends SmtpError<"protocol"> {
  static {
    this.prototype.name = "SmtpProtocolError";
  }

  /** Made by the library. */
  constructor(message: string, facts: SmtpErrorFacts) {
    super("protocol", message, facts);
  }
}

/**
 * The server does not offer what was asked for (`unsupported`), or not for a message this large (`too-large`).
 *
 * Source: RFC 5321 section 2.2, RFC 1870 section 6.1.
 *
 * @example
 * ```ts
 * import { SmtpUnsupportedError } from "@posthorn/smtp";
 *
 * function advice(error: unknown): string {
 *   if (error instanceof SmtpUnsupportedError && error.kind === "too-large") return "send less";
 *   throw error;
 * }
 * ```
 */
export class SmtpUnsupportedError extends SmtpError<"unsupported" | "too-large"> {
  static {
    this.prototype.name = "SmtpUnsupportedError";
  }

  /** Made by the library. */
  constructor(kind: "unsupported" | "too-large", message: string, facts: SmtpErrorFacts) {
    super(kind, message, facts);
  }
}

/**
 * The verb is not legal in this state of the session; nothing was written and nothing changed.
 *
 * Source: RFC 5321 section 4.1.4.
 *
 * @example
 * ```ts
 * import { SmtpStateError } from "@posthorn/smtp";
 *
 * function advice(error: unknown): string {
 *   if (error instanceof SmtpStateError) return "a bug of ours";
 *   throw error;
 * }
 * ```
 */
export class SmtpStateError extends SmtpError<"state"> {
  static {
    this.prototype.name = "SmtpStateError";
  }

  /** Made by the library. */
  constructor(message: string, facts: SmtpErrorFacts) {
    super("state", message, facts);
  }
}

/**
 * The source of the message failed, or held what may not be sent; the message was not sent.
 *
 * Source: RFC 5321 section 3.3.
 *
 * @example
 * ```ts
 * import { SmtpBodyError } from "@posthorn/smtp";
 *
 * function advice(error: unknown): string {
 *   if (error instanceof SmtpBodyError) return "read the file again";
 *   throw error;
 * }
 * ```
 */
export class SmtpBodyError extends SmtpError<"body"> {
  static {
    this.prototype.name = "SmtpBodyError";
  }

  /** Made by the library. */
  constructor(message: string, facts: SmtpErrorFacts) {
    super("body", message, facts);
  }
}
