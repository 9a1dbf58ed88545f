/** What is said of a message that BDAT, LMTP or several transactions have brought half-way: never less than the server may have, and no more. */
import { assertEquals, assertRejects } from "@std/assert";
import { connect, SmtpBodyError, SmtpConnectionError, SmtpProtocolError, SmtpReplyError, SmtpUnsupportedError } from "@posthorn/smtp";
import { BYE, reaching } from "../support/client.ts";
import { FakeClock, settled } from "../support/fake_clock.ts";
import { ManualServer, PIPELINING } from "../support/manual.ts";
import { conversation, type ScriptedServer } from "../support/script.ts";

const HELLO = `
  S: 220 mx.example ESMTP
  C: EHLO client.test
  S: 250-mx.example
  S: 250-PIPELINING
  S: 250-LIMITS RCPTMAX=2
  S: 250-AUTH PLAIN
  S: 250 CHUNKING
  C: AUTH PLAIN AGEAYg==
  S: 235 ok
`;
const LHLO = `
  S: 220 mx.example LMTP
  C: LHLO client.test
  S: 250-mx.example
  S: 250-PIPELINING
  S: 250 CHUNKING
`;
const envelope = (...to: readonly string[]) => `
  C: MAIL FROM:<a@x.test>
  ${to.map((address) => `C: RCPT TO:<${address}>`).join("\n")}
`;
const WHOLE = `
  C: BDAT 7 LAST
  C: hello
`;
const MESSAGE = { from: "a@x.test", to: ["b@y.test", "c@y.test"], body: "hello" };

/** A client that has logged in, so that a small message rides with its envelope. */
function connectTo(server: ScriptedServer): ReturnType<typeof connect> {
  return connect(reaching(server, { auth: { username: "a", password: "b" }, allowCleartextAuth: true }));
}

function lmtpTo(server: ScriptedServer): ReturnType<typeof connect> {
  return connect(reaching(server, { protocol: "lmtp" }));
}

conversation(
  "SmtpClient.send sends no last chunk of LMTP before a recipient is accepted, since it may be answered by nothing",
  `
  ${LHLO}
  ${envelope("b@y.test", "c@y.test")}
  S: 250 ok
  S: 550 no
  S: 550 no
  C: RSET
  S: 250 ok
  ${envelope("b@y.test")}
  S: 250 ok
  S: 250 ok
  ${WHOLE}
  S: 250 saved
  ${BYE}`,
  async (server) => {
    await using client = await lmtpTo(server);
    const error = await assertRejects(() => client.send(MESSAGE), SmtpReplyError, "550 no");
    assertEquals([error.phase, error.delivery], ["rcpt", "not-sent"]);
    assertEquals((await client.send({ ...MESSAGE, to: "b@y.test" })).accepted.length, 1);
  },
);

conversation(
  "SmtpClient.send succeeds with LMTP by BDAT when the first recipient is refused behind the message and another is not",
  `
  ${LHLO}
  ${envelope("b@y.test", "c@y.test")}
  S: 250 ok
  S: 250 ok
  S: 250 ok
  ${WHOLE}
  S: 552 5.2.2 full
  S: 250 saved c
  ${envelope("b@y.test")}
  S: 250 ok
  S: 250 ok
  ${WHOLE}
  S: 250 saved b
  ${BYE}`,
  async (server) => {
    await using client = await lmtpTo(server);
    const { accepted, rejected } = await client.send(MESSAGE);
    assertEquals([accepted.map(({ address }) => address), rejected.map(({ address }) => address)], [["c@y.test"], ["b@y.test"]]);
    assertEquals((await client.send({ ...MESSAGE, to: "b@y.test" })).accepted.length, 1);
  },
);

conversation(
  "SmtpClient.send throws with LMTP by BDAT when everybody is refused behind the message, and sends again",
  `
  ${LHLO}
  ${envelope("b@y.test", "c@y.test")}
  S: 250 ok
  S: 250 ok
  S: 250 ok
  ${WHOLE}
  S: 552 5.2.2 full
  S: 451 4.3.0 later
  C: RSET
  S: 250 ok
  ${envelope("b@y.test")}
  S: 250 ok
  S: 250 ok
  ${WHOLE}
  S: 250 saved b
  ${BYE}`,
  async (server) => {
    await using client = await lmtpTo(server);
    const error = await assertRejects(() => client.send(MESSAGE), SmtpReplyError, "552 5.2.2");
    assertEquals([error.delivery, error.transient, error.rejected.map(({ reply }) => reply.code)], ["not-sent", true, [552, 451]]);
    assertEquals((await client.send({ ...MESSAGE, to: "b@y.test" })).accepted.length, 1);
  },
);

