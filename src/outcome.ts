/** What became of one message of many: a value rather than an exception, so that no failure can take the others' places. */
import { type Delivery, SmtpError, SmtpReplyError } from "./errors.ts";
import type { Message } from "./message.ts";
import type { SendResult } from "./transaction.ts";
import { messageOf } from "./transport/socket.ts";

/**
 * What became of one message.
 *
 * - `sent`: the server has it, for one recipient at least.
 * - `refused`: the server said no, to the sender, to every recipient or to the content.
 * - `failed`: anything else; `delivery` says whether it may have been delivered all the same.
 */
export type SendOutcome =
  | {
    readonly status: "sent";
    /** The message, as it was given. */
    readonly message: Message;
    /** Who gets it, and what the server said. */
    readonly result: SendResult;
  }
  | {
    readonly status: "refused";
    /** The message, as it was given. */
    readonly message: Message;
    /** What the server said, and to what. */
    readonly error: SmtpReplyError;
    /** Whether somebody may have got it: only where it took several transactions can that be `"unknown"`. */
    readonly delivery: Delivery;
  }
  | {
    readonly status: "failed";
    /** The message, as it was given. */
    readonly message: Message;
    /** Why: an {@linkcode SmtpError}, or a `TypeError` or `RangeError` where the message is wrong. */
    readonly error: Error;
    /** Whether it may have been delivered: only what is `"not-sent"` may be sent again. */
    readonly delivery: Delivery;
  };

/** What became of `message`, of the promise for its result. */
export async function outcomeOf(message: Message, sending: Promise<SendResult>): Promise<SendOutcome> {
  try {
    return { status: "sent", message, result: await sending };
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(messageOf(thrown), { cause: thrown });
    if (error instanceof SmtpReplyError) return { status: "refused", message, error, delivery: error.delivery };
    return { status: "failed", message, error, delivery: error instanceof SmtpError ? error.delivery : "not-sent" };
  }
}
