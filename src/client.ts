/** The high level: what most people need, in a few calls that queue, never mix on the wire, and throw where the low level returns. */
import { sessionOf, type SmtpConnection } from "./connection.ts";
import { type SmtpPhase, SmtpProtocolError, SmtpReplyError, SmtpSecurityError, SmtpStateError } from "./errors.ts";
import { type Message, type PreparedMessage, prepareMessage } from "./message.ts";
import { type Auth, checkAuth, checkBoolean, checkProtocol, type Protocol } from "./options.ts";
import type { SendOutcome } from "./outcome.ts";
import { type Messages, sendInOrder } from "./send_all.ts";
import { runTransaction, type SendResult } from "./transaction.ts";
import { type Turn, Turns } from "./turns.ts";
import { checkWindow, isWindowFailure } from "./window.ts";
import type { Extensions } from "./wire/extensions.ts";
import { own } from "./wire/own.ts";
import { addressLiteral, checkClientName } from "./wire/path.ts";
import type { Reply } from "./wire/reply.ts";

/** Options of a client on a connection that stands already. */
export interface ClientOptions {
  /** The client's name in EHLO; default the literal of the connection's own address. */
  readonly name?: string;
  /** Whether credentials may travel without TLS; default `false`. */
  readonly allowCleartextAuth?: boolean;
  /** What is spoken; default `"smtp"`. */
  readonly protocol?: Protocol;
}

/** Options of what takes a signal and nothing else. */
export interface SignalOptions {
  /** Gives the call up. Before its turn it is only taken out of the queue; once one of its commands waits for a reply it ends the connection. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@linkcode SmtpClient.hello}. */
export interface HelloOptions extends SignalOptions {
  /** Whether to go without HELO, since what comes next needs an extension; default `false`. */
  readonly isEsmtpRequired?: boolean;
}

/** Options of {@linkcode SmtpClient.send}. */
export interface SendOptions extends SignalOptions {
  /**
   * Whether it is the last message, so that QUIT leaves in the same write as its end and costs no round trip; default `false`. The connection has no
   * further use then, whatever became of the message.
   */
  readonly quit?: boolean;
}

/** Options of {@linkcode SmtpClient.sendAll}. */
export interface SendAllOptions extends SignalOptions {
  /**
   * Messages under way at once at most; default 1. With more, the next envelope rides behind the end of a message (RFC 2920 section 3.1), and by BDAT
   * whole transactions do (RFC 3030 section 4.2). It is the fastest way there is, and real servers fail at it: see docs/performance.md.
   */
  readonly window?: number;
}

/** EHLO is not known to the server, so it may know HELO (RFC 5321 section 3.2). */
const EHLO_UNKNOWN: readonly number[] = [500, 502, 504];

/** How one message of many is sent. */
export interface Transmission {
  readonly signal: AbortSignal | undefined;
  /** Fires when nobody waits for it any more: it is not begun then. */
  readonly withdrawn: AbortSignal | undefined;
  /** See {@linkcode SendAllOptions.window}. */
  readonly window: number;
  /** See {@linkcode SendOptions.quit}. */
  readonly quit: boolean;
}

/** Opens another connection, while the signal allows it. */
type Redial = (signal: AbortSignal) => Promise<SmtpClient>;

let turnsOf: (client: SmtpClient) => Turns;
let mayRedial: (client: SmtpClient, redial: Redial) => void;
let transmit: (client: SmtpClient, message: Message, how: Transmission) => Promise<SendResult>;

/**
 * A client of one server, on one connection. {@linkcode connect} makes one that is ready to send; `new SmtpClient(connection)` takes over a connection
 * at any point, for those who do some steps by hand.
 *
 * Calls may be made concurrently: each waits its turn. {@linkcode connection} is the low level of the same socket.
 *
 * Source: RFC 5321 sections 3.1 to 3.3 and 4.1.4.
 *
 * @example
 * ```ts
 * import { connect } from "@posthorn/smtp";
 *
 * async function hello(url: string): Promise<void> {
 *   await using client = await connect(url);
 *   const result = await client.send({ from: "a@example.com", to: "b@example.com", body: "Subject: hello\r\n\r\nHello.\r\n" });
 *   console.log(result.accepted, result.rejected, result.queueId);
 * }
 * ```
 */
export class SmtpClient implements AsyncDisposable {
  #connection: SmtpConnection;
  readonly #turns = new Turns();
  readonly #name: string;
  readonly #allowCleartextAuth: boolean;
  readonly #protocol: Protocol;
  /** Opens another connection of the same kind, where that is known; used at most once. */
  #redial: Redial | undefined;
  /** Fires when the caller has no more use for it. */
  readonly #over = new AbortController();

