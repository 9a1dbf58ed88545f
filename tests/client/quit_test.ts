import { assertEquals, assertRejects } from "@std/assert";
import { connect, type Message, SmtpReplyError } from "@posthorn/smtp";
import { BYE, connectTo, HELLO, reaching } from "../support/client.ts";
import { conversation } from "../support/script.ts";

const MESSAGE: Message = { from: "a@x.test", to: "b@y.test", body: "hello" };
const ENVELOPE = `
  C: MAIL FROM:<a@x.test>
  C: RCPT TO:<b@y.test>
  C: DATA
  S: 250 ok
  S: 250 ok
  S: 354 go
  C: hello
  C: .
`;
const LOGIN = { auth: { username: "a", password: "b" }, allowCleartextAuth: true };

conversation(
  "SmtpClient.send says QUIT in the same write as the end of its last message",
  `
  ${HELLO}
  ${ENVELOPE}
  C: QUIT
  S: 250 2.0.0 queued as 4XyzAB1cdE
  S: 221 bye`,
  async (server) => {
    const client = await connectTo(server);
    assertEquals((await client.send(MESSAGE, { quit: true })).queueId, "4XyzAB1cdE");
    await client.quit();
    assertEquals(server.writes.slice(1), ["MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n", "hello\r\n.\r\nQUIT\r\n"]);
    assertEquals([client.isClosed, server.isClosed], [true, true]);
  },
);

conversation(
  "SmtpClient.send puts a whole session behind the login into one write by BDAT",
  `
  S: 220 mx.example
  C: EHLO client.test
  S: 250-mx.example
  S: 250-PIPELINING
  S: 250-AUTH PLAIN
  S: 250 CHUNKING
  C: AUTH PLAIN AGEAYg==
  S: 235 ok
  C: MAIL FROM:<a@x.test>
  C: RCPT TO:<b@y.test>
  C: BDAT 7 LAST
  C: hello
  C: QUIT
  S: 250 ok
  S: 250 ok
  S: 250 ok
  S: 221 bye`,
  async (server) => {
    const client = await connectTo(server, LOGIN);
    await client.send(MESSAGE, { quit: true });
    assertEquals(server.writes.length, 3);
    await client.quit();
  },
);

conversation(
  "SmtpClient.send succeeds, and nobody waits, where a QUIT behind the message is dropped",
  `
  ${HELLO}
  ${ENVELOPE}
  C: QUIT
  S: 250 ok
  S: {silence}`,
  async (server) => {
    const client = await connectTo(server);
    assertEquals((await client.send(MESSAGE, { quit: true })).accepted.length, 1);
    await client.quit();
    assertEquals(server.isClosed, true);
  },
);

conversation(
  "SmtpClient.send succeeds, and the connection is closed, where a QUIT behind the message is refused",
  `
  ${HELLO}
  ${ENVELOPE}
  C: QUIT
  S: 250 ok
  S: 503 bad sequence`,
  async (server) => {
    const client = await connectTo(server);
    assertEquals((await client.send(MESSAGE, { quit: true })).accepted.length, 1);
    await client.quit();
    assertEquals(server.isClosed, true);
  },
);

conversation(
  "SmtpClient.send says QUIT by itself where the message was refused before its end",
  `
  ${HELLO}
  C: MAIL FROM:<a@x.test>
  C: RCPT TO:<b@y.test>
  C: DATA
  S: 250 ok
  S: 550 5.1.1 nobody
  S: 503 nobody
  C: RSET
  S: 250 ok
  ${BYE}`,
  async (server) => {
    const client = await connectTo(server);
    await assertRejects(() => client.send(MESSAGE, { quit: true }), SmtpReplyError, "nobody");
    await client.quit();
    assertEquals([client.isClosed, server.isClosed], [true, true]);
  },
);

