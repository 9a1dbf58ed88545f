import { assertEquals, assertRejects } from "@std/assert";
import { type Message, SmtpConnectionError, SmtpProtocolError, SmtpReplyError, SmtpStateError, SmtpUnsupportedError } from "@posthorn/smtp";
import { BYE, connectTo, facts, HELLO, HELLO_LOCKSTEP, openTo, rejection } from "../support/client.ts";
import { settled } from "../support/fake_clock.ts";
import { conversation } from "../support/script.ts";

const BODY = "Subject: a\r\n\r\nhi\r\n";
const MESSAGE: Message = { from: "a@x.test", to: ["b@y.test", "c@y.test"], body: BODY };
const ENVELOPE = `
  C: MAIL FROM:<a@x.test>
  C: RCPT TO:<b@y.test>
  C: RCPT TO:<c@y.test>
  C: DATA
`;
const CONTENT = `
  C: Subject: a
  C:
  C: hi
  C: .
`;

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
  "SmtpClient.send asks nothing more in lockstep once MAIL is refused",
  `
  ${HELLO_LOCKSTEP}
  C: MAIL FROM:<a@x.test>
  S: 550 5.7.1 not you
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server);
    const error = await assertRejects(() => client.send(MESSAGE), SmtpReplyError, "550 5.7.1 not you");
    assertEquals([error.phase, error.code, error.enhancedCode, error.command], ["mail", 550, "5.7.1", "MAIL"]);
  },
);

conversation(
  "SmtpClient.send does not say DATA in lockstep when every recipient is refused",
  `
  ${HELLO_LOCKSTEP}
  C: MAIL FROM:<a@x.test>
  S: 250 ok
  C: RCPT TO:<b@y.test>
  S: 550 5.1.1 no
  C: RCPT TO:<c@y.test>
  S: 450 4.2.0 later
  C: RSET
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server);
    const error = await assertRejects(() => client.send(MESSAGE), SmtpReplyError);
    assertEquals([error.phase, error.code, error.recipient, error.transient], ["rcpt", 550, "b@y.test", true]);
    assertEquals(error.rejected.map(({ reply }) => reply.enhancedCode), ["5.1.1", "4.2.0"]);
  },
);

conversation(
  "SmtpClient.send says RSET after a group in which every recipient and DATA were refused",
  `
  ${HELLO}
  ${ENVELOPE}
  S: 250 ok
  S: 550 no
  S: 551 no
  S: 503 no valid recipients
  C: RSET
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server);
    const error = await assertRejects(() => client.send(MESSAGE), SmtpReplyError);
    assertEquals([error.phase, error.code, error.transient], ["rcpt", 550, false]);
  },
);

for (const last of ["250 ok, delivered to nobody", "554 no valid recipients"]) {
  conversation(
    `SmtpClient.send sends a lone dot when every recipient is refused and a 354 comes, and believes no ${last.slice(0, 3)}`,
    `
    ${HELLO}
    ${ENVELOPE}
    S: 250 ok
    S: 550 no
    S: 550 no
    S: 354 go
    C: .
    S: ${last}
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
      const error = await assertRejects(() => client.send(MESSAGE), SmtpReplyError);
      assertEquals([error.phase, error.code, error.delivery], ["rcpt", 550, "not-sent"]);
      assertEquals((await client.send(MESSAGE)).accepted.length, 2);
    },
  );
}

conversation(
  "SmtpClient.send closes the connection when MAIL is refused and a 354 comes",
  `
  ${HELLO}
  ${ENVELOPE}
  S: 550 not you
  S: 503 no
  S: 503 no
  S: 354 go
  S: {silence}`,
  async (server) => {
    const client = await connectTo(server);
    const error = await assertRejects(() => client.send(MESSAGE), SmtpReplyError);
    assertEquals([error.phase, error.code, client.isClosed], ["mail", 550, true]);
  },
);

conversation(
  "SmtpClient.send goes on after MAIL was refused in a group, with all its replies read",
  `
  ${HELLO}
  ${ENVELOPE}
  S: 450 not now
  S: 503 no
  S: 503 no
  S: 503 no
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
    const error = await assertRejects(() => client.send(MESSAGE), SmtpReplyError);
    assertEquals([error.phase, error.code, error.transient], ["mail", 450, true]);
    await client.send(MESSAGE);
  },
);

for (const code of [250, 220, 355]) {
  conversation(
    `SmtpClient.send takes ${code} to DATA for no go-ahead`,
    `
    ${HELLO}
    ${ENVELOPE}
    S: 250 ok
    S: 250 ok
    S: 250 ok
    S: ${code} what
    S: {silence}`,
    async (server) => {
      const client = await connectTo(server);
      const error = await assertRejects(() => client.send(MESSAGE), SmtpProtocolError);
      assertEquals([error.phase, error.code, error.delivery, client.isClosed], ["data", code, "not-sent", true]);
    },
  );
}

conversation(
  "SmtpClient.send takes 354 to RCPT for a breach of the protocol",
  `
  ${HELLO}
  ${ENVELOPE}
  S: 250 ok
  S: 354 go
  S: 250 ok
  S: 354 go
  S: {silence}`,
  async (server) => {
    const client = await connectTo(server);
    const error = await assertRejects(() => client.send(MESSAGE), SmtpProtocolError);
    assertEquals([error.phase, error.recipient, error.delivery, client.isClosed], ["rcpt", "b@y.test", "not-sent", true]);
  },
);

conversation(
  "SmtpClient.send rejects when DATA is refused, and resets",
  `
  ${HELLO}
  ${ENVELOPE}
  S: 250 ok
  S: 250 ok
  S: 550 no
  S: 451 4.3.0 disk
  C: RSET
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server);
    const error = await assertRejects(() => client.send(MESSAGE), SmtpReplyError);
    assertEquals([error.phase, error.code, error.command, error.transient], ["data", 451, "DATA", true]);
    assertEquals([error.accepted.map(({ address }) => address), error.rejected.map(({ address }) => address)], [["b@y.test"], ["c@y.test"]]);
  },
);

