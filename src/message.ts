/** One message as the caller hands it over, checked before any I/O. */
import { type MessageBody, prepareBody, type PreparedBody } from "./body.ts";
import type { MessageExtension } from "./extensions/extension.ts";
import { checkBoolean } from "./options.ts";
import type { LineEndings } from "./wire/dot_stuffer.ts";
import { own } from "./wire/own.ts";
import { forwardPath, reversePath } from "./wire/path.ts";
import { hasNonAscii } from "./wire/text.ts";
import { wrong } from "./wire/wrong.ts";

/**
 * A message: its envelope and its content. The envelope alone decides who gets it; the content goes out as it is, apart from its line ends. Only members
 * of the object's own count, so getters of a class are none: `{ from: mail.from, to: mail.to, body: mail.body }`.
 *
 * Source: RFC 5321 section 2.3.1.
 */
export interface Message {
  /** The sender's mailbox, where bounces go; `""` is the null sender. */
  readonly from: string;
  /** The recipients' mailboxes: one, or a list. */
  readonly to: string | Recipient | readonly (string | Recipient)[];
  /**
   * Headers, an empty line and the body. Lines of more than 998 octets (RFC 5322 section 2.1.1) go out as they are, since to cut them would be to change
   * what may be signed; servers refuse them, or cut them themselves.
   */
  readonly body: MessageBody;
  /** What to do with a lone CR or LF in the content; default `"normalize"`. */
  readonly lineEndings?: LineEndings;
  /** Send nothing unless the server accepts every recipient; costs a round trip. Default `false`. */
  readonly requireAllRecipients?: boolean;
  /**
   * How the content travels. `"data"`: by DATA. `"bdat"`: by BDAT (RFC 3030), not at all where the server lacks CHUNKING. `"auto"`, the default: by
   * BDAT where the server offers it, since a message then costs a round trip less.
   */
  readonly transfer?: Transfer;
  /**
   * Whether the content goes out as it is, lines and all, by BDAT and `BODY=BINARYMIME` (RFC 3030 section 3); default `false`. A server that lacks
   * either gets nothing.
   */
  readonly binary?: boolean;
  /**
   * Whether the headers hold characters beyond ASCII, so that the server must offer SMTPUTF8 (RFC 6531 section 3.2); default: as they do, for content
   * in memory, and `false` for a stream. Addresses are looked at in any case.
   */
  readonly smtpUtf8?: boolean;
  /** What extensions of the protocol add to the envelope; see `@posthorn/smtp/extensions`. */
  readonly extensions?: readonly MessageExtension[];
}

/** How a message's content travels. */
export type Transfer = "auto" | "data" | "bdat";

/** A recipient with wishes of its own. */
export interface Recipient {
  /** The mailbox. */
  readonly address: string;
  /** What extensions add to its RCPT; they outrank those of the message. */
  readonly extensions?: readonly MessageExtension[];
}

/** A {@linkcode Recipient} that was checked. */
export interface PreparedRecipient {
  readonly address: string;
  readonly path: string;
  readonly extensions: readonly MessageExtension[];
}

/** A {@linkcode Message} that was checked. */
export interface PreparedMessage {
  readonly from: string;
  readonly reversePath: string;
  readonly to: readonly PreparedRecipient[];
  /** Whether every address is in ASCII, so that the paths go out as they are, whatever the server offers. */
  readonly isAscii: boolean;
  readonly body: PreparedBody;
  readonly requireAllRecipients: boolean;
  readonly transfer: Transfer;
  readonly binary: boolean;
  /** Whether the headers need SMTPUTF8, whatever the addresses need. */
  readonly smtpUtf8: boolean;
  readonly extensions: readonly MessageExtension[];
}

/**
 * Checks `message`.
 *
 * @throws {TypeError} When an address is no mailbox, there is no recipient, or the body is none. {RangeError} When an address is too long.
 */
export function prepareMessage(message: Message): PreparedMessage {
  const given: Message = own(message, "message");
  const { from, to, lineEndings = "normalize", requireAllRecipients = false, transfer = "auto", binary = false } = given;
  // A copy has no holes, which map() would leave unchecked.
  const recipients = (Array.isArray(to) ? [...to] : [to]).map(prepareRecipient);
  if (recipients.length === 0) {
    throw wrong("to as recipients", "a mailbox, or a list of one or more", to);
  }
  const sender = reversePath(from);
  if (!TRANSFERS.includes(transfer)) {
    throw wrong("transfer", `one of ${TRANSFERS.join(", ")}`, transfer);
  }
  if (checkBoolean("binary", binary) && transfer === "data") {
    throw wrong("transfer for binary content", '"auto" or "bdat"', transfer);
  }
  const body = prepareBody(given.body, lineEndings, binary);
  return {
    from,
    reversePath: sender,
    to: recipients,
    isAscii: !hasNonAscii(from) && !recipients.some(({ address }) => hasNonAscii(address)),
    body,
    requireAllRecipients: checkBoolean("requireAllRecipients", requireAllRecipients),
    transfer,
    binary,
    smtpUtf8: checkBoolean("smtpUtf8", given.smtpUtf8 ?? body.facts?.isHeaderEightBit ?? false),
    extensions: checkExtensions(given.extensions ?? NONE),
  };
}

/**
 * `message` as it is now, its content apart, for one that has to wait: its owner may use the object again for the next one.
 *
 * @throws {TypeError} When it is no object.
 */
export function snapshot(message: Message): Message {
  const given: Message = own(message, "message");
  const { to } = given;
  if (!Array.isArray(to)) return given;
  return own({ ...given, to: [...to].map((one: string | Recipient) => typeof one === "object" && one !== null ? own(one) : one) });
}

const TRANSFERS: readonly Transfer[] = ["auto", "data", "bdat"];

/** What a message without extensions has of them; one list for all. */
const NONE: readonly MessageExtension[] = [];

function prepareRecipient(recipient: string | Recipient): PreparedRecipient {
  if (typeof recipient === "string") return { address: recipient, path: forwardPath(recipient), extensions: NONE };
  const { address, extensions = NONE }: Recipient = own(recipient, "to as a recipient", "a mailbox, or an object with the address of one");
  return { address, path: forwardPath(address), extensions: checkExtensions(extensions) };
}

function checkExtensions(extensions: readonly MessageExtension[]): readonly MessageExtension[] {
  if (extensions === NONE) return NONE;
  const list: readonly MessageExtension[] = Array.isArray(extensions) ? [...extensions] : [];
  if (Array.isArray(extensions) && list.every((extension) => typeof extension?.keyword === "string")) return list;
  throw wrong("extensions", "a list of objects with a keyword", extensions);
}
