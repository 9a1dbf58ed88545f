/** One message as the caller hands it over, checked before any I/O. */
import { type MessageBody, prepareBody, type PreparedBody } from "./body.ts";
import { checkBoolean, own } from "./options.ts";
import type { LineEndings } from "./wire/dot_stuffer.ts";
import { forwardPath, reversePath } from "./wire/path.ts";
import { hasNonAscii, quoted } from "./wire/text.ts";

/**
 * A message: its envelope and its content. The envelope alone decides who gets it; the content goes out as it is, apart from its line ends.
 *
 * Source: RFC 5321 section 2.3.1.
 */
export interface Message {
  /** The sender's mailbox, where bounces go; `""` is the null sender. */
  readonly from: string;
  /** The recipients' mailboxes: one, or a list. */
  readonly to: string | readonly string[];
  /** Headers, an empty line and the body. */
  readonly body: MessageBody;
  /** What to do with a lone CR or LF in the content; default `"normalize"`. */
  readonly lineEndings?: LineEndings;
  /** Send nothing unless the server accepts every recipient; costs a round trip. Default `false`. */
  readonly requireAllRecipients?: boolean;
}

/** A {@linkcode Message} that was checked. */
export interface PreparedMessage {
  readonly from: string;
  readonly to: readonly string[];
  readonly body: PreparedBody;
  readonly requireAllRecipients: boolean;
  /** Whether an address has characters beyond ASCII, so that SMTPUTF8 is needed (RFC 6531 section 3.3). */
  readonly needsUtf8: boolean;
}

/**
 * Checks `message`.
 *
 * @throws {TypeError} When an address is no mailbox, there is no recipient, or the body is none. {RangeError} When an address is too long.
 */
export function prepareMessage(message: Message): PreparedMessage {
  const { from, to, body, lineEndings = "normalize", requireAllRecipients = false }: Message = own(message);
  const recipients: readonly string[] = typeof to === "string" ? [to] : Array.isArray(to) ? [...to] : [];
  if (recipients.length === 0) {
    throw new TypeError(`Cannot use to as recipients as it must be a mailbox or a list of at least one: current value is ${quoted(to)}`);
  }
  reversePath(from);
  recipients.forEach((recipient) => forwardPath(recipient));
  return {
    from,
    to: recipients,
    body: prepareBody(body, lineEndings),
    requireAllRecipients: checkBoolean("requireAllRecipients", requireAllRecipients),
    needsUtf8: [from, ...recipients].some(hasNonAscii),
  };
}