for (const code of [452, 554]) {
  conversation(
    `SmtpClient.send rejects when the content is refused with ${code}, and sends the next`,
    `
    ${HELLO}
    ${ENVELOPE}
    S: 250 ok
    S: 250 ok
    S: 550 no
    S: 354 go
    ${CONTENT}
    S: ${code} no room
    C: NOOP
    S: 250 ok
    ${BYE}`,
    async (server) => {
      await using client = await connectTo(server);
      const error = await assertRejects(() => client.send(MESSAGE), SmtpReplyError);
      assertEquals([error.phase, error.code, error.delivery, error.transient], ["data", code, "not-sent", code === 452]);
      assertEquals([error.accepted.length, error.rejected.length], [1, 1]);
      await client.verify();
    },
  );
}

for (const rset of ["500 what", "503 no", "421 bye"]) {
  conversation(
    `SmtpClient.send keeps the first error when RSET is answered ${rset}, and drops the connection`,
    `
    ${HELLO}
    ${ENVELOPE}
    S: 250 ok
    S: 550 no
    S: 550 no
    S: 503 no
    C: RSET
    S: ${rset}
    S: {silence}`,
    async (server) => {
      const client = await connectTo(server);
      const error = await assertRejects(() => client.send(MESSAGE), SmtpReplyError);
      assertEquals([error.phase, error.code], ["rcpt", 550]);
      for (let turn = 0; turn < 20; turn++) await settled();
      assertEquals(client.isClosed, true);
    },
  );
}

conversation(
  "SmtpClient.send reports a refusal rather than the disconnect behind it",
  `
  ${HELLO}
  ${ENVELOPE}
  S: 550 not you
  S: {close}`,
  async (server) => {
    const client = await connectTo(server);
    const error = await assertRejects(() => client.send(MESSAGE), SmtpReplyError);
    assertEquals([error.phase, error.code, client.isClosed], ["mail", 550, true]);
  },
);

conversation(
  "SmtpClient.send keeps what it knows of the recipients when the connection is lost before DATA is answered",
  `
  ${HELLO}
  ${ENVELOPE}
  S: 250 ok
  S: 550 no
  S: 250 ok
  S: {reset}`,
  async (server) => {
    const client = await connectTo(server);
    const error = await assertRejects(() => client.send(MESSAGE), SmtpConnectionError);
    assertEquals([error.kind, error.phase, error.delivery, error.transient], ["disconnected", "data", "not-sent", true]);
    assertEquals([error.accepted.map(({ address }) => address), error.rejected.map(({ address }) => address)], [["c@y.test"], ["b@y.test"]]);
    assertEquals(error.cause instanceof Error, true);
  },
);

for (const end of ["close", "reset"]) {
  conversation(
    `SmtpClient.send says that delivery is unknown when the server ends behind the dot ({${end}})`,
    `
    ${HELLO}
    ${ENVELOPE}
    S: 250 ok
    S: 250 ok
    S: 550 no
    S: 354 go
    ${CONTENT}
    S: {${end}}`,
    async (server) => {
      const client = await connectTo(server);
      const error = await assertRejects(() => client.send(MESSAGE), SmtpConnectionError);
      assertEquals([error.kind, error.phase, error.delivery], ["disconnected", "data", "unknown"]);
      assertEquals([error.accepted.length, error.rejected.length], [1, 1]);
    },
  );
}

for (const reply of ["S: 250-a\n S: 550 b", "S: hello", "S: 354 go"]) {
  conversation(
    `SmtpClient.send says that delivery is unknown when the reply to the content is ${JSON.stringify(reply)}`,
    `
    ${HELLO}
    ${ENVELOPE}
    S: 250 ok
    S: 250 ok
    S: 250 ok
    S: 354 go
    ${CONTENT}
    ${reply}
    S: {silence}`,
    async (server) => {
      const client = await connectTo(server);
      const error = await assertRejects(() => client.send(MESSAGE), SmtpProtocolError);
      assertEquals([error.kind, error.phase, error.delivery, client.isClosed], ["protocol", "data", "unknown", true]);
    },
  );
}

conversation(
  "SmtpClient.send takes a 421 behind the dot for the refusal it is, and closes",
  `
  ${HELLO}
  ${ENVELOPE}
  S: 250 ok
  S: 250 ok
  S: 250 ok
  S: 354 go
  ${CONTENT}
  S: 421 4.3.2 going down
  S: {silence}`,
  async (server) => {
    const client = await connectTo(server);
    const error = await assertRejects(() => client.send(MESSAGE), SmtpReplyError);
    assertEquals([error.code, error.delivery, error.transient, client.isClosed], [421, "not-sent", true, true]);
  },
);

conversation(
  "SmtpClient.send gives every command of a group the words of a 421 in the middle",
  `
  ${HELLO}
  ${ENVELOPE}
  S: 250 ok
  S: 421 4.3.2 going down
  S: {silence}`,
  async (server) => {
    const client = await connectTo(server);
    const error = facts(await rejection(client.send(MESSAGE)));
    assertEquals([error.code, error.delivery, error.transient, client.isClosed], [421, "not-sent", true, true]);
    const later = await assertRejects(() => client.send(MESSAGE), SmtpConnectionError, "421 4.3.2 going down");
    assertEquals(later.kind, "disconnected");
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
  await assertRejects(() => Reflect.apply(client.send, client, []), TypeError);
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
