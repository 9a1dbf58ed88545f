/** What is sent again and what never is: only what is surely not sent, once, on a connection that is newer than the loss. */
import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { type Message, type MessageBody, SmtpConnectionError, SmtpPool, SmtpReplyError } from "@posthorn/smtp";
import { BYE, facts, HELLO, reaching, rejection } from "../support/client.ts";
import { FakeClock, settled } from "../support/fake_clock.ts";
import { type Answer, PoolServer, saying } from "../support/pool_server.ts";
import { type Delivery, ScriptedServer } from "../support/script.ts";

const MESSAGE = { from: "a@x.test", to: "b@y.test", body: "hello" };
const GIVEN = `
  C: MAIL FROM:<a@x.test>
  C: RCPT TO:<b@y.test>
  C: DATA
`;
const TAKEN = `
  S: 250 ok
  S: 250 ok
  S: 354 go
  C: hello
  C: .
`;

/** Registers a test of `run` with a pool for one connection after the other, each of which is one of `scripts`. */
function conversations(name: string, scripts: readonly string[], run: (pool: SmtpPool, clock: FakeClock) => Promise<void>): void {
  for (const delivery of ["whole", "line", "byte"] satisfies Delivery[]) {
    Deno.test(`${name} (replies ${delivery === "whole" ? "whole" : `by ${delivery}`})`, async () => {
      const servers = scripts.map((script) => new ScriptedServer(script, delivery));
      const clock = new FakeClock();
      let dialled = 0;
      const dial = () => servers[dialled++]?.dial() ?? Promise.reject(new Error("dialled once more than the script has"));
      const [first = new ScriptedServer("")] = servers;
      const pool = new SmtpPool({ ...reaching(first, { clock }), dial }, { maxConnections: 1, random: () => 0 });
      await run(pool, clock);
      await pool.drain();
      await settled();
      servers.forEach((server) => server.check());
      assertEquals([dialled, clock.pending], [servers.length, 0]);
    });
  }
}

/** What becomes of a message, and of time in which pauses pass. */
async function outcomeOf(clock: FakeClock, sending: Promise<unknown>): Promise<unknown> {
  const outcome = sending.catch((error) => error);
  for (let index = 0; index < 20; index++) await clock.advance(50);
  return await outcome;
}

for (const [what, last] of [["421", "S: 421 4.3.2 bye"], ["an end", "S: {close}"], ["a reset", "S: {reset}"]] as const) {
  conversations(
    `SmtpPool sends a message again on a fresh connection when a reused one answers MAIL with ${what}`,
    [`${HELLO}${GIVEN}${TAKEN}S: 250 ok\n${GIVEN}${last}`, `${HELLO}${GIVEN}${TAKEN}S: 250 queued as AGAIN\n${BYE}`],
    async (pool, clock) => {
      await pool.send(MESSAGE);
      assertEquals(facts(Object.assign(new Error(), await outcomeOf(clock, pool.send(MESSAGE)))), { name: "Error" });
      assertEquals([pool.stats().sent, pool.stats().retried], [2, 1]);
    },
  );
}

conversations(
  "SmtpPool sends nothing again when the connection is lost behind the dot",
  [`${HELLO}${GIVEN}${TAKEN}S: {close}`],
  async (pool) => {
    assertEquals(facts(await rejection(pool.send(MESSAGE))), {
      name: "SmtpConnectionError",
      kind: "disconnected",
      phase: "data",
      delivery: "unknown",
      transient: true,
    });
    assertEquals(pool.stats().retried, 0);
  },
);

conversations(
  "SmtpPool takes a 421 behind the dot for the answer to the message",
  [`${HELLO}${GIVEN}${TAKEN}S: 421 4.3.2 bye\nS: {close}`],
  async (pool) => {
    const error = await rejection(pool.send(MESSAGE));
    assertInstanceOf(error, SmtpReplyError);
    assertEquals([error.code, error.delivery, pool.stats().retried], [421, "not-sent", 0]);
  },
);

conversations(
  "SmtpPool sends a message again once, and then tells the second error",
  [`${HELLO}${GIVEN}S: 421 first`, `${HELLO}${GIVEN}S: 421 second`],
  async (pool, clock) => {
    const error = await outcomeOf(clock, pool.send(MESSAGE));
    assertInstanceOf(error, SmtpReplyError);
    assertEquals([error.reply?.text, pool.stats().retried], ["second", 1]);
  },
);

/** The second message of the first connection is lost with it. */
const lostOnce: Answer = (command, peer) => {
  if (peer.id > 1 || peer.messages.length === 0 || !command.startsWith("MAIL")) return undefined;
  peer.end();
  return null;
};

Deno.test("SmtpPool sends nothing again that was refused, whatever the code", async () => {
  for (const refusal of ["550 5.1.1 no", "451 4.3.0 later", "552 5.3.4 too big"]) {
    const server = new PoolServer((command) => command.startsWith("RCPT") ? refusal : undefined);
    await using pool = new SmtpPool(server.options());
    await assertRejects(() => pool.send(saying("1")), SmtpReplyError, refusal);
    assertEquals([server.dialled, pool.stats().retried], [1, 0]);
  }
});

function streamOf(text: string): ReadableStream<Uint8Array> {
  return new Blob([text]).stream();
}

for (
  const [what, body] of [
    ["text", () => "hello\r\n"],
    ["octets", () => new TextEncoder().encode("hello\r\n")],
    ["a Blob", () => new Blob(["hello\r\n"])],
    ["a function that opens a stream", () => () => streamOf("hello\r\n")],
    ["a stream that nobody has begun to read", () => streamOf("hello\r\n")],
  ] satisfies [string, () => MessageBody][]
) {
  Deno.test(`SmtpPool sends ${what} again`, async () => {
    const server = new PoolServer(lostOnce);
    await using pool = new SmtpPool(server.options());
    await pool.send(saying("first"));
    await pool.send({ ...saying(""), body: body() });
    assertEquals([server.messages, pool.stats().retried], [["first\r\n", "hello\r\n"], 1]);
  });
}

