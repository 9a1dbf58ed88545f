/** An enhanced status code in its three parts. */
export interface EnhancedCode {
  /** 2 success, 4 transient, 5 permanent. */
  readonly class: 2 | 4 | 5;
  /** What it is about: 1 addressing, 2 mailbox, 3 system, 4 network, 5 protocol, 6 content, 7 security or policy. */
  readonly subject: number;
  /** The case within the subject. */
  readonly detail: number;
}

const ENHANCED = /^([245])\.(\d{1,3})\.(\d{1,3})(?: |$)/;

/**
 * The enhanced status code at the start of `text`, or `undefined`.
 *
 * Source: RFC 3463 section 2, RFC 2034 section 4.
 *
 * @param text The text of a reply behind its three digits: `"5.1.1 no such user"`.
 * @returns The three parts as numbers.
 *
 * @example
 * ```ts
 * import { parseEnhancedCode } from "@posthorn/smtp";
 *
 * parseEnhancedCode("5.1.1 no such user"); // { class: 5, subject: 1, detail: 1 }
 * parseEnhancedCode("no such user"); // undefined
 * ```
 */
export function parseEnhancedCode(text: string): EnhancedCode | undefined {
  const match = ENHANCED.exec(text);
  if (match === null) return undefined;
  const [, kind, subject, detail] = match;
  return { class: Number(kind) as 2 | 4 | 5, subject: Number(subject), detail: Number(detail) };
}

/** Whether {@linkcode parseEnhancedCode} finds one, for those who need not know which. */
export function hasEnhancedCode(text: string): boolean {
  return ENHANCED.test(text);
}

/**
 * The text of `code`, as it stands in a reply: `"5.1.1"`.
 *
 * Source: RFC 3463 section 2.
 *
 * @example
 * ```ts
 * import { formatEnhancedCode } from "@posthorn/smtp";
 *
 * formatEnhancedCode({ class: 5, subject: 1, detail: 1 }); // "5.1.1"
 * ```
 */
export function formatEnhancedCode(code: EnhancedCode): string {
  return `${code.class}.${code.subject}.${code.detail}`;
}
