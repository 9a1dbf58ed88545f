import type { MessageExtension } from "./extension.ts";
import { timestamp } from "./timestamp.ts";
import { wrong } from "../wire/wrong.ts";

/**
 * RRVS, for one recipient: the mailbox must have had one owner since the given moment, or the message is not delivered to it.
 *
 * Source: RFC 7293 sections 3.1 and 5.
 *
 * @param since The moment since which the owner is known to be the intended one.
 * @param unsupported What a server should do with the message where the next one lacks RRVS: `"continue"` without it, the default, or `"reject"`.
 * @throws {TypeError} When it is no moment, or neither.
 *
 * @example
 * ```ts
 * import type { Recipient } from "@posthorn/smtp";
 * import { rrvs } from "@posthorn/smtp/extensions";
 *
 * const bob: Recipient = { address: "bob@example.com", extensions: [rrvs(new Date("2024-04-03T23:01:00Z"))] };
 * ```
 */
export function rrvs(since: Date, unsupported: "continue" | "reject" = "continue"): MessageExtension {
  if (unsupported !== "continue" && unsupported !== "reject") {
    throw wrong("unsupported for RRVS", '"continue" or "reject"', unsupported);
  }
  const value = `${timestamp("since for RRVS", since)};${unsupported === "continue" ? "C" : "R"}`;
  return { keyword: "RRVS", rcpt: () => ({ RRVS: value }) };
}
