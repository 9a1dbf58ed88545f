import { assertEquals, assertRejects } from "@std/assert";
import { type Message, SmtpConnectionError, SmtpProtocolError, SmtpReplyError, SmtpUnsupportedError } from "@posthorn/smtp";
import { BYE, connectTo } from "../support/client.ts";
import { ENVELOPE, HELLO } from "../support/chunking.ts";
import { conversation } from "../support/script.ts";

const LOGIN = { auth: { username: "a", password: "b" }, allowCleartextAuth: true };
const HELLO_LOCKSTEP = `
  S: 220 mx.example ESMTP
  C: EHLO client.test
  S: 250-mx.example
  S: 250-AUTH PLAIN
  S: 250 CHUNKING
  C: AUTH PLAIN AGEAYg==
  S: 235 ok
`;
const MESSAGE: Message = { from: "a@x.test", to: "b@y.test", body: ".Subject: t\r\n\r\nhello\n" };
/** {@linkcode MESSAGE} as it stands behind BDAT: no dot doubled, every line ended by CRLF. */
const WHOLE = `
  C: BDAT 22 LAST
  C: .Subject: t
  C:
  C: hello
`;

conversation(
  "SmtpClient.send puts a small message and its envelope into one write where the server has CHUNKING and PIPELINING",
  `
  ${HELLO}
  ${ENVELOPE}
  ${WHOLE}
  S: 250 2.1.0 ok
  S: 250 2.1.5 ok
  S: 250- 22 octets
  S: 250 2.0.0 queued as 4XyzAB1cdE
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server, LOGIN);
    const { accepted, queueId, reply } = await client.send(MESSAGE);
    assertEquals([accepted.length, queueId, reply.code], [1, "4XyzAB1cdE", 250]);
    assertEquals(server.writes.length, 3, "EHLO, AUTH, and all of the message");
  },
);

conversation(
  "SmtpClient.send writes no content to a server that has taken neither login nor MAIL, and would take a refused chunk for commands",
  `
  S: 220 mx.example ESMTP
  C: EHLO client.test
  S: 250-mx.example
  S: 250-PIPELINING
  S: 250 CHUNKING
  ${ENVELOPE}
  S: 530 5.7.0 Authentication required.
  S: 530 5.7.0 Authentication required.
  ${ENVELOPE}
  S: 250 ok
  S: 250 ok
  ${WHOLE}
  S: 250 ok
  ${ENVELOPE}
  ${WHOLE}
  S: 250 ok
  S: 250 ok
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server);
    await assertRejects(() => client.send(MESSAGE), SmtpReplyError, "530 5.7.0");
    assertEquals((await client.send(MESSAGE)).accepted.length, 1);
    assertEquals((await client.send(MESSAGE)).accepted.length, 1);
  },
);

conversation(
  "SmtpClient.send goes step by step with BDAT without PIPELINING",
  `
  ${HELLO_LOCKSTEP}
  C: MAIL FROM:<a@x.test>
  S: 250 ok
  C: RCPT TO:<b@y.test>
  S: 250 ok
  ${WHOLE}
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server, LOGIN);
    assertEquals((await client.send(MESSAGE)).reply.code, 250);
  },
);

conversation(
  "SmtpClient.send sends no octet of the message in lockstep when nobody is accepted",
  `
  ${HELLO_LOCKSTEP}
  C: MAIL FROM:<a@x.test>
  S: 250 ok
  C: RCPT TO:<b@y.test>
  S: 550 no
  C: RSET
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server, LOGIN);
    const error = await assertRejects(() => client.send(MESSAGE), SmtpReplyError);
    assertEquals([error.phase, error.delivery], ["rcpt", "not-sent"]);
  },
);

conversation(
  "SmtpClient.send takes a 250 to a message that nobody was accepted for as no delivery",
  `
  ${HELLO}
  ${ENVELOPE}
  ${WHOLE}
  S: 250 ok
  S: 550 no
  S: 250 got it
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server, LOGIN);
    const error = await assertRejects(() => client.send(MESSAGE), SmtpReplyError, "550 no");
    assertEquals([error.phase, error.delivery, error.recipient], ["rcpt", "not-sent", "b@y.test"]);
  },
);

conversation(
  "SmtpClient.send tells that MAIL was refused when the chunk behind it was refused too, and sends again",
  `
  ${HELLO}
  ${ENVELOPE}
  ${WHOLE}
  S: 550 5.7.1 not you
  S: 503 no MAIL
  S: 503 no RCPT
  C: RSET
  S: 250 ok
  ${ENVELOPE}
  ${WHOLE}
  S: 250 ok
  S: 250 ok
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server, LOGIN);
    const error = await assertRejects(() => client.send(MESSAGE), SmtpReplyError, "550 5.7.1");
    assertEquals([error.phase, error.command], ["mail", "MAIL"]);
    assertEquals((await client.send(MESSAGE)).accepted.length, 1);
  },
);

