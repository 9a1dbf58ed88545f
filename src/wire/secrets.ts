import { decodeBase64 } from "./base64.ts";
import { hasEnhancedCode } from "./enhanced_code.ts";
import { binaryText, decodeText, encodeText, hex } from "./text.ts";

/** Characters of a secret that give it away, wherever they stand; fewer may be a word of anybody's. */
const PIECE = 8;
/** Characters of a secret at least: less than that is found in any text. */
const SHORTEST = 4;

/**
 * What of a response is the secret, by mechanism; what another one says is a secret as a whole. Names are none: what a server says of a login that it
 * refuses may well have the user's domain in it. The first answer of LOGIN is a name.
 */
const SECRET_PARTS: readonly (readonly [mechanism: RegExp, part: RegExp])[] = [
  [/^PLAIN$/, /(?:.*\0)?(.*)/s],
  [/^CRAM-MD5$/, /(?:.* )?(.*)/s],
  // The nonce behind r= or the proof behind p=.
  [/^SCRAM-/, /(?:.*,)?.?.?(.*)/s],
  [/^X?OAUTH/, /auth=Bearer ([!-~]*)/],
  [/^(EXTERNAL|ANONYMOUS|LOGIN)$/, /()/],
];
const WHOLE = /(.*)/s;

/**
 * What nobody may read in a log, and the search for it in what a server says, since one may repeat what it heard: as it came, decoded, in base64 at any
 * place and for URLs too, in hexadecimal, cut short, or with something between its parts.
 */
export class Secrets {
  /** As they stand on the wire and in the clear. */
  readonly #texts = new Set<string>();
  /** What gives them away, in any of their forms; folded. */
  readonly #pieces = new Set<string>();
  #mechanism = "";

  /** Adds what is a secret in `line`, a line of an AUTH exchange; to be told of each of them, in order. */
  hear(line: string): void {
    const [, mechanism, response = ""] = /^AUTH\s+(\S+)\s*(.*)$/i.exec(line) ?? ["", undefined, line];
    if (mechanism !== undefined) this.#mechanism = mechanism.toUpperCase();
    if (response === "") return;
    const message = decodeText(decodeBase64(response) ?? encodeText(response));
    const [, part = WHOLE] = SECRET_PARTS.find(([name]) => name.test(this.#mechanism)) ?? [];
    // Behind the name of LOGIN comes the password.
    if (this.#mechanism === "LOGIN") this.#mechanism = "";
    const secret = part.exec(message)?.[1];
    if (secret) this.add(response, secret);
  }

  /** Adds each of `texts`; those that are too short to be a secret are none. */
  add(...texts: readonly string[]): void {
    for (const text of texts) {
      if (text.length < SHORTEST || this.#texts.has(text)) continue;
      this.#texts.add(text);
      for (const form of formsOf(text).map(folded)) {
        const length = Math.min(PIECE, form.length);
        for (let end = length; length >= SHORTEST && end <= form.length; end++) this.#pieces.add(form.slice(end - length, end));
      }
    }
  }

  /** `lines` with `***` wherever a secret stands in them; where there is still something of one, next to nothing of them. */
  hide(lines: readonly string[]): readonly string[] {
    const shown = lines.map((line) => [...this.#texts].reduce((text, secret) => text.replaceAll(secret, "***"), line));
    if (!this.#isIn(shown.join(""))) return shown;
    const [first = ""] = shown;
    const enhanced = hasEnhancedCode(first) ? first.slice(0, first.indexOf(" ") + 1) : "";
    return [this.#isIn(enhanced) ? "***" : `${enhanced}***`];
  }

  #isIn(text: string): boolean {
    const within = folded(text);
    for (let start = 0; start + SHORTEST <= within.length; start++) {
      for (let length = SHORTEST; length <= PIECE; length++) if (this.#pieces.has(within.slice(start, start + length))) return true;
    }
    return false;
  }
}

/** `text` without what can stand between two parts of it, or differ from one way to write it to another. */
function folded(text: string): string {
  return text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "");
}

/** The ways to write `text`. */
function formsOf(text: string): string[] {
  const octets = encodeText(text);
  const binary = binaryText(octets);
  const hexadecimal = Array.from(octets, (octet) => hex(octet)).join("");
  // In base64 it looks otherwise behind one octet or two; what it shares with a neighbour is left out.
  const encoded = [0, 1, 2].map((before) => btoa("\0".repeat(before) + binary).replace(/.?=+$/, "").slice(before && before + 1));
  return [text, binary, hexadecimal, encodeURIComponent(text), ...encoded];
}
