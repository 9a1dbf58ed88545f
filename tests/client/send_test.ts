import { assertEquals, assertRejects } from "@std/assert";
import { type Message, SmtpReplyError, SmtpStateError, SmtpUnsupportedError } from "@posthorn/smtp";
import { BYE, connectTo, facts, HELLO, HELLO_LOCKSTEP, openTo, rejection } from "../support/client.ts";
import { conversation } from "../support/script.ts";
import { BODY, CONTENT, ENVELOPE, MESSAGE } from "../support/to_two.ts";

conversation(
  "SmtpClient.send goes step by step without PIPELINING",
  `
  ${HELLO_LOCKSTEP}
  C: MAIL FROM:<a@x.test>
  S: 250 ok
  C: RCPT TO:<b@y.test>
  S: 251 will forward
  C: RCPT TO:<c@y.test>
  S: 450 4.2.0 try later
  C: DATA
  S: 354 go
  ${CONTENT}
  S: 250 OK id=1tAbCd-000000001Xy-2Z3a
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server);
    const { accepted, rejected, queueId } = await client.send(MESSAGE);
    assertEquals(accepted.map(({ address, reply }) => [address, reply.code]), [["b@y.test", 251]]);
    assertEquals(rejected.map(({ address, reply }) => [address, reply.code, reply.isTransient]), [["c@y.test", 450, true]]);
    assertEquals(queueId, "1tAbCd-000000001Xy-2Z3a");
    assertEquals(server.writes.length, 6, "EHLO, MAIL, RCPT, RCPT, DATA, content: each by itself");
  },
);

conversation(
  "SmtpClient.send goes step by step when pipelining is turned off",
  `
  ${HELLO}
  C: MAIL FROM:<a@x.test>
  S: 250 ok
  C: RCPT TO:<b@y.test>
  S: 250 ok
  C: DATA
  S: 354 go
  ${CONTENT}
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server, { pipelining: false });
    await client.send({ ...MESSAGE, to: "b@y.test" });
    assertEquals(server.writes.length, 5);
  },
);

conversation(
  "SmtpClient.send sends nothing when a recipient is refused and all are required",
  `
  ${HELLO}
  C: MAIL FROM:<a@x.test>
  C: RCPT TO:<b@y.test>
  C: RCPT TO:<c@y.test>
  S: 250 ok
  S: 250 ok
  S: 450 4.2.0 later
  C: RSET
  S: 250 ok
  C: MAIL FROM:<a@x.test>
  C: RCPT TO:<b@y.test>
  S: 250 ok
  S: 250 ok
  C: DATA
  S: 354 go
  ${CONTENT}
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server);
    const error = await assertRejects(() => client.send({ ...MESSAGE, requireAllRecipients: true }), SmtpReplyError);
    assertEquals([error.phase, error.code, error.recipient, error.accepted.length], ["rcpt", 450, "c@y.test", 1]);
    await client.send({ ...MESSAGE, to: ["b@y.test"], requireAllRecipients: true });
  },
);

conversation(
  "SmtpClient.send sends a bounce from the null sender",
  `
  ${HELLO}
  C: MAIL FROM:<>
  C: RCPT TO:<Postmaster>
  C: DATA
  S: 250 ok
  S: 250 ok
  S: 354 go
  ${CONTENT}
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server);
    await client.send({ from: "", to: "Postmaster", body: BODY });
  },
);

conversation(
  "SmtpClient.send says SMTPUTF8 when an address needs it",
  `
  S: 220 mx.example
  C: EHLO client.test
  S: 250-mx.example
  S: 250-8BITMIME
  S: 250 SMTPUTF8
  C: MAIL FROM:<бош@пример.test> BODY=8BITMIME SMTPUTF8
  S: 250 ok
  C: RCPT TO:<b@y.test>
  S: 250 ok
  C: DATA
  S: 354 go
  C: Subject: ö
  C: .
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server);
    await client.send({ from: "бош@пример.test", to: "b@y.test", body: "Subject: ö" });
  },
);

conversation(
  "SmtpClient.send refuses an address beyond ASCII where the server does not offer SMTPUTF8",
  `
  ${HELLO}
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server);
    const error = await assertRejects(() => client.send({ ...MESSAGE, from: "бош@x.test" }), SmtpUnsupportedError, "SMTPUTF8");
    assertEquals([error.kind, error.phase, error.delivery], ["unsupported", "local", "not-sent"]);
  },
);

