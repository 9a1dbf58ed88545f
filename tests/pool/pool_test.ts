/** What everybody sees of a pool: its bounds, what it shares and when it lets go. */
import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { type Message, type PoolTraceEvent, SmtpPool, type TraceEvent } from "@posthorn/smtp";
import { FakeClock, settled } from "../support/fake_clock.ts";
import { type Peer, PoolServer, saying } from "../support/pool_server.ts";

Deno.test("SmtpPool opens nothing before there is something to send, and then one connection for one message after the other", async () => {
  const server = new PoolServer();
  await using pool = new SmtpPool(server.options());
  await settled();
  assertEquals(server.dialled, 0);
  for (const text of ["1", "2", "3"]) assertEquals((await pool.send(saying(text))).accepted.length, 1);
  assertEquals([server.dialled, server.messages], [1, ["1\r\n", "2\r\n", "3\r\n"]]);
});

Deno.test("SmtpPool never has more connections than it may, counted at the server, nor more messages on one", async () => {
  const server = new PoolServer();
  const pool = new SmtpPool(server.options(), { maxConnections: 3, maxMessages: 4 });
  await Promise.all(Array.from({ length: 50 }, (_, index) => pool.send(saying(`${index}`))));
  await pool.drain();
  assertEquals([server.peak, Math.max(...server.shares), server.messages.length], [3, 4, 50]);
  assertEquals(new Set(server.messages).size, 50);
  assertEquals(server.open, []);
  for (const { commands } of server.peers) assertEquals(commands.at(-1), "QUIT");
});

Deno.test("SmtpPool counts a connection until its QUIT is answered", async () => {
  const server = new PoolServer((command) => command === "QUIT" ? null : undefined);
  const clock = new FakeClock();
  const pool = new SmtpPool(server.options({ clock }), { maxConnections: 1, maxMessages: 1 });
  await pool.send(saying("1"));
  const second = pool.send(saying("2"));
  await settled();
  assertEquals([server.dialled, pool.stats().connections.ending], [1, 1]);
  await clock.advance(5_000);
  await second;
  assertEquals([server.dialled, server.peak], [2, 1]);
  pool.close();
  await pool.drain();
  assertEquals(clock.pending, 0);
});

Deno.test("SmtpPool opens no more connections than messages wait, and uses the one that was used last", async () => {
  const server = new PoolServer();
  await using pool = new SmtpPool(server.options(), { maxConnections: 5 });
  await Promise.all([pool.send(saying("1")), pool.send(saying("2"))]);
  assertEquals(server.dialled, 2);
  for (let index = 0; index < 5; index++) await pool.send(saying("more"));
  assertEquals([...server.shares].sort(), [1, 6]);
});

Deno.test("SmtpPool ends a connection in time for the server's MAILMAX", async () => {
  const server = new PoolServer((command, peer) => {
    const isTooMany = peer.commands.filter((line) => line.startsWith("MAIL")).length > 2;
    return command.startsWith("MAIL") && isTooMany ? "421 too many" : undefined;
  });
  server.keywords = ["PIPELINING", "LIMITS MAILMAX=2"];
  await using pool = new SmtpPool(server.options(), { maxConnections: 1 });
  await Promise.all(["1", "2", "3", "4", "5"].map((text) => pool.send(saying(text))));
  assertEquals([server.shares, pool.stats().retried], [[2, 2, 1], 0]);
});

Deno.test("SmtpPool counts a message with more recipients than RCPTMAX as the transactions it takes", async () => {
  const server = new PoolServer();
  server.keywords = ["PIPELINING", "LIMITS MAILMAX=3 RCPTMAX=2"];
  await using pool = new SmtpPool(server.options(), { maxConnections: 1 });
  const many: Message = { ...saying("many"), to: ["b@y.test", "c@y.test", "d@y.test"] };
  const results = await Promise.all([pool.send(saying("1")), pool.send(many), pool.send(saying("2"))]);
  assertEquals(results.map(({ accepted }) => accepted.length), [1, 3, 1]);
  assertEquals(server.shares, [3, 1]);
});

