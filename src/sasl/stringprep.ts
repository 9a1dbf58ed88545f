/**
 * What the profiles of "stringprep" share: prohibited characters and the check of bidirectional text (RFC 3454). The RFC speaks of Unicode 3.2; the
 * runtime's own tables are of a later version, and normalize what was added since. So:
 *
 * - Code points that Unicode 3.2 had not assigned are let pass, in stored strings too, as RFC 8265 does: a password of emoji is one.
 * - Table D.2 (left-to-right) is taken to be letters, spacing marks and letter numbers that are not in D.1: what a name or password consists of.
 */

/** C.2.1, C.2.2: control characters, beyond the two blocks of them those that only change how text is laid out. */
const CONTROLS = "\\p{Cc}\\u06dd\\u070f\\u180e\\u200c\\u200d\\u2028\\u2029\\u2060-\\u2063\\u206a-\\u206f\\ufeff\\ufff9-\\ufffc\\u{1d173}-\\u{1d17a}";
/** C.3 private use, C.4 no characters, C.5 surrogates, C.6 inappropriate for plain text, C.8 display properties, C.9 tags. */
const OTHERS = "\\p{Co}\\p{Noncharacter_Code_Point}\\p{Cs}\\ufffd\\u0340\\u0341\\u200e\\u200f\\u202a-\\u202e\\u{e0001}\\u{e0020}-\\u{e007f}";
const PROHIBITED = new RegExp(`[${CONTROLS}${OTHERS}]`, "u");

/** D.1: characters with the property R or AL, as ranges of Unicode 3.2. */
const RIGHT_TO_LEFT = [
  "\\u05be\\u05c0\\u05c3\\u05d0-\\u05ea\\u05f0-\\u05f4\\u061b\\u061f\\u0621-\\u063a\\u0640-\\u064a\\u066d-\\u066f\\u0671-\\u06d5\\u06dd\\u06e5\\u06e6",
  "\\u06fa-\\u06fe\\u0700-\\u070d\\u0710\\u0712-\\u072c\\u0780-\\u07a5\\u07b1\\u200f\\ufb1d\\ufb1f-\\ufb28\\ufb2a-\\ufb36\\ufb38-\\ufb3c\\ufb3e",
  "\\ufb40\\ufb41\\ufb43\\ufb44\\ufb46-\\ufbb1\\ufbd3-\\ufd3d\\ufd50-\\ufd8f\\ufd92-\\ufdc7\\ufdf0-\\ufdfc\\ufe70-\\ufe74\\ufe76-\\ufefc",
].join("");
const HAS_RIGHT_TO_LEFT = new RegExp(`[${RIGHT_TO_LEFT}]`, "u");
const HAS_LEFT_TO_RIGHT = new RegExp(`(?![${RIGHT_TO_LEFT}])[\\p{L}\\p{Mc}\\p{Nl}]`, "u");
const IS_ENCLOSED = new RegExp(`^[${RIGHT_TO_LEFT}](?:.*[${RIGHT_TO_LEFT}])?$`, "su");

/** What no profile lets pass in `text` (RFC 3454 sections 5 and 6), in the words of an error; `undefined` when there is nothing. */
export function prohibitedIn(text: string): string | undefined {
  if (PROHIBITED.test(text)) return "without control, private-use and unassignable characters";
  if (!HAS_RIGHT_TO_LEFT.test(text)) return undefined;
  const isMixed = HAS_LEFT_TO_RIGHT.test(text) || !IS_ENCLOSED.test(text);
  return isMixed ? "without a mix of left-to-right and right-to-left letters, and begin and end with a letter where it is right-to-left" : undefined;
}
