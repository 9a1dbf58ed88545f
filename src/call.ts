/** The options of one call of a verb: what they are, and what of them counts. */
import { type EsmtpParameters, formatParameters } from "./wire/command.ts";
import type { LineEndings } from "./wire/dot_stuffer.ts";
import { own } from "./wire/own.ts";

/** Options of every verb. */
export interface CallOptions {
  /** Gives the call up. One that was written already ends the connection, since its reply must not be taken for another's. */
  readonly signal?: AbortSignal | undefined;
  /** How long its reply may take, in milliseconds; default by the connection's `timeouts`. */
  readonly timeout?: number | undefined;
}

/** Options of MAIL and RCPT. */
export interface PathOptions extends CallOptions {
  /** ESMTP parameters: `{ SIZE: 1024, BODY: "8BITMIME" }`. */
  readonly parameters?: EsmtpParameters;
}

/** Options of {@linkcode SmtpConnection.dotStuff}. */
export interface DotStuffOptions extends CallOptions {
  /** What to do with a lone CR or LF; default `"normalize"`. */
  readonly lineEndings?: LineEndings;
}

/** Options of {@linkcode SmtpConnection.bdat} and {@linkcode SmtpConnection.burl}. */
export interface BdatOptions extends CallOptions {
  /** Whether the message ends with it; default `false`. */
  readonly last?: boolean;
}

/** No options, not even those that somebody has put into the prototype of all objects. */
const NO_OPTIONS: CallOptions = Object.create(null);

/** A call's own options and nothing else of them: what else stands there must not get into a command. */
export function calling(options: CallOptions | undefined): { readonly signal: AbortSignal | undefined; readonly timeout: number | undefined } {
  const { signal, timeout }: CallOptions = options === undefined ? NO_OPTIONS : own(options);
  return { signal, timeout };
}

/** The ESMTP parameters of a path, each with a space before it. */
export function parametersOf(options: PathOptions | undefined): string {
  const { parameters }: PathOptions = options === undefined ? NO_OPTIONS : own(options);
  return parameters === undefined ? "" : formatParameters(parameters);
}
