/** Large messages by BDAT: chunks of a stream, what ends them, and what is left when they end too early. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { connect, type ConnectOptions, type Message, SmtpBodyError, type SmtpClient, SmtpConnectionError, SmtpReplyError } from "@posthorn/smtp";
import { ChunkServer } from "../support/chunk_server.ts";
import { rejection } from "../support/client.ts";
import { FakeClock, settled } from "../support/fake_clock.ts";

const ENVELOPE = { from: "a@x.test", to: "b@y.test" };
const LINE = `${"x".repeat(98)}\r\n`;
/** More than four chunks. */
const LINES = 40_000;

/** Yes to everything. */
const YES = (command: string) => command === "QUIT" ? "221 bye" : "250 ok";

function* lines(count: number): Generator<string> {
  for (let index = 0; index < count; index++) yield LINE;
}

function streamed(source: Iterable<string> | AsyncIterable<string>): () => ReadableStream<Uint8Array> {
  return () => ReadableStream.from(source).pipeThrough(new TextEncoderStream());
}

function connectTo(server: ChunkServer, more: ConnectOptions = {}): Promise<SmtpClient> {
  return connect(server.options({ clock: new FakeClock(), ...more }));
}

/** A stream that gives `first` and then nothing, until it is cancelled. */
function stuck(first: string): { readonly body: ReadableStream<Uint8Array>; readonly cancelled: unknown[] } {
  const cancelled: unknown[] = [];
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new TextEncoder().encode(first)),
    cancel: (reason) => void cancelled.push(reason),
  });
  return { body, cancelled };
}

Deno.test("SmtpClient.send cuts a stream of unknown length into chunks, and the server has every octet", async () => {
  const server = new ChunkServer(YES);
  await using client = await connectTo(server);
  const { reply } = await client.send({ ...ENVELOPE, body: streamed(lines(LINES)) });
  assertEquals(reply.code, 250);
  assertEquals(server.content.length, LINES * LINE.length);
  assert(server.content === LINE.repeat(LINES));
  assert(server.chunks.length > 4 && server.chunks.length < 12, server.chunks.join());
  assertEquals(server.chunks.map((chunk) => chunk.endsWith(" LAST")), server.chunks.map((_, index) => index === server.chunks.length - 1));
});

Deno.test("SmtpClient.send cuts content in memory that is too large for one write too", async () => {
  const server = new ChunkServer(YES);
  await using client = await connectTo(server);
  await client.send({ ...ENVELOPE, body: LINE.repeat(LINES) });
  assert(server.content === LINE.repeat(LINES));
  assert(server.chunks.length > 4);
});

Deno.test("SmtpClient.send sends content whose every line has to change, and no line in the place of another", async () => {
  const server = new ChunkServer(YES);
  await using client = await connectTo(server);
  const text = (end: string) => Array.from({ length: 500_000 }, (_, index) => `${index}${end}`).join("");
  await client.send({ ...ENVELOPE, body: new Blob([text("\n")]), transfer: "bdat" });
  assert(server.chunks.length > 6, server.chunks.join());
  assert(server.content === text("\r\n"));
});

Deno.test("SmtpClient.send has no more than four chunks under way", async () => {
  const held: string[] = [];
  const server: ChunkServer = new ChunkServer((command) => {
    if (!command.startsWith("BDAT")) return YES(command);
    held.push(command);
    return undefined;
  });
  await using client = await connectTo(server);
  const sending = client.send({ ...ENVELOPE, body: streamed(lines(LINES)) });
  let isDone = false;
  sending.then(() => isDone = true);
  let most = 0;
  while (!isDone) {
    for (let turn = 0; turn < 20; turn++) await settled();
    most = Math.max(most, held.length);
    if (held.shift() !== undefined) server.say("250 ok");
  }
  assertEquals(most, 4);
  assert(server.content === LINE.repeat(LINES));
});

Deno.test("SmtpClient.send sends no chunk behind a refused one but those under way, cancels the source, and uses the connection again", async () => {
  let count = 0;
  const server = new ChunkServer((command) =>
    command.startsWith("BDAT") && count++ === 1 ? "452 4.3.1 full" : count > 2 && command.startsWith("BDAT") ? "503 no" : YES(command)
  );
  await using client = await connectTo(server);
  let read = 0;
  function* counted(): Generator<string> {
    for (const line of lines(LINES * 10)) {
      read++;
      yield line;
    }
  }
  const error = await assertRejects(() => client.send({ ...ENVELOPE, body: streamed(counted()) }), SmtpReplyError, "452 4.3.1");
  assertEquals([error.phase, error.delivery, error.transient], ["data", "not-sent", true]);
  assert(server.chunks.length <= 6, `${server.chunks.length} chunks`);
  assert(read < LINES * 10, "the source was read to its end");
  await client.verify();
  assertEquals(server.commands.slice(-2), ["RSET", "NOOP"]);
  count = -10;
  assertEquals((await client.send({ ...ENVELOPE, body: "Subject: t\r\n\r\n" })).reply.code, 250);
});