for (const [what, isSentAgain] of [["a stream", false], ["a function that opens a stream", true]] as const) {
  Deno.test(`SmtpPool ${isSentAgain ? "sends" : "does not send"} ${what} again that was lost in its middle`, async () => {
    const server = new PoolServer((command, peer) => {
      if (command === "DATA" && peer.id === 1 && peer.messages.length > 0) settled().then(() => peer.end());
      return undefined;
    });
    let opened = 0;
    // It goes on when the server has gone.
    const open = () => {
      const isFirst = opened++ === 0;
      return new ReadableStream<Uint8Array>({
        async pull(controller): Promise<void> {
          while (isFirst && server.peers[0]?.isOpen) await settled();
          controller.enqueue(new TextEncoder().encode("hello\r\n"));
          controller.close();
        },
      }, { highWaterMark: 0 });
    };
    await using pool = new SmtpPool(server.options());
    await pool.send(saying("first"));
    const sending = pool.send({ ...saying(""), body: isSentAgain ? open : open() });
    if (isSentAgain) assertEquals((await sending).accepted.length, 1);
    else assertEquals(facts(await rejection(sending)).delivery, "not-sent");
    assertEquals(pool.stats().retried, isSentAgain ? 1 : 0);
  });
}

Deno.test("SmtpPool does not send again what was aborted under way", async () => {
  const stop = new AbortController();
  const server = new PoolServer((command) => {
    if (!command.startsWith("MAIL")) return undefined;
    stop.abort(new Error("enough"));
    return null;
  });
  await using pool = new SmtpPool(server.options());
  const error = await assertRejects(() => pool.send(saying("1"), { signal: stop.signal }), SmtpConnectionError);
  assertEquals([error.kind, error.cause, server.dialled], ["aborted", stop.signal.reason, 1]);
});

Deno.test("SmtpPool sends again on a connection that is newer than the loss, not on one that may be lost as well", async () => {
  // The server starts anew: it knows nothing of the connections of before, and they do not know it yet.
  const server = new PoolServer((command, peer) => {
    if (peer.id > 2 || peer.messages.length === 0 || command === "QUIT") return undefined;
    peer.end();
    return null;
  });
  await using pool = new SmtpPool(server.options(), { maxConnections: 2 });
  await Promise.all([pool.send(saying("1")), pool.send(saying("2"))]);
  await pool.send(saying("3"));
  assertEquals([server.dialled, server.peak, pool.stats().retried], [3, 2, 1]);
  assertEquals([...server.messages].sort(), ["1\r\n", "2\r\n", "3\r\n"]);
});

Deno.test("SmtpPool ends an idle connection where there is no room for the fresh one that a message needs", async () => {
  let isTight = false;
  const server = new PoolServer((command, peer) => {
    if (!command.startsWith("MAIL") || !isTight || peer.id > 3) return undefined;
    return "421 4.3.2 bye";
  });
  const clock = new FakeClock();
  const pool = new SmtpPool(server.options({ clock }), { maxConnections: 3, random: () => 0 });
  await Promise.all(["1", "2", "3"].map((text) => pool.send(saying(text))));
  isTight = true;
  // The server says 421, so there are fewer connections than those that stand idle.
  const sending = pool.send(saying("4"));
  await settled();
  await clock.advance(125);
  await sending;
  assertEquals([server.peers[3]?.messages, server.peak], [["4\r\n"], 3]);
  await pool.drain();
});

Deno.test("SmtpPool loses and doubles nothing when the server ends every connection in the middle", async () => {
  const server = new PoolServer((command, peer) => {
    if (!command.startsWith("RCPT") || peer.id > 4 || peer.messages.length < 5) return undefined;
    peer.end();
    return null;
  });
  await using pool = new SmtpPool(server.options(), { maxConnections: 4 });
  const messages = Array.from({ length: 60 }, (_, index): Message => saying(`${index}`));
  await Promise.all(messages.map((message) => pool.send(message)));
  assertEquals(server.messages.length, 60);
  assertEquals(new Set(server.messages).size, 60);
  assertEquals([pool.stats().retried, server.peak], [4, 4]);
});

Deno.test("SmtpPool sends again, on a fresh connection, what a server that has fallen silent left unsent", async () => {
  const clock = new FakeClock();
  const server = new PoolServer((_, peer) => peer.id === 1 && peer.commands.some((command) => command.startsWith("MAIL")) ? null : undefined);
  const pool = new SmtpPool(server.options({ clock, timeouts: { mail: 1_000 } }), { maxConnections: 1 });
  const sending = pool.send(saying("1"));
  await settled();
  await clock.advance(1_000);
  await clock.advance(250);
  assertEquals((await sending).accepted.length, 1);
  assertEquals([server.dialled, pool.stats().retried], [2, 1]);
  await pool.drain();
  assertEquals(clock.pending, 0);
});

Deno.test("SmtpPool with a window gives a connection one message at a time where nothing can ride, so that no more are lost with it", async () => {
  const server = new PoolServer((command, peer) => {
    if (peer.messages.length === 0 || !command.startsWith("MAIL")) return undefined;
    peer.end();
    return null;
  });
  server.keywords = [];
  await using pool = new SmtpPool(server.options(), { maxConnections: 1, window: 4 });
  await Promise.all(Array.from({ length: 6 }, (_, index) => pool.send(saying(`${index}`))));
  assertEquals([server.shares, pool.stats().failed], [[1, 1, 1, 1, 1, 1], 0]);
});