conversation(
  "SmtpClient.send refuses by the reply to the content though QUIT was said behind it",
  `
  ${HELLO}
  ${ENVELOPE}
  C: QUIT
  S: 554 5.6.0 no
  S: 221 bye`,
  async (server) => {
    const client = await connectTo(server);
    await assertRejects(() => client.send(MESSAGE, { quit: true }), SmtpReplyError, "554 5.6.0 no");
    await client.quit();
    assertEquals(server.isClosed, true);
  },
);

conversation(
  "SmtpClient.send says QUIT behind a stream without waiting for the reply to it",
  `
  ${HELLO}
  C: MAIL FROM:<a@x.test> BODY=8BITMIME
  C: RCPT TO:<b@y.test>
  C: DATA
  S: 250 ok
  S: 250 ok
  S: 354 go
  C: hello
  C: .
  C: QUIT
  S: 250 ok
  S: 221 bye`,
  async (server) => {
    const client = await connectTo(server);
    const body = () => new Blob(["hello"]).stream();
    assertEquals((await client.send({ ...MESSAGE, body }, { quit: true })).accepted.length, 1);
    await client.quit();
  },
);

conversation(
  "SmtpClient.send waits with QUIT for every reply of LMTP",
  `
  S: 220 mx.example
  C: LHLO client.test
  S: 250-mx.example
  S: 250 PIPELINING
  C: MAIL FROM:<a@x.test>
  C: RCPT TO:<b@y.test>
  C: RCPT TO:<c@y.test>
  C: DATA
  S: 250 ok
  S: 250 ok
  S: 250 ok
  S: 354 go
  C: hello
  C: .
  S: 250 ok
  S: 250 ok
  ${BYE}`,
  async (server) => {
    const client = await connect(reaching(server, { protocol: "lmtp" }));
    assertEquals((await client.send({ ...MESSAGE, to: ["b@y.test", "c@y.test"] }, { quit: true })).accepted.length, 2);
    await client.quit();
  },
);

conversation(
  "SmtpClient.send says no QUIT before those have the message for whom there was no room at first",
  `
  ${HELLO}
  C: MAIL FROM:<a@x.test>
  C: RCPT TO:<b@y.test>
  C: RCPT TO:<c@y.test>
  C: DATA
  S: 250 ok
  S: 452 4.5.3 too many
  S: 250 ok
  S: 354 go
  C: hello
  C: .
  S: 250 ok
  C: MAIL FROM:<a@x.test>
  C: RCPT TO:<b@y.test>
  C: DATA
  S: 250 ok
  S: 250 ok
  S: 354 go
  C: hello
  C: .
  C: QUIT
  S: 250 ok
  S: 221 bye`,
  async (server) => {
    const client = await connectTo(server);
    const { accepted, rejected, transactions } = await client.send({ ...MESSAGE, to: ["b@y.test", "c@y.test"] }, { quit: true });
    assertEquals([accepted.map(({ address }) => address), rejected, transactions.length], [["c@y.test", "b@y.test"], [], 2]);
    await client.quit();
  },
);

conversation(
  "SmtpClient.send reports as refused for whom there was no room where QUIT has left already, and as sent to the others",
  `
  S: 220 mx.example
  C: EHLO client.test
  S: 250-mx.example
  S: 250-PIPELINING
  S: 250-AUTH PLAIN
  S: 250 CHUNKING
  C: AUTH PLAIN AGEAYg==
  S: 235 ok
  C: MAIL FROM:<a@x.test>
  C: RCPT TO:<b@y.test>
  C: RCPT TO:<c@y.test>
  C: BDAT 7 LAST
  C: hello
  C: QUIT
  S: 250 ok
  S: 452 4.5.3 too many
  S: 250 ok
  S: 250 ok
  S: 221 bye`,
  async (server) => {
    const client = await connectTo(server, LOGIN);
    const { accepted, rejected } = await client.send({ ...MESSAGE, to: ["b@y.test", "c@y.test"] }, { quit: true });
    assertEquals([accepted.map(({ address }) => address), rejected.map(({ reply }) => reply.code)], [["c@y.test"], [452]]);
    await client.quit();
  },
);
