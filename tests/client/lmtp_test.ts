import { assertEquals, assertRejects } from "@std/assert";
import { connect, SmtpConnectionError, SmtpProtocolError, SmtpReplyError } from "@posthorn/smtp";
import { BYE, openTo, reaching, rejection } from "../support/client.ts";
import { conversation, ScriptedServer } from "../support/script.ts";

const HELLO = `
  S: 220 mx.example LMTP
  C: LHLO client.test
  S: 250-mx.example
  S: 250-PIPELINING
  S: 250 ENHANCEDSTATUSCODES
`;
const ENVELOPE = `
  C: MAIL FROM:<a@x.test>
  C: RCPT TO:<b@y.test>
  C: RCPT TO:<c@y.test>
  C: RCPT TO:<d@y.test>
  C: DATA
`;
const CONTENT = `
  C: hello
  C: .
`;
const MESSAGE = { from: "a@x.test", to: ["b@y.test", "c@y.test", "d@y.test"], body: "hello" };

function lmtpTo(server: ScriptedServer): ReturnType<typeof connect> {
  return connect(reaching(server, { protocol: "lmtp" }));
}

conversation(
  "SmtpClient.send has a reply for each recipient with LMTP, also when some were refused before",
  `
  ${HELLO}
  ${ENVELOPE}
  S: 250 ok
  S: 250 ok
  S: 550 5.1.1 no such user
  S: 250 ok
  S: 354 go
  ${CONTENT}
  S: 250 2.0.0 <b@y.test> saved
  S: 452 4.2.2 <d@y.test> quota
  ${BYE}`,
  async (server) => {
    await using client = await lmtpTo(server);
    const { accepted, rejected, reply } = await client.send(MESSAGE);
    assertEquals(accepted.map(({ address, reply }) => [address, reply.text]), [["b@y.test", "<b@y.test> saved"]]);
    assertEquals(rejected.map(({ address, reply }) => [address, reply.enhancedCode]), [["c@y.test", "5.1.1"], ["d@y.test", "4.2.2"]]);
    assertEquals(reply.text, "<b@y.test> saved");
  },
);

conversation(
  "SmtpClient.send succeeds with LMTP when the first recipient is refused behind the dot and another is not",
  `
  ${HELLO}
  ${ENVELOPE}
  S: 250 ok
  S: 250 ok
  S: 250 ok
  S: 250 ok
  S: 354 go
  ${CONTENT}
  S: 552 5.2.2 full
  S: 250 2.0.0 saved c
  S: 250 2.0.0 saved d
  ${BYE}`,
  async (server) => {
    await using client = await lmtpTo(server);
    const { accepted, rejected, reply } = await client.send(MESSAGE);
    assertEquals(accepted.map(({ address }) => address), ["c@y.test", "d@y.test"]);
    assertEquals(rejected.map(({ address }) => address), ["b@y.test"]);
    assertEquals(reply.text, "saved c");
  },
);

conversation(
  "SmtpClient.send throws with LMTP when every recipient is refused behind the dot",
  `
  ${HELLO}
  ${ENVELOPE}
  S: 250 ok
  S: 250 ok
  S: 250 ok
  S: 250 ok
  S: 354 go
  ${CONTENT}
  S: 552 5.2.2 full
  S: 451 4.3.0 later
  S: 552 5.2.2 full
  ${BYE}`,
  async (server) => {
    await using client = await lmtpTo(server);
    const error = await assertRejects(() => client.send(MESSAGE), SmtpReplyError, "552 5.2.2");
    assertEquals([error.phase, error.delivery, error.transient, error.accepted.length], ["data", "not-sent", true, 0]);
    assertEquals(error.rejected.map(({ reply }) => reply.code), [552, 451, 552]);
  },
);

conversation(
  "SmtpClient.send tells with LMTP who has the message when the connection ends between the replies",
  `
  ${HELLO}
  ${ENVELOPE}
  S: 250 ok
  S: 250 ok
  S: 250 ok
  S: 250 ok
  S: 354 go
  ${CONTENT}
  S: 250 2.0.0 saved
  S: 550 5.0.0 no
  S: {close}`,
  async (server) => {
    const client = await lmtpTo(server);
    const error = await assertRejects(() => client.send(MESSAGE), SmtpConnectionError);
    assertEquals([error.kind, error.delivery], ["disconnected", "unknown"]);
    assertEquals(error.accepted.map(({ address }) => address), ["b@y.test"]);
    assertEquals(error.rejected.map(({ address }) => address), ["c@y.test"]);
  },
);

conversation(
  "SmtpClient.send takes a 354 behind the dot of LMTP for no answer at all",
  `
  ${HELLO}
  ${ENVELOPE}
  S: 250 ok
  S: 250 ok
  S: 250 ok
  S: 250 ok
  S: 354 go
  ${CONTENT}
  S: 250 ok
  S: 354 go
  S: 250 ok
  S: {silence}`,
  async (server) => {
    const client = await lmtpTo(server);
    const error = await assertRejects(() => client.send(MESSAGE), SmtpProtocolError);
    assertEquals(error.delivery, "unknown");
  },
);

