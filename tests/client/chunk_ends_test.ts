/** What ends an upload by BDAT before its time: refusals, silence, promises that the content breaks, and callers who have had enough. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  connect,
  type ConnectOptions,
  type SmtpClient,
  SmtpConnectionError,
  SmtpError,
  SmtpProtocolError,
  SmtpReplyError,
  type Socket,
} from "@posthorn/smtp";
import { ChunkServer } from "../support/chunk_server.ts";
import { rejection } from "../support/client.ts";
import { FakeClock, settled } from "../support/fake_clock.ts";
import { ManualServer } from "../support/manual.ts";

const ENVELOPE = { from: "a@x.test", to: "b@y.test" };
const LINE = `${"x".repeat(98)}\r\n`;

/** Yes to everything. */
const YES = (command: string) => command === "QUIT" ? "221 bye" : "250 ok";

function connectTo(server: ChunkServer, more: ConnectOptions = {}): Promise<SmtpClient> {
  return connect(server.options({ clock: new FakeClock(), ...more }));
}

/** A function that opens streams of `count` lines, and how often such a stream was cancelled. */
function lines(count: number): { readonly body: () => ReadableStream<Uint8Array>; readonly cancelled: unknown[] } {
  const cancelled: unknown[] = [];
  const body = () => {
    let left = count;
    return new ReadableStream<Uint8Array>({
      pull(controller): void {
        if (left-- === 0) controller.close();
        else controller.enqueue(new TextEncoder().encode(LINE));
      },
      cancel: (reason) => void cancelled.push(reason),
    });
  };
  return { body, cancelled };
}

/** More than four chunks. */
const LARGE = 40_000;

async function turns(): Promise<void> {
  for (let turn = 0; turn < 60; turn++) await settled();
}

Deno.test("SmtpClient.send hands over no chunk behind a refused one, without PIPELINING", async () => {
  const server = new ChunkServer((command) => command.startsWith("BDAT") ? undefined : YES(command), ["CHUNKING"]);
  await using client = await connectTo(server);
  const sending = rejection(client.send({ ...ENVELOPE, body: lines(12_000).body }));
  await turns();
  // The next one is ready and waits for this very reply.
  server.say("452 4.3.1 full");
  const error = await sending;
  assert(error instanceof SmtpReplyError, `${error}`);
  assertEquals([error.code, error.delivery, server.chunks], [452, "not-sent", ["BDAT 524300"]]);
  await client.verify();
  assertEquals(server.commands.slice(-2), ["RSET", "NOOP"]);
});

Deno.test("SmtpClient.send waits for one reply only to the chunks behind a refused one of LMTP", async () => {
  const held: string[] = [];
  const server: ChunkServer = new ChunkServer((command) => {
    if (!command.startsWith("BDAT")) return YES(command);
    held.push(command);
    return undefined;
  }, ["PIPELINING", "CHUNKING"]);
  await using client = await connectTo(server, { protocol: "lmtp" });
  const sending = rejection(client.send({ ...ENVELOPE, to: ["b@y.test", "c@y.test"], body: lines(12_000).body }));
  await turns();
  assertEquals(held.map((chunk) => chunk.endsWith("LAST")), [false, false, true]);
  server.say("452 4.3.1 full\r\n503 5.5.0 RSET first\r\n503 5.5.0 RSET first");
  const error = await sending;
  assert(error instanceof SmtpReplyError, `${error}`);
  assertEquals([error.code, error.delivery], [452, "not-sent"]);
  await client.verify();
  assertEquals(server.commands.slice(-2), ["RSET", "NOOP"]);
});

Deno.test("SmtpClient.send knows that nothing was sent when a chunk before the last is answered by what is no answer", async () => {
  const server = new ChunkServer((command) => command.startsWith("BDAT") ? "354 go" : YES(command));
  const client = await connectTo(server);
  const stream = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(new Uint8Array(600_000).fill(97)) });
  const error = await assertRejects(() => client.send({ ...ENVELOPE, body: stream }), SmtpProtocolError, "354 go");
  assertEquals([error.delivery, client.isClosed], ["not-sent", true]);
});

