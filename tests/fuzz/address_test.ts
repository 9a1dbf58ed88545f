/** Addresses, names and parameters: what is accepted reaches a server as the one thing that it was, and what is not is an error before a byte. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type EsmtpParameters, parseMailbox, SmtpConnection } from "@posthorn/smtp";
import { checkLine, commandLine, formatParameters } from "../../src/wire/command.ts";
import { asciiMailbox, checkClientName, forwardPath, isPlain, parseStrictly, reversePath } from "../../src/wire/path.ts";
import { unitext, xtext } from "../../src/wire/xtext.ts";
import { hasControls, holds, holdsInTime } from "../support/fuzz.ts";
import { ManualServer } from "../support/manual.ts";
import { heard, isHost, isMailbox } from "./command_reference.ts";

const ODD = [
  '"',
  "\\",
  "<",
  ">",
  "@",
  "@",
  "@",
  ".",
  ".",
  " ",
  "\r\n",
  "\r",
  "\n",
  "\0",
  "\t",
  "\x7f",
  "\x85",
  "(",
  ")",
  ",",
  ";",
  ":",
  "[",
  "]",
  "=",
  "-",
  "+",
  "_",
];
const WIDE = [
  "é",
  "ß",
  "ẞ",
  "ü",
  "\u3002",
  "\uff0e",
  "\uff41",
  "\u200b",
  "\u200d",
  "\u00ad",
  "\ud800",
  "\udc00",
  "\u{1f600}",
  "\u010d",
  "\u010a",
  "\u202e",
  "\ufeff",
  "\u212a",
];
const PLAIN = [
  "a",
  "b",
  "Z",
  "0",
  "9",
  "example",
  "test",
  "x.test",
  "postmaster",
  "a@x.test",
  "<a@x.test>",
  "@r.test:",
  "xn--bcher-kva",
  "a".repeat(62),
];
const LITERALS = [
  "[192.0.2.1]",
  "[1.2.3.256]",
  "[IPv6:",
  "[ipv6:::1]",
  "::",
  "1:2:3:4:5:6:7",
  ":8",
  "1.2.3.4",
  "[x-y:z]",
  "[1:2]",
  "fe80::1%eth0",
  "00a",
];
const COMMANDS = ["\r\nRCPT TO:<evil@x.test>", "> NOTIFY=NEVER", "RCPT TO:", '"a b"', '"a\\"b"', '"a\\', "a(c)", "%", "!", "|", "~"];
const token = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...PLAIN) },
  { weight: 3, arbitrary: fc.constantFrom(...ODD) },
  { weight: 1, arbitrary: fc.constantFrom(...WIDE) },
  { weight: 1, arbitrary: fc.constantFrom(...LITERALS) },
  { weight: 1, arbitrary: fc.constantFrom(...COMMANDS) },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 3 }) },
);
const some = (most: number) => fc.array(token, { maxLength: most }).map((tokens) => tokens.join(""));
const host = fc.oneof(
  some(4),
  fc.array(fc.constantFrom("a", "b-c", "1", "é", "test", ""), { maxLength: 5 }).map((labels) => labels.join(".")),
  literal(),
);
const near = fc.tuple(some(3), host).map(([local, domain]) => `${local}@${domain}`);
const quoted = fc.tuple(some(4), host).map(([local, domain]) => `"${local}"@${domain}`);
const address: fc.Arbitrary<string> = fc.oneof(near, quoted, some(6));

/** An IP address in brackets, nearly. */
function literal(): fc.Arbitrary<string> {
  const hex = fc.constantFrom("0", "1", "ffff", "A", "0db8", "12345", "g", "", "::", "1.2.3.4");
  const groups = fc.array(hex, { maxLength: 8 }).map((all) => all.join(":"));
  const ip = fc.oneof(
    groups,
    fc.tuple(groups, groups).map((sides) => sides.join("::")),
    fc.tuple(groups, groups).map((sides) => sides.join("::") + ":1.2.3.4"),
  );
  return fc.tuple(fc.constantFrom("[IPv6:", "[IPv6:", "[ipV6:", "[", "[IPv6"), ip, fc.constantFrom("]", "]", "")).map((parts) => parts.join(""));
}