conversation(
  "SmtpClient.send takes one reply too many behind the dot of LMTP for what it is",
  `
  ${HELLO}
  C: MAIL FROM:<a@x.test>
  C: RCPT TO:<b@y.test>
  C: DATA
  S: 250 ok
  S: 250 ok
  S: 354 go
  ${CONTENT}
  S: 250 ok
  S: 250 ok
  S: {silence}`,
  async (server) => {
    const client = await lmtpTo(server);
    assertEquals((await client.send({ ...MESSAGE, to: "b@y.test" })).accepted.length, 1);
    const error = await rejection(client.verify());
    assertEquals(error instanceof SmtpProtocolError, true, `${error}`);
  },
);

for (const kind of ["text", "a stream"]) {
  conversation(
    `SmtpClient.send has a reply for each recipient behind the last chunk of BDAT, of ${kind}`,
    `
  S: 220 mx.example LMTP
  C: LHLO client.test
  S: 250-mx.example
  S: 250-PIPELINING
  S: 250 CHUNKING
  C: MAIL FROM:<a@x.test>
  C: RCPT TO:<b@y.test>
  C: RCPT TO:<c@y.test>
  C: RCPT TO:<d@y.test>
  S: 250 ok
  S: 250 ok
  S: 550 no
  S: 250 ok
  C: BDAT 7 LAST
  C: hello
  S: 250 saved b
  S: 250 saved d
  ${BYE}`,
    async (server) => {
      await using client = await lmtpTo(server);
      const { accepted, rejected } = await client.send({ ...MESSAGE, body: kind === "text" ? MESSAGE.body : new Blob([MESSAGE.body]).stream() });
      assertEquals(accepted.map(({ reply }) => reply.text), ["saved b", "saved d"]);
      assertEquals(rejected.length, 1);
    },
  );
}

conversation(
  "SmtpClient.hello does not fall back from LHLO",
  `
  S: 220 mx.example ESMTP
  C: LHLO client.test
  S: 500 what?
  ${BYE}`,
  async (server) => {
    const error = await assertRejects(() => lmtpTo(server), SmtpReplyError, "500 what?");
    assertEquals([error.command, error.phase], ["LHLO", "ehlo"]);
  },
);

conversation(
  "SmtpConnection.receive waits for the replies of LMTP behind the first",
  `
  ${HELLO}
  C: MAIL FROM:<a@x.test>
  C: RCPT TO:<b@y.test>
  C: RCPT TO:<c@y.test>
  C: DATA
  S: 250 ok
  S: 250 ok
  S: 250 ok
  S: 354 go
  ${CONTENT}
  S: 250 saved b
  S: 452 4.2.2 full
  ${BYE}`,
  async (server) => {
    await using connection = await openTo(server);
    await connection.lhlo("client.test");
    await Promise.all([connection.mail("a@x.test"), connection.rcpt("b@y.test"), connection.rcpt("c@y.test"), connection.data()]);
    const replies = await Promise.all([connection.dotStuff("hello"), connection.receive()]);
    assertEquals(replies.map(({ code }) => code), [250, 452]);
  },
);

Deno.test("connect knows lmtp:// and lmtp+unix://, with the ports and the TLS that go with them", async () => {
  const dialled: unknown[] = [];
  const script = `S: 220 mx LMTP\nC: LHLO client.test\nS: 250 mx\n${BYE}`;
  for (const url of ["lmtp://mx.example", "lmtp://mx.example:2003", "lmtp+unix:///run/dovecot/lm%20tp"]) {
    const server = new ScriptedServer(script);
    const dial = (options: { hostname: string; port: number; path?: string; secureTransport: string }) => {
      const { hostname, port, path, secureTransport } = options;
      dialled.push([hostname, path ?? port, secureTransport]);
      return server.dial();
    };
    const client = await connect(url, { name: "client.test", dial, ...(url.startsWith("lmtp:") && { tls: "none" }) });
    await client.quit();
  }
  assertEquals(dialled, [
    ["mx.example", 24, "starttls"],
    ["mx.example", 2003, "starttls"],
    ["localhost", "/run/dovecot/lm tp", "off"],
  ]);
});

Deno.test("connect refuses lmtp+unix:// without a path or with more than one, and a protocol that is none", async () => {
  for (const url of ["lmtp+unix://", "lmtp+unix:///", "lmtp+unix://host/run/lmtp", "lmtp+unix:///run/lmtp?x=1", "lmtps://mx.example"]) {
    await assertRejects(() => connect(url), TypeError);
  }
  await assertRejects(() => Reflect.apply(connect, undefined, [{ hostname: "x", protocol: "LMTP" }]), TypeError, "protocol");
});

conversation(
  "SmtpClient.send loses no recipient of LMTP whose refusal behind the dot repeats, letter by letter, that of one for whom there was no room",
  `
  ${HELLO}
  ${ENVELOPE}
  S: 250 ok
  S: 250 ok
  S: 250 ok
  S: 452 4.5.3 too many
  S: 354-go
  S: 354 on
  ${CONTENT}
  S: 452 4.5.3 too many
  S: 250 2.0.0 <c@y.test> saved
  C: MAIL FROM:<a@x.test>
  C: RCPT TO:<d@y.test>
  C: DATA
  S: 250 ok
  S: 250 ok
  S: 354 go
  ${CONTENT}
  S: 250 2.0.0 <d@y.test> saved
  ${BYE}`,
  async (server) => {
    await using client = await lmtpTo(server);
    const { accepted, rejected } = await client.send(MESSAGE);
    assertEquals(accepted.map(({ address }) => address), ["c@y.test", "d@y.test"]);
    assertEquals(rejected.map(({ address, reply }) => [address, reply.code]), [["b@y.test", 452]]);
  },
);
