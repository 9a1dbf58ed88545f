import { SmtpUnsupportedError } from "../errors.ts";
import type { Reply } from "./reply.ts";

/**
 * What a server said it can do: EHLO keywords and their parameters. Keywords are compared without regard to case, parameters are kept as they
 * came. A keyword that comes twice has the parameters of both, and the old form `AUTH=LOGIN` is AUTH.
 *
 * Source: RFC 5321 sections 2.2 and 4.1.1.1.
 *
 * @example
 * ```ts
 * import { Extensions } from "@posthorn/smtp";
 *
 * const extensions = new Extensions(["PIPELINING", "SIZE 1000000", "AUTH PLAIN LOGIN"]);
 * extensions.has("pipelining"); // true
 * extensions.get("AUTH"); // ["PLAIN", "LOGIN"]
 * extensions.maxSize; // 1000000
 * ```
 */
export class Extensions implements Iterable<[keyword: string, parameters: readonly string[]]> {
  readonly #entries = new Map<string, Set<string>>();
  /** Asked of it at every message, so they are read once. */
  readonly #maxSize: number | undefined;
  readonly #limits: ReadonlyMap<string, string>;

  /** Extensions of lines as they stand in an EHLO reply behind the greeting line: `["SIZE 1000", "8BITMIME"]`. */
  constructor(lines: Iterable<string> = []) {
    for (const line of lines) {
      const [keyword, ...parameters] = line.replace(/^([ \t]*AUTH)=/i, "$1 ").match(/[^ \t]+/g) ?? [];
      if (keyword !== undefined) this.#add(upperAscii(keyword), parameters);
    }
    this.#maxSize = sizeOf(this.get("SIZE") ?? []);
    // Where one stands twice the first counts, even if it says nothing.
    this.#limits = new Map((this.get("LIMITS") ?? []).toReversed().map(limitOf));
  }

  /** How many keywords there are. */
  get size(): number {
    return this.#entries.size;
  }

  /** Whether the server offers `keyword`. */
  has(keyword: string): boolean {
    // Nearly always it is asked for as it is kept.
    return this.#entries.has(keyword) || this.#entries.has(upperAscii(keyword));
  }

  /** The parameters of `keyword`, in the server's order and spelling; `undefined` when it is not offered. */
  get(keyword: string): readonly string[] | undefined {
    const parameters = this.#entries.get(upperAscii(keyword));
    return parameters && [...parameters];
  }

  /** Octets of a message at the most, by SIZE; `undefined` when the server names no limit (RFC 1870 section 4). */
  get maxSize(): number | undefined {
    return this.#maxSize;
  }

  /** Names of the SASL mechanisms offered, in upper case (RFC 4954 section 3). */
  get authMechanisms(): readonly string[] {
    return this.get("AUTH")?.map(upperAscii) ?? [];
  }

  /** A limit of a message or a session by its name: `limit("RCPTMAX")`; `undefined` where the server names none (RFC 9422 section 4). */
  limit(name: string): number | undefined {
    const value = this.#limits.get(name) ?? "";
    return /^[1-9]\d{0,5}$/.test(value) ? Number(value) : undefined;
  }

  /** Keywords, in upper case, with their parameters. */
  *[Symbol.iterator](): Iterator<[keyword: string, parameters: readonly string[]]> {
    for (const [keyword, parameters] of this.#entries) yield [keyword, [...parameters]];
  }

  #add(keyword: string, parameters: readonly string[]): void {
    const known = this.#entries.get(keyword);
    if (known === undefined) this.#entries.set(keyword, new Set(parameters));
    else for (const parameter of parameters) known.add(parameter);
  }
}

/**
 * The extensions in an EHLO reply. The first line greets and names the server, so nothing in it counts.
 *
 * Source: RFC 5321 section 4.1.1.1 (ehlo-ok-rsp).
 *
 * @param reply The server's reply to EHLO; one that is no 2yz offers nothing.
 *
 * @example
 * ```ts
 * import { parseEhlo, Reply } from "@posthorn/smtp";
 *
 * parseEhlo(Reply.of(250, "starttls.example", "SIZE 1000")).has("STARTTLS"); // false
 * ```
 */
export function parseEhlo(reply: Reply): Extensions {
  return new Extensions(reply.isPositive ? reply.lines.slice(1) : []);
}

/** @throws {SmtpUnsupportedError} The server does not offer `keyword`. */
export function assertOffered(extensions: Extensions, keyword: string): void {
  if (extensions.has(keyword)) return;
  throw new SmtpUnsupportedError("unsupported", `The server does not offer ${keyword}`, { phase: "local" });
}

function sizeOf(parameters: readonly string[]): number | undefined {
  const octets = Number(parameters.find((parameter) => /^\d{1,20}$/.test(parameter)) ?? 0);
  return octets > 0 && Number.isSafeInteger(octets) ? octets : undefined;
}

function limitOf(parameter: string): [name: string, value: string] {
  const [name = "", value = ""] = parameter.split("=");
  return [upperAscii(name), value];
}

/** ASCII letters only: `toUpperCase` would turn a dotless ı into an I, and a stranger into a keyword. */
function upperAscii(text: string): string {
  return text.replace(/[a-z]+/g, (letters) => letters.toUpperCase());
}
