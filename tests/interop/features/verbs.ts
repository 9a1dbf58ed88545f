/** The verbs beside the transaction. Whether a server knows them is its own choice; that the session goes on is not. */
import { assert, assertEquals } from "@std/assert";
import type { Reply, SmtpConnection } from "@posthorn/smtp";
import { letter } from "../bench.ts";
import { cellOf, type Feature } from "../feature.ts";

/** A verb that a server may or may not know; `keyword` says that it does. */
function verb(name: string, sentence: string, keyword: string | undefined, say: (connection: SmtpConnection) => Promise<Reply>): Feature {
  return {
    name,
    sentence,
    ...(keyword !== undefined && { covers: [keyword] }),
    async prove(bench): Promise<string> {
      await using client = await bench.connect();
      const reply = await say(client.connection);
      await bench.deliver(client);
      return cellOf(reply);
    },
  };
}

export const verbs: readonly Feature[] = [
  verb("VRFY", "answers VRFY and goes on", "VRFY", (connection) => connection.vrfy("alice@x.test")),
  verb("EXPN", "answers EXPN and goes on", "EXPN", (connection) => connection.expn("everybody")),
  verb("HELP", "answers HELP and goes on", "HELP", (connection) => connection.help()),
  verb("NOOP", "answers NOOP and goes on", undefined, (connection) => connection.noop()),
  verb("ETRN", "answers ETRN and goes on", "ETRN", (connection) => connection.etrn("x.test")),
  verb("an unknown verb", "answers a verb that does not exist and goes on", undefined, (connection) => connection.command("XYZZY")),
  {
    name: "HELO",
    sentence: "stores a message that came after HELO",
    async prove(bench): Promise<void> {
      await using client = await bench.connect();
      const reply = await client.connection.helo("client.test");
      assertEquals([reply.code, client.extensions.size], [250, 0]);
      await bench.deliver(client);
    },
  },
  {
    name: "RSET",
    sentence: "forgets a transaction at RSET",
    async prove(bench): Promise<void> {
      await using client = await bench.connect();
      const { connection } = client;
      const sent = letter();
      const codes = [(await connection.mail("carol@x.test")).code, (await connection.rcpt("carol@x.test")).code, (await connection.rset()).code];
      assertEquals(codes, [250, 250, 250]);
      await bench.deliver(client, sent);
      assertEquals((await bench.server.find(sent.token)).map(({ mailbox }) => mailbox), ["alice"]);
    },
  },
  {
    name: "QUIT",
    sentence: "says goodbye at QUIT",
    async prove(bench): Promise<void> {
      const client = await bench.connect();
      assertEquals((await client.connection.quit()).code, 221);
      assert(client.isClosed);
    },
  },
];
