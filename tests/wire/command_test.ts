import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type EsmtpParameters, SmtpConnection } from "@posthorn/smtp";
import { checkLine, commandLine, formatParameters, MAX_COMMAND_LINE } from "../../src/wire/command.ts";
import { ScriptedServer } from "../support/script.ts";

/** C0, DEL, and lone surrogates. */
const FORBIDDEN = [...Array(32).keys(), 127, 0xd800, 0xdfff].map((code) => String.fromCharCode(code));

Deno.test("checkLine lets UTF-8 pass, and refuses control characters and lone surrogates", () => {
  assertEquals(checkLine("VRFY Jörg \u{1f4ef}\u010d\u010a"), "VRFY Jörg \u{1f4ef}\u010d\u010a");
  for (const character of FORBIDDEN) assertThrows(() => checkLine(`NOOP a${character}b`), TypeError, "control characters");
});

Deno.test("checkLine refuses a line longer than any extension allows, counted in octets", () => {
  assertEquals(checkLine("x".repeat(MAX_COMMAND_LINE - 2)).length, MAX_COMMAND_LINE - 2);
  assertThrows(() => checkLine("x".repeat(MAX_COMMAND_LINE - 1)), RangeError);
  assertThrows(() => checkLine("ö".repeat(MAX_COMMAND_LINE / 2)), RangeError);
});

Deno.test("commandLine takes a verb and nothing else for one", () => {
  assertEquals([commandLine("NOOP"), commandLine("XCLIENT", "A=b")], ["NOOP", "XCLIENT A=b"]);
  for (const verb of ["", "NO OP", "NOOP\r\n", "1X", "MAIL FROM:", "ñ"]) assertThrows(() => commandLine(verb), TypeError, "verb");
});

Deno.test("formatParameters writes keywords and values, and leaves out what is not wanted", () => {
  assertEquals(formatParameters({ SIZE: 0, BODY: "8BITMIME", SMTPUTF8: true, RET: undefined, X: false }), " SIZE=0 BODY=8BITMIME SMTPUTF8");
  assertEquals(formatParameters({ size: Number.MAX_SAFE_INTEGER }), " size=9007199254740991");
});

Deno.test("formatParameters refuses what is none of the grammar", () => {
  const bad: EsmtpParameters[] = [{ "": 1 }, { "A B": 1 }, { "A\r\nRCPT": 1 }, { A: "" }, { A: "b c" }, { A: "b=c" }, {
    A: "1\r\nRCPT TO:<evil@x.test>",
  }];
  for (const parameters of bad) assertThrows(() => formatParameters(parameters), TypeError);
  for (const size of [-1, 1.5, NaN, Infinity, 2 ** 53]) assertThrows(() => formatParameters({ SIZE: size }), RangeError, "whole number");
});

Deno.test("formatParameters ignores what a polluted prototype adds", () => {
  assertEquals(formatParameters(Object.create({ SIZE: 5 })), "");
});

/** Every verb and every place of it that takes text. */
const VERBS: [name: string, call: (connection: SmtpConnection, text: string) => Promise<unknown>][] = [
  ["ehlo", (c, text) => c.ehlo(text)],
  ["helo", (c, text) => c.helo(text)],
  ["mail", (c, text) => c.mail(`a${text}@x.test`)],
  ["mail with a domain", (c, text) => c.mail(`a@x${text}.test`)],
  ["mail with a quoted local part", (c, text) => c.mail(`"a${text}"@x.test`)],
  ["mail with a keyword", (c, text) => c.mail("a@x.test", { parameters: { [`X${text}`]: 1 } })],
  ["mail with a parameter", (c, text) => c.mail("a@x.test", { parameters: { X: `a${text}` } })],
  ["send", (c, text) => c.send(`a${text}@x.test`)],
  ["soml", (c, text) => c.soml(`a${text}@x.test`)],
  ["saml", (c, text) => c.saml(`a${text}@x.test`)],
  ["rcpt", (c, text) => c.rcpt(`a${text}@x.test`)],
  ["rcpt with a parameter", (c, text) => c.rcpt("a@x.test", { parameters: { NOTIFY: text } })],
  ["vrfy", (c, text) => c.vrfy(text)],
  ["expn", (c, text) => c.expn(text)],
  ["help", (c, text) => c.help(text)],
  ["etrn", (c, text) => c.etrn(text)],
  ["auth", (c, text) => c.auth(`PLAIN${text}`)],
  ["command", (c, text) => c.command("XTEST", text)],
  ["command with a verb", (c, text) => c.command(`NOOP${text}`)],
];

for (const [name, call] of VERBS) {
  Deno.test(`SmtpConnection.${name} refuses a control character before a byte is written`, async () => {
    const server = new ScriptedServer("S: 220 mx.example\nS: {silence}");
    const connection = await SmtpConnection.open({ hostname: "mx.example", tls: "none", dial: server.dial });
    for (const character of FORBIDDEN) {
      await assertRejects(() => call(connection, character), TypeError);
      await assertRejects(() => call(connection, `a${character}b`), TypeError);
    }
    connection.close();
    assertEquals(server.writes, []);
  });
}
