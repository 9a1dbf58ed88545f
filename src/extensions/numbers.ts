import type { Extensions } from "../wire/extensions.ts";
import { wholeNumber } from "../wire/wrong.ts";

/**
 * Checks a number that will stand in a command.
 *
 * @throws {TypeError} When it is none. {RangeError} When it is not whole, or out of its range.
 */
export function checkNumber(what: string, value: number, least: number, most: number): number {
  if (typeof value !== "number") throw new TypeError(`Cannot use ${what} as it must be a number: current value is a ${typeof value}`);
  return wholeNumber(what, value, least, most);
}

/** A number among the parameters of `keyword` in EHLO. */
export function parameterOf(extensions: Extensions, keyword: string, index: number): number | undefined {
  const parameter = extensions.get(keyword)?.[index];
  return parameter !== undefined && /^\d{1,10}$/.test(parameter) ? Number(parameter) : undefined;
}