conversation(
  "SmtpClient.send resets a transaction whose only chunk was refused, and sends again",
  `
  ${HELLO}
  ${ENVELOPE}
  ${WHOLE}
  S: 250 ok
  S: 250 ok
  S: 552 5.3.4 too big
  C: RSET
  S: 250 ok
  ${ENVELOPE}
  ${WHOLE}
  S: 250 ok
  S: 250 ok
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server, LOGIN);
    const error = await assertRejects(() => client.send(MESSAGE), SmtpReplyError, "552");
    assertEquals([error.phase, error.delivery, error.accepted.length], ["data", "not-sent", 1]);
    assertEquals((await client.send(MESSAGE)).accepted.length, 1);
  },
);

conversation(
  "SmtpClient.send leaves it open whether a message was delivered whose only chunk was written and not answered",
  `
  ${HELLO}
  ${ENVELOPE}
  ${WHOLE}
  S: {close}`,
  async (server) => {
    const client = await connectTo(server, LOGIN);
    const error = await assertRejects(() => client.send(MESSAGE), SmtpConnectionError);
    assertEquals([error.kind, error.delivery], ["disconnected", "unknown"]);
    client.close();
  },
);

conversation(
  "SmtpClient.send knows that a message with refused recipients only was not sent, whatever befell its chunk",
  `
  ${HELLO}
  ${ENVELOPE}
  ${WHOLE}
  S: 250 ok
  S: 550 no
  S: {close}`,
  async (server) => {
    const client = await connectTo(server, LOGIN);
    const error = await assertRejects(() => client.send(MESSAGE), SmtpReplyError);
    assertEquals([error.phase, error.delivery], ["rcpt", "not-sent"]);
    client.close();
  },
);

conversation(
  "SmtpClient.send does not take a 354 to a chunk for a yes",
  `
  ${HELLO}
  ${ENVELOPE}
  ${WHOLE}
  S: 250 ok
  S: 250 ok
  S: 354 go
  S: {silence}`,
  async (server) => {
    await using client = await connectTo(server, LOGIN);
    const error = await assertRejects(() => client.send(MESSAGE), SmtpProtocolError, "354 go");
    assertEquals(error.delivery, "unknown");
    assertEquals(client.isClosed, true);
  },
);

conversation(
  "SmtpClient.send waits for every recipient before the message when all are required",
  `
  ${HELLO}
  ${ENVELOPE}
  S: 250 ok
  S: 250 ok
  ${WHOLE}
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server, LOGIN);
    assertEquals((await client.send({ ...MESSAGE, requireAllRecipients: true })).accepted.length, 1);
  },
);

conversation(
  "SmtpClient.send goes by DATA where transfer says so",
  `
  ${HELLO}
  ${ENVELOPE}
  C: DATA
  S: 250 ok
  S: 250 ok
  S: 354 go
  C: ..Subject: t
  C:
  C: hello
  C: .
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server, LOGIN);
    assertEquals((await client.send({ ...MESSAGE, transfer: "data" })).accepted.length, 1);
  },
);

conversation(
  "SmtpClient.send sends binary content as it is",
  `
  ${HELLO}
  C: MAIL FROM:<a@x.test> BODY=BINARYMIME
  C: RCPT TO:<b@y.test>
  C: BDAT 4 LAST
  C: {part} a${"\u0000"}\u007fb
  S: 250 ok
  S: 250 ok
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server, LOGIN);
    assertEquals((await client.send({ ...MESSAGE, body: "a\0\u007fb", binary: true, lineEndings: "reject" })).accepted.length, 1);
  },
);

conversation(
  "SmtpClient.send asks nothing of a server that lacks what transfer or binary need",
  `
  S: 220 mx.example ESMTP
  C: EHLO client.test
  S: 250-mx.example
  S: 250 BINARYMIME
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server);
    for (const change of [{ transfer: "bdat" }, { binary: true }] as const) {
      const error = await assertRejects(() => client.send({ ...MESSAGE, ...change }), SmtpUnsupportedError, "CHUNKING");
      assertEquals([error.phase, error.delivery], ["local", "not-sent"]);
    }
  },
);

conversation(
  "SmtpClient.send says that a server lacks BINARYMIME",
  `
  ${HELLO_LOCKSTEP}
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server, LOGIN);
    await assertRejects(() => client.send({ ...MESSAGE, binary: true }), SmtpUnsupportedError, "BINARYMIME");
  },
);
