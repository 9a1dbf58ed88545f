import { assertEquals, assertRejects } from "@std/assert";
import { SmtpSecurityError, SmtpStateError } from "@posthorn/smtp";
import { BYE, connectTo, facts, openTo, rejection } from "../support/client.ts";
import { conversation, ScriptedServer } from "../support/script.ts";

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
  "connect rejects when AUTH was offered in the clear and is gone after TLS",
  `
  ${OFFERED}
  S: 220 go
  C: {tls}
  C: EHLO client.test
  S: 250 mx.example
  ${BYE}`,
  async (server) => {
    const error = facts(await rejection(connectTo(server, { tls: "starttls", auth })));
    assertEquals([error.name, error.kind, error.phase], ["SmtpUnsupportedError", "unsupported", "auth"]);
  },
);

for (const injected of ["S: 250-mx.example\n S: 250 AUTH LOGIN", "S: {part} 250-AUTH LOG", "S: {part} 2", "S: 235 ok\n S: 250 ok"]) {
  Deno.test(`connect ends the connection when plaintext stands behind the 220 of STARTTLS (${JSON.stringify(injected)})`, async () => {
    const server = new ScriptedServer(`${OFFERED}\n S: 220 go\n ${injected}\n S: {silence}`);
    const error = facts(await rejection(connectTo(server, { tls: "starttls", auth })));
    assertEquals([error.name, error.kind, error.delivery], ["SmtpProtocolError", "protocol", "not-sent"]);
    server.check();
    assertEquals(server.received.includes("AUTH"), false);
  });
}

Deno.test("connect ends the connection when a whole session was played behind a 454 to STARTTLS", async () => {
  const server = new ScriptedServer(`${OFFERED}\n S: 454 no\n S: 235 ok\n S: 250 ok\n S: 354 go\n S: 250 queued\n S: {silence}`);
  const error = facts(await rejection(connectTo(server, { tls: "opportunistic" })));
  assertEquals([error.kind, error.phase, error.code], ["refused", "starttls", 454]);
  server.check();
  assertEquals(server.writes.at(-1), "STARTTLS\r\n");
});

for (const [code, kind] of [[454, "refused"], [502, "refused"], [250, "protocol"], [354, "protocol"]] as const) {
  conversation(
    `connect starts no handshake on ${code} to STARTTLS`,
    `
    ${OFFERED}
    S: ${code} no
    ${kind === "protocol" ? "" : BYE}`,
    async (server) => {
      const error = facts(await rejection(connectTo(server, { tls: "starttls", auth })));
      assertEquals([error.kind, error.phase, error.code], [kind, "starttls", code]);
    },
  );
}

conversation(
  "connect goes on in the clear when TLS is opportunistic and STARTTLS is refused, but not with credentials",
  `
  ${OFFERED}
  S: 454 not now
  ${BYE}`,
  async (server) => {
    const error = facts(await rejection(connectTo(server, { tls: "opportunistic", auth })));
    assertEquals([error.name, error.kind, error.phase], ["SmtpSecurityError", "insecure", "auth"]);
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
