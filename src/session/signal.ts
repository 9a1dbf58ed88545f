import { wrong } from "../wire/wrong.ts";

/** @throws {TypeError} When `signal` is given and is none: nobody could give up what it is for. */
export function checkSignal(signal: AbortSignal | undefined): AbortSignal | undefined {
  // By its look, not by its class: it may be one of another realm.
  if (signal === undefined || (typeof signal?.aborted === "boolean" && typeof signal.addEventListener === "function")) return signal;
  throw wrong("signal", "an AbortSignal", signal);
}
