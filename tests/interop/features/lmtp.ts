/** LMTP: a reply for each recipient behind the message. */
import { assertEquals } from "@std/assert";
import type { SmtpClient } from "@posthorn/smtp";
import { type Bench, letter } from "../bench.ts";
import type { Feature } from "../feature.ts";

const ENVELOPE = { from: "alice@x.test", to: ["alice@x.test", "full@x.test", "bob@x.test"] } as const;

/** Sends to one mailbox that is full between two that are not. */
async function proveReplies(bench: Bench, client: SmtpClient): Promise<string> {
  const sent = letter("Hello.\r\n.\r\n");
  const { accepted, rejected, reply } = await client.send({ ...ENVELOPE, body: sent.text });
  assertEquals(accepted.map(({ address }) => address), ["alice@x.test", "bob@x.test"]);
  assertEquals(rejected.map(({ address }) => address), ["full@x.test"]);
  assertEquals(reply.code, 250);
  for (const mailbox of ["alice", "bob"]) await bench.assertStored(sent, mailbox);
  await bench.deliver(client);
  return `yes, and ${rejected[0]?.reply.code} for one`;
}

export const lmtp: readonly Feature[] = [
  {
    name: "LMTP",
    sentence: "answers a message for each recipient",
    isFor: ({ protocol }) => protocol === "lmtp",
    async prove(bench): Promise<string> {
      await using client = await bench.connect();
      return await proveReplies(bench, client);
    },
  },
  {
    name: "LMTP over a unix socket",
    sentence: "answers a message for each recipient over a unix socket",
    isFor: ({ hasUnixSocket }) => hasUnixSocket === true,
    async prove(bench): Promise<string> {
      await using client = await bench.connect({ path: `${bench.server.folder}/lmtp.sock` });
      return await proveReplies(bench, client);
    },
  },
  {
    name: "LMTP, content by DATA",
    sentence: "answers a message for each recipient when it came by DATA",
    needs: "CHUNKING",
    isFor: ({ protocol }) => protocol === "lmtp",
    async prove(bench): Promise<void> {
      await using client = await bench.connect();
      const sent = letter(".\r\n..\r\n");
      const { accepted, rejected } = await client.send({ ...ENVELOPE, body: sent.text, transfer: "data" });
      assertEquals([accepted.length, rejected.length], [2, 1]);
      await bench.assertStored(sent, "bob");
    },
  },
];