conversation(
  "SmtpClient.send loses no recipient of LMTP who is refused with 452 and no enhanced code behind the message",
  `
  ${LHLO.replace("CHUNKING", "8BITMIME")}
  ${envelope("b@y.test", "c@y.test")}
  C: DATA
  S: 250 ok
  S: 250 ok
  S: 250 ok
  S: 354 go
  C: hello
  C: .
  S: 250 saved
  S: 452 over quota
  ${BYE}`,
  async (server) => {
    await using client = await lmtpTo(server);
    const { accepted, rejected, transactions } = await client.send(MESSAGE);
    assertEquals(accepted.map(({ address }) => address), ["b@y.test"]);
    assertEquals(rejected.map(({ address, reply }) => [address, reply.code]), [["c@y.test", 452]]);
    assertEquals(transactions.length, 1);
  },
);

Deno.test("SmtpConnection takes no reply of LMTP to a recipient for the reply to a command that was asked for meanwhile", async () => {
  const server = new ManualServer((text, server) => {
    if (text.startsWith("LHLO")) server.say(PIPELINING);
    else if (text.startsWith("MAIL")) server.say("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n");
    else if (text === "NOOP\r\n") server.say("250 alive\r\n");
    else if (text === "QUIT\r\n") server.say("221 bye\r\n");
  });
  await using client = await connect(server.options({ protocol: "lmtp" }));
  const sending = client.send(MESSAGE);
  for (let turn = 0; turn < 5; turn++) await settled();
  assertEquals(server.writes.at(-1), "hello\r\n.\r\n");
  const [noop, reset] = [client.connection.noop(), client.connection.mail("a@x.test")];
  await settled();
  server.say("250 saved b\r\n");
  await settled();
  server.say("550 no c\r\n");
  const { accepted, rejected } = await sending;
  assertEquals([accepted.map(({ reply }) => reply.text), rejected.map(({ reply }) => reply.text)], [["saved b"], ["no c"]]);
  assertEquals((await noop).text, "alive");
  await settled();
  server.say("250 ok\r\n");
  assertEquals((await reset).code, 250);
});

conversation(
  "SmtpClient.send leaves it open whether a message was delivered when the reply to one recipient is no reply, and the message was written with it",
  `
  ${HELLO}
  ${envelope("b@y.test", "c@y.test")}
  ${WHOLE}
  S: 250 ok
  S: 250 ok
  S: 354 go
  S: 250 got it
  S: {silence}`,
  async (server) => {
    const client = await connectTo(server);
    const error = await assertRejects(() => client.send(MESSAGE), SmtpProtocolError, "354 go");
    assertEquals([error.phase, error.delivery], ["rcpt", "unknown"]);
  },
);

conversation(
  "SmtpClient.send leaves it open whether a message was delivered when the server goes behind its yes to one recipient, and the message was written",
  `
  ${HELLO}
  ${envelope("b@y.test", "c@y.test")}
  ${WHOLE}
  S: 250 ok
  S: 250 ok
  S: 421 4.3.2 going
  S: {silence}`,
  async (server) => {
    const client = await connectTo(server);
    const error = await assertRejects(() => client.send(MESSAGE), SmtpConnectionError, "421 4.3.2");
    assertEquals([error.code, error.delivery, error.transient], [421, "unknown", true]);
    assertEquals(error.accepted.map(({ address }) => address), ["b@y.test"]);
  },
);

conversation(
  "SmtpClient.send knows that nothing was sent when the server goes behind a yes to one recipient, and nothing was written",
  `
  ${HELLO}
  ${envelope("b@y.test", "c@y.test")}
  C: DATA
  S: 250 ok
  S: 250 ok
  S: 421 4.3.2 going
  S: {silence}`,
  async (server) => {
    const client = await connectTo(server);
    const error = await assertRejects(() => client.send({ ...MESSAGE, transfer: "data" }), SmtpReplyError, "421 4.3.2");
    assertEquals([error.code, error.delivery, error.recipient], [421, "not-sent", "c@y.test"]);
  },
);

conversation(
  "SmtpClient.send says that an earlier transaction was delivered when a later one is lost before its first chunk",
  `
  ${HELLO}
  ${envelope("b@y.test", "c@y.test")}
  S: 250 ok
  S: 250 ok
  S: 250 ok
  ${WHOLE}
  S: 250 queued
  ${envelope("d@y.test")}
  S: {close}`,
  async (server) => {
    const client = await connectTo(server);
    const body = () => new Blob(["hello"]).stream();
    const error = await assertRejects(() => client.send({ ...MESSAGE, to: ["b@y.test", "c@y.test", "d@y.test"], body }), SmtpConnectionError);
    assertEquals([error.phase, error.delivery, error.accepted.length], ["mail", "unknown", 2]);
  },
);

