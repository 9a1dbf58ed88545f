/**
 * A moment as SMTP parameters have it, to the second, in UTC: `2026-11-22T18:00:00Z`.
 *
 * Source: RFC 3339 section 5.6.
 *
 * @throws {TypeError} When `moment` is no moment.
 */
export function timestamp(what: string, moment: Date): string {
  // A copy says its own text, whatever the Date of a caller says of itself.
  const copy = new Date(moment instanceof Date ? moment : NaN);
  if (Number.isNaN(copy.getTime())) throw new TypeError(`Cannot use ${what} as it must be a valid Date`);
  const text = copy.toISOString();
  if (!/^\d{4}-/.test(text)) throw new TypeError(`Cannot use ${what} as it must be a Date of a year from 0 to 9999: current value is ${text}`);
  return text.replace(/\.\d+Z$/, "Z");
}
