/** The window across transactions: how wide it may be, and what tells that a server has failed at it. */
import { SmtpBodyError, SmtpError, SmtpReplyError } from "./errors.ts";
import { isOutOfSequence, type Turn } from "./turns.ts";
import { wholeNumber } from "./wire/wrong.ts";

/** Whether `error` is what comes of a transaction that was written behind another to a server that does not take it there; it surely was not sent. */
export function isWindowFailure(turn: Turn, error: unknown): boolean {
  if (!turn.isRiding || !(error instanceof SmtpError) || error.delivery !== "not-sent") return false;
  return error instanceof SmtpReplyError
    ? error.phase === "mail" && isOutOfSequence(error.code)
    : error.phase !== "local" && !(error instanceof SmtpBodyError);
}

/** @throws {RangeError} When `window` is no number of messages. */
export function checkWindow(window: number): number {
  return wholeNumber("window as messages under way", window, 1, MAX_WINDOW);
}

/** Messages under way at once at most: each has some replies owed, and a server's own buffers have an end. */
const MAX_WINDOW = 64;
