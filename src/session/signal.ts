import { quoted } from "../wire/text.ts";

/** @throws {TypeError} When `signal` is given and is none: nobody could give up what it is for. */
export function checkSignal(signal: AbortSignal | undefined): void {
  // By its look, not by its class: it may be one of another realm.
  if (signal === undefined || (typeof signal?.aborted === "boolean" && typeof signal.addEventListener === "function")) return;
  throw new TypeError(`Cannot use signal as it must be an AbortSignal: current value is ${quoted(signal)}`);
}
