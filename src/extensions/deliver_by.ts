import { SmtpUnsupportedError } from "../errors.ts";
import { own } from "../wire/own.ts";
import type { MessageExtension } from "./extension.ts";
import { checkNumber, parameterOf } from "./numbers.ts";
import { wrong } from "../wire/wrong.ts";

/** Options of {@linkcode deliverBy}. */
export interface DeliverByOptions {
  /** Seconds from now in which the message should be delivered, -999,999,999 to 999,999,999; with `onExpiry: "return"` at least 1. */
  readonly seconds: number;
  /** What becomes of it then: it is returned, or it travels on and the sender is told. */
  readonly onExpiry: "return" | "notify";
  /** Whether every relay should tell the sender of its part; default `false`. */
  readonly trace?: boolean;
}

/**
 * DELIVERBY: a time by which the message should be delivered.
 *
 * Source: RFC 2852 section 4.
 *
 * @throws {TypeError} When an option is none. {RangeError} When the seconds are out of their range.
 *
 * @example
 * ```ts
 * import { deliverBy } from "@posthorn/smtp/extensions";
 *
 * deliverBy({ seconds: 120, onExpiry: "return" }).keyword; // "DELIVERBY"
 * ```
 */
export function deliverBy(options: DeliverByOptions): MessageExtension {
  const { seconds, onExpiry, trace = false }: DeliverByOptions = own(options);
  if (onExpiry !== "return" && onExpiry !== "notify") {
    throw wrong("onExpiry for DELIVERBY", '"return" or "notify"', onExpiry);
  }
  if (typeof trace !== "boolean") {
    throw wrong("trace for DELIVERBY", "true or false", trace);
  }
  const least = onExpiry === "return" ? 1 : -999_999_999;
  checkNumber("seconds for DELIVERBY", seconds, least, 999_999_999);
  return {
    keyword: "DELIVERBY",
    mail: ({ extensions }) => {
      const shortest = parameterOf(extensions, "DELIVERBY", 0);
      if (onExpiry === "return" && shortest !== undefined && seconds < shortest) {
        throw new SmtpUnsupportedError("unsupported", `The server returns messages after ${shortest} s at the soonest, not ${seconds}`, {
          phase: "local",
        });
      }
      return { BY: `${seconds};${onExpiry === "return" ? "R" : "N"}${trace ? "T" : ""}` };
    },
  };
}
