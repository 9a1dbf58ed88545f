import { assertEquals, assertRejects } from "@std/assert";
import { SmtpSecurityError, SmtpStateError } from "@posthorn/smtp";
import { BYE, connectTo, facts, openTo, rejection } from "../support/client.ts";
import { conversation } from "../support/script.ts";

const auth = { username: "alice", password: "s3cret" };

const OFFERED = `
  S: 220 mx.example
  C: EHLO client.test
  S: 250-mx.example
  S: 250-STARTTLS
  S: 250-SIZE 10
  S: 250 AUTH PLAIN
  C: STARTTLS
`;

conversation(
  "connect forgets after STARTTLS what was said in the clear, and says EHLO again",
  `
  ${OFFERED}
  S: 220 go
  C: {tls}
  C: EHLO client.test
  S: 250-mx.example
  S: 250-PIPELINING
  S: 250 AUTH LOGIN
  C: AUTH LOGIN
  S: 334 VXNlcm5hbWU6
  C: YWxpY2U=
  S: 334 UGFzc3dvcmQ6
  C: czNjcmV0
  S: 235 2.7.0 welcome
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server, { tls: "starttls", auth });
    assertEquals([...client.extensions].map(([keyword]) => keyword), ["PIPELINING", "AUTH"]);
    assertEquals([client.isSecure, client.connection.isAuthenticated], [true, true]);
  },
);

conversation(
  "connect goes on in the clear when TLS is opportunistic and not offered",
  `
  S: 220 mx.example
  C: EHLO client.test
  S: 250 mx.example
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server, { tls: "opportunistic" });
    assertEquals(client.isSecure, false);
  },
);

conversation(
  "SmtpClient.startTls refuses when it is not offered, and the session goes on",
  `
  S: 220 mx.example
  C: EHLO client.test
  S: 250 mx.example
  C: NOOP
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server);
    await assertRejects(() => client.startTls(), SmtpSecurityError, "does not offer");
    await client.verify();
  },
);

conversation(
  "SmtpClient.startTls refuses when TLS stands already",
  `
  S: 220 mx.example
  C: EHLO client.test
  S: 250 STARTTLS
  S: {silence}`,
  async (server) => {
    const connection = await openTo(server, { tls: "implicit", dial: () => Promise.resolve(server.socket("on")) });
    await connection.ehlo("client.test");
    connection.setExtensions(["STARTTLS"]);
    const { SmtpClient } = await import("@posthorn/smtp");
    const client = new SmtpClient(connection);
    await assertRejects(() => client.startTls(), SmtpStateError, "already");
    await assertRejects(() => connection.upgrade(), SmtpStateError, "already");
    client.close();
  },
);

conversation(
  "SmtpClient is of no use after an upgrade that failed",
  `
  ${OFFERED}
  S: 220 go
  S: {silence}`,
  async (server) => {
    const client = await connectTo(server);
    const error = facts(await rejection(client.startTls()));
    assertEquals([error.name, error.kind], ["SmtpSecurityError", "tls"]);
    assertEquals(client.isClosed, true);
    for (const call of [() => client.verify(), () => client.connection.noop(), () => client.startTls(), () => client.hello()]) {
      const later = await rejection(call());
      assertEquals([facts(later).name, facts(later).kind], ["SmtpConnectionError", "closed"]);
      assertEquals(Reflect.get(Object(Reflect.get(Object(later), "cause")), "name"), "SmtpSecurityError");
    }
    await client.quit();
  },
);

conversation(
  "SmtpConnection starts TLS by hand, with the extensions set and cleared by hand",
  `
  S: 220 mx.example
  C: EHLO client.test
  S: 250-mx.example
  S: 250 PIPELINING
  C: STARTTLS
  S: 220 go
  C: {tls}
  C: EHLO client.test
  S: 250 mx.example
  C: NOOP
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using connection = await openTo(server);
    await connection.ehlo("client.test");
    assertEquals((await connection.startTls()).code, 220);
    await assertRejects(() => connection.noop(), SmtpStateError, '"tls"');
    await connection.upgrade();
    assertEquals([connection.isSecure, connection.extensions.size, connection.state], [true, 0, "greeted"]);
    await connection.ehlo("client.test");
    connection.setExtensions(["PIPELINING", "SIZE 5"]);
    assertEquals(connection.extensions.maxSize, 5);
    connection.clearExtensions();
    assertEquals(connection.extensions.size, 0);
    await connection.noop();
  },
);
