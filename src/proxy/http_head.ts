/** The request for a tunnel and the head of its answer (RFC 9110 section 9.3.6, RFC 9112), as text and octets. */
import { decodeBase64, encodeBase64 } from "../wire/base64.ts";
import { own } from "../wire/own.ts";
import { Secrets } from "../wire/secrets.ts";
import { decodeText, encodeText, printable, quoted } from "../wire/text.ts";
import { tooLong, wrongSecret } from "../wire/wrong.ts";
import type { Host } from "./address.ts";
import { checkCredentials, secretly, unfit } from "./checks.ts";

/**
 * Octets of a head at the most, ours and the proxy's. RFC 9110 section 2.3 and 5.4 set no limit, common servers take 8 to 16 KiB; a head without an end
 * must not fill the memory.
 */
export const MAX_HEAD = 16_384;

/** Fields that say where the request ends or where it goes; they are not the caller's. */
const RESERVED: readonly string[] = ["host", "content-length", "transfer-encoding"];

/** The status of an answer. */
export interface Status {
  readonly code: number;
  /** Code and reason in the proxy's words, fit for a log: `407 Proxy Authentication Required`. */
  readonly words: string;
}

/**
 * The fields a caller wants in each request, credentials included, each with its line end.
 *
 * @throws {TypeError} When a field or a credential is not of the grammar. No value is in the message. {RangeError} When they are too long.
 */
export function formatFields(headers: Readonly<Record<string, string>>, username: string | undefined, password: string | undefined): string {
  const fields = Object.entries(own(headers, "headers"));
  for (const [name, value] of fields) {
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name)) throw unfit("headers", "named by tokens (RFC 9110 section 5.6.2)", name);
    if (RESERVED.includes(name.toLowerCase())) throw unfit("headers", `without ${RESERVED.join(", ")}`, name);
    if (typeof value === "string" && /^(?:[!-~](?:[\t -~]*[!-~])?)?$/.test(value)) continue;
    throw wrongSecret(`header ${quoted(name)} to reach a proxy`, "printable ASCII without spaces at its ends");
  }
  const credentials = checkCredentials(username, password);
  if (credentials !== undefined) {
    if (credentials.username.includes(":")) throw secretly("username", "without a colon (RFC 7617 section 2)");
    if (fields.some(([name]) => name.toLowerCase() === "proxy-authorization")) {
      throw secretly("headers", "without Proxy-Authorization beside username");
    }
    fields.push(["Proxy-Authorization", `Basic ${encodeBase64(encodeText(`${credentials.username}:${credentials.password}`))}`]);
  }
  const text = fields.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  // The lines that name the host take what is left.
  if (text.length <= MAX_HEAD - 1024) return text;
  throw tooLong("headers to reach a proxy", MAX_HEAD - 1024, text.length);
}

/** What a proxy may not repeat in an error: the last word of each of `fields`, and the password in one of Basic (RFC 7617 section 2). */
export function secretsIn(fields: string): Secrets {
  const secrets = new Secrets();
  for (const word of fields.split("\r\n").map((field) => field.slice(field.lastIndexOf(" ") + 1))) {
    secrets.add(word, decodeText(decodeBase64(word) ?? new Uint8Array(0)).replace(/^[^:]*:?/, ""));
  }
  return secrets;
}

/** The request for a tunnel to `host`, with `fields` from {@linkcode formatFields}. */
export function formatRequest({ name, ip }: Host, port: number, fields: string): Uint8Array {
  const authority = `${ip?.length === 16 ? `[${name}]` : name}:${port}`;
  return encodeText(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${fields}\r\n`);
}

/** The status in the first line of an answer; `undefined` when it is none. The reason may be missing, and so may the space before it. */
export function parseStatus(line: string): Status | undefined {
  const [, code = "", reason = ""] = /^HTTP\/1\.\d ([1-5]\d\d)(?: (.*))?$/.exec(line) ?? [];
  return code === "" ? undefined : { code: Number(code), words: printable(`${code} ${reason}`.trim()).slice(0, 100) };
}

/** The schemes of the logins that a proxy asks for (RFC 9110 section 11.7.1): `Basic, NTLM`. */
export function schemesOf(fields: readonly string[]): string {
  const asked = fields.map((field) => /^proxy-authenticate:[\t ]*([\w!#$%&'*+.^`|~-]{1,40})/i.exec(field)?.[1]).filter((scheme) =>
    scheme !== undefined
  );
  return asked.slice(0, 5).join(", ");
}

/** The text of a line without its end, CRLF or a bare LF (RFC 9112 section 2.2). */
export function lineText(line: Uint8Array): string {
  return decodeText(line).replace(/\r?\n$/, "");
}
