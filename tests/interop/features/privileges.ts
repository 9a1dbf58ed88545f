/** What a server does for those it trusts. */
import { assert, assertEquals } from "@std/assert";
import { letter } from "../bench.ts";
import type { Feature } from "../feature.ts";
import { urlOf } from "../imap.ts";

export const privileges: readonly Feature[] = [
  {
    name: "XCLIENT",
    sentence: "takes us for another client",
    needs: "XCLIENT",
    async prove(bench): Promise<string> {
      await using client = await bench.connect();
      const reply = await client.connection.xclient({ ADDR: "192.0.2.77", NAME: "client.example" });
      assertEquals([reply.code, client.connection.state, client.extensions.size], [220, "greeted", 0]);
      await client.hello();
      const sent = letter();
      await client.send({ from: "alice@x.test", to: "alice@x.test", body: sent.text });
      const { added } = bench.parted(await bench.server.stored(sent.token, "alice"));
      return added.includes("192.0.2.77") ? "yes, and the header says so" : "yes";
    },
  },
  {
    name: "XFORWARD",
    sentence: "takes the attributes of a client behind us",
    needs: "XFORWARD",
    async prove(bench): Promise<void> {
      await using client = await bench.connect();
      const reply = await client.connection.xforward({ ADDR: "192.0.2.78", NAME: "client.example", PROTO: "ESMTP" });
      assertEquals(reply.code, 250);
      await bench.deliver(client);
    },
  },
  {
    name: "BURL",
    sentence: "fetches a message from its IMAP server",
    needs: "BURL",
    async prove(bench): Promise<void> {
      const sent = letter();
      const url = await urlOf(bench.server, sent.text);
      await using client = await bench.connect();
      const { connection } = client;
      await connection.mail("alice@x.test");
      await connection.rcpt("bob@x.test");
      const reply = await connection.burl(url, { last: true });
      assert(reply.isPositive, `${reply}`);
      await bench.assertStored(sent, "bob");
      await bench.deliver(client);
    },
  },
];
