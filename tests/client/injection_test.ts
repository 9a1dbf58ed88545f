/** What callers may hand over besides addresses and content, and what must never reach a server. */
import { assertEquals, assertRejects } from "@std/assert";
import { type EsmtpParameters, type Message, SmtpConnection, SmtpConnectionError } from "@posthorn/smtp";
import { BYE, connectTo, openTo, rejection } from "../support/client.ts";
import { ManualServer } from "../support/manual.ts";
import { conversation } from "../support/script.ts";

const MESSAGE: Message = { from: "a@x.test", to: "b@y.test", body: "hello" };

/** What an extension of the caller's own may give back, and the error that comes of it. */
const NASTY: readonly (readonly [string, unknown, typeof TypeError | typeof RangeError])[] = [
  ["a line break in a value", { X: "1\r\nRCPT TO:<evil@x.test>" }, TypeError],
  ["a space in a value", { X: "1 SIZE=1" }, TypeError],
  ["a line break in a keyword", { "X\r\nRSET": true }, TypeError],
  ["a keyword that is none", JSON.parse('{"__proto__":"1"}'), TypeError],
  ["half a character", { X: "\ud800" }, TypeError],
  ["an object", { X: { toString: () => "1" } }, TypeError],
  ["a number below zero", { X: -1 }, RangeError],
  ["more than a line may hold", { X: "x".repeat(13_000) }, RangeError],
  ["text", "X=1", TypeError],
  ["a promise", Promise.resolve({ X: "1" }), TypeError],
];

conversation(
  "SmtpClient.send writes nothing when an extension gives what is no parameter, and sends again",
  `
  S: 220 mx.example ESMTP
  C: EHLO client.test
  S: 250-mx.example
  S: 250-PIPELINING
  S: 250 X
  C: MAIL FROM:<a@x.test>
  C: RCPT TO:<b@y.test>
  C: DATA
  S: 250 ok
  S: 250 ok
  S: 354 go
  C: hello
  C: .
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server);
    for (const [what, parameters, expected] of NASTY) {
      const give = () => parameters as EsmtpParameters;
      for (const extension of [{ keyword: "X", mail: give }, { keyword: "X", rcpt: give }]) {
        const error = await rejection(client.send({ ...MESSAGE, extensions: [extension] }));
        assertEquals(error instanceof expected, true, `${what}: ${error}`);
      }
    }
    assertEquals((await client.send(MESSAGE)).accepted.length, 1);
  },
);

conversation(
  "SmtpConnection writes nothing when what it is given is no argument of the verb",
  `
  S: 220 mx.example ESMTP
  C: EHLO client.test
  S: 250-mx.example
  S: 250-CHUNKING
  S: 250 BURL
  C: MAIL FROM:<a@x.test>
  S: 250 ok
  C: RCPT TO:<b@y.test>
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using connection = await openTo(server);
    await connection.ehlo("client.test");
    await connection.mail("a@x.test");
    await connection.rcpt("b@y.test");
    const call = (name: string, args: readonly unknown[]): Promise<unknown> => Reflect.apply(Reflect.get(connection, name), connection, args);
    const bad: readonly [string, ...unknown[]][] = [
      // It would end the message, and nobody here would know.
      ["burl", "imap://x.test/INBOX LAST"],
      ["burl", ""],
      ["burl", "imap://x.test/\r\nRSET"],
      ["burl", "imap://x.test/ä"],
      ["burl", undefined],
      ["bdat", "abc"],
      ["bdat", new ArrayBuffer(3)],
      ["bdat", undefined],
      ["bdat", new Uint8Array(1), { last: "yes" }],
      ["sendRaw", "QUIT\r\n"],
      ["xclient", {}],
      ["xclient", { "A B": "1" }],
      ["xclient", { ADDR: "1\r\nRSET" }],
      ["xclient", { ADDR: "" }],
      ["xclient", { ADDR: 1 }],
      ["xclient", undefined],
      ["xforward", JSON.parse('{"__proto__":"x y"}')],
      ["atrn", "example.com"],
      ["atrn", ["a b"]],
      ["atrn", ["a\r\nRSET"]],
      ["atrn", ["a,b"]],
      ["atrn", [""]],
      ["atrn", [1]],
    ];
    for (const [name, ...args] of bad) await assertRejects(() => call(name, args), TypeError, undefined, `${name} ${JSON.stringify(args)}`);
  },
);

Deno.test("SmtpConnection.command knows the end of a message however it is written", async () => {
  for (const [verb, args] of [["bdat", "0  last "], ["BDAT", "0 LAST"], ["Burl", "imap://x.test/INBOX Last  "]] as const) {
    const server = new ManualServer((text, server) => text.toUpperCase().includes("LAST") ? server.end() : server.say("250 ok\r\n"));
    const connection = await SmtpConnection.open(server.options());
    await connection.ehlo("client.test");
    await connection.mail("a@x.test");
    await connection.rcpt("b@y.test");
    const error = await assertRejects(() => connection.command(verb, args), SmtpConnectionError);
    assertEquals([error.delivery, error.phase], ["unknown", "data"]);
  }
});

conversation(
  "SmtpConnection.xclient begins the session anew: extensions and login are forgotten",
  `
  S: 220 mx.example ESMTP
  C: EHLO client.test
  S: 250-mx.example
  S: 250-AUTH PLAIN
  S: 250 XCLIENT NAME ADDR
  C: AUTH PLAIN AHUAcA==
  S: 235 ok
  C: XCLIENT ADDR=192.0.2.1 NAME=a+20b+2Bc
  S: 220 mx.example ESMTP
  C: EHLO client.test
  S: 250 mx.example
  ${BYE}`,
  async (server) => {
    await using connection = await openTo(server);
    await connection.ehlo("client.test");
    await connection.auth("PLAIN", new TextEncoder().encode("\0u\0p"));
    assertEquals(connection.isAuthenticated, true);
    await connection.xclient({ ADDR: "192.0.2.1", NAME: "a b+c" });
    assertEquals([connection.isAuthenticated, connection.extensions.size, connection.state], [false, 0, "greeted"]);
    await connection.ehlo("client.test");
  },
);
