/** Extensions of the protocol that put octets on the wire which no other case does. */
import { type Case, equal, reaching, sendOne, sha256, storedFor, TEXT } from "./case.ts";

/** Each against a server that offers it. */
export const extensionCases: readonly Case[] = [
  {
    name: "BDAT, a small message in one write",
    async run({ connect }, env): Promise<void> {
      const writes = new Set<number>();
      const trace = (event: { type: string; write?: number }) => void (event.write !== undefined && writes.add(event.write));
      await using client = await connect(reaching(env, env.ports.chunking, { tls: "implicit", trace }));
      await sendOne(client, env);
      writes.clear();
      await sendOne(client, env);
      equal(writes.size, 1);
    },
  },
  {
    name: "BDAT, a stream of 5 MiB of unknown length",
    async run({ connect }, env): Promise<void> {
      await using client = await connect(reaching(env, env.ports.chunking, { tls: "implicit" }));
      const line = new TextEncoder().encode(`.${"0123456789abcdef".repeat(4)}\r\n`);
      const whole = new Uint8Array(line.length * Math.ceil(5 * 1024 * 1024 / line.length));
      for (let at = 0; at < whole.length; at += line.length) whole.set(line, at);
      let at = 0;
      const body = new ReadableStream<Uint8Array>({
        pull: (controller) => at < whole.length ? controller.enqueue(whole.slice(at, at += 10_000)) : controller.close(),
      });
      const to = `${env.run}-chunks@y.test`;
      equal((await client.send({ from: "a@x.test", to, body })).queueId?.startsWith("CHUNK"), true);
      const { length, sha256: hash } = await storedFor(env, to);
      equal([length, hash], [whole.length, await sha256(whole)]);
    },
  },
  {
    name: "BINARYMIME, every octet there is",
    async run({ connect }, env): Promise<void> {
      await using client = await connect(reaching(env, env.ports.chunking, { tls: "implicit" }));
      const body = Uint8Array.from({ length: 512 }, (_, index) => index % 256);
      const to = `${env.run}-binary@y.test`;
      await client.send({ from: "a@x.test", to, body, binary: true });
      const { sha256: hash, parameters } = await storedFor(env, to);
      equal([hash, parameters["BODY"]], [await sha256(body), "BINARYMIME"]);
    },
  },
  {
    name: "SMTPUTF8, addresses and headers beyond ASCII",
    async run({ connect }, env): Promise<void> {
      await using client = await connect(reaching(env, env.ports.chunking, { tls: "implicit" }));
      const to = `${env.run}-jürgen@bücher.test`;
      await client.send({ from: "ä@x.test", to, body: "Subject: Grüße\r\n\r\nHello.\r\n" });
      const { from, parameters } = await storedFor(env, to);
      equal([from, parameters["SMTPUTF8"], parameters["BODY"]], ["ä@x.test", true, "8BITMIME"]);
    },
  },
  {
    name: "A-labels where SMTPUTF8 is not offered",
    async run({ connect, SmtpUnsupportedError }, env): Promise<void> {
      await using client = await connect(reaching(env, env.ports.chunking, { tls: "implicit" }));
      client.connection.setExtensions(["8BITMIME", "CHUNKING"]);
      await client.send({ from: "a@bücher.test", to: `${env.run}-idna@straße.test`, body: TEXT });
      equal((await storedFor(env, `${env.run}-idna@xn--strae-oqa.test`)).from, "a@xn--bcher-kva.test");
      const error = await client.send({ from: "a@x.test", to: "jürgen@x.test", body: "" }).catch((error: unknown) => error);
      equal(error instanceof SmtpUnsupportedError && error.recipient, "jürgen@x.test");
    },
  },
  {
    name: "DSN, of the message and of a recipient",
    async run({ connect, extensions: { dsn } }, env): Promise<void> {
      await using client = await connect(reaching(env, env.ports.chunking, { tls: "implicit" }));
      const to = `${env.run}-dsn@y.test`;
      const own = dsn({ notify: ["success", "delay"], originalRecipient: "b+c@old.test" });
      await client.send({
        from: "a@x.test",
        to: { address: to, extensions: [own] },
        body: TEXT,
        extensions: [dsn({ return: "full", envelopeId: "a=b" })],
      });
      const { RET, ENVID, NOTIFY, ORCPT } = (await storedFor(env, to)).parameters;
      equal([RET, ENVID, NOTIFY, ORCPT], ["FULL", "a+3Db", "SUCCESS,DELAY", "rfc822;b+2Bc@old.test"]);
    },
  },
  {
    name: "FUTURERELEASE, MT-PRIORITY and DELIVERBY",
    async run({ connect, extensions: { deliverBy, futureRelease, priority } }, env): Promise<void> {
      await using client = await connect(reaching(env, env.ports.chunking, { tls: "implicit" }));
      const to = `${env.run}-late@y.test`;
      const extensions = [futureRelease({ seconds: 3600 }), priority(-2), deliverBy({ seconds: 7200, onExpiry: "notify" })];
      await client.send({ from: "a@x.test", to, body: TEXT, extensions });
      const { parameters } = await storedFor(env, to);
      equal([parameters["HOLDFOR"], parameters["MT-PRIORITY"], parameters["BY"]], ["3600", "-2", "7200;N"]);
    },
  },
  {
    name: "LIMITS, more recipients than one transaction takes",
    async run({ connect }, env): Promise<void> {
      await using client = await connect(reaching(env, env.ports.chunking, { tls: "implicit" }));
      const to = [1, 2, 3, 4, 5].map((index) => `${env.run}-limits-${index}@y.test`);
      const { accepted, transactions } = await client.send({ from: "a@x.test", to, body: TEXT });
      equal(accepted.map(({ address }) => address), to);
      equal(transactions.map(({ accepted }) => accepted.length), [2, 2, 1]);
      client.connection.setExtensions(["PIPELINING", "CHUNKING", "8BITMIME"]);
      const unforeseen = to.map((address) => `again-${address}`);
      const again = await client.send({ from: "a@x.test", to: unforeseen, body: TEXT });
      equal([again.accepted.length, again.rejected.length, again.transactions.length], [5, 0, 3]);
      equal((await storedFor(env, unforeseen[4] ?? "")).isSecure, true);
    },
  },
  {
    name: "LMTP over a unix socket, a reply for each recipient",
    needs: "unix socket",
    async run({ connect }, env): Promise<void> {
      await using client = await connect(`lmtp+unix://${env.lmtpPath}`, { name: "client.test" });
      const to = [`${env.run}-lmtp-1@y.test`, "reject@y.test", `${env.run}-lmtp-2@y.test`];
      const { accepted, rejected } = await client.send({ from: "a@x.test", to, body: TEXT });
      equal(accepted.map(({ address, reply }) => [address, reply.code]), [[to[0], 250], [to[2], 250]]);
      equal(rejected.map(({ address, reply }) => [address, reply.code]), [["reject@y.test", 550]]);
      equal((await storedFor(env, to[2] ?? "")).sha256, await sha256(new TextEncoder().encode(TEXT)));
      await sendOne(client, env);
    },
  },
];
