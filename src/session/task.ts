import type { Delivery, SmtpError, SmtpErrorFacts, SmtpPhase } from "../errors.ts";
import type { Reply } from "../wire/reply.ts";

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
export interface Task {
  /** The command in logs and errors, redacted. */
  readonly label: string;
  /** What of it is a secret, as it stands on the wire and in the clear; its replies are cleared of it, and its challenges left out of logs. */
  readonly secrets?: readonly string[] | undefined;
  readonly phase: SmtpPhase;
  /** What an error should say besides, asked when there is one, and told what is known of the message. */
  readonly about?: (delivery: Delivery) => Pick<SmtpErrorFacts, "hint" | "recipient" | "accepted" | "rejected" | "delivery">;
  /** A command line, or raw octets. */
  readonly octets?: Uint8Array;
  /** What follows `octets`, and is too much to be copied. */
  readonly payload?: readonly Uint8Array[];
  /** A message's content, in place of `octets`. */
  readonly content?: Content;
  /** Whether a reply is owed for it. */
  readonly isAnswered: boolean;
  /** Whether another task may be written before its reply. */
  readonly isFollowable: boolean;
  /** Whether it ends the session when its reply is a 2yz. */
  readonly isLast?: boolean;
  /** Whether the server may have the message once its octets are written. */
  readonly endsMessage?: boolean;
  /** How long its reply may take, in milliseconds. */
  readonly timeout: number;
  /** Asked right before it is written: `"skip"` takes it out of the queue, settled with `undefined`; an error takes it out too, and is its end. */
  readonly verdict?: () => "skip" | SmtpError | undefined;
  /** Whether whoever asked for it has given it up. */
  readonly isAborted?: () => boolean;
  /** What is known of a message if the connection is lost now; set by the pipeline, and by who queues the task. */
  delivery: Delivery;
  /** Whether it is in the queue still; set by the pipeline. */
  isQueued?: boolean;
  /** Told the reply, or `undefined` when there is none to wait for. */
  settle(reply: Reply | undefined): void;
  /** Told why there will be no reply. */
  fail(error: SmtpError): void;
}

/** What an error says of `task`. */
export function factsOf(task: Task): SmtpErrorFacts {
  const { phase, label, delivery } = task;
  const about = task.about?.(delivery);
  return { phase, command: label, ...about, delivery: delivery === "unknown" ? delivery : about?.delivery ?? delivery };
}

/** Whether `task` only waits for a reply. */
export function isReceipt(task: Task): boolean {
  return task.octets === undefined && task.content === undefined;
}

/** Whether `task` writes something that is answered. */
export function isCommand(task: Task): boolean {
  return task.isAnswered && !isReceipt(task);
}