Deno.test("SmtpClient.send resets the transaction when the source fails between chunks, and uses the connection again", async () => {
  const server = new ChunkServer(YES);
  await using client = await connectTo(server);
  async function* failing(): AsyncGenerator<string> {
    yield* lines(LINES);
    await Promise.resolve();
    throw new Error("the disk is gone");
  }
  const error = await assertRejects(() => client.send({ ...ENVELOPE, body: streamed(failing()) }), SmtpBodyError);
  assertEquals([error.delivery, error.phase, error.cause instanceof Error && error.cause.message], ["not-sent", "data", "the disk is gone"]);
  assert(server.chunks.every((chunk) => !chunk.endsWith("LAST")));
  assertEquals((await client.send({ ...ENVELOPE, body: "Subject: t\r\n\r\n" })).reply.code, 250);
  assert(server.commands.includes("RSET"));
});

Deno.test("SmtpClient.send lets what a slow source gave wait no longer than a second, and gives it up after five minutes", async () => {
  const server = new ChunkServer(YES);
  const clock = new FakeClock();
  await using client = await connectTo(server, { clock });
  const { body, cancelled } = stuck("Subject: slow\r\n\r\n");
  const sending = rejection(client.send({ ...ENVELOPE, body }));
  for (let turn = 0; turn < 10; turn++) await settled();
  assertEquals(server.chunks, []);
  await clock.advance(1_000);
  await settled();
  assertEquals(server.chunks, ["BDAT 17"]);
  await clock.advance(300_000);
  const error = await sending;
  assert(error instanceof SmtpBodyError, `${error}`);
  assertEquals([error.delivery, cancelled.length], ["not-sent", 1]);
  await client.verify();
  assertEquals(server.commands.slice(-2), ["RSET", "NOOP"]);
});

Deno.test("SmtpClient.send is aborted while it waits for its source, and the connection stands", async () => {
  const server = new ChunkServer(YES);
  await using client = await connectTo(server);
  const { body, cancelled } = stuck("a");
  const controller = new AbortController();
  const sending = rejection(client.send({ ...ENVELOPE, body }, { signal: controller.signal }));
  for (let turn = 0; turn < 10; turn++) await settled();
  controller.abort(new Error("enough"));
  const error = await sending;
  assert(error instanceof SmtpConnectionError, `${error}`);
  assertEquals([error.kind, error.delivery, error.cause instanceof Error && error.cause.message], ["aborted", "not-sent", "enough"]);
  assertEquals(cancelled.length, 1);
  await client.verify();
});

Deno.test("SmtpClient.send notices that the server hung up while it waits for its source", async () => {
  const server = new ChunkServer(YES);
  const client = await connectTo(server);
  const { body, cancelled } = stuck("a");
  const sending = rejection(client.send({ ...ENVELOPE, body }));
  for (let turn = 0; turn < 10; turn++) await settled();
  server.end();
  const error = await sending;
  assert(error instanceof SmtpConnectionError, `${error}`);
  assertEquals([error.kind, error.delivery, cancelled.length], ["disconnected", "not-sent", 1]);
});

for (const isLast of [false, true]) {
  Deno.test(`SmtpClient.send ${isLast ? "leaves it open whether" : "knows that no"} message was sent when the connection ends ${isLast ? "behind" : "before"} the last chunk`, async () => {
    const server: ChunkServer = new ChunkServer((command) => {
      const isEnd = command.startsWith("BDAT") && command.endsWith("LAST") === isLast;
      if (isEnd) server.end();
      return isEnd ? undefined : YES(command);
    });
    const client = await connectTo(server);
    const error = await rejection(client.send({ ...ENVELOPE, body: streamed(lines(LINES * 2)) }));
    assert(error instanceof SmtpConnectionError, `${error}`);
    assertEquals([error.kind, error.delivery], ["disconnected", isLast ? "unknown" : "not-sent"]);
  });
}

Deno.test("SmtpClient.send gives a one-shot stream to nobody before the envelope is accepted", async () => {
  const server = new ChunkServer((command) => command.startsWith("RCPT") ? "550 no" : YES(command));
  await using client = await connectTo(server);
  const { body } = stuck("a");
  const message: Message = { ...ENVELOPE, body };
  await assertRejects(() => client.send(message), SmtpReplyError);
  assertEquals(body.locked, false);
  await body.cancel();
});
