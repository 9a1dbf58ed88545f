/** What `send` makes of a server that says no, or neither yes nor no. */
import { assertEquals, assertRejects } from "@std/assert";
import { SmtpProtocolError, SmtpReplyError } from "@posthorn/smtp";
import { BYE, connectTo, HELLO, HELLO_LOCKSTEP } from "../support/client.ts";
import { settled } from "../support/fake_clock.ts";
import { conversation } from "../support/script.ts";
import { CONTENT, ENVELOPE, MESSAGE } from "../support/to_two.ts";

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
