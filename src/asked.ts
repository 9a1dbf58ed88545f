/** The commands of one transaction and what came of them: asked for in any number, waited for together. */
import type { Delivery, SmtpErrorFacts } from "./errors.ts";
import type { Session } from "./session/session.ts";
import { type Question, Task } from "./session/task.ts";
import type { Reply } from "./wire/reply.ts";

/** Whoever asks: consulted for each of its commands, see {@linkcode Task}. */
export interface Questioner {
  mayBeSkipped(asked: Asked): boolean;
  about(asked: Asked, delivery: Delivery): Partial<SmtpErrorFacts>;
  onReply(asked: Asked, reply: Reply, delivery: Delivery): void;
}

/**
 * Octets of the replies to one transaction at most, on top of {@linkcode MAX_MEAN} for each command. A single reply may be long; that all of them are
 * would fill the memory with many recipients.
 */
const MAX_SAID = 1_048_576;
const MAX_MEAN = 1_024;

/** See the head of the file. */
export class Questions {
  readonly session: Session;
  readonly signal: AbortSignal | undefined;
  readonly questioner: Questioner;
  #unsettled = 0;
  /** Octets that the server may say still. */
  #room = MAX_SAID;
  #wake: (() => void) | undefined;

  constructor(session: Session, signal: AbortSignal | undefined, questioner: Questioner) {
    this.session = session;
    this.signal = signal;
    this.questioner = questioner;
  }

  /** Asks `question`. */
  ask(question: Question, address?: string, left = 0): Asked {
    const asked = new Asked(this, question, address, left);
    this.#unsettled++;
    this.#room += MAX_MEAN;
    this.session.put(asked);
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

  /** Another reply is kept. */
  onReply(reply: Reply): void {
    this.#room -= reply.octets;
    if (this.#room < 0) this.session.breach("The server's replies to one message are too long altogether");
  }

  /** One more is settled. */
  onSettled(): void {
    if (--this.#unsettled > 0) return;
    this.#wake?.();
    this.#wake = undefined;
  }
}

/** One command, and what came of it so far. */
export class Asked extends Task {
  readonly #questions: Questions;
  /** Whom a RCPT is about. */
  readonly address: string | undefined;
  /** Of the replies that LMTP owes: how many are left with this one. */
  readonly left: number;
  reply: Reply | undefined = undefined;
  error: unknown = undefined;

  constructor(questions: Questions, question: Question, address: string | undefined, left: number) {
    super(question, questions.signal);
    this.#questions = questions;
    this.address = address;
    this.left = left;
  }

  override mayBeSkipped(): boolean {
    return this.#questions.questioner.mayBeSkipped(this);
  }

  override about(delivery: Delivery): Partial<SmtpErrorFacts> {
    return this.#questions.questioner.about(this, delivery);
  }

  override onReply(reply: Reply, delivery: Delivery): void {
    this.reply = reply;
    this.#questions.onReply(reply);
    this.#questions.questioner.onReply(this, reply, delivery);
  }

  override settle(): void {
    this.#questions.onSettled();
  }

  override fail(error: unknown): void {
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
