/**
 * A moment as SMTP parameters have it, to the second, in UTC: `2026-11-22T18:00:00Z`.
 *
 * Source: RFC 3339 section 5.6.
 *
 * @throws {TypeError} When `moment` is no moment.
 */
export function timestamp(what: string, moment: Date): string {
  if (!(moment instanceof Date) || Number.isNaN(moment.getTime())) throw new TypeError(`Cannot use ${what} as it must be a valid Date`);
  const text = moment.toISOString();
  if (!/^\d{4}-/.test(text)) throw new TypeError(`Cannot use ${what} as it must be a Date of a year from 0 to 9999: current value is ${text}`);
  return text.replace(/\.\d+Z$/, "Z");
}
