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