conversation(
  "SmtpClient.send says that an earlier transaction was delivered when the content of a later one may not be sent",
  `
  ${HELLO}
  ${envelope("b@y.test", "c@y.test")}
  S: 250 ok
  S: 250 ok
  S: 250 ok
  ${WHOLE}
  S: 250 queued
  ${envelope("d@y.test")}
  S: 250 ok
  S: 250 ok
  C: RSET
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server);
    let opened = 0;
    const body = () => new Blob([opened++ === 0 ? "hello" : "hällo"]).stream();
    const to = ["b@y.test", "c@y.test", "d@y.test"];
    const error = await assertRejects(() => client.send({ ...MESSAGE, to, body }), SmtpUnsupportedError, "8BITMIME");
    assertEquals([error.phase, error.delivery, error.accepted.length], ["data", "unknown", 2]);
  },
);

for (const transfer of ["bdat", "data"] as const) {
  conversation(
    `SmtpClient.send takes no error of a source's own for one of the connection's (${transfer})`,
    `
    ${HELLO}
    ${envelope("b@y.test")}
    ${transfer === "data" ? "C: DATA" : ""}
    S: 250 ok
    S: 250 ok
    ${transfer === "data" ? "S: 354 go" : "C: RSET\nS: 250 ok"}
    ${transfer === "data" ? "S: {silence}" : BYE}`,
    async (server) => {
      await using client = await connectTo(server);
      const cause = new SmtpConnectionError("disconnected", "another connection", { phase: "data", delivery: "unknown" });
      const body = new ReadableStream<Uint8Array>({ pull: () => Promise.reject(cause) });
      const error = await assertRejects(() => client.send({ ...MESSAGE, to: "b@y.test", body, transfer }), SmtpBodyError);
      assertEquals([error.delivery, error.cause], ["not-sent", cause]);
    },
  );
}

conversation(
  "SmtpClient.send names among those who may have the message only those, when a later transaction is lost",
  `
  ${HELLO}
  ${envelope("b@y.test", "c@y.test")}
  ${WHOLE}
  S: 250 ok
  S: 250 ok
  S: 550 no
  S: 250 queued
  ${envelope("d@y.test")}
  C: BDAT 7 LAST
  C: hello
  S: 250 ok
  S: 250 ok
  S: {close}`,
  async (server) => {
    const client = await connectTo(server);
    const error = await assertRejects(() => client.send({ ...MESSAGE, to: ["b@y.test", "c@y.test", "d@y.test"] }), SmtpConnectionError);
    assertEquals([error.delivery, error.accepted.map(({ address }) => address)], ["unknown", ["b@y.test", "d@y.test"]]);
    assertEquals(error.rejected.map(({ address }) => address), ["c@y.test"]);
  },
);

conversation(
  "SmtpClient.send leaves it open who has a message of LMTP when one recipient's reply is neither yes nor no",
  `
  ${LHLO}
  ${envelope("b@y.test", "c@y.test")}
  S: 250 ok
  S: 250 ok
  S: 250 ok
  ${WHOLE}
  S: 550 no
  S: 354 go
  S: {silence}`,
  async (server) => {
    const client = await lmtpTo(server);
    const error = await assertRejects(() => client.send(MESSAGE), SmtpProtocolError, "354 go");
    assertEquals([error.delivery, error.rejected.map(({ address }) => address)], ["unknown", ["b@y.test"]]);
  },
);

conversation(
  "SmtpClient.send gives every recipient the reply that it got, where an address stands there twice",
  `
  ${HELLO}
  ${envelope("b@y.test", "b@y.test")}
  ${WHOLE}
  S: 250 ok
  S: 550 first
  S: 450 second
  S: 503 no
  C: RSET
  S: 250 ok
  ${envelope("b@y.test", "c@y.test")}
  ${WHOLE}
  S: 451 no MAIL
  S: 503 no
  S: 503 no
  S: 503 no
  C: RSET
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server);
    const to = ["b@y.test", "b@y.test", "b@y.test", "c@y.test"];
    const error = await assertRejects(() => client.send({ ...MESSAGE, to }), SmtpReplyError, "550 first");
    assertEquals(error.rejected.map(({ address, reply }) => [address, reply.code]), [
      ["b@y.test", 550],
      ["b@y.test", 450],
      ["b@y.test", 451],
      ["c@y.test", 451],
    ]);
    assertEquals([error.transient, error.delivery], [true, "not-sent"]);
  },
);

for (const protocol of ["smtp", "lmtp"] as const) {
  Deno.test(`SmtpClient.send believes the yes of a server that took the message and then no octet more (${protocol})`, async () => {
    const server = new ManualServer((text, server) => {
      if (/^[EL]HLO/.test(text)) return server.say(PIPELINING);
      if (text.startsWith("MAIL")) return server.say("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n");
      return Promise.reject(new Error("broken pipe"));
    });
    const client = await connect(server.options({ protocol, clock: new FakeClock() }));
    const sending = client.send(MESSAGE);
    for (let turn = 0; turn < 5; turn++) await settled();
    server.say(protocol === "lmtp" ? "250 saved b\r\n250 saved c\r\n" : "250 queued\r\n");
    assertEquals((await sending).accepted.length, 2);
    client.close();
  });
}
