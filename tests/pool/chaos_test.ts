/** Servers that do everything that servers do, in an order that nobody thought of: whatever happens, what must hold holds. */
import { assert, assertEquals } from "@std/assert";
import { type PoolOptions, SmtpError, SmtpPool } from "@posthorn/smtp";
import { FakeClock, settled } from "../support/fake_clock.ts";
import { PoolServer, saying } from "../support/pool_server.ts";

/** Numbers from 0 to 1 that are the same in each run (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A server that now and then refuses, leaves, falls silent or asks for less, at any command. */
function moody(random: () => number, trouble: number): PoolServer {
  const silent = new Set<number>();
  const server = new PoolServer((command, peer) => {
    if (silent.has(peer.id)) return null;
    if (random() > trouble) return undefined;
    const mood = Math.floor(random() * 7);
    if (mood === 0) return "421 4.3.2 bye";
    if (mood === 1) return command === "QUIT" ? undefined : "451 4.7.1 later";
    if (mood === 2) return command === "QUIT" ? undefined : "550 5.7.1 no";
    if (mood === 6) return undefined;
    silent.add(peer.id);
    if (mood === 4) settled().then(() => peer.end());
    else if (mood === 5) peer.end();
    return null;
  });
  server.greet = () => {
    if (random() > trouble * 3) return "220 mx";
    const mood = Math.floor(random() * 4);
    return mood === 0 ? "421 busy" : mood === 1 ? "554 no" : mood === 2 ? null : new Error("ECONNREFUSED");
  };
  if (random() < 0.5) server.keywords = ["PIPELINING", "LIMITS MAILMAX=7"];
  return server;
}

async function storm(seed: number): Promise<void> {
  const random = randomFrom(seed);
  const server = moody(random, random() * 0.1);
  const clock = new FakeClock();
  const some = (most: number) => 1 + Math.floor(random() * most);
  const options: PoolOptions = {
    maxConnections: some(4),
    maxMessages: some(20),
    idleTimeout: some(5_000),
    ...(random() < 0.5 && { queueTimeout: some(20_000) }),
    ...(random() < 0.3 && { rateLimit: { messages: some(50) } }),
    ...(random() < 0.3 && { window: some(8) }),
    random,
  };
  const timeouts = { greeting: 3_000, command: 2_000, mail: 2_000, rcpt: 2_000, data: 2_000, final: 4_000 };
  const pool = new SmtpPool(server.options({ clock, timeouts }), options);
  const fates = new Map<string, string>();
  const waiting: Promise<void>[] = [];
  const stops = Array.from({ length: 3 }, () => new AbortController());
  for (let index = 0; index < 80; index++) {
    const text = `message ${index}`;
    const stop = random() < 0.2 ? stops[Math.floor(random() * 3)] : undefined;
    const sending = pool.send(saying(text), { key: `${some(3)}`, signal: stop?.signal });
    waiting.push(sending.then(
      () => void fates.set(text, "sent"),
      (error) => void fates.set(text, error instanceof SmtpError ? error.delivery : `${error}`),
    ));
    if (random() < 0.3) await settled();
    if (random() < 0.1) await clock.advance(some(1_000));
    if (random() < 0.02) stops[Math.floor(random() * 3)]?.abort();
    if (random() < 0.05) server.open[0]?.end();
    const { connections, queued, sending: underWay } = pool.stats();
    assert(connections.total <= (options.maxConnections ?? 0) && queued + underWay <= 80);
  }
  const isCut = random() < 0.2;
  const ending = pool.drain();
  if (isCut) pool.close();
  // Whatever is silent has a deadline.
  for (let index = 0; index < 500 && fates.size < 80; index++) await clock.advance(1_000);
  await Promise.all(waiting);
  for (let index = 0; index < 20; index++) await clock.advance(1_000);
  await ending;
  const taken = server.messages.map((text) => text.trim());
  // Taken twice is what must never be, taken once is what was told, and what was told to be not sent was taken by nobody.
  assertEquals(taken.length, new Set(taken).size, `seed ${seed}`);
  for (const [text, fate] of fates) {
    if (fate === "sent") assert(taken.includes(text), `seed ${seed}: ${text} is lost`);
    else if (fate === "not-sent") assert(!taken.includes(text), `seed ${seed}: ${text} was sent`);
    else assertEquals(fate, "unknown", `seed ${seed}: ${text}`);
  }
  const { sent, refused, failed, connections } = pool.stats();
  assertEquals(sent + refused + failed, 80);
  assertEquals([connections.total, clock.pending, server.open.length, server.peak <= (options.maxConnections ?? 0)], [0, 0, 0, true], `seed ${seed}`);
}

Deno.test("SmtpPool settles every message, loses and doubles none and keeps its bounds with servers in every mood", async () => {
  for (let seed = 1; seed <= 16; seed++) await storm(seed);
});
