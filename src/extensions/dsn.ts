import { own } from "../wire/own.ts";
import { hasForbidden, hasNonAscii } from "../wire/text.ts";
import { unitext, xtext } from "../wire/xtext.ts";
import type { MessageExtension } from "./extension.ts";
import { wrong } from "../wire/wrong.ts";

/** Events of which a delivery status notification may tell. */
export type NotifyEvent = "success" | "failure" | "delay";

/** Options of {@linkcode dsn}. */
export interface DsnOptions {
  /** How much of the message a failure report returns: all of it, or its headers. Of the whole message: ignored in the wishes of one recipient. */
  readonly return?: "full" | "headers";
  /** A name of the sender's own for the message, 1 to 100 characters of printable ASCII, which comes back in every report. */
  readonly envelopeId?: string;
  /** The events to be told of, or none of them. */
  readonly notify?: readonly NotifyEvent[] | "never";
  /** The recipient's address as it was first given, where it is another than the one in RCPT: a mailbox, or `type;address`. One recipient's. */
  readonly originalRecipient?: string;
}

/** Characters of an envelope identifier at the most, encoded (RFC 3461 section 4.4 with RFC 3885). */
const MAX_ENVELOPE_ID = 100;
/** Characters of an original recipient at the most, encoded (RFC 3461 section 4.2). */
const MAX_ORIGINAL_RECIPIENT = 500;
const EVENTS: readonly NotifyEvent[] = ["success", "failure", "delay"];

/**
 * Delivery status notifications: for a message when it stands in the message's `extensions`, for one recipient when it stands in the recipient's.
 *
 * Source: RFC 3461 section 4, RFC 6533 section 3.
 *
 * @throws {TypeError} When an option is none. {RangeError} When a text is too long.
 *
 * @example
 * ```ts
 * import type { Message } from "@posthorn/smtp";
 * import { dsn } from "@posthorn/smtp/extensions";
 *
 * const message: Message = {
 *   from: "alice@example.com",
 *   to: ["bob@example.com", { address: "carol@example.com", extensions: [dsn({ notify: "never" })] }],
 *   body: "Subject: hello\r\n\r\nHello.\r\n",
 *   extensions: [dsn({ return: "headers", envelopeId: "order-4711", notify: ["failure", "delay"] })],
 * };
 * ```
 */
export function dsn(options: DsnOptions): MessageExtension {
  const { return: amount, envelopeId, notify, originalRecipient }: DsnOptions = own(options);
  if (amount !== undefined && amount !== "full" && amount !== "headers") throw wrongForDsn("return", '"full" or "headers"', amount);
  const id = envelopeId === undefined ? undefined : envelopeIdOf(envelopeId);
  const events = notify === undefined ? undefined : eventsOf(notify);
  const original = originalRecipient === undefined ? undefined : typed(originalRecipient);
  return {
    keyword: "DSN",
    mail: () => ({ RET: amount === undefined ? undefined : amount === "full" ? "FULL" : "HDRS", ENVID: id }),
    rcpt: (_, { isUtf8 }) => ({ NOTIFY: events, ORCPT: original && encoded(original, isUtf8) }),
  };
}

function envelopeIdOf(id: string): string {
  if (typeof id !== "string" || id === "" || hasForbidden(id) || hasNonAscii(id)) throw wrongForDsn("envelopeId", "printable ASCII", id);
  const text = xtext(id);
  if (text.length > MAX_ENVELOPE_ID) {
    throw new RangeError(`Cannot use envelopeId for DSN as it must have at most ${MAX_ENVELOPE_ID} characters as xtext: it has ${text.length}`);
  }
  return text;
}

function eventsOf(notify: readonly NotifyEvent[] | "never"): string {
  if (notify === "never") return "NEVER";
  // A copy has no holes, and does not change.
  const events: readonly NotifyEvent[] = Array.isArray(notify) ? [...notify] : [];
  if (events.length === 0 || !events.every((event) => EVENTS.includes(event))) {
    throw wrongForDsn("notify", `"never" or a list of ${EVENTS.join(", ")}`, notify);
  }
  return [...new Set(events)].join(",").toUpperCase();
}

/** An original recipient in its two parts. */
interface TypedAddress {
  readonly type: string;
  readonly address: string;
}

function typed(recipient: string): TypedAddress {
  if (typeof recipient !== "string" || hasForbidden(recipient)) throw wrongForDsn("originalRecipient", "a mailbox, or type;address", recipient);
  const [, type, rest] = /^([A-Za-z][\w-]*);(.+)$/u.exec(recipient) ?? [];
  const address = rest ?? recipient;
  if (address === "") throw wrongForDsn("originalRecipient", "a mailbox, or type;address", recipient);
  return { type: type ?? (hasNonAscii(address) ? "utf-8" : "rfc822"), address };
}

function encoded({ type, address }: TypedAddress, isUtf8: boolean): string {
  // A server that takes SMTPUTF8 takes the characters themselves; any other needs them spelled out (RFC 6533 section 3).
  const inAscii = (text: string) => text.replace(/[^\p{ASCII}]/gu, (character) => `\\x{${character.codePointAt(0)!.toString(16).toUpperCase()}}`);
  const text = type.toLowerCase() !== "utf-8" ? xtext(address) : isUtf8 ? unitext(address) : inAscii(unitext(address));
  if (type.length + 1 + text.length > MAX_ORIGINAL_RECIPIENT) {
    throw new RangeError(`Cannot use originalRecipient for DSN as it must have at most ${MAX_ORIGINAL_RECIPIENT} characters: it has ${text.length}`);
  }
  return `${type};${text}`;
}

function wrongForDsn(name: string, must: string, value: unknown): TypeError {
  return wrong(`${name} for DSN`, must, value);
}
