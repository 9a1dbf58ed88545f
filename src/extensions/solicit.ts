import type { MessageExtension } from "./extension.ts";
import { wrong } from "../wire/wrong.ts";

/** A class of solicitation: a domain turned round, and a name in it (RFC 3865 section 2.1). */
const SOLICITATION_CLASS = /^[A-Za-z][A-Za-z0-9.-]*(?::[\w.-]+)?$/;

/**
 * SOLICIT= of MAIL: the classes of solicitation that the message belongs to, for servers that announce NO-SOLICITING.
 *
 * Source: RFC 3865 section 2.3.
 *
 * @throws {TypeError} When there is no class, or one is not of the grammar.
 *
 * @example
 * ```ts
 * import { solicit } from "@posthorn/smtp/extensions";
 *
 * solicit(["net.example:ADV"]).keyword; // "NO-SOLICITING"
 * ```
 */
export function solicit(classes: readonly string[]): MessageExtension {
  // A copy has no holes, and does not change.
  const names = Array.isArray(classes) ? [...classes] : [];
  if (names.length === 0 || !names.every((name) => typeof name === "string" && SOLICITATION_CLASS.test(name))) {
    throw wrong("classes for SOLICIT", "a list of names like net.example:ADV", classes);
  }
  const value = names.join(",");
  return { keyword: "NO-SOLICITING", mail: () => ({ SOLICIT: value }) };
}