for (
  const [what, keywords, content, expected] of [
    ["more than the server takes", ["CHUNKING", "SIZE 1000"], LINE.repeat(11), "too-large"],
    ["octets above 127 without 8BITMIME", ["CHUNKING"], `${LINE}ä`, "unsupported"],
    ["a lone LF where it is rejected", ["CHUNKING", "8BITMIME"], `${LINE}\n`, "body"],
    ["a lone CR at its end where it is rejected", ["CHUNKING", "8BITMIME"], `${LINE}\r`, "body"],
  ] as const
) {
  Deno.test(`SmtpClient.send resets the transaction when a stream has ${what}, and uses the connection again`, async () => {
    const server = new ChunkServer(YES, keywords);
    await using client = await connectTo(server);
    const error = await assertRejects(() => client.send({ ...ENVELOPE, body: new Blob([content]), lineEndings: "reject" }), SmtpError);
    assertEquals([error.kind, error.phase, error.delivery, server.chunks], [expected, "data", "not-sent", []]);
    assertEquals((await client.send({ ...ENVELOPE, body: new Blob([LINE]) })).reply.code, 250);
    assertEquals([server.content, server.commands.includes("RSET")], [LINE, true]);
  });
}

Deno.test("SmtpClient.send ends at its deadline when the server never answers a chunk, and cancels the source once", async () => {
  const server = new ChunkServer((command) => command.startsWith("BDAT") ? undefined : YES(command));
  const clock = new FakeClock();
  const client = await connectTo(server, { clock });
  const { body, cancelled } = lines(LARGE);
  const sending = rejection(client.send({ ...ENVELOPE, body }));
  await turns();
  await clock.advance(180_000);
  const error = await sending;
  assert(error instanceof SmtpConnectionError, `${error}`);
  assertEquals([error.kind, error.delivery, cancelled.length, clock.pending], ["timeout", "not-sent", 1, 0]);
});

for (const how of ["aborted", "closed"] as const) {
  Deno.test(`SmtpClient.send is ${how} while chunks wait for their replies, and cancels the source once`, async () => {
    const server = new ChunkServer((command) => command.startsWith("BDAT") ? undefined : YES(command));
    const clock = new FakeClock();
    const client = await connectTo(server, { clock });
    const controller = new AbortController();
    const { body, cancelled } = lines(LARGE);
    const sending = rejection(client.send({ ...ENVELOPE, body }, { signal: controller.signal }));
    await turns();
    assertEquals(server.chunks.length, 4);
    if (how === "aborted") controller.abort("enough");
    else client.close();
    const error = await sending;
    assert(error instanceof SmtpConnectionError, `${error}`);
    assertEquals([error.kind, error.delivery, client.isClosed], [how, "not-sent", true]);
    await settled();
    assertEquals([cancelled.length, clock.pending], [1, 0]);
  });

  Deno.test(`SmtpClient.send is ${how} behind the last chunk, and leaves it open whether the message was sent`, async () => {
    const server = new ChunkServer((command) => command.endsWith("LAST") ? undefined : YES(command));
    const client = await connectTo(server);
    const controller = new AbortController();
    const sending = rejection(client.send({ ...ENVELOPE, body: lines(12_000).body }, { signal: controller.signal }));
    await turns();
    if (how === "aborted") controller.abort("enough");
    else client.close();
    const error = await sending;
    assert(error instanceof SmtpConnectionError, `${error}`);
    assertEquals([error.kind, error.delivery], [how, "unknown"]);
  });
}

