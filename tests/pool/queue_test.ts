/** Messages that wait: whose turn it is, for how long, and how many. */
import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { type Message, SmtpConnectionError, SmtpPool, SmtpStateError } from "@posthorn/smtp";
import { facts, rejection } from "../support/client.ts";
import { FakeClock, settled } from "../support/fake_clock.ts";
import { PoolServer, saying } from "../support/pool_server.ts";

/** A server that answers no MAIL of the first `count` connections. */
function silent(count = Infinity): PoolServer {
  return new PoolServer((_, peer) => peer.id <= count && peer.commands.some((command) => command.startsWith("MAIL")) ? null : undefined);
}

Deno.test("SmtpPool lets keys take turns, so that a thousand messages of one do not hold up one of another", async () => {
  const server = new PoolServer();
  await using pool = new SmtpPool(server.options(), { maxConnections: 1, maxMessages: 2_000 });
  const many = Array.from({ length: 1_000 }, (_, index) => pool.send(saying(`big ${index}`), { key: "big.test" }));
  const few = ["small 0", "small 1"].map((text) => pool.send(saying(text), { key: "small.test" }));
  const without = pool.send(saying("none"));
  await Promise.all([...few, without]);
  await Promise.all(many);
  const order = server.messages.map((text) => text.trim());
  assertEquals(order.slice(0, 7), ["big 0", "small 0", "none", "big 1", "small 1", "big 2", "big 3"]);
  assertEquals(order.filter((text) => text.startsWith("big")), Array.from({ length: 1_000 }, (_, index) => `big ${index}`));
});

Deno.test("SmtpPool.sendAll asks for the key of each message", async () => {
  const server = new PoolServer();
  await using pool = new SmtpPool(server.options(), { maxConnections: 1 });
  const messages = ["a1", "a2", "a3", "b1"].map(saying);
  for await (const outcome of pool.sendAll(messages, { key: ({ body }) => String(body)[0] })) assertEquals(outcome.status, "sent");
  assertEquals(server.messages.map((text) => text.trim()), ["a1", "b1", "a2", "a3"]);
});

Deno.test("SmtpPool.send rejects when as many wait as may, and sendAll waits for room", async () => {
  const server = silent();
  const clock = new FakeClock();
  const pool = new SmtpPool(server.options({ clock }), { maxConnections: 1, maxQueued: 3 });
  const first = pool.send(saying("0"));
  await settled();
  const taken = [first, ...["1", "2", "3"].map((text) => pool.send(saying(text)))];
  const error = await rejection(pool.send(saying("4")));
  assertInstanceOf(error, SmtpStateError);
  assertEquals(facts(error), { name: "SmtpStateError", kind: "state", phase: "local", delivery: "not-sent", transient: true });
  assertEquals([pool.stats().queued, pool.stats().sending], [3, 1]);
  let read = 0;
  function* source(): Generator<Message> {
    for (; read < 100; read++) yield saying(`all ${read}`);
  }
  const outcomes = pool.sendAll(source());
  const next = outcomes.next();
  await settled();
  assertEquals(read < 10, true);
  pool.close();
  assertEquals((await next).value?.status, "failed");
  await outcomes.return();
  await Promise.allSettled(taken);
  await pool.drain();
  assertEquals(clock.pending, 0);
});

Deno.test("SmtpPool takes a message out of the queue at once when its signal fires, and harms no other", async () => {
  const server = silent(1);
  const clock = new FakeClock();
  const pool = new SmtpPool(server.options({ clock, timeouts: { mail: 1_000 } }), { maxConnections: 1 });
  const stop = new AbortController();
  const sending = pool.send(saying("0"));
  await settled();
  const { signal } = stop;
  const gone = [1, 2, 3].map((index) => rejection(pool.send(saying(`gone ${index}`), { signal, key: `${index % 2}` })));
  const kept = pool.send(saying("kept"), { key: "1" });
  stop.abort(new Error("enough"));
  for (const error of await Promise.all(gone)) {
    assertInstanceOf(error, SmtpConnectionError);
    assertEquals([error.kind, error.delivery, error.cause], ["aborted", "not-sent", signal.reason]);
  }
  assertEquals([pool.stats().queued, server.open.length], [1, 1]);
  assertInstanceOf(await rejection(pool.send(saying("too late"), { signal })), SmtpConnectionError);
  await clock.advance(1_000);
  await clock.advance(250);
  await Promise.all([sending, kept]);
  assertEquals(server.messages, ["0\r\n", "kept\r\n"]);
  await pool.drain();
});

