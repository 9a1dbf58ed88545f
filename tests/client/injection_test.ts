/** What callers may hand over besides addresses and content. What must never reach a server is in `tests/faults/cases/`. */
import { assertEquals, assertRejects } from "@std/assert";
import { SmtpConnection, SmtpConnectionError } from "@posthorn/smtp";
import { BYE, openTo } from "../support/client.ts";
import { ManualServer } from "../support/manual.ts";
import { conversation } from "../support/script.ts";

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