Deno.test("SmtpClient.send opens no source for a signal that has fired", async () => {
  const server = new ChunkServer(YES);
  await using client = await connectTo(server);
  let opened = 0;
  const body = () => {
    opened++;
    return new Blob(["a"]).stream();
  };
  const error = await rejection(client.send({ ...ENVELOPE, body }, { signal: AbortSignal.abort("enough") }));
  assert(error instanceof SmtpConnectionError, `${error}`);
  assertEquals([error.kind, error.delivery, opened, server.commands], ["aborted", "not-sent", 0, ["EHLO client.test"]]);
});

Deno.test("SmtpClient.send does not wait for its source once a chunk is refused", async () => {
  const server = new ChunkServer((command) => command.startsWith("BDAT") ? "552 5.3.4 too much" : YES(command));
  const clock = new FakeClock();
  await using client = await connectTo(server, { clock });
  const cancelled: unknown[] = [];
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new TextEncoder().encode("a")),
    cancel: (reason) => void cancelled.push(reason),
  });
  const sending = rejection(client.send({ ...ENVELOPE, body }));
  await turns();
  await clock.advance(1_000);
  const error = await sending;
  assert(error instanceof SmtpReplyError, `${error}`);
  assertEquals([error.code, error.delivery, cancelled.length, clock.now()], [552, "not-sent", 1, 1_000]);
  assertEquals(cancelled[0] instanceof SmtpReplyError, true);
});

Deno.test("SmtpClient.send knows that nothing was sent until the last octets of the last chunk are handed over", async () => {
  const session = async (server: ChunkServer, more: ConnectOptions) => {
    const client = await connectTo(server, more);
    try {
      return await client.send({ ...ENVELOPE, body: lines(12_000).body });
    } finally {
      client.close();
    }
  };
  /** A dialer whose sockets take `count` writes, and then none. */
  const failing = (server: ChunkServer, count: number) => (): Promise<Socket> => {
    const { socket } = server;
    const writer = socket.writable.getWriter();
    const write = (octets: Uint8Array) => count-- > 0 ? writer.write(octets) : Promise.reject(new Error("broken pipe"));
    return Promise.resolve({ ...socket, writable: new WritableStream<Uint8Array>({ write }) });
  };
  const whole = new ChunkServer(YES);
  await session(whole, {});
  const outcomes: unknown[] = [];
  for (let count = 2; count < whole.writes; count++) {
    const server = new ChunkServer(YES);
    const clock = new FakeClock();
    const ended = rejection(session(server, { clock, dial: failing(server, count) }));
    await turns();
    await clock.advance(1_000);
    outcomes.push(Reflect.get(Object(await ended), "delivery"));
  }
  assert(outcomes.length > 8);
  assertEquals(outcomes, outcomes.map((_, index) => index === outcomes.length - 1 ? "unknown" : "not-sent"));
});

Deno.test("SmtpClient.send writes a chunk to its end that is refused before, and then resets the transaction", async () => {
  let release = () => {};
  const server = new ManualServer((text, server) => {
    if (text.startsWith("LHLO")) return server.say("250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
    if (text.startsWith("MAIL")) return server.say("250 ok\r\n250 ok\r\n250 ok\r\n");
    if (text === "RSET\r\n" || text === "NOOP\r\n") return server.say("250 ok\r\n");
    // The server takes no more than the first octets of the chunk for now.
    if (text.startsWith("BDAT")) return new Promise((resolve) => release = resolve);
  });
  const client = await connect(server.options({ protocol: "lmtp", clock: new FakeClock() }));
  const sending = rejection(client.send({ ...ENVELOPE, to: ["b@y.test", "c@y.test"], body: lines(2_000).body }));
  await turns();
  server.say("552 5.3.4 too much\r\n452 4.2.2 full\r\n");
  await settled();
  release();
  const error = await sending;
  assert(error instanceof SmtpReplyError, `${error}`);
  assertEquals([error.code, error.delivery, error.transient], [552, "not-sent", true]);
  await client.verify();
  const sent = server.writes.join("");
  assertEquals(sent.endsWith(`BDAT 200000 LAST\r\n${LINE.repeat(2_000)}RSET\r\nNOOP\r\n`), true);
  client.close();
});
