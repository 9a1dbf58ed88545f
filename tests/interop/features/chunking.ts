/** Content by BDAT, and the parameters that extensions add. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { SmtpBodyError, SmtpReplyError } from "@posthorn/smtp";
import { dsn, requireTls } from "@posthorn/smtp/extensions";
import { letter } from "../bench.ts";
import type { Feature } from "../feature.ts";

const ENVELOPE = { from: "alice@x.test", to: "alice@x.test" } as const;
/** More than any of the servers takes: they have been told 2 MiB. */
const TOO_LARGE = 3 * 2 ** 20;

export const chunking: readonly Feature[] = [
  {
    name: "CHUNKING",
    sentence: "takes a whole message in one write",
    needs: "CHUNKING",
    async prove(bench): Promise<void> {
      const { client, lines } = await bench.traced();
      await using _ = client;
      await bench.deliver(client);
      const before = lines.length;
      await bench.deliver(client, letter(".\r\n..\r\n.hidden\r\n"));
      const group = lines.slice(before);
      assertEquals(group.map(({ line }) => line.slice(0, 4)), ["MAIL", "RCPT", "BDAT"]);
      assertEquals(new Set(group.map(({ write }) => write)).size, 1);
    },
  },
  {
    name: "CHUNKING, a stream",
    sentence: "stores 1 MB of unknown length that came in chunks octet by octet",
    needs: "CHUNKING",
    async prove(bench): Promise<void> {
      const { client, lines } = await bench.traced();
      await using _ = client;
      const sent = letter(".The quick brown fox\r\n..\r\n.\r\njumps over the lazy dog.\r\n\r\n".repeat(16_000));
      const octets = new TextEncoder().encode(sent.text);
      let at = 0;
      const body = new ReadableStream<Uint8Array>({
        pull: (controller) => at < octets.length ? controller.enqueue(octets.slice(at, at += 10_007)) : controller.close(),
      });
      await client.send({ ...ENVELOPE, body });
      await bench.assertStored(sent, "alice");
      const chunks = lines.filter(({ line }) => line.startsWith("BDAT"));
      assert(chunks.length > 1 && chunks.at(-1)!.line.endsWith(" LAST"));
    },
  },
  {
    name: "CHUNKING, a body that fails",
    sentence: "forgets the chunks of a message whose source fails, and takes the next on the same connection",
    needs: "CHUNKING",
    async prove(bench): Promise<void> {
      const lost = letter(`${"x".repeat(78)}\r\n`.repeat(10_000));
      const octets = new TextEncoder().encode(lost.text);
      await using client = await bench.connect();
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(octets),
        pull: (controller) => controller.error(new Error("the disk is gone")),
      }, { highWaterMark: 0 });
      const error = await assertRejects(() => client.send({ ...ENVELOPE, body }), SmtpBodyError);
      assertEquals([error.delivery, client.isClosed], ["not-sent", false]);
      await bench.deliver(client);
      assertEquals(await bench.server.find(lost.token), []);
    },
  },
  {
    name: "CHUNKING, a refused chunk",
    sentence: "reads a chunk behind a refused MAIL as no command, and takes the next message on the same connection",
    needs: "CHUNKING",
    async prove(bench): Promise<void> {
      await using client = await bench.connect();
      await bench.deliver(client);
      const lost = letter("RSET\r\nNOOP\r\n");
      const refused = { keyword: "CHUNKING", mail: () => ({ SIZE: TOO_LARGE }) };
      const error = await assertRejects(() => client.send({ ...ENVELOPE, body: lost.text, extensions: [refused] }), SmtpReplyError);
      assertEquals([error.phase, error.delivery], ["mail", "not-sent"]);
      await bench.deliver(client);
      assertEquals(await bench.server.find(lost.token), []);
    },
  },
  {
    name: "CHUNKING, a message too large",
    sentence: "refuses chunks beyond its limit that no size was declared of",
    needs: "CHUNKING",
    async prove(bench): Promise<string> {
      const lost = letter(`${"x".repeat(78)}\r\n`.repeat(TOO_LARGE / 80));
      await using client = await bench.connect();
      client.connection.setExtensions(["CHUNKING", "PIPELINING"]);
      const error = await assertRejects(() => client.send({ ...ENVELOPE, body: lost.text }), SmtpReplyError);
      assertEquals([error.phase, error.delivery, error.transient], ["data", "not-sent", false]);
      await using next = await bench.connect();
      await bench.deliver(next);
      assertEquals(await bench.server.find(lost.token), []);
      return `refused: ${error.code}`;
    },
  },
  {
    name: "DSN by send",
    sentence: "takes the wishes of a message and of a recipient for notifications",
    needs: "DSN",
    async prove(bench): Promise<void> {
      const { client, lines } = await bench.traced();
      await using _ = client;
      // A server may offer it behind login only.
      await client.hello();
      const sent = letter();
      const to = { address: "alice@x.test", extensions: [dsn({ notify: "never", originalRecipient: "al+ice@old.test" })] };
      const extensions = [dsn({ return: "headers", envelopeId: "a+b=c", notify: ["failure"] })];
      await client.send({ from: "alice@x.test", to, body: sent.text, extensions });
      await bench.assertStored(sent, "alice");
      assertMatch(`${lines.find(({ line }) => line.startsWith("MAIL"))?.line}`, / RET=HDRS ENVID=a\+2Bb\+3Dc/);
      assertMatch(`${lines.find(({ line }) => line.startsWith("RCPT"))?.line}`, / NOTIFY=NEVER ORCPT=rfc822;al\+2Bice@old\.test/);
    },
  },
  {
    name: "REQUIRETLS",
    sentence: "takes a message that must go over TLS",
    needs: "REQUIRETLS",
    async prove(bench): Promise<void> {
      const { client, lines } = await bench.traced();
      await using _ = client;
      const sent = letter();
      await client.send({ ...ENVELOPE, body: sent.text, extensions: [requireTls()] });
      await bench.assertStored(sent, "alice");
      assertMatch(`${lines.find(({ line }) => line.startsWith("MAIL"))?.line}`, / REQUIRETLS/);
    },
  },
  {
    name: "A-labels",
    sentence: "takes a domain beyond ASCII as A-labels, since it does not offer SMTPUTF8",
    isFor: ({ name }) => name === "Dovecot submission",
    async prove(bench): Promise<void> {
      const { client, lines } = await bench.traced();
      await using _ = client;
      assert(!client.extensions.has("SMTPUTF8"));
      const sent = letter();
      const { accepted } = await client.send({ from: "alice@x.test", to: "alice@bücher.test", body: sent.text });
      assertEquals(accepted.map(({ address }) => address), ["alice@bücher.test"]);
      assert(lines.some(({ line }) => line.startsWith("RCPT TO:<alice@xn--bcher-kva.test>")));
      await bench.assertStored(sent);
    },
  },
];
