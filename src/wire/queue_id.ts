/**
 * The name under which a server queued a message, where its reply tells: `queued as 4XyzAB1cdE` (Postfix, and many after it), `OK id=1abc-…` (Exim).
 * No standard says how; what is not recognised is `undefined`.
 */
export function queueId(text: string): string | undefined {
  return /\bqueued as ([\w.-]+)|\bid=([\w.-]+)/i.exec(text)?.slice(1).find((id) => id !== undefined);
}
