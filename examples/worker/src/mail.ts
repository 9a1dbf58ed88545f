/** The mail that a form becomes. What a visitor wrote goes into it encoded, so that it can add no header and no part. */
import { parseMailbox } from "@posthorn/smtp";

/** What a visitor wrote. */
export interface Contact {
  readonly name: string;
  readonly email: string;
  readonly message: string;
}

/** The longest that each field may be, in characters: what a person may want to write, and no more. */
const MAX_LENGTH: Readonly<Record<keyof Contact, number>> = { name: 100, email: 254, message: 10_000 };

/** Octets in one encoded word: 64 characters with its frame, so that a line with the header's name keeps to the 76 of RFC 2047 section 2. */
const WORD_OCTETS = 39;

/** The form's fields, or what is wrong with them, in words for the visitor. */
export function readContact(form: FormData): Contact | readonly string[] {
  const field = (name: keyof Contact) => {
    const value = form.get(name);
    return typeof value === "string" ? value.trim() : "";
  };
  const contact: Contact = { name: field("name"), email: field("email"), message: field("message") };
  const faults: string[] = [];
  if (contact.name === "") faults.push("Please tell us your name.");
  if (/\p{Cc}/u.test(contact.name)) faults.push("Your name may not have line breaks or other control characters in it.");
  if (!isMailbox(contact.email)) faults.push("Please give one e-mail address, like zoe@example.com.");
  if (contact.message === "") faults.push("Please write a message.");
  for (const [name, limit] of Object.entries(MAX_LENGTH)) {
    if (field(name as keyof Contact).length > limit) faults.push(`The field ${name} takes ${limit} characters at most.`);
  }
  return faults.length === 0 ? contact : faults;
}

/** The whole mail: headers, an empty line, the visitor's words. All of it is ASCII, so that every server takes it. */
export function compose(contact: Contact, from: string, to: string): string {
  const domain = from.slice(from.lastIndexOf("@") + 1);
  return [
    `From: <${from}>`,
    `To: <${to}>`,
    `Reply-To: ${encodedWords(contact.name)}\r\n <${contact.email}>`,
    `Subject: ${encodedWords(`Message from ${contact.name}`)}`,
    `Date: ${new Date().toUTCString().replace("GMT", "+0000")}`,
    `Message-ID: <${crypto.randomUUID()}@${domain}>`,
    "MIME-Version: 1.0",
    "Content-Type: text/plain; charset=utf-8",
    "Content-Transfer-Encoding: base64",
    "",
    ...(base64(new TextEncoder().encode(contact.message.replace(/\r\n?|\n/g, "\r\n"))).match(/.{1,76}/g) ?? []),
    "",
  ].join("\r\n");
}

/** Whether `text` is one mailbox, and in ASCII: others would need a server with SMTPUTF8. */
function isMailbox(text: string): boolean {
  try {
    parseMailbox(text);
    return /^[!-~]+$/.test(text);
  } catch {
    return false;
  }
}

/** `text` as encoded words, each on its own line; no character is cut in two (RFC 2047 section 5). */
function encodedWords(text: string): string {
  const encoder = new TextEncoder();
  const words: string[] = [""];
  for (const character of text) {
    const word = `${words.at(-1)}${character}`;
    if (encoder.encode(word).length > WORD_OCTETS) words.push(character);
    else words[words.length - 1] = word;
  }
  return words.map((word) => `=?utf-8?B?${base64(encoder.encode(word))}?=`).join("\r\n ");
}

function base64(octets: Uint8Array): string {
  return btoa(Array.from(octets, (octet) => String.fromCharCode(octet)).join(""));
}
