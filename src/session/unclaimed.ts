import type { Reply } from "../wire/reply.ts";

/** Replies at most: as many as may be owed at once. */
const MAX_REPLIES = 256;
/** Octets of their text at most, four of the longest replies: a server that is never asked must not fill the memory. */
const MAX_TEXT = 1_048_576;

/** Replies to octets that the caller wrote by hand, until it asks for them. */
export class Unclaimed {
  readonly #replies: Reply[] = [];
  #length = 0;

  /** The oldest of them. */
  get first(): Reply | undefined {
    return this.#replies[0];
  }

  /** Whether there is room for no other. */
  get isFull(): boolean {
    return this.#replies.length >= MAX_REPLIES || this.#length > MAX_TEXT;
  }

  push(reply: Reply): void {
    this.#replies.push(reply);
    this.#length += reply.octets;
  }

  /** Takes out the oldest. */
  shift(): Reply | undefined {
    const reply = this.#replies.shift();
    this.#length -= reply?.octets ?? 0;
    return reply;
  }
}
