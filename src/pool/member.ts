import type { SmtpClient } from "../client.ts";
import { sessionOf } from "../connection.ts";
import type { SmtpError } from "../errors.ts";
import type { Message } from "../message.ts";
import type { Session } from "../session/session.ts";

/** One connection of a pool, ready to send, and how much it carries. */
export class Member {
  /** Its number: the order in which they were begun. */
  readonly id: number;
  readonly client: SmtpClient;
  readonly #session: Session;
  readonly #maxMessages: number;
  /** Transactions that the server takes on one connection, and recipients in one transaction (RFC 9422 sections 4.1 and 4.2). */
  readonly #mailMax: number;
  readonly #rcptMax: number;
  /** Messages it was given that are not done. */
  load = 0;
  /** Messages it was given, and the transactions they take. */
  #messages = 0;
  #transactions = 0;
  /** Whether it is among those that wait for messages. */
  isReady = false;
  /** Whether the server has answered a message on it. */
  isProven = false;
  /** Since when nobody has needed it, by the clock. */
  idleSince = 0;
  /** When it ended: the number of the newest connection by then. */
  endedAt: number | undefined;

  constructor(id: number, client: SmtpClient, maxMessages: number) {
    this.id = id;
    this.client = client;
    this.#session = sessionOf(client.connection);
    this.#maxMessages = maxMessages;
    const { extensions } = client;
    this.#mailMax = extensions.limit("MAILMAX") ?? Infinity;
    this.#rcptMax = extensions.limit("RCPTMAX") ?? Infinity;
    // Nobody will start TLS any more; a server that hangs up while nothing is owed is noticed.
    this.#session.watch();
  }

  /** Messages at most: where nothing can ride behind another, more of them would only be lost with it. */
  get capacity(): number {
    return this.#session.isPipelining && !this.#session.isLmtp ? Infinity : 1;
  }

  /** Whether it may carry one more. */
  get hasRoom(): boolean {
    return this.#messages < this.#maxMessages && Math.max(this.#transactions, this.#session.mails + this.load) < this.#mailMax;
  }

  /** Counts `message` as given. */
  give({ to }: Message): void {
    this.load++;
    this.#messages++;
    this.#transactions += Array.isArray(to) && to.length > this.#rcptMax ? Math.ceil(to.length / this.#rcptMax) : 1;
  }

  /** Calls `onEnd` when the connection has ended, whoever ended it. */
  onEnd(onEnd: () => void): void {
    this.#session.ended.addEventListener("abort", onEnd);
  }

  /** Why it has ended. */
  get failure(): SmtpError | undefined {
    return this.#session.failureOf({ phase: "idle" });
  }
}
