/**
 * The lines of an envelope, MAIL and every RCPT, as this server is to see them: with the parameters its extensions ask for, addresses in A-labels
 * where it lacks SMTPUTF8. Whatever it does not offer is an error here, before anything is written.
 */
import { eightBit, type Framing, tooLarge } from "./body.ts";
import { type SmtpErrorFacts, SmtpUnsupportedError } from "./errors.ts";
import type { MessageExtension, Offer } from "./extensions/extension.ts";
import type { PreparedMessage } from "./message.ts";
import type { Session } from "./session/session.ts";
import type { Command } from "./session/task.ts";
import { checkLine, entriesOf, type EsmtpParameters, formatParameters } from "./wire/command.ts";
import { assertOffered, type Extensions } from "./wire/extensions.ts";
import { asciiMailbox, forwardPath, reversePath } from "./wire/path.ts";
import { printable } from "./wire/text.ts";

/** One RCPT. */
export interface PlannedRecipient {
  /** The address as the caller gave it. */
  readonly address: string;
  readonly rcpt: Line;
}

/** One command of an envelope, checked: what cannot be written is found out before anything is. */
export type Line = Required<Pick<Command, "verb" | "line">>;

/** A message as it will be sent to one server. */
export interface Envelope {
  readonly mail: Line;
  readonly recipients: readonly PlannedRecipient[];
  readonly framing: Framing;
}

/**
 * Plans the envelope of `message`.
 *
 * @throws {SmtpUnsupportedError} The server does not offer what the message needs. {SmtpSecurityError} It needs TLS, and there is none. {TypeError} Or
 * {RangeError}: an extension asks for what no command can say.
 */
export function planEnvelope(session: Session, message: PreparedMessage): Envelope {
  const { extensions, isSecure } = session;
  const isUtf8 = needsSmtpUtf8(extensions, message);
  const offer: Offer = { extensions, isSecure, isUtf8 };
  const framing = framingOf(extensions, message);
  const wished = message.extensions.filter((extension) => isOffered(extension, extensions));
  const described = mailParameters(extensions, message, framing, isUtf8);
  const mail = wished.length === 0
    ? formatOwn(described)
    : formatParameters(merged([described, ...wished.map((extension) => extension.mail?.(offer))]));
  const isAsItIs = isUtf8 || message.isAscii;
  return {
    mail: line("MAIL", `FROM:${isAsItIs ? message.reversePath : reversePath(inAscii(message.from))}${mail}`),
    recipients: message.to.map(({ address, path, extensions: own }) => {
      const all = own.length === 0 ? wished : [...wished, ...own.filter((extension) => isOffered(extension, extensions))];
      const parameters = all.length === 0 ? "" : formatParameters(merged(all.map((extension) => extension.rcpt?.(address, offer))));
      return { address, rcpt: line("RCPT", `TO:${isAsItIs ? path : forwardPath(inAscii(address))}${parameters}`) };
    }),
    framing,
  };
}

/** Without SMTPUTF8 every address has a form in ASCII, once {@linkcode needsSmtpUtf8} has said so. */
function inAscii(address: string): string {
  return asciiMailbox(address) ?? address;
}

/** @throws {TypeError} When `args` can be no part of a command. {RangeError} When they are too long for one. */
function line(verb: string, args: string): Line {
  return { verb, line: checkLine(`${verb} ${args}`) };
}

/** Whether the server offers `extension`; one that it may do without is left out. */
function isOffered(extension: MessageExtension, extensions: Extensions): boolean {
  const { keyword } = extension;
  if (extensions.has(keyword)) return true;
  // Its own word only: REQUIRETLS must not be left out because somebody polluted a prototype.
  if (Object.hasOwn(extension, "isOptional") && extension.isOptional) return false;
  throw new SmtpUnsupportedError("unsupported", `The server does not offer ${printable(keyword)}, and the message asks for it`, {
    ...LOCAL,
    hint: "ifOffered() lets a message go without",
  });
}

/** Whether the message goes out with SMTPUTF8 (RFC 6531 section 3.2). */
function needsSmtpUtf8(extensions: Extensions, { from, to, isAscii, smtpUtf8 }: PreparedMessage): boolean {
  if (isAscii && !smtpUtf8) return false;
  if (extensions.has("SMTPUTF8")) return true;
  const addresses = [from, ...to.map(({ address }) => address)];
  const stubborn = addresses.find((address) => asciiMailbox(address) === undefined);
  if (stubborn === undefined && !smtpUtf8) return false;
  const what = stubborn === undefined ? "The headers have characters" : "An address has characters";
  throw new SmtpUnsupportedError("unsupported", `${what} beyond ASCII and the server does not offer SMTPUTF8`, {
    ...LOCAL,
    ...(stubborn === undefined ? { hint: "write them as encoded words (RFC 2047)" } : { recipient: stubborn }),
  });
}

function framingOf(extensions: Extensions, { transfer, binary }: PreparedMessage): Framing {
  if (binary) assertOffered(extensions, "BINARYMIME");
  if (binary || transfer === "bdat") assertOffered(extensions, "CHUNKING");
  if (binary) return "binary";
  return transfer !== "data" && extensions.has("CHUNKING") ? "bdat" : "data";
}

/** What MAIL says for the message itself. */
type OwnParameters = Readonly<{ SIZE: number | undefined; BODY: "BINARYMIME" | "8BITMIME" | undefined; SMTPUTF8: boolean }>;

/** What MAIL has to declare of the content, given what the server offers. */
function mailParameters(extensions: Extensions, { body }: PreparedMessage, framing: Framing, isUtf8: boolean): OwnParameters {
  const { facts } = body;
  const { maxSize } = extensions;
  const isEightBitOffered = extensions.has("8BITMIME");
  if (framing !== "binary" && facts?.isEightBit && !isEightBitOffered) throw eightBit(LOCAL);
  if (facts !== undefined && maxSize !== undefined && facts.octets > maxSize) throw tooLarge(maxSize, LOCAL);
  // A stream may turn out to be 8-bit; the parameter says that it may.
  const mayBeEightBit = isEightBitOffered && (facts?.isEightBit ?? true);
  return {
    SIZE: extensions.has("SIZE") ? facts?.octets : undefined,
    BODY: framing === "binary" ? "BINARYMIME" : mayBeEightBit ? "8BITMIME" : undefined,
    SMTPUTF8: isUtf8,
  };
}

/** As {@linkcode formatParameters} does, without its checks: these are none of the caller's, and every message has them. */
function formatOwn({ SIZE, BODY, SMTPUTF8 }: OwnParameters): string {
  return `${SIZE === undefined ? "" : ` SIZE=${SIZE}`}${BODY === undefined ? "" : ` BODY=${BODY}`}${SMTPUTF8 ? " SMTPUTF8" : ""}`;
}

/**
 * All parameters in one; what comes later outranks what came before, however their keywords are written (RFC 5321 section 2.4).
 *
 * @throws {TypeError} When an extension gives something else, a promise for one, which would be taken for no wish at all.
 */
function merged(parameters: readonly (EsmtpParameters | undefined)[]): EsmtpParameters {
  const all = new Map<string, [string, EsmtpParameters[string]]>();
  for (const some of parameters) {
    if (some === undefined) continue;
    for (const entry of entriesOf("what an extension gives", some)) all.set(entry[0].toUpperCase(), entry);
  }
  return Object.fromEntries(all.values());
}

const LOCAL: SmtpErrorFacts = { phase: "local" };
