/** How a pool treats a server that asks for less, and one that cannot be reached. */
import { assertEquals, assertInstanceOf } from "@std/assert";
import {
  type PoolOptions,
  type PoolTraceEvent,
  SmtpAuthError,
  SmtpConnectionError,
  SmtpPool,
  SmtpReplyError,
  SmtpSecurityError,
} from "@posthorn/smtp";
import { rejection } from "../support/client.ts";
import { FakeClock, settled } from "../support/fake_clock.ts";
import { PoolServer, saying } from "../support/pool_server.ts";

/** A pool on `server`, its clock, and every pause that it made. */
function paced(server: PoolServer, options: PoolOptions = {}) {
  const clock = new FakeClock();
  const pauses: number[] = [];
  const events: PoolTraceEvent[] = [];
  const trace = (event: PoolTraceEvent) => {
    events.push(event);
    if (event.type === "slow-down") pauses.push(event.pause);
  };
  return { clock, pauses, events, pool: new SmtpPool(server.options({ clock }), { random: () => 0.999999, trace, ...options }) };
}

for (const reply of ["421 4.3.2 too busy", "454 4.3.0 later", "450 4.7.1 greylisted", "451 4.7.0 too many messages"]) {
  Deno.test(`SmtpPool halves its connections and pauses when the server says ${reply}, and gets them back by what is taken`, async () => {
    let isBusy = true;
    const server = new PoolServer((command) => isBusy && command === "DATA" ? reply : undefined);
    const { pool, clock, pauses } = paced(server, { maxConnections: 4 });
    // Behind a 421 they are sent again; any other refusal is their answer.
    const first = Array.from({ length: 4 }, (_, index) => pool.send(saying(`${index}`)).catch((error) => error));
    await settled();
    assertEquals([pool.stats().connections.limit, pool.stats().isPaused, Math.round(pauses[0] ?? 0)], [2, true, 250]);
    isBusy = false;
    const second = Array.from({ length: 200 }, (_, index) => pool.send(saying(`more ${index}`)));
    await settled();
    assertEquals(server.messages.length, 0);
    await clock.advance(250);
    await Promise.all(second);
    const { connections, isPaused } = pool.stats();
    assertEquals([connections.limit, isPaused, pauses.length], [4, false, 1]);
    await pool.drain();
    const answers = await Promise.all(first);
    assertEquals(answers.filter((answer) => answer instanceof SmtpReplyError).length, reply.startsWith("421") ? 0 : 4);
    assertEquals([clock.pending, server.open], [0, []]);
  });
}

Deno.test("SmtpPool sends with fewer connections behind a pause, counted at the server", async () => {
  let isBusy = true;
  const server = new PoolServer((command) => isBusy && command === "DATA" ? "451 4.7.0 slower" : undefined);
  const { pool, clock } = paced(server, { maxConnections: 4 });
  await Promise.all(Array.from({ length: 4 }, () => rejection(pool.send(saying("1")))));
  isBusy = false;
  const more = Array.from({ length: 10 }, (_, index) => pool.send(saying(`${index}`)));
  await clock.advance(250);
  await Promise.all(more);
  assertEquals([server.open.length, server.dialled], [2, 4]);
  await pool.drain();
});

Deno.test("SmtpPool gets its connections back by time alone, since those that are left may be stuck", async () => {
  let isBusy = true;
  const server = new PoolServer((command, peer) => {
    if (isBusy) return command === "DATA" ? "451 4.7.0 slower" : undefined;
    return peer.id === 1 && peer.commands.filter((line) => line.startsWith("MAIL")).length > 1 ? null : undefined;
  });
  const { pool, clock } = paced(server, { maxConnections: 2 });
  await rejection(pool.send(saying("1")));
  isBusy = false;
  const stuck = rejection(pool.send(saying("stuck")));
  const waiting = pool.send(saying("2"));
  await clock.advance(250);
  assertEquals([pool.stats().connections.limit, pool.stats().queued], [1, 1]);
  await clock.advance(29_750);
  assertEquals(pool.stats().connections.limit, 2);
  const more = pool.send(saying("3"));
  await Promise.all([waiting, more]);
  pool.close();
  await stuck;
  await pool.drain();
});

