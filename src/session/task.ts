import type { Delivery, SmtpError, SmtpErrorFacts } from "../errors.ts";
import type { Reply } from "../wire/reply.ts";
import type { Rule } from "./state.ts";

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
export interface Command {
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
  /** What of it is a secret, as it stands on the wire and in the clear; its replies are cleared of it, and its challenges left out of logs. */
  readonly secrets?: readonly string[] | undefined;
  /** Whether a reply is owed; default `true`. */
  readonly isAnswered?: boolean;
  /** Whether another command may be written before its reply; default by the table. */
  readonly isFollowable?: boolean;
  /** How long its reply may take, in milliseconds; default by the table. */
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Whether the server owes the reply already: it comes before those to all that is queued, wherever the session stands by then. */
  readonly isOwed?: boolean;
  /** Asked right before it is written: `true` takes it out of the queue, settled with `undefined`. */
  mayBeSkipped?(): boolean;
  /** Called with the reply before anything more is written, and with what was known of the message before it. */
  onReply?(reply: Reply, delivery: Delivery): void;
  /** What an error should say besides, asked when there is one, and told what is known of the message. */
  about?(delivery: Delivery): Pick<SmtpErrorFacts, "hint" | "recipient" | "accepted" | "rejected" | "delivery">;
}

/** Whoever asked for a command: told once what came of it. */
export interface Asker {
  /** There is a reply; `undefined` when it was skipped, or none is owed. */
  settle(reply: Reply | undefined): void;
  /** There will be no reply. */
  fail(error: unknown): void;
}

/** A command in the pipeline. */
export class Task {
  readonly command: Command;
  readonly rule: Rule;
  readonly asker: Asker;
  /** The command in logs and errors, redacted. */
  readonly label: string;
  /** How long its reply may take, in milliseconds. */
  readonly timeout: number;
  /** What is known of a message if the connection is lost now. */
  delivery: Delivery;
  /** Whether it is in the queue still. */
  isQueued = false;

  constructor(command: Command, asker: Asker, rule: Rule, timeout: number, delivery: Delivery) {
    this.command = command;
    this.asker = asker;
    this.rule = rule;
    this.label = command.label ?? command.line ?? command.verb;
    this.timeout = timeout;
    this.delivery = delivery;
  }

  /** Whether a reply is owed for it. */
  get isAnswered(): boolean {
    return this.command.isAnswered ?? true;
  }

  /** Whether another task may be written before its reply. */
  get isFollowable(): boolean {
    return this.command.isFollowable ?? this.rule.followable ?? false;
  }

  /** Whether it only waits for a reply. */
  get isReceipt(): boolean {
    const { line, payload, content } = this.command;
    return line === undefined && payload === undefined && content === undefined;
  }

  /** Whether it writes something that is answered. */
  get isCommand(): boolean {
    return this.isAnswered && !this.isReceipt;
  }

  /** What an error says of it. */
  get facts(): SmtpErrorFacts {
    const { rule: { phase }, label, delivery } = this;
    const about = this.command.about?.(delivery);
    return { phase, command: label, ...about, delivery: delivery === "unknown" ? delivery : about?.delivery ?? delivery };
  }

  /** Whether whoever asked for it has given it up. */
  get isAborted(): boolean {
    return this.command.signal?.aborted ?? false;
  }
}

/** The facts of an error about `command`, which was not written. */
export function factsOf(command: Command, rule: Rule): SmtpErrorFacts {
  return new Task(command, { settle: () => {}, fail: () => {} }, rule, 0, "not-sent").facts;
}

/** What a task came to: told by the pipeline to whoever keeps the state, before anybody else. */
export interface TaskOwner {
  /** Asked right before `task` is written: `"skip"` takes it out of the queue, settled with `undefined`; an error takes it out too, and is its end. */
  verdict(task: Task): "skip" | SmtpError | undefined;
  settle(task: Task, reply: Reply | undefined): void;
  fail(task: Task, error: SmtpError): void;
  /** The connection has ended. */
  end(): void;
}
