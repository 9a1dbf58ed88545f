import { encodeText, hasForbidden, quoted } from "./text.ts";
import { xtext } from "./xtext.ts";
import { tooLong, wholeNumber, wrong } from "./wrong.ts";

/**
 * The one gate from text to command lines. Nothing else makes one that is written to the socket, so what is refused here can reach no server: control
 * characters (C0 and DEL), lone surrogates, and more octets than any extension allows.
 */

/**
 * Octets of a command line at the most, CRLF counted: what RFC 4954 section 4 asks a server to take in an AUTH exchange, the longest line there is.
 */
export const MAX_COMMAND_LINE: number = 12_288;

const VERB = /^[A-Za-z][A-Za-z0-9-]*$/;
const KEYWORD = /^[A-Za-z0-9][A-Za-z0-9-]*$/;
/** What a verb, a keyword and the name of an attribute are made of, in words. */
const NAME = "letters, digits and hyphens";
const VALUE = /^[!-<>-~\u0080-\u{10ffff}]+$/u;

/**
 * ESMTP parameters of MAIL and RCPT: `{ SIZE: 1024, BODY: "8BITMIME", SMTPUTF8: true }`. A value of `true` writes the keyword alone, `false` and
 * `undefined` write nothing.
 *
 * Source: RFC 5321 section 4.1.1.11.
 */
export type EsmtpParameters = Readonly<Record<string, string | number | boolean | undefined>>;

/**
 * `line`, once it has passed: without CRLF, which whoever writes it adds.
 *
 * @param shown What an error may say in place of the line, where that is a secret.
 * @throws {TypeError} When `line` has a control character or a lone surrogate. {RangeError} When it is longer than {@linkcode MAX_COMMAND_LINE}.
 */
export function checkLine(line: string, shown: string = line): string {
  if (typeof line !== "string" || hasForbidden(line)) {
    throw wrong("text in a command", "without control characters", shown);
  }
  // A character has three octets at most for each of its code units.
  const octets = line.length * 3 + 2 > MAX_COMMAND_LINE ? encodeText(line).length + 2 : 0;
  if (octets <= MAX_COMMAND_LINE) return line;
  throw tooLong("text in a command", MAX_COMMAND_LINE, octets);
}

/**
 * The text of a command: `verb`, a space, `args`. {@linkcode checkLine} checks the whole of it.
 *
 * @throws {TypeError} When `verb` is no verb.
 */
export function commandLine(verb: string, args: string = ""): string {
  if (typeof verb !== "string" || !VERB.test(verb)) {
    // Behind a space it is what should have been an argument, and may be a secret.
    const shown = typeof verb === "string" ? verb.replace(/\s.*/s, " ***") : verb;
    throw wrong("verb as a command", NAME, shown);
  }
  if (typeof args !== "string") throw badParameter(verb, "text", args);
  return args === "" ? verb : `${verb} ${args}`;
}

/**
 * ESMTP parameters as they stand behind a path, each with a space before it.
 *
 * @throws {TypeError} When a keyword or a value is not of the grammar. {RangeError} When a number is no whole number from 0 to 2^53-1.
 */
export function formatParameters(parameters: EsmtpParameters): string {
  let text = "";
  // Own keys only: an inherited or polluted one is nobody's wish.
  for (const [keyword, value] of entriesOf("parameters", parameters)) {
    if (!KEYWORD.test(keyword)) throw badParameter("keyword", NAME, keyword);
    if (value === undefined || value === false) continue;
    if (value === true) text += ` ${keyword}`;
    else if (typeof value === "number") text += ` ${keyword}=${wholeNumber(`${keyword} as a parameter`, value, 0, Number.MAX_SAFE_INTEGER)}`;
    else if (typeof value === "string" && VALUE.test(value)) text += ` ${keyword}=${value}`;
    else throw badParameter(keyword, 'one or more characters without spaces, controls and "="', value);
  }
  return text;
}

/**
 * Attributes of XCLIENT and XFORWARD: `NAME=value`, values in xtext.
 *
 * @throws {TypeError} When a name is not of the grammar, or a value is no text.
 */
export function formatAttributes(attributes: Readonly<Record<string, string>>): string {
  const words = entriesOf("attributes", attributes).map(([name, value]) => {
    if (!KEYWORD.test(name)) throw badParameter("attribute", NAME, name);
    if (typeof value !== "string" || value === "" || hasForbidden(value)) throw badParameter(name, "text without control characters", value);
    return `${name}=${xtext(value)}`;
  });
  if (words.length === 0) throw badParameter("attributes", "at least one", "none");
  return words.join(" ");
}

/**
 * The own members of `members`.
 *
 * @throws {TypeError} When it is anything that has its members elsewhere, a list or a map or a promise: they would be no members at all, and a wish
 * would be lost without a word.
 */
export function entriesOf<T>(what: string, members: Readonly<Record<string, T>>): [string, T][] {
  const isPlain = typeof members === "object" && members !== null && !(Symbol.iterator in members) && !("then" in members);
  if (isPlain) return Object.entries(members);
  throw badParameter(what, "an object", members);
}

function badParameter(name: string, must: string, value: unknown): TypeError {
  return wrong(`${quoted(name)} as a parameter`, must, value);
}