Deno.test("SmtpPool lets go of a signal when a message is done with it", async () => {
  const server = new PoolServer();
  await using pool = new SmtpPool(server.options(), { maxConnections: 1 });
  const { signal } = new AbortController();
  let listeners = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (type: string, listener: EventListener) => {
    listeners++;
    addEventListener.call(signal, type, listener);
  };
  signal.removeEventListener = (type: string, listener: EventListener) => {
    listeners--;
    removeEventListener.call(signal, type, listener);
  };
  await Promise.all(Array.from({ length: 20 }, (_, index) => pool.send(saying(`${index}`), { signal })));
  assertEquals(listeners, 0);
});

Deno.test("SmtpPool rejects what has waited for longer than queueTimeout, with one timer for all", async () => {
  const server = silent();
  const clock = new FakeClock();
  const pool = new SmtpPool(server.options({ clock }), { maxConnections: 1, queueTimeout: 1_000 });
  const stuck = rejection(pool.send(saying("0")));
  await settled();
  const before = clock.pending;
  const first = [1, 2, 3].map((index) => rejection(pool.send(saying(`${index}`), { key: `${index}` })));
  await clock.advance(600);
  const second = rejection(pool.send(saying("4")));
  assertEquals(clock.pending, before);
  await clock.advance(400);
  for (const error of await Promise.all(first)) {
    assertEquals(facts(error), { name: "SmtpConnectionError", kind: "timeout", phase: "local", delivery: "not-sent", transient: true });
  }
  assertEquals(pool.stats().queued, 1);
  await clock.advance(600);
  assertInstanceOf(await second, SmtpConnectionError);
  assertEquals([pool.stats().queued, pool.stats().sending], [0, 1]);
  pool.close();
  await stuck;
  await pool.drain();
  assertEquals(clock.pending, 0);
});

Deno.test("SmtpPool is not starved by a connection that is stuck: the others go on, and its place is free when its time is up", async () => {
  const server = silent(1);
  const clock = new FakeClock();
  const pool = new SmtpPool(server.options({ clock, timeouts: { mail: 60_000 } }), { maxConnections: 2 });
  const stuck = pool.send(saying("stuck"));
  await settled();
  await Promise.all(Array.from({ length: 20 }, (_, index) => pool.send(saying(`${index}`))));
  assertEquals([server.messages.length, server.peak], [20, 2]);
  await clock.advance(60_000);
  await clock.advance(250);
  await stuck;
  assertEquals([server.messages.length, server.peak], [21, 2]);
  await pool.drain();
  assertEquals(clock.pending, 0);
});

Deno.test("SmtpPool goes on after its only connection was stuck, and after one that was stuck while it was opened", async () => {
  const server = silent(1);
  server.greet = (id) => id === 2 ? null : "220 mx";
  const clock = new FakeClock();
  const timeouts = { mail: 1_000, greeting: 2_000 };
  const pool = new SmtpPool(server.options({ clock, timeouts }), { maxConnections: 1, random: () => 0 });
  const sending = Promise.all(["1", "2", "3"].map((text) => pool.send(saying(text))));
  await settled();
  await clock.advance(1_000);
  await clock.advance(125);
  await clock.advance(2_000);
  await clock.advance(250);
  await sending;
  assertEquals([server.shares, pool.stats().retried, server.peak], [[0, 0, 3], 1, 1]);
  await pool.drain();
  assertEquals(clock.pending, 0);
});

Deno.test("SmtpPool opens another connection for a message that waits when one takes long to be opened, within its bound", async () => {
  const server = new PoolServer();
  server.greet = (id) => id <= 2 ? null : "220 mx";
  const clock = new FakeClock();
  const pool = new SmtpPool(server.options({ clock }), { maxConnections: 3, random: () => 0 });
  const sending = pool.send(saying("1"));
  await settled();
  await clock.advance(4_999);
  assertEquals(server.dialled, 1);
  await clock.advance(1);
  assertEquals(server.dialled, 2);
  await clock.advance(5_000);
  await sending;
  assertEquals([server.dialled, server.messages.length, pool.stats().connections.opening], [3, 1, 2]);
  const more = Promise.all(["2", "3", "4"].map((text) => pool.send(saying(text))));
  await clock.advance(60_000);
  await more;
  assertEquals([server.dialled, server.messages.length], [3, 4]);
  await pool.drain();
  assertEquals([server.open, clock.pending], [[], 0]);
});

Deno.test("SmtpPool.send refuses a signal that is none, without harm to the others", async () => {
  for (const signal of [5, { aborted: false }, {}]) {
    const server = new PoolServer();
    const pool = new SmtpPool(server.options(), { maxConnections: 1 });
    await pool.send(saying("1"));
    const refused = assertRejects(() => pool.send(saying("2"), { signal: signal as AbortSignal }), TypeError, "signal");
    await Promise.all([refused, pool.send(saying("3")), pool.send(saying("4"))]);
    await pool.drain();
    assertEquals([server.messages, server.dialled], [["1\r\n", "3\r\n", "4\r\n"], 1]);
  }
});
