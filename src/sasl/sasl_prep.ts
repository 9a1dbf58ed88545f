import { prohibitedIn } from "./stringprep.ts";
import { wrongSecret } from "../wire/wrong.ts";

/** RFC 3454 C.1.2, mapped to a space. */
const SPACES = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g;
/** RFC 3454 B.1, mapped to nothing. */
const NOTHING = /[\u00ad\u034f\u1806\u180b-\u180d\u200c\u200d\u2060\ufe00-\ufe0f\ufeff]/g;
/** RFC 3454 C.7, prohibited by this profile besides what every profile prohibits. */
const DESCRIPTIONS = /[\u2ff0-\u2ffb]/;

/**
 * SASLprep: a name or a password in the one form in which both ends hash or compare it. Other spaces become spaces, what is invisible goes, the rest is
 * normalized (NFKC). SCRAM uses it; PLAIN and LOGIN do not, since there the server prepares what it is given, if it does (RFC 4616 section 2).
 *
 * The tables are those of Unicode 3.2, the normalization is the runtime's, so that characters assigned since are let pass, as RFC 8265 does; without
 * them the results are the same.
 *
 * Source: RFC 4013 section 2, RFC 3454, RFC 8265 section 4.
 *
 * @param text Unicode text.
 * @returns The prepared text, not empty.
 * @throws {TypeError} When it has a prohibited character, mixes directions, or is empty. The text is not in the message.
 *
 * @example
 * ```ts
 * import { saslPrep } from "@posthorn/smtp/sasl";
 *
 * saslPrep("I\u00adX"); // "IX"
 * saslPrep("\u2168"); // "IX"
 * ```
 */
export function saslPrep(text: string): string {
  if (typeof text !== "string") throw wrongText("text");
  const prepared = text.replace(SPACES, " ").replace(NOTHING, "").normalize("NFKC");
  const fault = DESCRIPTIONS.test(prepared) ? "without ideographic description characters" : prohibitedIn(prepared);
  if (fault !== undefined) throw wrongText(fault);
  if (prepared === "") throw wrongText("not empty once it is prepared");
  return prepared;
}

function wrongText(must: string): TypeError {
  return wrongSecret("text as a name or password", must);
}
