/** The envelope: who sends, who receives, who is refused, and what is said about the message. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { SmtpConnectionError, SmtpError, SmtpReplyError, SmtpUnsupportedError } from "@posthorn/smtp";
import { letter } from "../bench.ts";
import { cellOf, type Feature } from "../feature.ts";

const ENVELOPE = { from: "alice@x.test", to: "alice@x.test" } as const;
/** More than any of the servers takes: they have been told 2 MiB. */
const TOO_LARGE = 3 * 2 ** 20;

export const envelope: readonly Feature[] = [
  {
    name: "PIPELINING",
    sentence: "takes the envelope and DATA in one write",
    needs: "PIPELINING",
    async prove(bench): Promise<void> {
      const { client, lines } = await bench.traced();
      await using _ = client;
      const sent = letter();
      await client.send({ from: "alice@x.test", to: ["alice@x.test", "bob@x.test"], body: sent.text, transfer: "data" });
      const group = lines.slice(lines.findIndex(({ line }) => line.startsWith("MAIL")));
      assertEquals(group.map(({ line }) => line.slice(0, 4)), ["MAIL", "RCPT", "RCPT", "DATA"]);
      assertEquals(new Set(group.map(({ write }) => write)).size, 1);
      for (const mailbox of ["alice", "bob"]) await bench.assertStored(sent, mailbox);
    },
  },
  {
    name: "lockstep",
    sentence: "takes one command after the other when pipelining is off",
    async prove(bench): Promise<void> {
      const { client, lines } = await bench.traced({ pipelining: false });
      await using _ = client;
      await bench.deliver(client);
      assertEquals(new Set(lines.map(({ write }) => write)).size, lines.length);
    },
  },
  {
    name: "SIZE",
    sentence: "is told the size of a message, and of one too large before it is sent",
    needs: "SIZE",
    async prove(bench): Promise<void> {
      const { client, lines } = await bench.traced();
      await using _ = client;
      const sent = letter();
      await bench.deliver(client, sent);
      assert(lines.some(({ line }) => line.split(" ").includes(`SIZE=${sent.text.length}`)));
      assert((client.extensions.maxSize ?? 0) < TOO_LARGE);
      const error = await assertRejects(() => client.send({ ...ENVELOPE, body: letter("x\r\n".repeat(TOO_LARGE / 3)).text }), SmtpUnsupportedError);
      assertEquals([error.kind, error.phase], ["too-large", "local"]);
      await bench.deliver(client);
    },
  },
  {
    name: "a size too large, declared",
    sentence: "refuses at MAIL a size beyond its limit",
    needs: "SIZE",
    async prove(bench): Promise<string> {
      await using client = await bench.connect();
      const reply = await client.connection.mail("alice@x.test", { parameters: { SIZE: TOO_LARGE } });
      if (reply.isPositive) await client.connection.rset();
      await bench.deliver(client);
      return cellOf(reply);
    },
  },
  {
    name: "a size too large, undeclared",
    sentence: "refuses a message beyond its limit that no size was declared of",
    needs: "SIZE",
    async prove(bench): Promise<string> {
      const lost = letter(`${"x".repeat(78)}\r\n`.repeat(TOO_LARGE / 80));
      await using client = await bench.connect();
      client.connection.setExtensions([]);
      const error = await assertRejects(() => client.send({ ...ENVELOPE, body: lost.text }), SmtpError);
      assertEquals(error.phase, "data");
      await using next = await bench.connect();
      await bench.deliver(next);
      assertEquals(await bench.server.find(lost.token), []);
      if (error instanceof SmtpConnectionError) return "hangs up";
      assertEquals([error.kind, error.delivery, error.transient], ["refused", "not-sent", false]);
      return `refused: ${error.code}`;
    },
  },
  {
    name: "SMTPUTF8",
    sentence: "takes addresses and a header beyond ASCII",
    needs: "SMTPUTF8",
    async prove(bench): Promise<void> {
      const { client, lines } = await bench.traced();
      await using _ = client;
      const sent = letter("Grüße\r\n", "Grüße");
      const { accepted } = await client.send({ from: "jörg@x.test", to: ["alice@x.test", "bücher@x.test"], body: sent.text });
      assertEquals(accepted.length, 2);
      assert(lines.some(({ line }) => /^MAIL .* SMTPUTF8/.test(line)));
      await bench.assertStored(sent, "alice");
    },
  },
  {
    name: "ENHANCEDSTATUSCODES",
    sentence: "gives enhanced codes with yes and with no",
    needs: "ENHANCEDSTATUSCODES",
    async prove(bench): Promise<void> {
      await using client = await bench.connect();
      const { accepted, rejected, reply } = await client.send({ ...ENVELOPE, to: ["alice@x.test", "reject@x.test"], body: letter().text });
      assertMatch(`${rejected[0]?.reply.enhancedCode}`, /^5\.1\.\d+$/);
      for (const { enhancedCode } of [accepted[0]!.reply, reply]) assertMatch(`${enhancedCode}`, /^2\.\d+\.\d+$/);
    },
  },
  {
    name: "some recipients refused",
    sentence: "stores a message for those whom it accepted, and the others are named with their replies",
    async prove(bench): Promise<void> {
      await using client = await bench.connect();
      const sent = letter();
      const to = ["alice@x.test", "reject@x.test", "bob@x.test", "defer@x.test"];
      const { accepted, rejected } = await client.send({ from: "alice@x.test", to, body: sent.text });
      assertEquals(accepted.map(({ address }) => address), ["alice@x.test", "bob@x.test"]);
      assertEquals(rejected.map(({ address, reply }) => [address, reply.isTransient]), [["reject@x.test", false], ["defer@x.test", true]]);
      for (const mailbox of ["alice", "bob"]) await bench.assertStored(sent, mailbox);
    },
  },
  {
    name: "every recipient refused",
    sentence: "stores nothing when it refuses everybody, and takes the next message on the same connection",
    async prove(bench): Promise<void> {
      await using client = await bench.connect();
      for (const [recipient, isTransient] of [["reject@x.test", false], ["defer@x.test", true]] as const) {
        const lost = letter();
        const error = await assertRejects(() => client.send({ ...ENVELOPE, to: recipient, body: lost.text }), SmtpReplyError);
        assertEquals([error.phase, error.recipient, error.transient, error.delivery], ["rcpt", recipient, isTransient, "not-sent"]);
        await bench.deliver(client);
        assertEquals(await bench.server.find(lost.token), []);
      }
    },
  },
  {
    name: "all or nobody",
    sentence: "stores nothing when somebody is refused and everybody was required",
    async prove(bench): Promise<void> {
      await using client = await bench.connect();
      const lost = letter();
      const message = { from: "alice@x.test", to: ["alice@x.test", "reject@x.test"], body: lost.text, requireAllRecipients: true };
      const error = await assertRejects(() => client.send(message), SmtpReplyError);
      assertEquals(error.accepted.map(({ address }) => address), ["alice@x.test"]);
      await bench.deliver(client);
      assertEquals(await bench.server.find(lost.token), []);
    },
  },
  {
    name: "the null sender",
    sentence: "takes a message from the null sender",
    async prove(bench): Promise<void> {
      await using client = await bench.connect();
      const sent = letter();
      await client.send({ from: "", to: "alice@x.test", body: sent.text });
      await bench.assertStored(sent, "alice");
    },
  },
  {
    name: "a quoted local part",
    sentence: "is asked for a mailbox with a blank in its quoted local part",
    async prove(bench): Promise<string> {
      await using client = await bench.connect();
      const { connection } = client;
      await connection.mail("alice@x.test");
      const reply = await connection.rcpt('"no body"@x.test');
      await connection.rset();
      await bench.deliver(client);
      return cellOf(reply);
    },
  },
  {
    name: "many messages on one connection",
    sentence: "takes ten messages that were sent at once on one connection",
    async prove(bench): Promise<void> {
      const { client, lines } = await bench.traced();
      await using _ = client;
      const letters = Array.from({ length: 10 }, () => letter());
      const results = await Promise.all(letters.map(({ text }) => client.send({ ...ENVELOPE, body: text })));
      assertEquals(results.map(({ reply }) => reply.code), letters.map(() => 250));
      assertEquals(lines.filter(({ line }) => line.startsWith("MAIL")).length, letters.length);
      for (const sent of letters) await bench.assertStored(sent, "alice");
    },
  },
  {
    name: "the queue id",
    sentence: "tells under which name it queued a message, and the library reads it",
    async prove(bench): Promise<string> {
      await using client = await bench.connect();
      const sent = letter();
      const { queueId } = await client.send({ ...ENVELOPE, body: sent.text });
      const { added } = bench.parted(await bench.server.stored(sent.token, "alice"));
      if (queueId === undefined) return "none is told";
      assertMatch(added, new RegExp(`^Received:[^:]*\\bid ${queueId.replaceAll(".", "\\.")}\\b`, "m"));
      return "yes";
    },
  },
  {
    name: "DSN parameters",
    sentence: "takes the parameters of delivery status notifications",
    needs: "DSN",
    async prove(bench): Promise<string> {
      await using client = await bench.connect();
      const { connection } = client;
      const [sent, id] = [letter(), crypto.randomUUID()];
      const replies = await Promise.all([
        connection.mail("carol@x.test", { parameters: { RET: "HDRS", ENVID: id } }),
        connection.rcpt("alice@x.test", { parameters: { NOTIFY: "SUCCESS,FAILURE", ORCPT: "rfc822;alice@x.test" } }),
        connection.data(),
      ]);
      assertEquals(replies.map(({ code }) => code), [250, 250, 354]);
      assertEquals((await connection.dotStuff(sent.text)).code, 250);
      await bench.assertStored(sent, "alice");
      if (!bench.service.reports) return "yes";
      const report = new TextDecoder().decode(await bench.server.stored(id, "carol"));
      assertMatch(report, /^Action: (delivered|relayed)/m);
      assertMatch(report, /^Original-Recipient: rfc822; ?alice@x\.test/m);
      return "yes, and the report came";
    },
  },
  {
    name: "XVERP",
    sentence: "writes the recipient into the sender of what may bounce",
    needs: "XVERP",
    async prove(bench): Promise<void> {
      await using client = await bench.connect();
      const { connection } = client;
      const sent = letter();
      const group = [connection.mail("alice@x.test", { parameters: { XVERP: true } }), connection.rcpt("bob@x.test"), connection.data()];
      assertEquals((await Promise.all(group)).map(({ code }) => code), [250, 250, 354]);
      assertEquals((await connection.dotStuff(sent.text)).code, 250);
      const { added } = bench.parted(await bench.server.stored(sent.token, "bob"));
      assertMatch(added, /^Return-Path: <alice\+bob=x\.test@x\.test>\r\n/);
    },
  },
];
