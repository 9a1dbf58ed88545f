import { assertEquals } from "@std/assert";
import { connect, SmtpClient, SmtpConnection } from "@posthorn/smtp";
import { conversation } from "../support/script.ts";

const MESSAGE = "Subject: hello\r\n\r\nHello.\r\n.hidden\r\n";

const CONVERSATION = `
  S: 220 mx.example ESMTP
  C: EHLO client.test
  S: 250-mx.example at your service
  S: 250-PIPELINING
  S: 250-SIZE 1000000
  S: 250 8BITMIME
  C: MAIL FROM:<a@x.test> SIZE=35
  C: RCPT TO:<b@y.test>
  C: RCPT TO:<c@y.test>
  C: DATA
  S: 250 2.1.0 sender ok
  S: 250 2.1.5 recipient ok
  S: 550 5.1.1 no such user
  S: 354 go ahead
  C: Subject: hello
  C:
  C: Hello.
  C: ..hidden
  C: .
  S: 250 2.0.0 Ok: queued as 4XyzAB1cdE
  C: QUIT
  S: 221 2.0.0 bye
  S: {close}
`;

conversation("SmtpClient sends the mail with high-level calls", CONVERSATION, async (server) => {
  await using client = await connect({ hostname: "mx.example", tls: "none", name: "client.test", dial: server.dial });
  const result = await client.send({ from: "a@x.test", to: ["b@y.test", "c@y.test"], body: MESSAGE });
  assertEquals(result.accepted.map(({ address }) => address), ["b@y.test"]);
  assertEquals(result.rejected.map(({ address, reply }) => [address, reply.code, reply.enhancedCode]), [["c@y.test", 550, "5.1.1"]]);
  assertEquals(result.reply.code, 250);
  assertEquals(result.queueId, "4XyzAB1cdE");
});

conversation("SmtpConnection sends the same mail with low-level verbs only", CONVERSATION, async (server) => {
  await using connection = await SmtpConnection.open({ hostname: "mx.example", tls: "none", dial: server.dial });
  assertEquals(connection.greeting.code, 220);
  await connection.ehlo("client.test");
  const replies = await Promise.all([
    connection.mail("a@x.test", { parameters: { SIZE: 35 } }),
    connection.rcpt("b@y.test"),
    connection.rcpt("c@y.test"),
    connection.data(),
  ]);
  assertEquals(replies.map(({ code }) => code), [250, 250, 550, 354]);
  assertEquals((await connection.dotStuff(MESSAGE)).text, "Ok: queued as 4XyzAB1cdE");
  assertEquals(server.writes.length, 3, "EHLO, the envelope, the content: three writes");
});

conversation("SmtpClient and SmtpConnection send the same mail with both mixed", CONVERSATION, async (server) => {
  const connection = await SmtpConnection.open({ hostname: "mx.example", tls: "none", dial: server.dial });
  await using client = new SmtpClient(connection, { name: "client.test" });
  await client.hello();
  const [mail] = await Promise.all([
    client.connection.mail("a@x.test", { parameters: { SIZE: 35 } }),
    client.connection.rcpt("b@y.test"),
    client.connection.rcpt("c@y.test"),
    client.connection.data(),
  ]);
  assertEquals(mail.enhancedCode, "2.1.0");
  await client.connection.sendRaw(new TextEncoder().encode("Subject: hello\r\n\r\nHello.\r\n..hidden\r\n.\r\n"));
  assertEquals((await client.connection.receive()).code, 250);
});
