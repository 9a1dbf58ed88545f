/**
 * A search for secrets in all that a program can come to see of an error or a log, apart from the library's own: it knows other forms, and looks for
 * pieces.
 */
import { inspect } from "node:util";
import { base64 } from "./sasl.ts";

/** Characters of a secret in a row that count as found, whatever stands between them. */
const PIECE = 8;
/** Characters of a secret that a server repeats when it cuts it short: there are that many letters and digits in it even so. */
const HALF = 11;

const AMONG_OTHERS = "in base64 among others";

/** Everything that is to be seen of `values`: messages, stacks, causes, members of every kind, and each way to print them. */
export function seen(...values: readonly unknown[]): string {
  const found: string[] = [];
  const known = new Set<unknown>();
  const walk = (value: unknown): void => {
    if (typeof value === "string") return void found.push(value);
    if (typeof value !== "object" || value === null || known.has(value)) return;
    known.add(value);
    for (let at: object | null = value; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
      for (const key of Reflect.ownKeys(at)) {
        if (key === "constructor") continue;
        found.push(String(key));
        try {
          walk(Reflect.get(at, key, value));
        } catch {
          // A getter of the prototype is of no use there.
        }
      }
    }
    found.push(`${Reflect.apply(Reflect.get(value, "toString") ?? Object.prototype.toString, value, [])}`);
    if (value instanceof Map || value instanceof Set) [...value].forEach(walk);
  };
  values.forEach(walk);
  const options = { depth: 30, showHidden: true, maxArrayLength: null, maxStringLength: null };
  const deno: unknown = Reflect.get(Reflect.get(globalThis, "Deno") ?? {}, "inspect");
  for (const value of values) {
    found.push(inspect(value, options), JSON.stringify(value) ?? "");
    if (typeof deno === "function") found.push(deno(value, { depth: 30, showHidden: true, iterableLimit: Infinity, strAbbreviateSize: 1e6 }));
  }
  return found.join("\n");
}

/** What of `secrets` is in `text`: a form of one of them, or a piece. */
export function leaksIn(text: string, secrets: readonly string[]): string[] {
  const within = new Set(piecesOf(bare(text)));
  return secrets.flatMap((secret) => {
    const forms = Object.entries(ECHOES).map(([name, echo]) => [name, echo(secret)] as const);
    const whole = forms.filter(([, form]) => text.includes(form));
    // What stands around it is no piece of it.
    const pieces = forms.filter(([name, form]) => name !== AMONG_OTHERS && piecesOf(bare(form)).some((piece) => within.has(piece)));
    return [...whole, ...pieces].map(([name, form]) => `${secret} (${name}: ${form})`);
  });
}

/** The ways in which a server can repeat what it heard, on one line; `\n` is where it begins another. */
export const ECHOES: Readonly<Record<string, (secret: string) => string>> = {
  "as it is": (secret) => secret,
  "in base64": base64,
  "in base64 behind one octet": (secret) => base64(`:${secret}`).slice(2).replace(/.?=+$/, ""),
  "in base64 behind two octets": (secret) => base64(`::${secret}`).slice(3).replace(/.?=+$/, ""),
  [AMONG_OTHERS]: (secret) => base64(`you said "${secret}", or not?`),
  "in base64 for URLs": (secret) => base64(secret).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", ""),
  "in hexadecimal": hex,
  "in hexadecimal, upper case, with spaces": (secret) => hex(secret).toUpperCase().replace(/../g, "$& ").trim(),
  "in %-escapes": encodeURIComponent,
  "in quotes, escaped": JSON.stringify,
  "with spaces between": (secret) => [...secret].join(" "),
  "in pieces": (secret) => secret.replace(/.{3}/gu, "$&-"),
  "on two lines": (secret) => `${secret.slice(0, secret.length / 2)}\n${secret.slice(secret.length / 2)}`,
  "the first half of it": (secret) => secret.slice(0, Math.max(HALF, secret.length / 2)),
  "the second half of it": (secret) => secret.slice(-Math.max(HALF, secret.length / 2)),
};

function hex(text: string): string {
  return Array.from(new TextEncoder().encode(text), (octet) => octet.toString(16).padStart(2, "0")).join("");
}

function bare(text: string): string {
  return text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
}

function piecesOf(text: string): string[] {
  if (text.length <= PIECE) return [text];
  return Array.from({ length: text.length - PIECE + 1 }, (_, start) => text.slice(start, start + PIECE));
}