Deno.test("SmtpPool makes each pause twice as long, up to half a minute, and begins anew when something is taken", async () => {
  const server = new PoolServer((command) => command.startsWith("RCPT") ? "450 4.7.1 later" : undefined);
  const { pool, clock, pauses } = paced(server, { maxConnections: 1 });
  const answers = Array.from({ length: 9 }, () => rejection(pool.send(saying("1"))));
  await settled();
  for (let index = 0; index < 9; index++) await clock.advance(pauses.at(-1) ?? 0);
  await Promise.all(answers);
  assertEquals(pauses.map(Math.round), [250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
  server.answer = () => undefined;
  await pool.send(saying("2"));
  server.answer = (command) => command.startsWith("RCPT") ? "450 4.7.1 later" : undefined;
  await rejection(pool.send(saying("3")));
  assertEquals(Math.round(pauses.at(-1) ?? 0), 250);
  await clock.advance(250);
  await pool.drain();
});

Deno.test("SmtpPool varies its pauses by the random numbers that it is given, down to half", async () => {
  const server = new PoolServer((command) => command.startsWith("RCPT") ? "450 4.7.1 later" : undefined);
  const { pool, pauses } = paced(server, { random: () => 0 });
  await rejection(pool.send(saying("1")));
  assertEquals(pauses, [125]);
  pool.close();
  await pool.drain();
});

Deno.test("SmtpPool slows down when one of several recipients is told to come later", async () => {
  const server = new PoolServer((command) => command.includes("<c@y.test>") ? "450 4.7.1 later" : undefined);
  const { pool, pauses } = paced(server);
  const { rejected } = await pool.send({ ...saying("1"), to: ["b@y.test", "c@y.test"] });
  assertEquals([rejected.length, pauses.length], [1, 1]);
  pool.close();
  await pool.drain();
});

Deno.test("SmtpPool does not slow down for what is the message's own fault", async () => {
  const server = new PoolServer((command) => command.startsWith("RCPT") ? "550 5.7.1 spam" : undefined);
  const { pool, pauses } = paced(server);
  for (let index = 0; index < 3; index++) await rejection(pool.send(saying("1")));
  server.answer = (command) => command.startsWith("RCPT") ? "452 4.2.2 mailbox full" : undefined;
  await rejection(pool.send(saying("2")));
  assertEquals([pauses, server.dialled], [[], 1]);
  await pool.drain();
});

Deno.test("SmtpPool tries again with growing pauses to reach a server that refuses connections, and then tells those who wait", async () => {
  const server = new PoolServer();
  server.greet = () => new Error("ECONNREFUSED");
  const { pool, clock, pauses } = paced(server, { maxConnections: 2 });
  const errors = Array.from({ length: 3 }, () => rejection(pool.send(saying("1"))));
  await settled();
  for (let index = 0; index < 3; index++) await clock.advance(pauses.at(-1) ?? 0);
  for (const error of await Promise.all(errors)) {
    assertInstanceOf(error, SmtpConnectionError);
    assertEquals([error.kind, error.delivery, error.transient], ["connect", "not-sent", true]);
  }
  // Two at once, and then, since none stands, one at a time.
  assertEquals([pauses.map(Math.round), server.dialled], [[250, 500, 1000, 2000], 5]);
  // The next has one try.
  const last = rejection(pool.send(saying("2")));
  await settled();
  assertEquals(server.dialled, 5);
  await clock.advance(2_000);
  assertInstanceOf(await last, SmtpConnectionError);
  await clock.advance(4_000);
  assertEquals([server.dialled, clock.pending], [6, 0]);
  await pool.drain();
});

for (const greeting of ["421 4.3.2 not now", new Error("ECONNREFUSED")]) {
  Deno.test(`SmtpPool sends what waited once the server is back that said ${greeting}`, async () => {
    const server = new PoolServer();
    server.greet = (id) => id < 3 ? greeting : "220 mx";
    const { pool, clock, pauses } = paced(server, { maxConnections: 5 });
    const sending = Promise.all([pool.send(saying("1")), pool.send(saying("2"))]);
    await settled();
    await clock.advance(pauses[0] ?? 0);
    await clock.advance(pauses[1] ?? 0);
    await sending;
    assertEquals([server.messages.length, pool.stats().retried], [2, 0]);
    await pool.drain();
    assertEquals(clock.pending, 0);
  });
}

Deno.test("SmtpPool goes on with the connections that stand when the server refuses one more, without a pause", async () => {
  const server = new PoolServer();
  server.greet = (id) => id > 2 ? "421 4.7.0 too many connections" : "220 mx";
  const { pool, clock, pauses } = paced(server, { maxConnections: 5 });
  await Promise.all(Array.from({ length: 30 }, (_, index) => pool.send(saying(`${index}`))));
  assertEquals([server.messages.length, pauses.length, pool.stats().connections.limit, server.open.length], [30, 1, 3, 2]);
  await pool.drain();
  assertEquals(clock.pending, 0);
});

Deno.test("SmtpPool tells all who wait when the login is refused, and tries it no more for them", async () => {
  const server = new PoolServer((command) => command.startsWith("AUTH") ? "535 5.7.8 no" : undefined);
  server.keywords = ["AUTH PLAIN"];
  const clock = new FakeClock();
  const auth = { username: "alice", password: "s3cret" };
  const pool = new SmtpPool(server.options({ clock, auth, allowCleartextAuth: true }), { maxConnections: 1 });
  const errors = await Promise.all(Array.from({ length: 20 }, () => rejection(pool.send(saying("1")))));
  for (const error of errors) {
    assertInstanceOf(error, SmtpAuthError);
    assertEquals(error.delivery, "not-sent");
  }
  assertEquals([server.dialled, pool.stats().failed], [1, 20]);
  await pool.drain();
  assertEquals(clock.pending, 0);
});

Deno.test("SmtpPool tells all who wait when there is no TLS", async () => {
  const server = new PoolServer();
  const pool = new SmtpPool({ ...server.options(), tls: "starttls" }, { maxConnections: 3 });
  const errors = await Promise.all(Array.from({ length: 6 }, () => rejection(pool.send(saying("1")))));
  for (const error of errors) assertInstanceOf(error, SmtpSecurityError);
  assertEquals(server.dialled, 3);
  await pool.drain();
});

Deno.test("SmtpPool tells all who wait when a dialer of the caller's own finds an option wrong", async () => {
  const dial = () => Promise.reject(new TypeError("Cannot use resolve as it must be an address"));
  const pool = new SmtpPool({ ...new PoolServer().options(), dial });
  assertInstanceOf(await rejection(pool.send(saying("1"))), TypeError);
  await pool.drain();
});

Deno.test("SmtpPool takes connections that come to nothing for refused ones, and does not open them as fast as it can", async () => {
  const server = new PoolServer((command, peer) => {
    if (command.startsWith("MAIL")) peer.end();
    return command.startsWith("MAIL") ? null : undefined;
  });
  const { pool, clock, pauses } = paced(server, { maxConnections: 2 });
  const errors = Array.from({ length: 4 }, () => rejection(pool.send(saying("1"))));
  await settled();
  assertEquals(server.dialled, 2);
  for (let index = 0; index < 7; index++) await clock.advance(pauses.at(-1) ?? 0);
  for (const error of await Promise.all(errors)) assertInstanceOf(error, SmtpConnectionError);
  // Twice for each, two of them at once in the beginning.
  assertEquals([server.dialled, pauses.map(Math.round)], [8, [250, 500, 1000, 2000, 4000, 8000, 16000]]);
  await clock.advance(16_000);
  await pool.drain();
  assertEquals(clock.pending, 0);
});

Deno.test("SmtpPool does not wait for ever with what needs a fresh connection when there is none to be had", async () => {
  const server = new PoolServer((command, peer) =>
    command.startsWith("MAIL") && peer.id === 1 ? "421 4.3.2 bye" : peer.id === 2 && command === "." ? null : undefined
  );
  server.greet = (id) => id > 2 ? new Error("ECONNREFUSED") : "220 mx";
  const { pool, clock, pauses } = paced(server, { maxConnections: 2 });
  const lost = rejection(pool.send(saying("1")));
  const held = rejection(pool.send(saying("2")));
  await settled();
  for (let index = 0; index < 6; index++) await clock.advance(pauses.at(-1) ?? 0);
  assertInstanceOf(await lost, SmtpConnectionError);
  assertEquals([pool.stats().queued, pool.stats().sending], [0, 1]);
  pool.close();
  assertInstanceOf(await held, SmtpConnectionError);
  await pool.drain();
});

Deno.test("SmtpPool opens no more beside one that hangs than a server wants that has asked for less, and keeps what is idle", async () => {
  let isLow = false;
  const server = new PoolServer((command) => isLow && command.startsWith("MAIL") ? "421 4.7.0 fewer please" : undefined);
  const { pool, clock } = paced(server, { maxConnections: 4 });
  await Promise.all(["1", "2", "3", "4"].map((text) => pool.send(saying(text))));
  server.greet = () => null;
  isLow = true;
  const waiting = rejection(pool.send(saying("5")));
  await clock.advance(250);
  isLow = false;
  for (let second = 0; second < 29; second++) {
    await clock.advance(1_000);
    assertEquals(pool.stats().connections.opening <= 1, true, `${pool.stats().connections.opening} are opened after ${second + 1} s`);
  }
  pool.close();
  await waiting;
  await pool.drain();
  assertEquals(clock.pending, 0);
});
