/** The commands of one transaction and what came of them: asked for in any number, waited for together. */
import type { Delivery, SmtpErrorFacts } from "./errors.ts";
import type { Session } from "./session/session.ts";
import type { Asker, Command, Content } from "./session/task.ts";
import type { Reply } from "./wire/reply.ts";

/** Whoever asks: consulted for each of its commands, see {@linkcode Command}. */
export interface Questioner {
  mayBeSkipped(asked: Asked): boolean;
  about(asked: Asked, delivery: Delivery): Partial<SmtpErrorFacts>;
  onReply(asked: Asked, reply: Reply, delivery: Delivery): void;
}

/** What is the caller's own of a command; the questioner is asked for the rest. */
type Question = Pick<Command, "verb" | "line" | "payload" | "content" | "label" | "isOwed" | "isFollowable" | "timeout">;

/** See the head of the file. */
export class Questions {
  readonly session: Session;
  readonly signal: AbortSignal | undefined;
  readonly questioner: Questioner;
  #unsettled = 0;
  #wake: (() => void) | undefined;

  constructor(session: Session, signal: AbortSignal | undefined, questioner: Questioner) {
    this.session = session;
    this.signal = signal;
    this.questioner = questioner;
  }

  /** Issues `command`. */
  ask(command: Question, address?: string, left = 0): Asked {
    const asked = new Asked(this, command, address, left);
    this.#unsettled++;
    this.session.put(asked, asked);
    return asked;
  }

  /** One that was answered before it was asked. */
  answered(reply: Reply): Asked {
    const asked = new Asked(this, { verb: "." }, undefined, 0);
    asked.reply = reply;
    return asked;
  }

  /** Resolves when each has a reply, an error, or neither since it was skipped. */
  settled(): Promise<void> | undefined {
    return this.#unsettled === 0 ? undefined : new Promise((resolve) => this.#wake = resolve);
  }

  /** One more is settled. */
  onSettled(): void {
    if (--this.#unsettled > 0) return;
    this.#wake?.();
    this.#wake = undefined;
  }
}

/** One command, and what came of it so far. */
export class Asked implements Command, Asker {
  readonly #questions: Questions;
  readonly verb: string;
  readonly line?: string;
  readonly payload?: readonly Uint8Array[];
  readonly content?: Content;
  readonly label?: string;
  readonly isOwed?: boolean;
  readonly isFollowable?: boolean;
  readonly timeout?: number | undefined;
  readonly signal: AbortSignal | undefined;
  /** Whom a RCPT is about. */
  readonly address: string | undefined;
  /** Of the replies that LMTP owes: how many are left with this one. */
  readonly left: number;
  reply: Reply | undefined = undefined;
  error: unknown = undefined;

  constructor(questions: Questions, question: Question, address: string | undefined, left: number) {
    this.#questions = questions;
    this.verb = question.verb;
    if (question.line !== undefined) this.line = question.line;
    if (question.payload !== undefined) this.payload = question.payload;
    if (question.content !== undefined) this.content = question.content;
    if (question.label !== undefined) this.label = question.label;
    if (question.isOwed !== undefined) this.isOwed = question.isOwed;
    if (question.isFollowable !== undefined) this.isFollowable = question.isFollowable;
    this.timeout = question.timeout;
    this.signal = questions.signal;
    this.address = address;
    this.left = left;
  }

  mayBeSkipped(): boolean {
    return this.#questions.questioner.mayBeSkipped(this);
  }

  about(delivery: Delivery): Partial<SmtpErrorFacts> {
    return this.#questions.questioner.about(this, delivery);
  }

  onReply(reply: Reply, delivery: Delivery): void {
    this.reply = reply;
    this.#questions.questioner.onReply(this, reply, delivery);
  }

  settle(): void {
    this.#questions.onSettled();
  }

  fail(error: unknown): void {
    this.error = error;
    this.#questions.onSettled();
  }
}

/** Whether the server said anything but yes. */
export function isNo(asked: Asked | undefined): boolean {
  return asked?.reply !== undefined && !asked.reply.isPositive;
}

/** Whether there was no room for one recipient more; in a transaction of its own there may be (RFC 5321 section 4.5.3.1.10). */
export function isTooMany(reply: Reply | undefined): boolean {
  return reply?.code === 452 && (reply.enhancedCode ?? "4.5.3") === "4.5.3";
}
