/** Several connections to one server, shared by all who send. */
import type { SignalOptions } from "./client.ts";
import type { Message } from "./message.ts";
import type { ConnectOptions } from "./options.ts";
import type { SendOutcome } from "./outcome.ts";
import { Dispatcher } from "./pool/dispatcher.ts";
import { type PoolOptions, type PoolSettings, resolvePoolOptions } from "./pool/options.ts";
import type { PoolStats } from "./pool/stats.ts";
import { type Messages, sendInOrder } from "./send_all.ts";
import type { SendResult } from "./transaction.ts";
import { own } from "./wire/own.ts";

/** Options of {@linkcode SmtpPool.send}. */
export interface PoolSendOptions extends SignalOptions {
  /** What it has in common with some others, such as the destination's domain: while messages wait, keys take turns. */
  readonly key?: string | undefined;
}

/** Options of {@linkcode SmtpPool.sendAll}. */
export interface PoolSendAllOptions extends SignalOptions {
  /** The key of each message; see {@linkcode PoolSendOptions.key}. */
  readonly key?: ((message: Message) => string | undefined) | undefined;
}

/** Messages that {@linkcode SmtpPool.sendAll} reads, for each that can be under way: enough to go on while the first of them is slow. */
const READ_AHEAD = 4;

/**
 * A pool of connections to one server. Connections are opened when they are needed, used again, and ended when nobody needs them; there are never
 * more than `maxConnections`. A message that is surely not sent because its connection was lost, or because the server was leaving (421), is sent once
 * more on a new one, if its content can be read again; nothing else is ever sent twice.
 *
 * Nothing is shared between pools, so two of them never mix their logins or their TLS.
 *
 * Source: RFC 5321 sections 3.8 and 4.5.4.1, RFC 9422.
 *
 * @example
 * ```ts
 * import { SmtpPool } from "@posthorn/smtp";
 *
 * async function main(addresses: readonly string[], password: string): Promise<void> {
 *   await using pool = new SmtpPool({ hostname: "mail.example.com", auth: { username: "alice", password } }, { maxConnections: 4 });
 *   const body = "Subject: Hello\r\n\r\nHello, all.\r\n";
 *   await Promise.all(addresses.map((to) => pool.send({ from: "alice@example.com", to, body })));
 *   console.log(pool.stats().sent);
 * }
 * ```
 */
export class SmtpPool implements AsyncDisposable {
  readonly #settings: PoolSettings;
  readonly #dispatcher: Dispatcher;

  /**
   * A pool for `target`, which is what `connect` takes: options, or a URL. Nothing is dialled until there is something to send.
   *
   * @throws {TypeError} Or {RangeError}: an option is wrong.
   */
  constructor(target: string | URL | ConnectOptions, options: PoolOptions = {}) {
    this.#settings = resolvePoolOptions(target, options);
    this.#dispatcher = new Dispatcher(this.#settings);
  }

  /**
   * Sends one message, as soon as there is a connection for it, and resolves when the server has it, for one recipient at least.
   *
   * @throws {SmtpStateError} The pool is closed or being drained, or `maxQueued` messages wait already (`transient` then). {SmtpConnectionError} There is
   * no connection, or it was lost: `delivery` says whether the message may have arrived. What `connect` and `SmtpClient.send` throw besides.
   */
  send(message: Message, options: PoolSendOptions = {}): Promise<SendResult> {
    return new Promise((resolve) => {
      const { key, signal }: PoolSendOptions = own(options);
      resolve(this.#add(message, key, signal, undefined));
    });
  }

  /**
   * Sends every message that `messages` gives and yields what became of each, in the same order: one failure neither ends the rest nor shifts it. The
   * source is read only a little ahead of what is under way, and of what was read of the outcomes. Leaving the loop early sends nothing more.
   *
   * Source: RFC 5321 section 4.5.4.1.
   *
   * @throws {SmtpConnectionError} Of kind `aborted`, behind the outcomes of what was begun, when the signal fires. Whatever the source throws.
   *
   * @example
   * ```ts
   * import type { Message, SmtpPool } from "@posthorn/smtp";
   *
   * async function deliver(pool: SmtpPool, messages: AsyncIterable<Message>): Promise<void> {
   *   for await (const outcome of pool.sendAll(messages, { key: ({ to }) => String(to).split("@")[1] })) {
   *     if (outcome.status !== "sent") console.log(outcome.message.to, outcome.error.message, outcome.delivery);
   *   }
   * }
   * ```
   */
  sendAll(messages: Messages, options: PoolSendAllOptions = {}): AsyncGenerator<SendOutcome, void, undefined> {
    const { signal, key }: PoolSendAllOptions = own(options);
    const { maxConnections, window } = this.#settings;
    const send = (message: Message, withdrawn: AbortSignal): Promise<SendResult> => {
      try {
        return this.#add(message, key?.(message), signal, withdrawn);
      } catch (error) {
        return Promise.reject(error);
      }
    };
    return sendInOrder(messages, { limit: READ_AHEAD * maxConnections * window, signal, send });
  }

  /** How things stand. */
  stats(): PoolStats {
    return this.#dispatcher.stats;
  }

  /**
   * Takes no more, waits until every message has its result or its error, ends the connections with QUIT, and resolves when they are gone. Never rejects.
   */
  async drain(): Promise<void> {
    await this.#dispatcher.drain();
  }

  /** Ends everything at once: what waits or is under way rejects with an {@linkcode SmtpConnectionError} of kind `closed`. */
  close(): void {
    this.#dispatcher.close();
  }

  /** The same as {@linkcode drain}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain();
  }

  #add(message: Message, key: string | undefined, signal: AbortSignal | undefined, withdrawn: AbortSignal | undefined): Promise<SendResult> {
    return new Promise((resolve, reject) => {
      const job = { message, key, signal, withdrawn, resolve, reject, place: undefined, after: undefined, due: 0 };
      // What `sendAll` has waiting is bounded by how far it reads ahead.
      this.#dispatcher.add(job, withdrawn === undefined);
    });
  }
}