conversation(
  "SmtpClient.send refuses while a transaction begun by hand is open, and adds nothing to it",
  `
  ${HELLO}
  C: MAIL FROM:<evil@x.test>
  S: 250 ok
  C: RSET
  S: 250 ok
  ${ENVELOPE}
  S: 250 ok
  S: 250 ok
  S: 250 ok
  S: 354 go
  ${CONTENT}
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server);
    await client.connection.mail("evil@x.test");
    await assertRejects(() => client.send(MESSAGE), SmtpStateError, '"mail"');
    await client.connection.rset();
    await client.send(MESSAGE);
  },
);

Deno.test("SmtpClient.send checks the message before anything is written", async () => {
  const { ScriptedServer } = await import("../support/script.ts");
  const server = new ScriptedServer(`${HELLO_LOCKSTEP}\nS: {silence}`);
  const client = await connectTo(server);
  const bad: [Partial<Record<keyof Message, unknown>>, typeof TypeError | typeof RangeError][] = [
    [{ to: [] }, TypeError],
    [{ to: "" }, TypeError],
    [{ to: undefined }, TypeError],
    [{ to: { mailbox: "b@y.test" } }, TypeError],
    [{ to: { address: "b@y.test", extensions: "DSN" } }, TypeError],
    [{ extensions: [{}] }, TypeError],
    [{ transfer: "BDAT" }, TypeError],
    [{ binary: 1 }, TypeError],
    [{ binary: true, transfer: "data" }, TypeError],
    [{ smtpUtf8: "yes" }, TypeError],
    [{ to: ["b@y.test", "c@y.test\r\nRCPT TO:<evil@x.test>"] }, TypeError],
    [{ to: "b@y.test, c@y.test" }, TypeError],
    [{ from: "Alice <a@x.test>" }, TypeError],
    [{ from: undefined }, TypeError],
    [{ from: `${"a".repeat(65)}@x.test` }, RangeError],
    [{ body: undefined }, TypeError],
    [{ body: 5 }, TypeError],
    [{ body: "a\ud800" }, TypeError],
    [{ lineEndings: "keep" }, TypeError],
    [{ requireAllRecipients: "yes" }, TypeError],
  ];
  for (const [change, expected] of bad) {
    await assertRejects(() => Reflect.apply(client.send, client, [{ ...MESSAGE, ...change }]), expected);
  }
  await assertRejects(() => Reflect.apply(client.send, client, [{ from: "a@x.test", body: "" }]), TypeError, "Cannot use to as a recipient");
  await assertRejects(
    () => Reflect.apply(client.send, client, []),
    TypeError,
    "Cannot use message as it must be an object: current value is undefined",
  );
  client.close();
  assertEquals(server.writes, ["EHLO client.test\r\n"]);
});

conversation(
  "SmtpClient.send is not swayed by a polluted prototype",
  `
  ${HELLO_LOCKSTEP}
  C: MAIL FROM:<a@x.test>
  S: 250 ok
  C: RCPT TO:<b@y.test>
  S: 250 ok
  C: DATA
  S: 354 go
  C: a
  C: .
  S: 250 ok
  ${BYE}`,
  async (server) => {
    const polluted: Record<string, unknown> = { lineEndings: "reject", tls: "implicit", parameters: { SIZE: 1 }, requireAllRecipients: true };
    for (const [name, value] of Object.entries(polluted)) Object.defineProperty(Object.prototype, name, { value, configurable: true });
    try {
      await using client = await connectTo(server);
      await client.send({ from: "a@x.test", to: "b@y.test", body: "a\n" });
    } finally {
      for (const name of Object.keys(polluted)) Reflect.deleteProperty(Object.prototype, name);
    }
  },
);

conversation(
  "SmtpConnection.dotStuff rejects lone line ends when asked, and the dot is never sent",
  `
  ${HELLO_LOCKSTEP}
  C: MAIL FROM:<a@x.test>
  S: 250 ok
  C: RCPT TO:<b@y.test>
  S: 250 ok
  C: DATA
  S: 354 go
  S: {silence}`,
  async (server) => {
    const connection = await openTo(server);
    await connection.ehlo("client.test");
    await connection.mail("a@x.test");
    await connection.rcpt("b@y.test");
    await connection.data();
    await assertRejects(() => connection.dotStuff("a\nb", { lineEndings: "reject" }), TypeError, "CRLF");
    const error = facts(await rejection(connection.dotStuff(new Blob(["a\nb"]), { lineEndings: "reject" })));
    assertEquals([error.name, error.phase, error.delivery, connection.isClosed], ["SmtpBodyError", "data", "not-sent", true]);
  },
);
