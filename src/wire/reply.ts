import { formatEnhancedCode, parseEnhancedCode } from "./enhanced_code.ts";
import { decodeText, encodeText, printable } from "./text.ts";

/**
 * One reply of a server: a code, and the text of each of its lines. Text is decoded when it is first asked for, since most replies are never read.
 *
 * Source: RFC 5321 sections 4.2 and 4.2.1, RFC 2034 section 4.
 *
 * @example
 * ```ts
 * import { Reply } from "@posthorn/smtp";
 *
 * const reply = Reply.of(550, "5.1.1 no such user");
 * reply.isPermanent; // true
 * reply.enhancedCode; // "5.1.1"
 * reply.text; // "no such user"
 * ```
 */
export class Reply {
  /** The three digits, as a number from 200 to 599. */
  readonly code: number;
  readonly #octets: readonly Uint8Array[];
  #lines: readonly string[] | undefined;

  /**
   * A reply of its parts.
   *
   * @param code The three digits.
   * @param octets The text of each line behind code and separator; kept, not copied.
   */
  constructor(code: number, octets: readonly Uint8Array[]) {
    this.code = code;
    this.#octets = octets;
  }

  /** A reply made of text, for tests and for servers of one's own. */
  static of(code: number, ...lines: readonly string[]): Reply {
    return new Reply(code, lines.length === 0 ? [new Uint8Array(0)] : lines.map(encodeText));
  }

  /** The same reply with each of `secrets` written as `***` wherever it stands in the text; too short a text to be one is left as it is. */
  without(secrets: readonly string[]): Reply {
    const found = secrets.filter((secret) => secret.length >= 4 && this.lines.some((line) => line.includes(secret)));
    if (found.length === 0) return this;
    return Reply.of(this.code, ...this.lines.map((line) => found.reduce((text, secret) => text.replaceAll(secret, "***"), line)));
  }

  /** The text of each line as it came, behind code and separator: UTF-8, or ISO 8859-1 where it is no UTF-8. */
  get lines(): readonly string[] {
    return this.#lines ??= this.#octets.map(decodeText);
  }

  /** The text of all lines, without enhanced codes, joined by `"\n"`. */
  get text(): string {
    return this.lines.map((line) => this.#enhanced(line) === undefined ? line : line.replace(/^\S+ ?/, "")).join("\n");
  }

  /** The enhanced status code of the first line, `"5.1.1"`; only one whose class is the code's first digit counts. */
  get enhancedCode(): string | undefined {
    return this.#enhanced(this.lines[0] ?? "");
  }

  /** 2yz: done. */
  get isPositive(): boolean {
    return this.#digit === 2;
  }

  /** 3yz: go on. */
  get isIntermediate(): boolean {
    return this.#digit === 3;
  }

  /** 4yz: no, for now. */
  get isTransient(): boolean {
    return this.#digit === 4;
  }

  /** 5yz: no. */
  get isPermanent(): boolean {
    return this.#digit === 5;
  }

  /** The reply in one line, safe for a log: `550 5.1.1 no such user`. */
  toString(): string {
    return printable(`${this.code} ${this.lines.join(" / ")}`.trimEnd());
  }

  /** The facts, for `JSON.stringify`. */
  toJSON(): { code: number; enhancedCode: string | undefined; lines: readonly string[] } {
    return { code: this.code, enhancedCode: this.enhancedCode, lines: this.lines };
  }

  get #digit(): number {
    return Math.floor(this.code / 100);
  }

  #enhanced(line: string): string | undefined {
    const enhanced = parseEnhancedCode(line);
    return enhanced?.class === this.#digit ? formatEnhancedCode(enhanced) : undefined;
  }
}