const encoder = new TextEncoder();

/** What `make` gives, or `undefined` where it refuses as bad arguments are refused. */
function accepted<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch (error) {
    assert(error instanceof TypeError || error instanceof RangeError, `${error}`);
    assert(error.message.startsWith("Cannot use "), error.message);
    assert(!/\p{Cc}/u.test(error.message), "what was refused is shown without its control characters");
    return undefined;
  }
}

/** The octets of the one line that leaves for a command. */
function written(verb: string, args: string): Uint8Array {
  return encoder.encode(`${checkLine(commandLine(verb, args))}\r\n`);
}

const isAscii = (text: string) => Array.from(text).every((character) => character <= "\x7f");

Deno.test("parseMailbox takes of ASCII what the grammar takes, of the rest no more, and what a server reads is what was said", () => {
  let taken = 0;
  holds(address, 200_000, (text) => {
    const mailbox = accepted(() => parseMailbox(text));
    const [at, { length }] = [text.lastIndexOf("@"), encoder.encode(text)];
    const isShort = length <= 254 && encoder.encode(text.slice(0, at)).length <= 64 && encoder.encode(text.slice(at + 1)).length <= 255;
    if (isAscii(text)) assertEquals(mailbox !== undefined, isMailbox(text) && isShort, text);
    assertEquals(accepted(() => parseStrictly(text)), mailbox);
    assert(!isPlain(text) || mailbox !== undefined);
    if (mailbox === undefined) return;
    taken++;
    const { localPart, domain } = mailbox;
    assert(`${localPart}@${domain}` === text && !/\p{Cc}/u.test(text));
    assertEquals(parseMailbox(`${localPart}@${domain}`), mailbox);
    for (const [verb, args] of [["MAIL", `FROM:${reversePath(text)}`], ["RCPT", `TO:${forwardPath(text)}`]] as const) {
      assertEquals(heard(written(verb, args)), { verb, mailbox: [localPart, domain], parameters: [] });
    }
  });
  assert(taken > 5_000, `${taken} were taken`);
});

Deno.test("reversePath and forwardPath write the null sender and the postmaster, and nothing else that is no mailbox", () => {
  holds(fc.oneof(address, fc.constantFrom("", "<>", "postmaster", "POSTMASTER", "postmaster@", "<postmaster>")), 50_000, (text) => {
    const isTaken = accepted(() => parseMailbox(text)) !== undefined;
    const [reverse, forward] = [accepted(() => reversePath(text)), accepted(() => forwardPath(text))];
    assertEquals(reverse !== undefined, isTaken || text === "" || text === "<>");
    assertEquals(forward !== undefined, isTaken || text.toLowerCase() === "postmaster");
    if (reverse !== undefined && !isTaken) assertEquals(heard(written("MAIL", `FROM:${reverse}`)).mailbox, ["", ""]);
    if (forward !== undefined && !isTaken) assertEquals(heard(written("RCPT", `TO:${forward}`)).mailbox, [text, ""]);
  });
});

Deno.test("asciiMailbox gives a mailbox in ASCII, the same one when it is asked again, and changes no local part", () => {
  holds(address, 50_000, (text) => {
    if (accepted(() => parseMailbox(text)) === undefined) return;
    const ascii = asciiMailbox(text);
    if (ascii === undefined) return assert(!isAscii(text));
    assert(isAscii(ascii) && isMailbox(ascii), ascii);
    assertEquals(asciiMailbox(ascii), ascii);
    assertEquals(ascii.slice(0, ascii.lastIndexOf("@")), text.slice(0, text.lastIndexOf("@")));
  });
});

Deno.test("checkClientName takes a domain in ASCII or an address literal, and nothing else", () => {
  holds(fc.oneof(host, some(3)), 50_000, (text) => {
    assertEquals(accepted(() => checkClientName(text)), isAscii(text) && text.length <= 255 && isHost(text) ? text : undefined);
  });
});

