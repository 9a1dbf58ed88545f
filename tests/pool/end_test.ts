/** How a pool ends, in every state in which it may be: with nothing lost, nothing left and nobody kept waiting. */
import { assertEquals, assertInstanceOf } from "@std/assert";
import { SmtpConnectionError, SmtpPool, SmtpStateError } from "@posthorn/smtp";
import { rejection } from "../support/client.ts";
import { FakeClock, settled } from "../support/fake_clock.ts";
import { PoolServer, saying } from "../support/pool_server.ts";

/** What every test ends with: nobody waits, no timer runs, and no connection is open. */
async function checkEnd(pool: SmtpPool, server: PoolServer, clock: FakeClock): Promise<void> {
  await settled();
  const { connections, queued, sending } = pool.stats();
  assertEquals([connections.total, queued, sending, clock.pending, server.open], [0, 0, 0, 0, []]);
  assertInstanceOf(await rejection(pool.send(saying("late"))), SmtpStateError);
}

Deno.test("SmtpPool.drain refuses what is new, waits for what waits, and says QUIT", async () => {
  const server = new PoolServer();
  const clock = new FakeClock();
  const pool = new SmtpPool(server.options({ clock }), { maxConnections: 2 });
  const sending = Array.from({ length: 9 }, (_, index) => pool.send(saying(`${index}`)));
  const draining = pool.drain();
  const error = await rejection(pool.send(saying("new")));
  assertInstanceOf(error, SmtpStateError);
  await Promise.all([draining, pool.drain()]);
  assertEquals((await Promise.allSettled(sending)).filter(({ status }) => status === "fulfilled").length, 9);
  for (const { commands } of server.peers) assertEquals(commands.at(-1), "QUIT");
  await checkEnd(pool, server, clock);
});

Deno.test("SmtpPool.drain waits for what is sent again", async () => {
  const server = new PoolServer((command, peer) => command.startsWith("MAIL") && peer.id === 1 ? "421 bye" : undefined);
  const clock = new FakeClock();
  const pool = new SmtpPool(server.options({ clock }), { maxConnections: 1 });
  const sending = pool.send(saying("1"));
  const draining = pool.drain();
  await settled();
  await clock.advance(250);
  assertEquals((await sending).accepted.length, 1);
  await draining;
  await checkEnd(pool, server, clock);
});

Deno.test("SmtpPool.drain tells those who wait when the server cannot be reached any more", async () => {
  const server = new PoolServer((command) => command.startsWith("MAIL") ? "421 bye" : undefined);
  server.greet = (id) => id > 1 ? new Error("ECONNREFUSED") : "220 mx";
  const clock = new FakeClock();
  const pool = new SmtpPool(server.options({ clock }), { maxConnections: 1 });
  const errors = ["1", "2"].map((text) => rejection(pool.send(saying(text))));
  const draining = pool.drain();
  await settled();
  await clock.advance(60_000);
  for (const error of await Promise.all(errors)) assertInstanceOf(error, SmtpConnectionError);
  await draining;
  await checkEnd(pool, server, clock);
});

Deno.test("SmtpPool.drain gives up a connection that is being opened and that nobody needs any more", async () => {
  const server = new PoolServer();
  server.greet = (id) => id === 2 ? null : "220 mx";
  const clock = new FakeClock();
  const pool = new SmtpPool(server.options({ clock }), { maxConnections: 2 });
  await Promise.all([pool.send(saying("1")), pool.send(saying("2"))]);
  assertEquals([pool.stats().connections.opening, server.shares], [1, [2, 0]]);
  await pool.drain();
  await checkEnd(pool, server, clock);
});

Deno.test("SmtpPool.drain ends though nothing was ever sent, and `await using` is the same", async () => {
  const server = new PoolServer();
  const clock = new FakeClock();
  const pool = new SmtpPool(server.options({ clock }));
  await pool.drain();
  await pool.drain();
  await checkEnd(pool, server, clock);
  let sending: Promise<unknown> | undefined;
  {
    await using pool = new SmtpPool(server.options({ clock }));
    sending = pool.send(saying("1"));
  }
  await sending;
  assertEquals([server.messages, server.open, clock.pending], [["1\r\n"], [], 0]);
});

Deno.test("SmtpPool.drain makes an outcome of each message that sendAll reads afterwards", async () => {
  const server = new PoolServer();
  const pool = new SmtpPool(server.options(), { maxConnections: 1 });
  const statuses: string[] = [];
  let draining: Promise<void> | undefined;
  for await (const { status, delivery } of asTold(pool.sendAll(Array.from({ length: 10 }, (_, index) => saying(`${index}`))))) {
    statuses.push(`${status} ${delivery}`);
    draining ??= pool.drain();
  }
  await draining;
  assertEquals(statuses.length, 10);
  assertEquals(statuses.filter((status) => status.startsWith("sent")).length, server.messages.length);
  assertEquals(statuses.at(-1), "failed not-sent");
});

async function* asTold(outcomes: ReturnType<SmtpPool["sendAll"]>): AsyncGenerator<{ status: string; delivery: string }> {
  for await (const outcome of outcomes) yield { status: outcome.status, delivery: outcome.status === "sent" ? "sent" : outcome.delivery };
}

