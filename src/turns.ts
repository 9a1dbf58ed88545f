import { SmtpConnectionError } from "./errors.ts";

/** Turns at a connection, in the order in which they were asked for: what takes several commands must not be mixed with another that does. */
export class Turns {
  #last: Promise<void> = Promise.resolve();
  /** How many have asked and not ended. */
  #count = 0;

  /**
   * Runs `task` when all that was asked for before has settled.
   *
   * @throws {SmtpConnectionError} Of kind `aborted` when `signal` fires before the turn comes; `task` is not run then.
   */
  async take<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const before = this.#last;
    let end = () => {};
    this.#last = new Promise((resolve) =>
      end = () => {
        this.#count--;
        resolve();
      }
    );
    // Where nobody is before it, its first commands are queued in this very tick, in order with whatever else is asked for in it.
    const isFree = this.#count++ === 0;
    try {
      if (!isFree || signal?.aborted) await orAborted(before, signal);
    } catch (error) {
      before.then(end);
      throw error;
    }
    try {
      return await task();
    } finally {
      end();
    }
  }
}

async function orAborted(turn: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return await turn;
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(new SmtpConnectionError("aborted", "The call was aborted before its turn", { phase: "local", cause: signal.reason }));
  });
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort);
  try {
    await Promise.race([aborted, turn]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
