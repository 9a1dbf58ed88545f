/** The waits of a session, each with its own deadline. */
export type TimeoutName = "connect" | "greeting" | "command" | "mail" | "rcpt" | "data" | "source" | "block" | "final" | "quit";

/**
 * Deadlines in milliseconds. Each is absolute from the moment the wait begins, not from the last octet: a server that drips gains nothing.
 *
 * Source: RFC 5321 section 4.5.3.2.
 */
export type Timeouts = Readonly<Record<TimeoutName, number>>;

const MINUTE = 60_000;

/**
 * The default deadlines, in milliseconds. `connect`, `command`, `source` and `quit` are our own.
 *
 * Source: RFC 5321 section 4.5.3.2.
 *
 * @example
 * ```ts
 * import { DEFAULT_TIMEOUTS } from "@posthorn/smtp";
 *
 * DEFAULT_TIMEOUTS.final; // 600000: ten minutes from the final dot to its reply
 * ```
 */
export const DEFAULT_TIMEOUTS: Timeouts = {
  /** Until a TCP connection stands, and until a TLS handshake is done. */
  connect: 30_000,
  /** From the start of dialling to the greeting, all in one (4.5.3.2.1). */
  greeting: 5 * MINUTE,
  /** EHLO, STARTTLS, AUTH and every other command without a row in 4.5.3.2. */
  command: 5 * MINUTE,
  /** MAIL (4.5.3.2.2). */
  mail: 5 * MINUTE,
  /** RCPT (4.5.3.2.3). */
  rcpt: 5 * MINUTE,
  /** DATA, until the 354 (4.5.3.2.4). */
  data: 2 * MINUTE,
  /** Until the message's own source gives its next octets: a server waits no longer for them (4.5.3.2.7). */
  source: 5 * MINUTE,
  /** Until the socket has taken one block of the content (4.5.3.2.5). */
  block: 3 * MINUTE,
  /** From the final dot to its reply (4.5.3.2.6): ended too early, the message is delivered twice. */
  final: 10 * MINUTE,
  /** QUIT, which has nothing to lose. */
  quit: 5_000,
};

/**
 * How long a server may take to read on behind its answer, in milliseconds: a chunk that it has refused already, over a slow line, or never, since it has
 * stopped reading.
 */
export const REMNANT = 30_000;

/** The longest time a timer of the platform can wait: 2^31 - 1 ms. */
export const MAX_TIMEOUT: number = 2_147_483_647;
