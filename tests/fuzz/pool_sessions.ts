/** Whole lives of a pool by chance, each connection with an {@linkcode OddServer} of its own: refused dials, cuts, aborts, drains, anything said. */
import { setImmediate } from "node:timers";
import { assert, assertEquals } from "@std/assert";
import { SmtpError, SmtpPool } from "@posthorn/smtp";
import { Chance } from "../support/chance.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { inTime } from "../support/model_mail.ts";
import { withCrlf } from "./content_reference.ts";
import { type OddOptions, OddServer } from "./odd_server.ts";

/** What was reported of one message. */
type Fate = "sent" | "not-sent" | "unknown";

function optionsOf(chance: Chance): OddOptions {
  const keywords = ["PIPELINING", "8BITMIME", "CHUNKING", "LIMITS MAILMAX=3"];
  return {
    keywords: [...keywords.filter(() => chance.is(0.6)), "HELP"],
    protocol: chance.is(0.15) ? "lmtp" : "smtp",
    trouble: chance.one([0, 0.01, 0.03, 0.08]),
    isLiar: false,
    delivery: chance.one(["whole", "line", "byte"] as const),
  };
}

async function turn(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}

/** Runs the life of `seed`, and throws where something is not as it must be. */
export async function runPool(seed: number): Promise<void> {
  const chance = new Chance(seed);
  const options = optionsOf(chance);
  const servers: OddServer[] = [];
  const clock = new FakeClock();
  const maxConnections = chance.from(1, 4);
  const dial = () => {
    if (chance.is(options.trouble)) return Promise.reject(new Error("ECONNREFUSED"));
    servers.push(new OddServer(chance, options));
    const open = servers.filter(({ isClosed }) => !isClosed);
    assert(open.length <= maxConnections, `${open.length} connections`);
    return Promise.resolve(servers.at(-1)!.socket);
  };
  const pool = new SmtpPool({ hostname: "mx.example", tls: "none", name: "client.test", protocol: options.protocol, dial, clock }, {
    maxConnections,
    maxMessages: chance.from(1, 9),
    idleTimeout: chance.from(1, 5_000),
    ...(chance.is(0.3) && { window: chance.from(1, 4) }),
    ...(chance.is(0.3) && { queueTimeout: chance.from(1_000, 100_000) }),
    ...(chance.is(0.2) && { rateLimit: { messages: chance.from(1, 50) } }),
    random: () => chance.next(),
  });
  const fates = new Map<number, Fate>();
  const count = chance.from(5, 25);
  await inTime(sendAll(pool, chance, count, fates, servers), clock);
  if (chance.is(0.2)) pool.close();
  await inTime(pool.drain(), clock);
  const { sent, refused, failed, connections } = pool.stats();
  assertEquals([sent + refused + failed, connections.total], [count, 0]);
  await inTime(turn(), clock);
  assertEquals([clock.pending, servers.filter(({ isClosed }) => !isClosed).length], [0, 0], "nothing is left");
  for (const [number, fate] of fates) assertFate(servers, number, fate);
}

async function sendAll(pool: SmtpPool, chance: Chance, count: number, fates: Map<number, Fate>, servers: readonly OddServer[]): Promise<void> {
  const sending: Promise<void>[] = [];
  for (let number = 1; number <= count; number++) {
    const content = contentOf(number);
    const abort = new AbortController();
    const body = chance.is(0.2) ? ReadableStream.from([new TextEncoder().encode(content)]) : content;
    const message = { from: `m${number}@x.test`, to: [`r${number}-1@y.test`, `r${number}-2@y.test`].slice(chance.from(0, 1)), body };
    sending.push(
      pool.send(message, { signal: abort.signal, key: `${chance.from(1, 3)}` }).then(
        () => void fates.set(number, "sent"),
        (error) => {
          assert(error instanceof SmtpError, `${error}`);
          fates.set(number, error.delivery);
        },
      ),
    );
    if (chance.is(0.1)) turn().then(() => abort.abort());
    if (chance.is(0.4)) await turn();
    if (chance.is(0.03)) servers.at(-1)?.hangUp();
  }
  await Promise.all(sending);
}

function contentOf(number: number): string {
  return `Subject: ${number}\r\n\r\n.${number}\r\n`;
}

function assertFate(servers: readonly OddServer[], number: number, fate: Fate): void {
  const ends = servers.flatMap((server) => server.ends).filter((end) => end.number === number);
  const taken = ends.flatMap((end) => end.taken);
  assertEquals(new Set(taken).size, taken.length, `message ${number}: nobody gets it twice`);
  for (const end of ends) if (end.taken.length > 0) assertEquals(end.content, withCrlf(contentOf(number)));
  if (fate === "sent") assert(taken.length > 0, `message ${number} is lost`);
  else if (fate === "not-sent") assertEquals(taken, [], `message ${number} was sent`);
  else assert(ends.length > 0 || servers.some(({ isGone, isClosed }) => isGone || isClosed), `message ${number}: there is no doubt`);
}