Deno.test("formatParameters writes what a server reads as those parameters, each in one word", () => {
  const keyword = fc.oneof(
    fc.constantFrom("SIZE", "BODY", "ENVID", "X-1", "-X", "A=B", "A B", "", "__proto__", "é"),
    fc.string({ unit: "binary", maxLength: 4 }),
  );
  const value = fc.oneof(
    fc.constantFrom<string | number | boolean | undefined>("8BITMIME", "a b", "a=b", "", "+2B", true, false, undefined, 0, 1.5, -1, NaN, 2 ** 53),
    token,
  );
  holds(fc.array(fc.tuple(keyword, value), { maxLength: 4 }), 50_000, (entries) => {
    const parameters: EsmtpParameters = Object.fromEntries(entries);
    const line = accepted(() => written("MAIL", `FROM:<a@x.test>${formatParameters(parameters)}`));
    if (line === undefined) return;
    const wanted = Object.entries(parameters).filter(([, one]) => one !== undefined && one !== false);
    assertEquals(heard(line).parameters, wanted.map(([name, one]) => [name, one === true ? undefined : String(one)]));
  });
});

Deno.test("xtext and unitext write one word that reads back as what it was", () => {
  holds(some(6), 50_000, (text) => {
    if (!text.isWellFormed()) return;
    const [x, u] = [xtext(text), unitext(text)];
    assert(/^[!-*,-<>-~+]*$/.test(x) && !x.includes("="), x);
    // xchar = any ASCII CHAR between "!" and "~" except "+" and "=" (RFC 3461 section 4)
    const octets = Array.from(
      x.matchAll(/\+([0-9A-F]{2})|([^+])/g),
      ([, hex, character]) => hex === undefined ? character!.charCodeAt(0) : parseInt(hex, 16),
    );
    assertEquals(new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(octets)), text);
    assert(!/[\p{Zs}=+]/u.test(u.replace(/[^\p{ASCII}]/gu, "")) && !/[\0-\x20\x7f]/.test(u), u);
    assertEquals(u.replace(/\\x\{([0-9A-F]+)\}/g, (_, hex) => String.fromCodePoint(parseInt(hex, 16))), text);
  });
});

Deno.test("SmtpConnection writes one line for what a verb accepts, and nothing for what it refuses", async () => {
  // What is refused leaves the session where it is, so that the next may be said.
  const server = () => new ManualServer((text, peer) => peer.say(/^(EHLO client|MAIL FROM:<first@)/.test(text) ? "250 ok\r\n" : "550 no\r\n"));
  const [one, other] = [server(), server()];
  await using ready = await SmtpConnection.open(one.options());
  await using mail = await SmtpConnection.open(other.options());
  for (const connection of [ready, mail]) assertEquals((await connection.ehlo("client.test")).code, 250);
  assertEquals((await mail.mail("first@x.test")).code, 250);
  const verbs = fc.constantFrom<"mail" | "rcpt" | "vrfy" | "expn" | "help" | "etrn">("mail", "rcpt", "rcpt", "vrfy", "expn", "help", "etrn");
  await holdsInTime(fc.tuple(verbs, address), 20_000, async ([verb, text]) => {
    const [connection, { writes }] = verb === "rcpt" ? [mail, other] as const : [ready, one] as const;
    const { length } = writes;
    const reply = await connection[verb](text).catch((error) => {
      assert(error instanceof TypeError || error instanceof RangeError, `${error}`);
    });
    if (reply === undefined) return assertEquals(writes.length, length);
    const [line = "", ...more] = writes.slice(length);
    assertEquals([reply.code, more], [550, []]);
    assert(line.endsWith("\r\n") && !hasControls(line.slice(0, -2)), line);
    if (verb === "mail" || verb === "rcpt") assertEquals(heard(encoder.encode(line)).verb, verb.toUpperCase());
    else assertEquals(line, `${verb.toUpperCase()}${text === "" ? "" : ` ${text}`}\r\n`);
  });
});