Deno.test("SmtpPool opens another connection for a message that the rest of MAILMAX is too small for", async () => {
  const server = new PoolServer();
  server.keywords = ["PIPELINING", "LIMITS MAILMAX=2 RCPTMAX=1"];
  await using pool = new SmtpPool(server.options(), { maxConnections: 1 });
  await pool.send(saying("1"));
  const { accepted } = await pool.send({ ...saying("2"), to: ["b@y.test", "c@y.test"] });
  assertEquals([accepted.length, server.shares], [2, [1, 2]]);
});

Deno.test("SmtpPool ends a connection that nobody has needed for as long as idleTimeout says, and leaves no timer", async () => {
  const server = new PoolServer();
  const clock = new FakeClock();
  const pool = new SmtpPool(server.options({ clock }), { maxConnections: 2, idleTimeout: 10_000 });
  await Promise.all([pool.send(saying("1")), pool.send(saying("2"))]);
  await clock.advance(6_000);
  await pool.send(saying("3"));
  await clock.advance(4_000);
  assertEquals([server.open.length, pool.stats().connections.idle], [1, 1]);
  await clock.advance(5_999);
  assertEquals(server.open.length, 1);
  await clock.advance(1);
  assertEquals([server.open.length, pool.stats().connections.total], [0, 0]);
  await clock.advance(5_000);
  assertEquals(clock.pending, 0);
  await pool.send(saying("4"));
  assertEquals(server.dialled, 3);
  await pool.drain();
});

Deno.test("SmtpPool with a window ends an idle connection too", async () => {
  const server = new PoolServer();
  const clock = new FakeClock();
  const pool = new SmtpPool(server.options({ clock }), { window: 4, idleTimeout: 10_000 });
  await clock.advance(100_000);
  for (let round = 0; round < 2; round++) await Promise.all(["1", "2", "3"].map((text) => pool.send(saying(text))));
  await clock.advance(9_999);
  assertEquals(server.open.length, 1);
  await pool.send(saying("4"));
  await clock.advance(9_999);
  assertEquals(server.open.length, 1);
  await clock.advance(1);
  assertEquals(server.open.length, 0);
  await pool.drain();
});

for (const farewell of ["421 4.4.2 idle for too long", undefined]) {
  const how = farewell === undefined ? "without a word" : "with 421";
  Deno.test(`SmtpPool notices an idle connection that the server ends ${how}, and neither retries nor slows down`, async () => {
    const server = new PoolServer();
    const events: PoolTraceEvent[] = [];
    await using pool = new SmtpPool(server.options(), { trace: (event) => events.push(event) });
    await pool.send(saying("1"));
    if (farewell !== undefined) server.peers[0]?.say(farewell);
    server.peers[0]?.end();
    await settled();
    assertEquals(pool.stats().connections.total, 0);
    assertEquals(events.map(({ type }) => type), ["open", "close"]);
    await pool.send(saying("2"));
    const { retried, connections } = pool.stats();
    assertEquals([server.shares, retried, connections.limit], [[1, 1], 0, 5]);
  });
}

Deno.test("SmtpPool notices an idle connection that ends though the server offers a STARTTLS that nobody wants", async () => {
  const server = new PoolServer();
  server.keywords = ["STARTTLS"];
  const stop = new AbortController();
  await using pool = new SmtpPool(server.options());
  const sending = pool.send(saying("1"), { signal: stop.signal });
  stop.abort();
  await assertRejects(() => sending, Error, "aborted");
  await settled();
  assertEquals(pool.stats().connections.idle, 1);
  server.peers[0]?.end();
  await settled();
  assertEquals(pool.stats().connections.total, 0);
});

Deno.test("SmtpPool takes a URL, and options that outrank it", async () => {
  const server = new PoolServer();
  await using pool = new SmtpPool("smtp://mx.example", { connect: { tls: "none", dial: server.dial, name: "other.test" } });
  await pool.send(saying("1"));
  assertEquals(server.peers[0]?.commands[0], "EHLO other.test");
});

