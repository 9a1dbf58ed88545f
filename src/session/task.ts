import type { Delivery, SmtpError, SmtpErrorFacts } from "../errors.ts";
import { isGone, lengthOf } from "../wire/octets.ts";
import type { Reply } from "../wire/reply.ts";
import type { Secrets } from "../wire/secrets.ts";
import { type Rule, ruleOf } from "./state.ts";

/** Some octets of a message's content. */
export interface ContentPiece {
  readonly parts: readonly Uint8Array[];
  /** Whether the message ends with them: the final dot is the last of them. */
  readonly last: boolean;
  /** To be called where the socket has taken the parts and keeps none of them, if it is one of which that is known: their room is used again. */
  readonly release?: () => void;
}

/** The content of a message, ready for the wire: read piece by piece as the socket takes it. */
export interface Content {
  next(): Promise<ContentPiece>;
  /** Nothing more will be read: frees the source. */
  cancel(reason: unknown): void;
}

/** One thing to write, one reply to wait for, or both. */
export interface Question {
  /** The row of the table. */
  readonly verb: string;
  /** A command line without its end, which has passed the gate. */
  readonly line?: string;
  /** Octets behind the line, or in the place of one. */
  readonly payload?: readonly Uint8Array[];
  /** A message's content that is too much for one write. */
  readonly content?: Content;
  /** The command in logs and errors, redacted; default `line`, else `verb`. */
  readonly label?: string;
  /** What was told in confidence with it and before; replies are cleared of it, and challenges left out of logs. */
  readonly secrets?: Secrets | undefined;
  /** Whether a reply is owed; default `true`. */
  readonly isAnswered?: boolean;
  /** Whether another command may be written before its reply; default by the table. */
  readonly isFollowable?: boolean;
  /** How long its reply may take, in milliseconds; default by the table. */
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Whether the server owes the reply already: it comes before those to all that is queued, wherever the session stands by then. */
  readonly isOwed?: boolean;
}

/** What an error about a command should say besides. */
export type About = Pick<SmtpErrorFacts, "hint" | "recipient" | "accepted" | "rejected" | "delivery">;

/** A question for one who waits for the answer. */
export interface Command extends Question {
  /** See {@linkcode Task.mayBeSkipped}. */
  readonly mayBeSkipped?: () => boolean;
  /** See {@linkcode Task.onReply}. */
  readonly onReply?: (reply: Reply, delivery: Delivery) => void;
  /** See {@linkcode Task.about}. */
  readonly about?: (delivery: Delivery) => About;
}

/** A question in the pipeline. Whoever asks extends it, to be told what comes of it. */
export class Task {
  readonly verb: string;
  readonly rule: Rule;
  readonly line: string | undefined;
  readonly payload: readonly Uint8Array[] | undefined;
  /** Octets of the payload when it was asked. */
  readonly #octets: number;
  readonly content: Content | undefined;
  /** The command in logs and errors, redacted. */
  readonly label: string;
  readonly secrets: Secrets | undefined;
  readonly isAnswered: boolean;
  readonly isFollowable: boolean;
  readonly isOwed: boolean;
  readonly signal: AbortSignal | undefined;
  /** How long its reply may take, in milliseconds; 0 until the session says what the table has. */
  timeout: number;
  /** What is known of a message if the connection is lost now. */
  delivery: Delivery = "not-sent";
  /** Whether it is in the queue still. */
  isQueued = false;

  constructor(question: Question, signal: AbortSignal | undefined) {
    const { verb } = question;
    const rule = ruleOf(verb);
    const line = ownOf(question, "line");
    const payload = ownOf(question, "payload");
    this.verb = verb;
    this.rule = rule;
    this.line = line;
    this.payload = payload;
    this.#octets = payload === undefined ? 0 : lengthOf(payload);
    this.content = ownOf(question, "content");
    this.label = ownOf(question, "label") ?? line ?? verb;
    this.secrets = ownOf(question, "secrets");
    this.isAnswered = ownOf(question, "isAnswered") ?? true;
    this.isFollowable = ownOf(question, "isFollowable") ?? rule.followable ?? false;
    this.isOwed = ownOf(question, "isOwed") ?? false;
    this.signal = signal;
    this.timeout = ownOf(question, "timeout") ?? 0;
  }

  /** Asked right before it is written: `true` takes it out of the queue, settled with `undefined`. */
  mayBeSkipped(): boolean {
    return false;
  }

  /** What an error should say besides, asked when there is one, and told what is known of the message. */
  about(_delivery: Delivery): About | undefined {
    return undefined;
  }

  /** Called with the reply before anything more is written, and with what was known of the message before it. */
  onReply(_reply: Reply, _delivery: Delivery): void {}

  /** There is a reply; `undefined` when it was skipped, or none is owed. */
  settle(_reply: Reply | undefined): void {}

  /** There will be no reply. */
  fail(_error: unknown): void {}

  /** Whether its payload is shorter than it was: the buffer was handed on, and what was announced would never come. */
  get hasShrunk(): boolean {
    return this.payload !== undefined && (lengthOf(this.payload) !== this.#octets || this.payload.some(isGone));
  }

  /** Whether it only waits for a reply. */
  get isReceipt(): boolean {
    return this.line === undefined && this.payload === undefined && this.content === undefined;
  }

  /** Whether it writes something that is answered. */
  get isCommand(): boolean {
    return this.isAnswered && !this.isReceipt;
  }

  /** What an error says of it. */
  get facts(): SmtpErrorFacts {
    const { rule: { phase }, label, delivery } = this;
    const about = this.about(delivery);
    return { phase, command: label, ...about, delivery: delivery === "unknown" ? delivery : about?.delivery ?? delivery };
  }

  /** Whether whoever asked for it has given it up. */
  get isAborted(): boolean {
    return this.signal?.aborted ?? false;
  }
}

/** The own member `key` of `question`: what somebody has put into the prototype of all objects is nobody's question. */
function ownOf<Q extends Question, K extends keyof Q>(question: Q, key: K): Q[K] | undefined {
  return Object.hasOwn(question, key) ? question[key] : undefined;
}

/** A command with a promise for its reply. */
export class Issued extends Task {
  readonly #command: Command;
  readonly #resolve: (reply: Reply | undefined) => void;
  readonly #reject: (error: unknown) => void;

  constructor(command: Command, resolve: (reply: Reply | undefined) => void, reject: (error: unknown) => void) {
    super(command, ownOf(command, "signal"));
    this.#command = command;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  override mayBeSkipped(): boolean {
    return ownOf(this.#command, "mayBeSkipped")?.() ?? false;
  }

  override about(delivery: Delivery): About | undefined {
    return ownOf(this.#command, "about")?.(delivery);
  }

  override onReply(reply: Reply, delivery: Delivery): void {
    ownOf(this.#command, "onReply")?.(reply, delivery);
  }

  override settle(reply: Reply | undefined): void {
    this.#resolve(reply);
  }

  override fail(error: unknown): void {
    this.#reject(error);
  }
}

/** What a task came to: told by the pipeline to whoever keeps the state, before anybody else. */
export interface TaskOwner {
  /** Whether the server waits for the content of a message. */
  readonly isContentDue: boolean;
  /** Asked right before `task` is written: `"skip"` takes it out of the queue, settled with `undefined`; an error takes it out too, and is its end. */
  verdict(task: Task): "skip" | SmtpError | undefined;
  settle(task: Task, reply: Reply | undefined): void;
  fail(task: Task, error: SmtpError): void;
  /** The connection has ended. */
  end(): void;
}
