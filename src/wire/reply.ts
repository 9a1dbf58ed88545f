import { formatEnhancedCode, hasEnhancedCode, parseEnhancedCode } from "./enhanced_code.ts";
import { decodeText, encodeText, printable } from "./text.ts";

/**
 * One reply of a server: a code, and the text of each of its lines. Octets are decoded when they are first asked for, since most replies are never read.
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
  readonly #given: readonly (Uint8Array | string)[];
  #lines: readonly string[] | undefined;

  /**
   * A reply of its parts.
   *
   * @param code The three digits.
   * @param lines The text of each line behind code and separator, or its octets; kept, not copied.
   */
  constructor(code: number, lines: readonly (Uint8Array | string)[]) {
    this.code = code;
    this.#given = lines;
  }

  /** A reply made of text, for tests and for servers of one's own. */
  static of(code: number, ...lines: readonly string[]): Reply {
    return new Reply(code, lines.length === 0 ? [new Uint8Array(0)] : lines.map(encodeText));
  }

  /** The text of each line as it came, behind code and separator: UTF-8, or ISO 8859-1 where it is no UTF-8. */
  get lines(): readonly string[] {
    return this.#lines ??= this.#given.map((line) => typeof line === "string" ? line : decodeText(line));
  }

  /** Octets of its text, about: what it takes in memory. */
  get octets(): number {
    let octets = 0;
    for (const line of this.#given) octets += line.length;
    return octets;
  }

  /** The text of all lines, without enhanced codes, joined by `"\n"`. */
  get text(): string {
    return this.lines.map((line) => this.#isEnhanced(line) ? withoutWord(line) : line).join("\n");
  }

  /** The enhanced status code of the first line, `"5.1.1"`; only one whose class is the code's first digit counts. */
  get enhancedCode(): string | undefined {
    const [line = ""] = this.lines;
    const code = this.#isEnhanced(line) ? parseEnhancedCode(line) : undefined;
    return code && formatEnhancedCode(code);
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

  /** Whether `line` begins with an enhanced code that fits the code: one whose class is its first digit. */
  #isEnhanced(line: string): boolean {
    return line.charCodeAt(0) - ZERO === this.#digit && hasEnhancedCode(line);
  }
}

const ZERO = 48;

/** `line` behind its first word and the space after that. */
function withoutWord(line: string): string {
  const space = line.indexOf(" ");
  return space < 0 ? "" : line.slice(space + 1);
}
