import { parseMailbox } from "../wire/path.ts";
import { xtext } from "../wire/xtext.ts";
import type { MessageExtension } from "./extension.ts";

/**
 * AUTH= of MAIL: who submitted the message, told to a server that trusts us to say so; `undefined` where that is not known or not told.
 *
 * Source: RFC 4954 section 5.
 *
 * @throws {TypeError} When `mailbox` is none.
 *
 * @example
 * ```ts
 * import { submitter } from "@posthorn/smtp/extensions";
 *
 * submitter("alice@example.com").keyword; // "AUTH"
 * ```
 */
export function submitter(mailbox: string | undefined): MessageExtension {
  if (mailbox !== undefined) parseMailbox(mailbox);
  // The empty value is written "<>", which xtext would leave as it is.
  const value = mailbox === undefined ? "<>" : xtext(mailbox);
  return { keyword: "AUTH", mail: () => ({ AUTH: value }) };
}
