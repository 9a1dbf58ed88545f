/** BDAT and BURL by hand. */
import { assertEquals, assertRejects } from "@std/assert";
import { SmtpStateError, SmtpUnsupportedError } from "@posthorn/smtp";
import { BYE, openTo } from "../support/client.ts";
import { ENVELOPE, HELLO } from "../support/chunking.ts";
import { conversation } from "../support/script.ts";

conversation(
  "SmtpConnection.bdat sends chunk by chunk, and the state follows",
  `
  ${HELLO}
  ${ENVELOPE}
  C: BDAT 3
  C: {part} abc
  C: BDAT 0 LAST
  S: 250 ok
  S: 250 ok
  S: 250 3 octets
  S: 250 all 3
  C: MAIL FROM:<a@x.test>
  S: 250 ok
  C: RCPT TO:<b@y.test>
  S: 250 ok
  C: BDAT 1
  C: {part} a
  S: 250 ok
  C: RSET
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using connection = await openTo(server);
    await connection.ehlo("client.test");
    await connection.auth("PLAIN", new TextEncoder().encode("\0a\0b"));
    const abc = new TextEncoder().encode("abc");
    const replies = await Promise.all([
      connection.mail("a@x.test"),
      connection.rcpt("b@y.test"),
      connection.bdat(abc),
      connection.bdat(new Uint8Array(0), { last: true }),
    ]);
    assertEquals(replies.map(({ text }) => text), ["ok", "ok", "3 octets", "all 3"]);
    assertEquals(server.writes.length, 3);
    assertEquals(connection.state, "ready");
    await connection.mail("a@x.test");
    await connection.rcpt("b@y.test");
    await connection.bdat(abc.subarray(0, 1));
    assertEquals(connection.state, "bdat");
    await assertRejects(() => connection.data(), SmtpStateError);
    await assertRejects(() => connection.rcpt("c@y.test"), SmtpStateError);
    await connection.rset();
  },
);

conversation(
  "SmtpConnection.bdat writes nothing to a server that would take the chunk for commands",
  `
  S: 220 mx.example ESMTP
  C: EHLO client.test
  S: 250 mx.example
  C: MAIL FROM:<a@x.test>
  S: 250 ok
  C: RCPT TO:<b@y.test>
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using connection = await openTo(server);
    await connection.ehlo("client.test");
    await connection.mail("a@x.test");
    await connection.rcpt("b@y.test");
    await assertRejects(() => connection.bdat(new TextEncoder().encode("QUIT\r\n")), SmtpUnsupportedError, "CHUNKING");
    await assertRejects(() => connection.burl("imap://x.test/INBOX"), SmtpUnsupportedError, "BURL");
  },
);

conversation(
  "SmtpConnection.burl has the server fetch a part of the content",
  `
  S: 220 mx.example ESMTP
  C: EHLO client.test
  S: 250-mx.example
  S: 250-CHUNKING
  S: 250 BURL imap
  C: MAIL FROM:<a@x.test>
  S: 250 ok
  C: RCPT TO:<b@y.test>
  S: 250 ok
  C: BDAT 3
  C: {part} abc
  S: 250 ok
  C: BURL imap://alice@x.test/INBOX;UIDVALIDITY=1/;UID=2;URLAUTH=submit+alice:internal:91354a473744909de610943775f92038 LAST
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using connection = await openTo(server);
    await connection.ehlo("client.test");
    await connection.mail("a@x.test");
    await connection.rcpt("b@y.test");
    await connection.bdat(new TextEncoder().encode("abc"));
    const url = "imap://alice@x.test/INBOX;UIDVALIDITY=1/;UID=2;URLAUTH=submit+alice:internal:91354a473744909de610943775f92038";
    assertEquals((await connection.burl(url, { last: true })).code, 250);
    assertEquals(connection.state, "ready");
  },
);
