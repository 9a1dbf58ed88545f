/** Many messages, on one connection and on several, and the last message of one. */
import { type Case, type Environment, equal, type Library, reaching, storedFor } from "./case.ts";
import type { Message } from "@posthorn/smtp";

function messages(env: Environment, name: string): Message[] {
  return Array.from({ length: 12 }, (_, index) => ({
    from: "a@x.test",
    to: `${env.run}-${name}-${index}@y.test`,
    body: `Subject: ${index}\r\n\r\n.${name} ${index}\r\n`,
  }));
}

/** Sends them all, and looks at what became of each and at what is stored. */
async function sendAll({ connect }: Library, env: Environment, port: number, window: number, tls: "none" | "implicit"): Promise<void> {
  await using client = await connect(reaching(env, port, { tls }));
  const all = messages(env, `window-${window}-${tls}`);
  const outcomes: unknown[] = [];
  for await (const { status, message } of client.sendAll(all, { window })) outcomes.push([status, message.to]);
  equal(outcomes, all.map(({ to }) => ["sent", to]));
  for (const { to, body } of all) equal((await storedFor(env, String(to))).length, String(body).length);
}

export const manyCases: readonly Case[] = [
  {
    name: "sendAll, one message at a time",
    run: (library, env) => sendAll(library, env, env.ports.chunking, 1, "implicit"),
  },
  {
    name: "sendAll, a window by BDAT",
    run: (library, env) => sendAll(library, env, env.ports.chunking, 8, "implicit"),
  },
  {
    name: "sendAll, a window by DATA",
    run: (library, env) => sendAll(library, env, env.ports.plain, 8, "none"),
  },
  {
    name: "QUIT in the same write as the end of the last message",
    async run({ connect }, env): Promise<void> {
      const writes: number[] = [];
      const trace = (event: { type: string; write?: number }) => void (event.write !== undefined && writes.push(event.write));
      const client = await connect(reaching(env, env.ports.chunking, { tls: "implicit", trace }));
      const [message] = messages(env, "quit");
      equal((await client.send(message!, { quit: true })).accepted.length, 1);
      await client.quit();
      equal([client.isClosed, writes.at(-1) === writes.at(-2)], [true, true]);
    },
  },
  {
    name: "a pool of three connections",
    async run({ SmtpPool }, env): Promise<void> {
      await using pool = new SmtpPool(reaching(env, env.ports.chunking, { tls: "implicit" }), { maxConnections: 3, window: 4 });
      const all = messages(env, "pool");
      const outcomes: unknown[] = [];
      for await (const { status, message } of pool.sendAll(all)) outcomes.push([status, message.to]);
      equal(outcomes, all.map(({ to }) => ["sent", to]));
      for (const { to, body } of all) equal((await storedFor(env, String(to))).length, String(body).length);
      equal([pool.stats().sent, pool.stats().connections.total <= 3], [12, true]);
    },
  },
];
