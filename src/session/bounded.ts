import { SmtpConnectionError, type SmtpErrorFacts } from "../errors.ts";
import type { Clock } from "./clock.ts";

/** How long a step may take, who may end it, and what it is called when it does not end well. */
export interface Bounds {
  readonly clock: Clock;
  /** Milliseconds. */
  readonly timeout: number;
  readonly signal?: AbortSignal | undefined;
  /** What is done, in the words of an error: `"Connecting to mail.example:587"`. */
  readonly what: string;
  readonly facts: SmtpErrorFacts;
}

/**
 * Runs `step` with a signal that fires at the deadline and when the caller's own signal does. When either fires, it rejects at once with an error that
 * says which, even where the step does not listen.
 */
export async function bounded<T>(bounds: Bounds, step: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { clock, timeout, signal, what, facts } = bounds;
  const controller = new AbortController();
  let end = (_error: SmtpConnectionError) => {};
  const ended = new Promise<never>((_, reject) => {
    end = (error) => {
      reject(error);
      controller.abort(error);
    };
  });
  const onAbort = () => end(new SmtpConnectionError("aborted", `${what} was aborted`, { ...facts, cause: signal?.reason }));
  if (signal?.aborted) onAbort();
  signal?.addEventListener("abort", onAbort);
  const cancel = clock.schedule(() => end(new SmtpConnectionError("timeout", `${what} took longer than ${timeout} ms`, facts)), timeout);
  try {
    return await Promise.race([ended, controller.signal.aborted ? ended : step(controller.signal)]);
  } finally {
    cancel();
    signal?.removeEventListener("abort", onAbort);
  }
}