Deno.test("SmtpPool refuses wrong options before any I/O", () => {
  const socket = { readable: new ReadableStream(), writable: new WritableStream(), close: () => {} };
  const target = { hostname: "mx.example" };
  for (const name of ["maxConnections", "maxMessages", "maxQueued", "window"] as const) {
    for (const value of [0, -1, 1.5, NaN, Infinity]) assertThrows(() => new SmtpPool(target, { [name]: value }), RangeError, `Cannot use ${name}`);
  }
  assertThrows(() => new SmtpPool(target, { window: 65 }), RangeError, "65");
  assertThrows(() => new SmtpPool(target, { idleTimeout: 0 }), RangeError, "Cannot use idleTimeout");
  assertThrows(() => new SmtpPool(target, { queueTimeout: 2 ** 31 }), RangeError, "Cannot use queueTimeout");
  assertThrows(() => new SmtpPool(target, { rateLimit: { messages: 0 } }), RangeError, "Cannot use rateLimit.messages");
  assertThrows(() => new SmtpPool(target, { rateLimit: JSON.parse('{ "message": 1 }') }), TypeError, "Cannot use rateLimit");
  assertThrows(() => new SmtpPool(target, { trace: JSON.parse('"log"') }), TypeError, "Cannot use trace");
  assertThrows(() => new SmtpPool({ ...target, socket }), TypeError, "Cannot use socket in a pool");
  assertThrows(() => new SmtpPool({}), TypeError, "Cannot use hostname");
  assertThrows(() => new SmtpPool("http://mx.example"), TypeError, "Cannot use url");
});

