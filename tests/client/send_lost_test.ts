/** What `send` makes of a server that is lost in the middle of a message. */
import { assertEquals, assertRejects } from "@std/assert";
import { SmtpConnectionError, SmtpProtocolError, SmtpReplyError } from "@posthorn/smtp";
import { connectTo, facts, HELLO, rejection } from "../support/client.ts";
import { conversation } from "../support/script.ts";
import { CONTENT, ENVELOPE, MESSAGE } from "../support/to_two.ts";

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
