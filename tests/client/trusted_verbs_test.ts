/** Verbs for servers that trust us, or that change sides with us. */
import { assertEquals, assertRejects } from "@std/assert";
import { SmtpStateError } from "@posthorn/smtp";
import { BYE, openTo } from "../support/client.ts";
import { conversation } from "../support/script.ts";

const HELLO = `
  S: 220 mx.example ESMTP
  C: EHLO client.test
  S: 250-mx.example
  S: 250-PIPELINING
  S: 250-XCLIENT NAME ADDR
  S: 250 XFORWARD NAME ADDR
`;

conversation(
  "SmtpConnection.xclient begins the session again",
  `
  ${HELLO}
  C: XCLIENT NAME=spike.example ADDR=192.0.2.1 LOGIN=a+2Bb+20c+3D
  S: 220 mx.example ESMTP
  C: EHLO client.test
  S: 250 mx.example
  ${BYE}`,
  async (server) => {
    await using connection = await openTo(server);
    await connection.ehlo("client.test");
    const reply = await connection.xclient({ NAME: "spike.example", ADDR: "192.0.2.1", LOGIN: "a+b c=" });
    assertEquals([reply.code, connection.state, connection.extensions.size], [220, "greeted", 0]);
    await assertRejects(() => connection.mail("a@x.test"), SmtpStateError);
    await connection.ehlo("client.test");
    assertEquals(connection.state, "ready");
  },
);

conversation(
  "SmtpConnection.xclient that is refused changes nothing",
  `
  ${HELLO}
  C: XCLIENT ADDR=[UNAVAILABLE]
  S: 550 insufficient authorization
  ${BYE}`,
  async (server) => {
    await using connection = await openTo(server);
    await connection.ehlo("client.test");
    assertEquals((await connection.xclient({ ADDR: "[UNAVAILABLE]" })).code, 550);
    assertEquals([connection.state, connection.extensions.has("XCLIENT")], ["ready", true]);
  },
);

conversation(
  "SmtpConnection.xforward tells of the client behind us, in as many commands as one likes",
  `
  ${HELLO}
  C: XFORWARD NAME=spike.example ADDR=192.0.2.1
  S: 250 ok
  C: XFORWARD HELO=b+FCcher
  S: 501 bad
  ${BYE}`,
  async (server) => {
    await using connection = await openTo(server);
    await connection.ehlo("client.test");
    assertEquals((await connection.xforward({ NAME: "spike.example", ADDR: "192.0.2.1" })).code, 250);
    assertEquals((await connection.command("XFORWARD", "HELO=b+FCcher")).code, 501);
    assertEquals(connection.state, "ready");
  },
);

conversation(
  "SmtpConnection.xclient and xforward write nothing that is no attribute",
  `
  ${HELLO}
  ${BYE}`,
  async (server) => {
    await using connection = await openTo(server);
    await connection.ehlo("client.test");
    const bad: readonly Readonly<Record<string, unknown>>[] = [{}, { NAME: "" }, { NAME: "a\r\nRSET" }, { "NA ME": "a" }, { NAME: 1 }];
    for (const attributes of bad) {
      await assertRejects(() => Reflect.apply(connection.xclient, connection, [attributes]), TypeError);
      await assertRejects(() => Reflect.apply(connection.xforward, connection, [attributes]), TypeError);
    }
  },
);

conversation(
  "SmtpConnection.atrn that is accepted leaves nothing to say, since the server is the client now",
  `
  ${HELLO}
  C: ATRN example.org,example.com
  S: 250 now reversing the connection
  S: {silence}`,
  async (server) => {
    await using connection = await openTo(server);
    await connection.ehlo("client.test");
    assertEquals((await connection.atrn(["example.org", "example.com"])).code, 250);
    assertEquals(connection.state, "over");
    await assertRejects(() => connection.noop(), SmtpStateError);
  },
);

conversation(
  "SmtpConnection.atrn that is refused changes nothing",
  `
  ${HELLO}
  C: ATRN
  S: 453 you have no mail
  ${BYE}`,
  async (server) => {
    await using connection = await openTo(server);
    await connection.ehlo("client.test");
    assertEquals((await connection.atrn()).code, 453);
    assertEquals(connection.state, "ready");
  },
);
