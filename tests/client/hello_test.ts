import { assertEquals } from "@std/assert";
import { connect } from "@posthorn/smtp";
import { BYE, connectTo, facts, reaching, rejection } from "../support/client.ts";
import { conversation } from "../support/script.ts";

conversation(
  "connect enables nothing of an EHLO host name full of keywords",
  `
  S: 220 mx.example ESMTP
  C: EHLO client.test
  S: 250-smtp-auth-starttls.example PIPELINING SIZE 10
  S: 250 NOOPX
  ${BYE}`,
  async (server) => {
    const auth = { username: "alice", password: "s3cret" };
    assertEquals(facts(await rejection(connectTo(server, { tls: "starttls", auth }))), {
      name: "SmtpSecurityError",
      kind: "insecure",
      phase: "starttls",
      delivery: "not-sent",
      transient: false,
    });
  },
);

for (const code of [500, 502, 504]) {
  conversation(
    `SmtpClient falls back to HELO on ${code}, and offers nothing afterwards`,
    `
    S: 220 mx.example
    C: EHLO client.test
    S: ${code} EH?
    C: HELO client.test
    S: 250-mx.example at your service
    S: 250 PIPELINING
    C: MAIL FROM:<a@x.test>
    S: 250 ok
    C: RCPT TO:<b@y.test>
    S: 250 ok
    C: DATA
    S: 354 go
    C: Subject: a
    C:
    C: .
    S: 250 ok
    ${BYE}`,
    async (server) => {
      await using client = await connectTo(server);
      assertEquals(client.extensions.size, 0);
      await client.send({ from: "a@x.test", to: "b@y.test", body: "Subject: a\r\n\r\n" });
    },
  );

  conversation(
    `connect does not fall back to HELO on ${code} when TLS or credentials are asked for`,
    `
    S: 220 mx.example
    C: EHLO client.test
    S: ${code} EH?
    ${BYE}`,
    async (server) => {
      const error = facts(await rejection(connectTo(server, { tls: "starttls" })));
      assertEquals([error.kind, error.phase, error.code], ["refused", "ehlo", code]);
    },
  );
}

conversation(
  "connect rejects when HELO is refused too",
  `
  S: 220 mx.example
  C: EHLO client.test
  S: 504 no EHLO
  C: HELO client.test
  S: 504 no HELO
  ${BYE}`,
  async (server) => {
    const error = facts(await rejection(connectTo(server)));
    assertEquals([error.kind, error.phase, error.code, error.transient], ["refused", "helo", 504, false]);
  },
);

conversation(
  "connect does not say HELO after a 421, and keeps its words",
  `
  S: 220 mx.example
  C: EHLO client.test
  S: 421 4.3.2 going down
  S: {close}`,
  async (server) => {
    const error = await rejection(connectTo(server));
    assertEquals(facts(error), { name: "SmtpReplyError", kind: "refused", phase: "ehlo", code: 421, delivery: "not-sent", transient: true });
    assertEquals(Reflect.get(Object(error), "enhancedCode"), "4.3.2");
  },
);

for (
  const [greeting, kind, transient] of [
    ["554 5.7.1 not you", "refused", false],
    ["400 later", "refused", true],
    ["502 no", "refused", false],
    ["221 not ready", "protocol", false],
    ["300 odd", "protocol", false],
    ["250 odd", "protocol", false],
  ] as const
) {
  conversation(
    `connect rejects at the greeting ${greeting} and says nothing but QUIT`,
    `
    S: ${greeting}
    ${BYE}`,
    async (server) => {
      const error = facts(await rejection(connectTo(server)));
      assertEquals([error.kind, error.phase, error.code, error.transient], [kind, "greeting", Number(greeting.slice(0, 3)), transient]);
    },
  );
}

conversation(
  "connect says nothing after a greeting of 421",
  `
  S: 421 too many
  S: {close}`,
  async (server) => {
    const error = facts(await rejection(connectTo(server)));
    assertEquals([error.phase, error.code, error.transient, server.received], ["greeting", 421, true, ""]);
  },
);

conversation(
  "connect takes a greeting of many lines, and names itself by its own address",
  `
  S: 220-mx.example
  S: 220-we do not authorise
  S: 220 anything
  C: EHLO [192.0.2.7]
  S: 250 mx.example
  ${BYE}`,
  async (server) => {
    await using client = await connect({ hostname: "mx.example", tls: "none", dial: server.dial });
    assertEquals(client.connection.greeting.lines, ["mx.example", "we do not authorise", "anything"]);
  },
);

for (const early of ["S: 250 played before", "S: {part} 25"]) {
  Deno.test(`connect refuses a server that speaks before it is asked (${early})`, async () => {
    const { ScriptedServer } = await import("../support/script.ts");
    const server = new ScriptedServer(`S: 220 mx.example\n${early}\nS: {silence}`);
    const error = facts(await rejection(connect(reaching(server))));
    assertEquals([error.name, error.kind, server.received], ["SmtpProtocolError", "protocol", ""]);
    server.check();
  });
}