/** Moments of a connection's life, by what the server says nothing to. */
const MOMENTS: [moment: string, answer: (command: string) => string | null | undefined, delivery: string][] = [
  ["its greeting", () => undefined, "not-sent"],
  ["EHLO", (command) => command.startsWith("EHLO") ? null : undefined, "not-sent"],
  ["MAIL", (command) => /^(MAIL|RCPT|DATA)/.test(command) ? null : undefined, "not-sent"],
  ["the dot", (command) => command === "." ? null : undefined, "unknown"],
];

for (const [moment, answer, delivery] of MOMENTS) {
  for (const way of ["close", "abort", "close while it is drained", "the signal of the connections"]) {
    Deno.test(`SmtpPool settles everything at once on ${way} while the server is silent at ${moment}`, async () => {
      const server = new PoolServer(answer);
      if (moment === "its greeting") server.greet = () => null;
      const clock = new FakeClock();
      const stop = new AbortController();
      const { signal } = stop;
      const isOfConnections = way.startsWith("the signal");
      const pool = new SmtpPool(server.options({ clock, ...(isOfConnections && { signal }) }), { maxConnections: 2 });
      const sending = ["1", "2", "3"].map((text) => rejection(pool.send(saying(text), isOfConnections ? {} : { signal })));
      await settled();
      let draining: Promise<void> | undefined;
      if (way === "close while it is drained") draining = pool.drain();
      if (way === "abort" || isOfConnections) stop.abort(new Error("enough"));
      // Once a connection stands, that signal is not about it any more.
      if (way.startsWith("close") || (isOfConnections && /MAIL|dot/.test(moment))) pool.close();
      const deliveries = (await Promise.all(sending)).map((error) => {
        assertInstanceOf(error, SmtpConnectionError);
        return error.delivery;
      });
      assertEquals(deliveries, [delivery, delivery, "not-sent"]);
      await settled();
      pool.close();
      await draining;
      await pool.drain();
      await checkEnd(pool, server, clock);
    });
  }
}

Deno.test("SmtpPool.close ends idle connections, and QUITs that are not answered", async () => {
  const server = new PoolServer((command) => command === "QUIT" ? null : undefined);
  const clock = new FakeClock();
  const pool = new SmtpPool(server.options({ clock }), { maxConnections: 2, maxMessages: 1 });
  await pool.send(saying("1"));
  const second = pool.send(saying("2"));
  await second;
  const draining = pool.drain();
  assertEquals(server.open.length, 2);
  pool.close();
  await draining;
  await checkEnd(pool, server, clock);
});

Deno.test("SmtpPool.close called from its own trace leaves nothing behind", async () => {
  for (const type of ["open", "retire", "close", "retry", "slow-down", "open-failed"]) {
    const server = new PoolServer((command, peer) => command.startsWith("MAIL") && peer.id === 1 ? "421 bye" : undefined);
    server.greet = (id) => id === 2 ? "421 busy" : "220 mx";
    const clock = new FakeClock();
    const pool = new SmtpPool(server.options({ clock }), {
      maxConnections: 1,
      maxMessages: 1,
      trace: (event) => event.type === type && pool.close(),
    });
    const sending = Promise.allSettled(["1", "2", "3"].map((text) => pool.send(saying(text))));
    await settled();
    for (let index = 0; index < 10; index++) await clock.advance(500);
    await sending;
    await pool.drain();
    await checkEnd(pool, server, clock);
  }
});

Deno.test("SmtpPool.close while a dialer is at work closes the socket that it brings too late", async () => {
  const server = new PoolServer();
  const clock = new FakeClock();
  let bring = () => {};
  const dial: typeof server.dial = (options) => new Promise((resolve) => bring = () => resolve(server.dial(options)));
  const pool = new SmtpPool({ ...server.options({ clock }), dial });
  const sending = rejection(pool.send(saying("1")));
  await settled();
  pool.close();
  assertInstanceOf(await sending, SmtpConnectionError);
  bring();
  await pool.drain();
  await checkEnd(pool, server, clock);
});

Deno.test("SmtpPool.close called from a dialer opens nothing more", async () => {
  const server = new PoolServer((command, peer) => command.startsWith("MAIL") && peer.id <= 8 ? "421 bye" : undefined);
  const clock = new FakeClock();
  const dial: typeof server.dial = (options) => {
    if (server.dialled >= 8) pool.close();
    return server.dial(options);
  };
  const pool = new SmtpPool({ ...server.options({ clock }), dial }, { maxConnections: 8 });
  const sending = Array.from({ length: 8 }, () => rejection(pool.send(saying("1"))));
  await settled();
  // All are to be sent again, for which four connections would be opened at once.
  assertEquals([pool.stats().queued, pool.stats().connections.limit], [8, 4]);
  await clock.advance(250);
  for (const error of await Promise.all(sending)) assertInstanceOf(error, SmtpConnectionError);
  await pool.drain();
  assertEquals(server.dialled, 9);
  await checkEnd(pool, server, clock);
});

Deno.test("SmtpPool.close called from its trace while idle connections are ended tells each end once", async () => {
  const server = new PoolServer();
  const clock = new FakeClock();
  const closed: number[] = [];
  const pool = new SmtpPool(server.options({ clock }), {
    maxConnections: 3,
    idleTimeout: 1_000,
    trace: (event) => {
      if (event.type === "close") closed.push(event.connection);
      if (event.type === "retire") pool.close();
    },
  });
  await Promise.all([1, 2, 3].map((index) => pool.send(saying(`${index}`))));
  await clock.advance(1_000);
  await pool.drain();
  assertEquals(closed.sort(), [1, 2, 3]);
  await checkEnd(pool, server, clock);
});
