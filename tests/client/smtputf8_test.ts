import { assertEquals, assertRejects } from "@std/assert";
import { SmtpUnsupportedError } from "@posthorn/smtp";
import { BYE, connectTo } from "../support/client.ts";
import { conversation, ScriptedServer } from "../support/script.ts";
import { dsn } from "@posthorn/smtp/extensions";

function script(keywords: readonly string[], from: string, to: string, content: string): string {
  return `
  S: 220 mx.example ESMTP
  C: EHLO client.test
  ${["mx.example", ...keywords].map((line) => `S: 250-${line}`).join("\n")}
  S: 250 HELP
  C: MAIL FROM:${from}
  S: 250 ok
  C: RCPT TO:${to}
  S: 250 ok
  C: DATA
  S: 354 go
  ${content.split("\n").map((line) => `C: ${line}`).join("\n")}
  C: .
  S: 250 ok
  ${BYE}`;
}

const UTF8 = ["8BITMIME", "SMTPUTF8"];

conversation(
  "SmtpClient.send says SMTPUTF8 for an address beyond ASCII",
  script(UTF8, "<a@x.test> SMTPUTF8", "<jürgen@bücher.test>", "hello"),
  async (server) => {
    await using client = await connectTo(server);
    const { accepted } = await client.send({ from: "a@x.test", to: "jürgen@bücher.test", body: "hello" });
    assertEquals(accepted[0]?.address, "jürgen@bücher.test");
  },
);

conversation(
  "SmtpClient.send says SMTPUTF8 for headers beyond ASCII",
  script(UTF8, "<a@x.test> BODY=8BITMIME SMTPUTF8", "<b@y.test>", "Subject: Grüße\n\nhello"),
  async (server) => {
    await using client = await connectTo(server);
    await client.send({ from: "a@x.test", to: "b@y.test", body: "Subject: Grüße\n\nhello" });
  },
);

conversation(
  "SmtpClient.send says no SMTPUTF8 where only the text is beyond ASCII",
  script(UTF8, "<a@x.test> BODY=8BITMIME", "<b@y.test>", "Subject: hello\n\nGrüße"),
  async (server) => {
    await using client = await connectTo(server);
    await client.send({ from: "a@x.test", to: "b@y.test", body: "Subject: hello\n\nGrüße" });
  },
);

conversation(
  "SmtpClient.send says SMTPUTF8 for a stream when it is told to",
  script(UTF8, "<a@x.test> BODY=8BITMIME SMTPUTF8", "<b@y.test>", "hello"),
  async (server) => {
    await using client = await connectTo(server);
    await client.send({ from: "a@x.test", to: "b@y.test", body: new Blob(["hello"]), smtpUtf8: true });
  },
);

conversation(
  "SmtpClient.send writes domains as A-labels to a server without SMTPUTF8",
  script([], "<a@xn--bcher-kva.test>", "<b@xn--strae-oqa.xn--wgv71a119e.test>", "hello"),
  async (server) => {
    await using client = await connectTo(server);
    const { accepted } = await client.send({ from: "a@bücher.test", to: "b@straße.日本語.test", body: "hello" });
    assertEquals(accepted[0]?.address, "b@straße.日本語.test");
  },
);

Deno.test("SmtpClient.send refuses a domain that is mapped to another one, or to one here and to another there", async () => {
  const server = new ScriptedServer("S: 220 mx\nC: EHLO client.test\nS: 250 mx\nS: {silence}");
  const client = await connectTo(server);
  const others = [
    "goo\u034fgle.test",
    "ü\ufe0f.test",
    "ü\u{e0100}.test",
    "ü\u180b.test",
    "straẞe.test",
    "goo\uff47le.test",
    "a\u3002test",
    "１.２.３.４",
  ];
  for (const domain of [...others, "\u1160ü.test", "ü\u00ad.test", "ü\u200b.test"]) {
    for (const message of [{ from: "a@x.test", to: `b@${domain}` }, { from: `b@${domain}`, to: "a@x.test" }]) {
      await assertRejects(() => client.send({ ...message, body: "hello" }), TypeError, "mailbox", domain);
    }
  }
  client.close();
});

Deno.test("SmtpClient.send knows that a domain has no form in ASCII", async () => {
  const server = new ScriptedServer("S: 220 mx\nC: EHLO client.test\nS: 250 mx\nS: {silence}");
  const client = await connectTo(server);
  for (const domain of ["ü.xn--a", "xn--ü.test", "bücher.1", "bücher.0x1", `${"ü".repeat(60)}.test`]) {
    const error = await assertRejects(() => client.send({ from: "a@x.test", to: `b@${domain}`, body: "hello" }), SmtpUnsupportedError, "SMTPUTF8");
    assertEquals([error.phase, error.recipient], ["local", `b@${domain}`]);
  }
  client.close();
});

conversation(
  "SmtpClient.send writes an original recipient as it is where SMTPUTF8 is said",
  script([...UTF8, "DSN"], "<ä@x.test> SMTPUTF8", "<b@y.test> ORCPT=utf-8;b\\x{2B}ü@x.test", "hello"),
  async (server) => {
    await using client = await connectTo(server);
    await client.send({ from: "ä@x.test", to: "b@y.test", body: "hello", extensions: [dsn({ originalRecipient: "b+ü@x.test" })] });
  },
);

conversation(
  "SmtpClient.send sends nothing to a server without SMTPUTF8 that cannot do without",
  `
  S: 220 mx.example ESMTP
  C: EHLO client.test
  S: 250-mx.example
  S: 250 8BITMIME
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server);
    const base = { from: "a@x.test", to: "b@y.test", body: "hello" };
    const local = await assertRejects(() => client.send({ ...base, to: ["b@y.test", "jürgen@y.test"] }), SmtpUnsupportedError, "SMTPUTF8");
    assertEquals([local.recipient, local.phase, local.delivery], ["jürgen@y.test", "local", "not-sent"]);
    const header = await assertRejects(() => client.send({ ...base, body: "Subject: Grüße\n\n" }), SmtpUnsupportedError, "headers");
    assertEquals(header.hint, "write them as encoded words (RFC 2047)");
    await assertRejects(() => client.send({ ...base, smtpUtf8: true }), SmtpUnsupportedError);
  },
);