  static {
    transmit = (client, message, how) => client.#transmit(message, how);
    turnsOf = (client) => client.#turns;
    mayRedial = (client, redial) => client.#redial = redial;
  }

  /**
   * A client on `connection`, which it owns from now on.
   *
   * @throws {TypeError} When an option is wrong.
   */
  constructor(connection: SmtpConnection, options: ClientOptions = {}) {
    const { name, allowCleartextAuth = false, protocol = "smtp" }: ClientOptions = own(options);
    this.#connection = connection;
    this.#name = name === undefined ? nameOf(sessionOf(connection).options.info.localAddress) : checkClientName(name);
    this.#allowCleartextAuth = checkBoolean("allowCleartextAuth", allowCleartextAuth);
    this.#protocol = checkProtocol(protocol);
  }

  /**
   * The low level: every verb, on the same socket and in the same order. Another one only where a window has cost the connection, see {@linkcode
   * SmtpClient.sendAll}.
   */
  get connection(): SmtpConnection {
    return this.#connection;
  }

  /** What the server offers. */
  get extensions(): Extensions {
    return this.connection.extensions;
  }

  /** Whether TLS stands. */
  get isSecure(): boolean {
    return this.connection.isSecure;
  }

  /** Whether the connection has ended. */
  get isClosed(): boolean {
    return this.connection.isClosed;
  }

  /**
   * EHLO, or HELO where the server does not know EHLO; LHLO with LMTP. Resolves with what the server offers.
   *
   * @throws {SmtpReplyError} The greeting or the hello was a refusal.
   */
  async hello(options: HelloOptions = {}): Promise<Extensions> {
    const given: HelloOptions = own(options);
    return await this.#turns.take(() => this.#hello(given), given);
  }

  /**
   * STARTTLS, the handshake, and EHLO again: what was said in the clear does not count. A server that refuses leaves the connection as it was; when
   * anything else fails it has ended.
   *
   * @throws {SmtpSecurityError} The server does not offer it (`insecure`), or the handshake or the certificate failed (`tls`). {SmtpReplyError} The
   * server refused. {SmtpStateError} TLS stands already. {SmtpProtocolError} The server spoke in the clear behind its 220.
   */
  async startTls(options: SignalOptions = {}): Promise<void> {
    const given: SignalOptions = own(options);
    return await this.#turns.take(() => this.#startTls(given), given);
  }

  /**
   * Logs in with the best mechanism that both sides have.
   *
   * @throws {SmtpAuthError} The server refused. {SmtpUnsupportedError} It offers no AUTH, or no mechanism of ours. {SmtpSecurityError} Without TLS the
   * credentials would be there for all to read. {TypeError} The credentials are none.
   */
  async login(auth: Auth, options: SignalOptions = {}): Promise<void> {
    const checked = checkAuth(auth);
    const { signal }: SignalOptions = own(options);
    return await this.#turns.take(async () => {
      // Loaded when somebody logs in: who relays to a server that asks for nothing does without every mechanism.
      const { authenticate } = await import("./authenticate.ts");
      await authenticate(this.connection, checked, { allowCleartextAuth: this.#allowCleartextAuth, signal });
    }, { signal });
  }

