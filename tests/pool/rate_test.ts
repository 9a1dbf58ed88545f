/** A rate limit holds from the first message on, and costs one timer. */
import { assertEquals } from "@std/assert";
import { type Message, type RateLimit, SmtpPool } from "@posthorn/smtp";
import { FakeClock, settled } from "../support/fake_clock.ts";
import { PoolServer, saying } from "../support/pool_server.ts";

/** When the server took each of `messages`, in milliseconds, under `rateLimit`. */
async function times(rateLimit: RateLimit, messages: readonly Message[], maxConnections = 5): Promise<number[]> {
  const clock = new FakeClock();
  const taken: number[] = [];
  const server = new PoolServer((command) => {
    if (command === ".") taken.push(clock.now());
    return undefined;
  });
  const pool = new SmtpPool(server.options({ clock }), { rateLimit, maxConnections });
  const sending = Promise.all(messages.map((message) => pool.send(message)));
  await settled();
  for (let index = 0; index < 400 && taken.length < messages.length; index++) await clock.advance(25);
  await sending;
  await pool.drain();
  assertEquals(clock.pending, 0);
  return taken;
}

const three = ["1", "2", "3"].map(saying);

Deno.test("SmtpPool keeps to messages a second from the first one on", async () => {
  assertEquals(await times({ messages: 10 }, Array.from({ length: 6 }, () => saying("1"))), [0, 100, 200, 300, 400, 500]);
  assertEquals(await times({ messages: 0.5 }, three), [0, 2000, 4000]);
});

Deno.test("SmtpPool keeps to recipients a second", async () => {
  const messages = three.map((message, index) => ({ ...message, to: Array.from({ length: index + 1 }, () => "b@y.test") }));
  // The first costs one, the second two, and what it costs beyond is waited for.
  assertEquals(await times({ recipients: 10 }, [...messages, saying("4")]), [0, 100, 300, 600]);
});

Deno.test("SmtpPool keeps to octets a second, for content in memory and for streams, which are counted as they flow", async () => {
  const octets = new TextEncoder().encode("x".repeat(998) + "\r\n");
  const bodies = [octets, new Blob([octets]), new TextDecoder().decode(octets), new Blob([octets]).stream(), () => new Blob([octets]).stream()];
  for (const body of bodies) {
    const messages = Array.from({ length: 2 }, (_, index) => ({ ...saying(""), body: index === 0 ? body : "end\r\n" }));
    assertEquals(await times({ octets: 1000 }, messages, 1), [0, 1000]);
  }
});

Deno.test("SmtpPool keeps to the strictest of several limits", async () => {
  assertEquals(await times({ messages: 100, recipients: 2, octets: 1_000_000 }, three), [0, 500, 1000]);
});

Deno.test("SmtpPool lets what was saved up leave at once, as far as burst allows", async () => {
  const clock = new FakeClock();
  const server = new PoolServer();
  const pool = new SmtpPool(server.options({ clock }), { rateLimit: { messages: 10, burst: 0.3 } });
  await clock.advance(60_000);
  const sending = Promise.all(Array.from({ length: 5 }, (_, index) => pool.send(saying(`${index}`))));
  await settled();
  assertEquals(server.messages.length, 3);
  await clock.advance(100);
  assertEquals(server.messages.length, 4);
  await clock.advance(100);
  await sending;
  await pool.drain();
});

Deno.test("SmtpPool waits with one timer for a rate, and opens no more connections than it has use for", async () => {
  const clock = new FakeClock();
  const server = new PoolServer();
  const pool = new SmtpPool(server.options({ clock }), { rateLimit: { messages: 1 }, maxConnections: 5 });
  const sending = Promise.allSettled(Array.from({ length: 50 }, (_, index) => pool.send(saying(`${index}`))));
  await settled();
  // That of the rate, that of the connection's deadlines, and that of the idle connection.
  assertEquals([clock.pending, server.dialled, server.messages.length], [3, 1, 1]);
  await clock.advance(2_000);
  assertEquals([server.dialled, server.messages.length], [1, 3]);
  pool.close();
  await sending;
  await pool.drain();
  assertEquals(clock.pending, 0);
});

Deno.test("SmtpPool waits no longer at once than a timer can", async () => {
  const clock = new FakeClock();
  const waits: number[] = [];
  const schedule = (callback: () => void, milliseconds: number) => {
    waits.push(milliseconds);
    return clock.schedule(callback, milliseconds);
  };
  const server = new PoolServer();
  const pool = new SmtpPool(server.options({ clock: { now: () => clock.now(), schedule } }), { rateLimit: { messages: 1e-9 } });
  const sending = Promise.allSettled([1, 2].map((index) => pool.send(saying(`${index}`))));
  await settled();
  assertEquals([Math.max(...waits), server.messages.length], [2 ** 31 - 1, 1]);
  pool.close();
  await sending;
  await pool.drain();
});
