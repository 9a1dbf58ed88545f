import type { MessageExtension } from "./extension.ts";
import { checkNumber } from "./numbers.ts";

/**
 * MT-PRIORITY: how urgent the message is to those who transfer it, from -9 (least) to 9.
 *
 * Source: RFC 6710 section 4.
 *
 * @throws {TypeError} When `value` is no number. {RangeError} When it is not whole, or out of its range.
 *
 * @example
 * ```ts
 * import { priority } from "@posthorn/smtp/extensions";
 *
 * priority(3).keyword; // "MT-PRIORITY"
 * ```
 */
export function priority(value: number): MessageExtension {
  const text = String(checkNumber("priority for MT-PRIORITY", value, -9, 9));
  return { keyword: "MT-PRIORITY", mail: () => ({ "MT-PRIORITY": text }) };
}
