import { own } from "../wire/own.ts";
import { encodeText } from "../wire/text.ts";
import type { SaslMechanism } from "./mechanism.ts";
import { prohibitedIn } from "./stringprep.ts";
import { wrong } from "../wire/wrong.ts";

/** Characters of a token at most (RFC 4505 section 2). */
const MAX_TRACE = 255;

/** Options of {@linkcode anonymous}. */
export interface AnonymousOptions {
  /** What the server may keep to trace the client by: a mail address, or any text without `@`. Default nothing. */
  readonly trace?: string;
}

/**
 * ANONYMOUS: the client is nobody in particular.
 *
 * Source: RFC 4505 sections 2 and 3.
 *
 * @throws {TypeError} When `trace` is empty, longer than 255 characters, or has characters that the profile "trace" prohibits.
 *
 * @example
 * ```ts
 * import { anonymous } from "@posthorn/smtp/sasl";
 *
 * anonymous({ trace: "sirhc" }).name; // "ANONYMOUS"
 * ```
 */
export function anonymous(options: AnonymousOptions = {}): SaslMechanism {
  const { trace }: AnonymousOptions = own(options);
  const message = encodeText(trace === undefined ? "" : checkTrace(trace));
  return { name: "ANONYMOUS", isPlaintext: false, start: () => ({ initialResponse: message, isComplete: true, respond: () => message }) };
}

function checkTrace(trace: string): string {
  if (typeof trace !== "string") throw wrongTrace("text", trace);
  const length = [...trace].length;
  if (length < 1 || length > MAX_TRACE) throw wrongTrace(`of 1 to ${MAX_TRACE} characters`, trace);
  if (trace.includes("@") && !/^[^@\s]+@[^@\s]+$/.test(trace)) throw wrongTrace("a mail address where it has an @", trace);
  const fault = prohibitedIn(trace);
  if (fault !== undefined) throw wrongTrace(fault, trace);
  return trace;
}

function wrongTrace(must: string, value: unknown): TypeError {
  return wrong("trace to log in", must, value);
}
