/** Servers that take fewer recipients in one transaction than a message has. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { SmtpConnectionError, SmtpError, SmtpReplyError, SmtpUnsupportedError } from "@posthorn/smtp";
import { BYE, connectTo, rejection } from "../support/client.ts";
import { conversation, ScriptedServer } from "../support/script.ts";

const hello = (limits: string) => `
  S: 220 mx.example ESMTP
  C: EHLO client.test
  S: 250-mx.example
  S: 250-PIPELINING
  S: 250-${limits}
  S: 250 HELP
`;
const envelope = (...to: readonly string[]) => `
  C: MAIL FROM:<a@x.test>
  ${to.map((address) => `C: RCPT TO:<${address}>`).join("\n")}
  C: DATA
`;
const CONTENT = `
  S: 354 go
  C: hello
  C: .
`;
const MESSAGE = { from: "a@x.test", to: ["b@y.test", "c@Y.test", "d@z.test"], body: "hello" };

conversation(
  "SmtpClient.send makes as many transactions as RCPTMAX asks for, and one result",
  `
  ${hello("LIMITS RCPTMAX=2")}
  ${envelope("b@y.test", "c@Y.test")}
  S: 250 ok
  S: 250 ok
  S: 550 5.1.1 no
  ${CONTENT}
  S: 250 queued as ONE
  ${envelope("d@z.test")}
  S: 250 ok
  S: 250 ok
  ${CONTENT}
  S: 250 queued as TWO
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server);
    const { accepted, rejected, queueId, transactions } = await client.send(MESSAGE);
    assertEquals(accepted.map(({ address }) => address), ["b@y.test", "d@z.test"]);
    assertEquals(rejected.map(({ address }) => address), ["c@Y.test"]);
    assertEquals(queueId, "ONE");
    assertEquals(transactions.map((one) => [one.queueId, one.accepted.length, one.rejected.length]), [["ONE", 1, 1], ["TWO", 1, 0]]);
  },
);

conversation(
  "SmtpClient.send keeps the recipients of one domain together where RCPTDOMAINMAX asks for it",
  `
  ${hello("LIMITS rcptdomainmax=1 MAILMAX=x")}
  ${envelope("b@y.test", "c@Y.test")}
  S: 250 ok
  S: 250 ok
  S: 250 ok
  ${CONTENT}
  S: 250 ok
  ${envelope("d@z.test")}
  S: 250 ok
  S: 250 ok
  ${CONTENT}
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server);
    assertEquals((await client.send(MESSAGE)).transactions.length, 2);
  },
);

conversation(
  "SmtpClient.send goes on with others when a transaction is refused, and keeps every reply",
  `
  ${hello("LIMITS RCPTMAX=2")}
  ${envelope("b@y.test", "c@Y.test")}
  S: 250 ok
  S: 550 no b
  S: 250 ok
  ${CONTENT}
  S: 554 spam
  ${envelope("d@z.test")}
  S: 250 ok
  S: 250 ok
  ${CONTENT}
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server);
    const { accepted, rejected, transactions } = await client.send(MESSAGE);
    assertEquals(accepted.map(({ address }) => address), ["d@z.test"]);
    assertEquals(rejected.map(({ address, reply }) => [address, `${reply}`]), [["b@y.test", "550 no b"], ["c@Y.test", "554 spam"]]);
    assertEquals(transactions.length, 1);
  },
);

conversation(
  "SmtpClient.send throws with every reply when each transaction is refused",
  `
  ${hello("LIMITS RCPTMAX=2")}
  ${envelope("b@y.test", "c@Y.test")}
  S: 250 ok
  S: 550 no b
  S: 450 not now
  S: 503 no
  C: RSET
  S: 250 ok
  ${envelope("d@z.test")}
  S: 250 ok
  S: 550 no d
  S: 503 no
  C: RSET
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server, { pipelining: true });
    const error = await assertRejects(() => client.send(MESSAGE), SmtpReplyError, "550 no b");
    assertEquals([error.transient, error.delivery], [true, "not-sent"]);
    assertEquals(error.rejected.map(({ address, reply }) => [address, reply.code]), [["b@y.test", 550], ["c@Y.test", 450], ["d@z.test", 550]]);
  },
);

conversation(
  "SmtpClient.send tells who has the message already when a later transaction is lost",
  `
  ${hello("LIMITS RCPTMAX=2")}
  ${envelope("b@y.test", "c@Y.test")}
  S: 250 ok
  S: 250 ok
  S: 550 no
  ${CONTENT}
  S: 250 ok
  ${envelope("d@z.test")}
  S: {close}`,
  async (server) => {
    const client = await connectTo(server);
    const error = await assertRejects(() => client.send(MESSAGE), SmtpConnectionError);
    assertEquals([error.kind, error.delivery], ["disconnected", "unknown"]);
    assertEquals(error.accepted.map(({ address }) => address), ["b@y.test"]);
    assertEquals(error.rejected.map(({ address }) => address), ["c@Y.test"]);
  },
);

conversation(
  "SmtpClient.send carries recipients for whom there was no room into a further transaction",
  `
  ${hello("SIZE")}
  C: MAIL FROM:<a@x.test> SIZE=7
  C: RCPT TO:<b@y.test>
  C: RCPT TO:<c@Y.test>
  C: RCPT TO:<d@z.test>
  C: DATA
  S: 250 ok
  S: 250 ok
  S: 452 4.5.3 too many
  S: 452 4.3.1 no space
  ${CONTENT}
  S: 250 queued as ONE
  C: MAIL FROM:<a@x.test> SIZE=7
  C: RCPT TO:<c@Y.test>
  C: DATA
  S: 250 ok
  S: 250 ok
  ${CONTENT}
  S: 250 queued as TWO
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server);
    const { accepted, rejected, transactions } = await client.send(MESSAGE);
    assertEquals(accepted.map(({ address }) => address), ["b@y.test", "c@Y.test"]);
    assertEquals(rejected.map(({ address }) => address), ["d@z.test"]);
    assertEquals(transactions.map((one) => one.queueId), ["ONE", "TWO"]);
  },
);

conversation(
  "SmtpClient.send leaves recipients rejected for whom there was no room where the stream can be read once only",
  `
  ${hello("SIZE")}
  C: MAIL FROM:<a@x.test>
  C: RCPT TO:<b@y.test>
  C: RCPT TO:<c@Y.test>
  C: DATA
  S: 250 ok
  S: 250 ok
  S: 452 4.5.3 too many
  ${CONTENT}
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server);
    const { rejected } = await client.send({ ...MESSAGE, to: ["b@y.test", "c@Y.test"], body: new Blob(["hello"]).stream() });
    assertEquals(rejected.map(({ address, reply }) => [address, reply.isTransient]), [["c@Y.test", true]]);
  },
);

conversation(
  "SmtpClient.send asks nothing when limits ask for several transactions and the message allows one only",
  `
  ${hello("LIMITS RCPTMAX=2")}
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server);
    const body = new Blob(["hello"]).stream();
    const error = await assertRejects(() => client.send({ ...MESSAGE, body }), SmtpUnsupportedError, "2 transactions");
    assertEquals([error.phase, error.delivery, body.locked], ["local", "not-sent", false]);
    await assertRejects(() => client.send({ ...MESSAGE, requireAllRecipients: true }), SmtpUnsupportedError, "requireAllRecipients");
    await body.cancel();
  },
);

conversation(
  "SmtpClient.send stops at MAILMAX, and says that another connection may take more",
  `
  ${hello("LIMITS MAILMAX=1")}
  ${envelope("b@y.test")}
  S: 250 ok
  S: 250 ok
  ${CONTENT}
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server);
    await client.send({ ...MESSAGE, to: "b@y.test" });
    const error = await assertRejects(() => client.send({ ...MESSAGE, to: "b@y.test" }), SmtpUnsupportedError, "1 messages");
    assertEquals([error.transient, error.delivery, client.isClosed], [true, "not-sent", false]);
  },
);

conversation(
  "SmtpClient.send leaves recipients rejected for whom there was no room where the server takes no further message",
  `
  ${hello("LIMITS MAILMAX=1")}
  ${envelope("b@y.test", "c@Y.test")}
  S: 250 ok
  S: 250 ok
  S: 452 4.5.3 too many
  ${CONTENT}
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server);
    const { accepted, rejected } = await client.send({ ...MESSAGE, to: ["b@y.test", "c@Y.test"] });
    assertEquals([accepted.map(({ address }) => address), rejected.map(({ address }) => address)], [["b@y.test"], ["c@Y.test"]]);
  },
);

conversation(
  "SmtpClient.send begins no message whose transactions the server does not take on one connection",
  `
  ${hello("LIMITS RCPTMAX=1 MAILMAX=2")}
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server);
    const error = await assertRejects(() => client.send(MESSAGE), SmtpUnsupportedError, "2 messages");
    assertEquals([error.phase, error.delivery, error.transient], ["local", "not-sent", false]);
  },
);

Deno.test("SmtpClient.send that is aborted between two transactions says who has the message, and the connection stands", async () => {
  const first = `${hello("LIMITS RCPTMAX=1")}${envelope("b@y.test")}S: 250 ok\nS: 250 ok\n${CONTENT}S: 250 queued\n`;
  const server = new ScriptedServer(`${first}C: NOOP\nS: 250 ok${BYE}`);
  const controller = new AbortController();
  const client = await connectTo(server, {
    trace: (event) => event.type === "receive" && event.lines[0] === "250 queued" && queueMicrotask(() => controller.abort("enough")),
  });
  const error = await assertRejects(
    () => client.send({ ...MESSAGE, to: ["b@y.test", "d@z.test"] }, { signal: controller.signal }),
    SmtpConnectionError,
  );
  assertEquals([error.kind, error.delivery, error.accepted.map(({ address }) => address)], ["aborted", "unknown", ["b@y.test"]]);
  await client.verify();
  await client.quit();
  server.check();
});

Deno.test("SmtpClient.send says who has a message of several transactions when somebody ends the session between them", async () => {
  const server = new ScriptedServer(`
  ${hello("LIMITS RCPTMAX=2")}
  ${envelope("b@y.test", "c@Y.test")}
  S: 250 ok
  S: 250 ok
  S: 250 ok
  ${CONTENT}
  S: 250 queued as ONE
  ${BYE}`);
  const client = await connectTo(server, {
    trace: (event) => {
      if (event.type === "receive" && event.lines.join().includes("ONE")) client.connection.quit();
    },
  });
  const error = await rejection(client.send(MESSAGE));
  assert(error instanceof SmtpError);
  assertEquals([error.delivery, error.accepted.map(({ address }) => address)], ["unknown", ["b@y.test", "c@Y.test"]]);
  await client.quit();
});