Deno.test("SmtpPool.send refuses what is no message before it opens a connection, and without harm to the others", async () => {
  const server = new PoolServer();
  await using pool = new SmtpPool(server.options(), { maxConnections: 1 });
  await assertRejects(() => pool.send({ ...saying("1"), to: [] }), TypeError, "Cannot use to");
  await assertRejects(() => pool.send(JSON.parse("null")), TypeError, "Cannot use message");
  assertEquals(server.dialled, 0);
  const bad = { ...saying("bad"), from: "nobody\r\nRSET" };
  const outcomes = await Promise.allSettled([saying("1"), bad, saying("2"), JSON.parse("null"), saying("3")].map((message) => pool.send(message)));
  assertEquals(outcomes.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled", "rejected", "fulfilled"]);
  assertEquals([server.dialled, server.messages.length], [1, 3]);
});

Deno.test("SmtpPool.sendAll gives the outcomes in order, whatever the connections do", async () => {
  let held: Peer | undefined;
  const server = new PoolServer((command, peer) => {
    if (command.includes("<refused@y.test>")) return "550 5.1.1 no";
    if (command !== ".") return undefined;
    if (held === undefined) {
      held = peer;
      return null;
    }
    // The last of the others lets the first go.
    if (server.messages.length === 6) queueMicrotask(() => held?.say("250 at last"));
    return undefined;
  });
  await using pool = new SmtpPool(server.options(), { maxConnections: 3 });
  const messages = Array.from({ length: 9 }, (_, index): Message => ({ ...saying(`${index}`), to: index === 4 ? "refused@y.test" : "b@y.test" }));
  const outcomes = [];
  for await (const outcome of pool.sendAll(messages)) outcomes.push(outcome);
  assertEquals(outcomes.map(({ message }) => message), messages);
  assertEquals(outcomes.map(({ status }) => status), Array.from(messages, (_, index) => index === 4 ? "refused" : "sent"));
});

Deno.test("SmtpPool.sendAll reads its source only a little ahead, and sends nothing more once the loop is left", async () => {
  const server = new PoolServer();
  await using pool = new SmtpPool(server.options(), { maxConnections: 2 });
  let given = 0;
  function* endless(): Generator<Message> {
    for (;;) yield saying(`${given++}`);
  }
  for await (const outcome of pool.sendAll(endless())) {
    assertEquals(outcome.status, "sent");
    if (given > 20) break;
  }
  assert(given < 40, `${given}`);
  await settled();
  const { sent } = pool.stats();
  await settled();
  assertEquals([pool.stats().sent, pool.stats().queued], [sent, 0]);
  assert(server.messages.length <= given);
});

Deno.test("SmtpPool.sendAll makes a failure of a key function the outcome of its message", async () => {
  const server = new PoolServer();
  await using pool = new SmtpPool(server.options());
  const key = ({ body }: Message) => {
    if (String(body).startsWith("2")) throw new Error("no key");
    return "key";
  };
  const outcomes = [];
  for await (const outcome of pool.sendAll(["1", "2", "3"].map(saying), { key })) outcomes.push(outcome);
  assertEquals(outcomes.map(({ status }) => status), ["sent", "failed", "sent"]);
});

Deno.test("SmtpPool tells what it does, and which connection an event is from", async () => {
  const server = new PoolServer((command, peer) => command.startsWith("MAIL") && peer.id === 1 && peer.messages.length > 0 ? "421 bye" : undefined);
  const events: string[] = [];
  const lines: string[] = [];
  const bare: TraceEvent[] = [];
  const clock = new FakeClock();
  const pool = new SmtpPool(server.options({ clock, trace: (event) => bare.push(event) }), {
    trace: (event) => {
      events.push(`${event.type}${"connection" in event ? ` ${event.connection}` : ""}${"reason" in event ? ` ${event.reason}` : ""}`);
      throw new Error("a log that fails");
    },
    connectionTrace: (event, connection) => event.type === "send" && lines.push(`${connection} ${event.line}`),
    random: () => 0,
  });
  await pool.send(saying("1"));
  const second = pool.send(saying("2"));
  await settled();
  await clock.advance(125);
  await second;
  await pool.drain();
  assertEquals(events, ["open 1", "close 1", "slow-down", "retry 1", "open 2", "retire 2 drain", "close 2"]);
  assertEquals(lines.filter((line) => line.includes("MAIL")), ["1 MAIL FROM:<a@x.test>", "1 MAIL FROM:<a@x.test>", "2 MAIL FROM:<a@x.test>"]);
  assertEquals(bare.filter(({ type }) => type === "connect").length, 2);
});

Deno.test("SmtpPool.stats counts what became of every message", async () => {
  const server = new PoolServer((command) =>
    command.includes("<refused@y.test>") ? "550 5.1.1 no" : command === "MAIL FROM:<hold@x.test>" ? null : undefined
  );
  const clock = new FakeClock();
  const pool = new SmtpPool(server.options({ clock }), { maxConnections: 1 });
  await pool.send(saying("1"));
  const refused = await pool.send({ ...saying("2"), to: "refused@y.test" }).catch((error) => error);
  assertInstanceOf(refused, Error);
  await pool.send({ ...saying("3"), to: "no mailbox" }).catch(() => {});
  const held = [pool.send({ ...saying("4"), from: "hold@x.test" }), pool.send(saying("5"))];
  const { connections, ...counts } = pool.stats();
  assertEquals(connections, { total: 1, opening: 0, busy: 1, idle: 0, ending: 0, limit: 1, begun: 1 });
  assertEquals(counts, { queued: 1, sending: 1, sent: 1, refused: 1, failed: 1, retried: 0, window: 1, isPaused: false });
  pool.close();
  assertEquals((await Promise.allSettled(held)).map(({ status }) => status), ["rejected", "rejected"]);
  await pool.drain();
  assertEquals([pool.stats().failed, clock.pending], [3, 0]);
});

Deno.test("SmtpPool with a window gives a connection several messages at once, before it opens another", async () => {
  const server = new PoolServer();
  await using pool = new SmtpPool(server.options(), { maxConnections: 3, window: 4 });
  await Promise.all(Array.from({ length: 8 }, (_, index) => pool.send(saying(`${index}`))));
  assertEquals(server.shares, [8]);
  await Promise.all(Array.from({ length: 200 }, (_, index) => pool.send(saying(`more ${index}`))));
  assertEquals([server.peak, new Set(server.messages).size, server.messages.length], [3, 208, 208]);
});

Deno.test("SmtpPool with a window sends all again that a connection had not begun when it was lost", async () => {
  const server = new PoolServer((command, peer) => {
    if (peer.id > 1 || peer.messages.length < 2 || !command.startsWith("MAIL")) return undefined;
    peer.end();
    return null;
  });
  await using pool = new SmtpPool(server.options(), { maxConnections: 1, window: 4 });
  await Promise.all(Array.from({ length: 8 }, (_, index) => pool.send(saying(`${index}`))));
  assertEquals([server.shares, pool.stats().retried, server.peak], [[2, 6], 6, 1]);
  assertEquals(new Set(server.messages).size, 8);
});

Deno.test("SmtpPool inherits no option", async () => {
  const server = new PoolServer();
  const stopped = AbortSignal.abort();
  Object.defineProperty(Object.prototype, "signal", { value: stopped, configurable: true });
  try {
    const pool = new SmtpPool(server.options());
    const sending = pool.send(saying("1"), { signal: undefined });
    await sending;
    await pool.drain();
  } finally {
    Reflect.deleteProperty(Object.prototype, "signal");
  }
  assertEquals(server.messages.length, 1);
});
