/** What becomes of content. */
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { SmtpBodyError } from "@posthorn/smtp";
import { letter } from "../bench.ts";
import type { Feature } from "../feature.ts";
import { urlOf } from "../imap.ts";

const ENVELOPE = { from: "alice@x.test", to: "alice@x.test" } as const;

/** Lines that a client or a server could get wrong. */
const AWKWARD = [
  ...[".", "..", "...", ".hidden", "a.", "", ".", "", "\t", " leading", "trailing ", "From here", ">From there", "QUIT", "\x7f\x01\x1b"],
  ...["x".repeat(900), `.${"y".repeat(980)}`, "", ""],
];

export const content: readonly Feature[] = [
  {
    name: "every octet as it was sent",
    sentence: "stores dots, blanks, controls and long lines octet by octet",
    async prove(bench): Promise<void> {
      await using client = await bench.connect();
      await bench.deliver(client, letter(`${AWKWARD.join("\r\n")}\r\n`));
    },
  },
  {
    name: "what is put before a message",
    sentence: "puts no more than a few fields of its own before a message",
    async prove(bench): Promise<string> {
      await using client = await bench.connect();
      const sent = letter();
      await client.send({ ...ENVELOPE, body: sent.text });
      const { added } = bench.parted(await bench.server.stored(sent.token, "alice"));
      return Array.from(added.matchAll(/^([\w-]+):/gm), ([, name]) => name).join(", ") || "nothing";
    },
  },
  {
    name: "a line of 998 octets",
    sentence: "takes a line of 998 octets, the longest there may be",
    async prove(bench): Promise<string> {
      await using client = await bench.connect();
      const sent = letter(`${"z".repeat(998)}\r\nbehind\r\n`);
      await client.send({ ...ENVELOPE, body: sent.text });
      const { message } = bench.parted(await bench.server.stored(sent.token, "alice"));
      if (message === sent.text) return "yes";
      assertEquals(message.replace(/(z)\r\n[ \t]?(?=z)/g, "$1"), sent.text);
      return "yes, cut in two";
    },
  },
  {
    name: "lone line ends",
    sentence: "stores text with lone CR and LF as lines",
    async prove(bench): Promise<void> {
      await using client = await bench.connect();
      const sent = letter("one\r\ntwo\r\n\r\nthree\r\n.\r\nfour\r\n");
      const body = sent.text.replace("two\r\n\r\n", "two\r\r").replaceAll("\r\n", "\n").replace(/\n$/, "");
      await client.send({ ...ENVELOPE, body });
      await bench.assertStored(sent, "alice");
    },
  },
  {
    name: "8BITMIME",
    sentence: "stores 8-bit content that was declared as such",
    needs: "8BITMIME",
    async prove(bench): Promise<void> {
      const { client, lines } = await bench.traced();
      await using _ = client;
      const sent = letter("?\r\n");
      const octets = new TextEncoder().encode(sent.text);
      // No UTF-8: a lone octet beyond ASCII.
      octets[octets.length - 3] = 0xe9;
      await client.send({ ...ENVELOPE, body: octets });
      await bench.assertStored(sent, "alice", octets);
      assert(lines.some(({ line }) => /^MAIL .* BODY=8BITMIME/.test(line)));
      await bench.deliver(client, letter("äöü €\r\n"));
    },
  },
  {
    name: "a streamed body",
    sentence: "stores 1 MB from a stream of small chunks octet by octet",
    async prove(bench): Promise<void> {
      await using client = await bench.connect();
      const sent = letter(".The quick brown fox\r\n..\r\n.\r\njumps over the lazy dog.\r\n\r\n".repeat(16_000));
      const octets = new TextEncoder().encode(sent.text);
      let at = 0;
      const body = new ReadableStream<Uint8Array>({
        pull(controller): void {
          if (at >= octets.length) return controller.close();
          controller.enqueue(octets.slice(at, at += 1_009));
        },
      });
      await client.send({ ...ENVELOPE, body });
      await bench.assertStored(sent, "alice");
    },
  },
  {
    name: "BURL",
    sentence: "fetches the content by a URL and stores it",
    needs: "BURL",
    async prove(bench): Promise<void> {
      await using client = await bench.connect();
      const { connection } = client;
      const sent = letter();
      const url = await urlOf(bench.server, sent.text);
      assertEquals((await connection.mail("alice@x.test")).code, 250);
      assertEquals((await connection.rcpt("bob@x.test")).code, 250);
      assertEquals((await connection.command("BURL", `${url} LAST`)).code, 250);
      await connection.rset();
      await bench.assertStored(sent, "bob");
    },
  },
  {
    name: "a body that fails",
    sentence: "stores nothing of a message whose source fails half-way",
    async prove(bench): Promise<void> {
      const [lost, whole] = [letter("x".repeat(78).concat("\r\n").repeat(1_000)), letter()];
      const octets = new TextEncoder().encode(lost.text);
      await using client = await bench.connect();
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(octets),
        pull: (controller) => controller.error(new Error("the disk is gone")),
      }, { highWaterMark: 0 });
      const error = await assertRejects(() => client.send({ ...ENVELOPE, body }), SmtpBodyError);
      assertInstanceOf(error.cause, Error);
      assertEquals([error.delivery, client.isClosed], ["not-sent", true]);
      await using next = await bench.connect();
      await bench.deliver(next, whole);
      assertEquals(await bench.server.find(lost.token), []);
    },
  },
];