  /**
   * Sends one message and resolves when the server has it, for one recipient at least.
   *
   * @throws {SmtpReplyError} The server refused the sender, every recipient (`rejected` has them all) or the content. {SmtpUnsupportedError} The server
   * lacks what the message needs, or takes none that large. {SmtpConnectionError} The connection was lost: `delivery` says whether the message may
   * have arrived. {SmtpBodyError} The content could not be read. {TypeError} Or {RangeError}: the message is wrong.
   */
  async send(message: Message, options: SendOptions = {}): Promise<SendResult> {
    const { signal, quit = false }: SendOptions = own(options);
    if (!checkBoolean("quit", quit)) return await transmit(this, message, { signal, withdrawn: undefined, window: 1, quit });
    try {
      return await transmit(this, message, { signal, withdrawn: undefined, window: 1, quit });
    } finally {
      // Where it could not ride, since the message was refused before its end or needed several transactions.
      if (!sessionOf(this.connection).isQuitting) this.quit();
    }
  }

  /**
   * Sends every message that `messages` gives and yields what became of each, in the same order: one failure neither ends the rest nor shifts it.
   * The source is read only a little ahead of what is under way, and of what was read of the outcomes. Leaving the loop early sends nothing more.
   *
   * Where the server fails at a window, there is none from then on, and what surely was not sent is sent again; where that cost the connection, a client
   * of {@linkcode connect} opens another, once, and {@linkcode connection} is that one then.
   *
   * Source: RFC 2920 section 3.1, RFC 3030 section 4.2.
   *
   * @throws {SmtpConnectionError} Of kind `aborted`, behind the outcomes of what was begun, when the signal fires. {RangeError} The window is none.
   * Whatever the source throws.
   *
   * @example
   * ```ts
   * import type { Message, SmtpClient } from "@posthorn/smtp";
   *
   * async function deliver(client: SmtpClient, messages: AsyncIterable<Message>): Promise<void> {
   *   for await (const outcome of client.sendAll(messages)) {
   *     if (outcome.status !== "sent") console.log(outcome.message.to, outcome.error.message, outcome.delivery);
   *   }
   * }
   * ```
   */
  sendAll(messages: Messages, options: SendAllOptions = {}): AsyncGenerator<SendOutcome, void, undefined> {
    const { window = 1, signal }: SendAllOptions = own(options);
    checkWindow(window);
    // As many more are made ready while those are under way, so that they leave in one write.
    const send = (message: Message, withdrawn: AbortSignal) => transmit(this, message, { signal, withdrawn, window, quit: false });
    return sendInOrder(messages, { limit: 2 * window, signal, send });
  }

  /**
   * Asks whether the server still answers on this connection (NOOP).
   *
   * @throws {SmtpReplyError} It answers, but not well. {SmtpConnectionError} It does not.
   */
  async verify(options: SignalOptions = {}): Promise<void> {
    const { signal }: SignalOptions = own(options);
    const reply = await this.#turns.take(() => this.connection.noop({ signal }), { signal });
    if (!reply.isPositive) throw this.#refused("NOOP", reply, "command");
  }

  /**
   * QUIT once all that was asked for is done, and close. Never rejects: what was sent is sent, whatever becomes of the QUIT. A signal that fires closes
   * at once.
   */
  async quit(options: SignalOptions = {}): Promise<void> {
    const { signal }: SignalOptions = own(options);
    const onAbort = () => this.close();
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort);
    try {
      await this.#turns.take(() => this.connection[Symbol.asyncDispose]());
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** Closes the socket at once; whatever is under way rejects with an {@linkcode SmtpConnectionError} of kind `closed`. */
  close(): void {
    this.#over.abort();
    this.connection.close();
  }

  /** The same as {@linkcode quit}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.quit();
  }

  /** The error of a reply that is no yes. One that is no no either ends the connection: nobody can tell where it stands. */
  #refused(command: string, reply: Reply, phase: SmtpPhase): SmtpReplyError | SmtpProtocolError {
    if (reply.isTransient || reply.isPermanent) return new SmtpReplyError(`The server refused ${command}: ${reply}`, { phase, command, reply });
    if (phase !== "greeting") this.close();
    return new SmtpProtocolError(`The server answered ${command} with ${reply}`, { phase, command, reply });
  }

