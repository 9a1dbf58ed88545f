import { SmtpUnsupportedError } from "../errors.ts";
import { own } from "../wire/own.ts";
import type { MessageExtension } from "./extension.ts";
import { checkNumber, parameterOf } from "./numbers.ts";
import { timestamp } from "./timestamp.ts";

/** How long a submission server should hold a message: seconds from now, 1 to 999,999,999, or until a moment. */
export type FutureReleaseOptions = { readonly seconds: number } | { readonly until: Date };

/**
 * FUTURERELEASE: the server holds the message and sends it later.
 *
 * Source: RFC 4865 sections 3 to 5.
 *
 * @throws {TypeError} When it is neither. {RangeError} When the seconds are out of their range.
 *
 * @example
 * ```ts
 * import { futureRelease } from "@posthorn/smtp/extensions";
 *
 * futureRelease({ until: new Date("2030-01-01T09:00:00Z") }).keyword; // "FUTURERELEASE"
 * ```
 */
export function futureRelease(options: FutureReleaseOptions): MessageExtension {
  const given: FutureReleaseOptions = own(options);
  if ("seconds" in given) {
    const seconds = checkNumber("seconds for FUTURERELEASE", given.seconds, 1, 999_999_999);
    return {
      keyword: "FUTURERELEASE",
      mail: ({ extensions }) => {
        const longest = parameterOf(extensions, "FUTURERELEASE", 0);
        if (longest !== undefined && seconds > longest) throw tooLong(`${longest} s at the most, not ${seconds}`);
        return { HOLDFOR: seconds };
      },
    };
  }
  const until = timestamp("until for FUTURERELEASE", given.until);
  return {
    keyword: "FUTURERELEASE",
    mail: ({ extensions }) => {
      const latest = extensions.get("FUTURERELEASE")?.[1] ?? "";
      if (Date.parse(latest) < Date.parse(until)) throw tooLong(`until ${latest} at the latest, not ${until}`);
      return { HOLDUNTIL: until };
    },
  };
}

function tooLong(words: string): SmtpUnsupportedError {
  return new SmtpUnsupportedError("unsupported", `The server holds messages ${words}`, { phase: "local" });
}
