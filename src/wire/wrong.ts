/** The errors of bad arguments, in the words that all of them have. */
import { quoted } from "./text.ts";

/** `what` is of the wrong kind. What it is for stands in its name where that helps: `"url in BURL"`. */
export function wrong(what: string, must: string, value: unknown): TypeError {
  return new TypeError(unfit(what, must, quoted(value)));
}

/** The same, of what may be a secret or hold one. */
export function wrongSecret(what: string, must: string): TypeError {
  return new TypeError(unfit(what, must, "not shown"));
}

/** `what` is a number out of its range. */
export function outOfRange(what: string, must: string, value: unknown): RangeError {
  return new RangeError(unfit(what, must, quoted(value)));
}

/** @throws {RangeError} When `value` is no whole number, or out of its range. */
export function wholeNumber(what: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw outOfRange(what, `a whole number from ${least} to ${most}`, value);
}

/** `what` is longer than it may be. */
export function tooLong(what: string, limit: number, octets: number): RangeError {
  return new RangeError(unfit(what, `of at most ${limit} octets`, octets));
}

function unfit(what: string, must: string, shown: string | number): string {
  return `Cannot use ${what} as it must be ${must}: current value is ${shown}`;
}