  #transmit(given: Message, { signal, withdrawn, window, quit }: Transmission): Promise<SendResult> {
    try {
      const message = prepareMessage(given);
      const octets = message.body.facts?.octets;
      return this.#turns.take((turn) => this.#sendInTurn(message, turn, signal, quit), { signal, withdrawn, window, octets });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async #sendInTurn(message: PreparedMessage, turn: Turn, signal: AbortSignal | undefined, quit: boolean): Promise<SendResult> {
    for (;;) {
      if (this.#turns.hasFailed && this.isClosed) await this.#replace(signal);
      try {
        return await runTransaction(message, { session: sessionOf(this.connection), turn, quit, signal });
      } catch (error) {
        if (this.#over.signal.aborted || signal?.aborted || !isWindowFailure(turn, error)) throw error;
        this.#turns.fail();
        await turn.retake();
      }
    }
  }

  /** The window was our wager, so the connection that it cost is ours to replace. */
  async #replace(signal: AbortSignal | undefined): Promise<void> {
    const redial = this.#redial;
    this.#redial = undefined;
    if (redial === undefined || this.#over.signal.aborted) return;
    const fresh = await redial(AbortSignal.any([this.#over.signal, ...(signal === undefined ? [] : [signal])]));
    this.#connection = fresh.connection;
    if (this.#over.signal.aborted) fresh.close();
  }

  async #hello({ signal, isEsmtpRequired = false }: HelloOptions): Promise<Extensions> {
    const { connection } = this;
    const { greeting } = connection;
    if (greeting.code !== 220) throw this.#refused("the connection", greeting, "greeting");
    if (this.#protocol === "lmtp") {
      const lhlo = await connection.lhlo(this.#name, { signal });
      if (!lhlo.isPositive) throw this.#refused("LHLO", lhlo, "ehlo");
      return connection.extensions;
    }
    const ehlo = await connection.ehlo(this.#name, { signal });
    if (EHLO_UNKNOWN.includes(ehlo.code) && !isEsmtpRequired) {
      const helo = await connection.helo(this.#name, { signal });
      if (!helo.isPositive) throw this.#refused("HELO", helo, "helo");
    } else if (!ehlo.isPositive) throw this.#refused("EHLO", ehlo, "ehlo");
    return connection.extensions;
  }

  async #startTls(options: SignalOptions): Promise<void> {
    const { connection } = this;
    const { signal } = options;
    if (connection.isSecure) throw new SmtpStateError("TLS stands already", { phase: "starttls" });
    if (!connection.isClosed && !connection.extensions.has("STARTTLS")) {
      throw new SmtpSecurityError("insecure", "The server does not offer STARTTLS", {
        phase: "starttls",
        hint: 'where TLS is not wanted, say tls: "none"',
      });
    }
    const reply = await connection.startTls({ signal });
    if (reply.code !== 220) throw this.#refused("STARTTLS", reply, "starttls");
    try {
      await connection.upgrade(undefined, { signal });
    } catch (error) {
      // The server waits for a handshake that will not come.
      connection.close();
      throw error;
    }
    await this.#hello({ ...options, isEsmtpRequired: true });
  }
}

/** The literal of our own address; where it is not known, that of the loopback, which tells nobody anything. */
function nameOf(localAddress: string | undefined): string {
  // A dialer of the caller's own may say anything.
  const ip = typeof localAddress === "string" ? localAddress.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1") : "";
  return addressLiteral(ip) ?? "[127.0.0.1]";
}

/** Whether the server of `client` has failed at a window. */
export function hasWindowFailed(client: SmtpClient): boolean {
  return turnsOf(client).hasFailed;
}

/** No window of `client` from now on. */
export function closeWindow(client: SmtpClient): void {
  turnsOf(client).fail();
}

/** For {@linkcode connect} and the pool: another connection, and one message of many. */
export { mayRedial, transmit };
