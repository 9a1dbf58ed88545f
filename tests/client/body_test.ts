/** The content of a message on its way: sources that fail, servers that answer early or take nothing, and what is left of a source nobody read. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type MessageBody, SmtpBodyError, type SmtpClient, SmtpConnectionError, SmtpReplyError, type Socket } from "@posthorn/smtp";
import { prepareBody } from "../../src/body.ts";
import { BYE, connectTo, facts, HELLO, rejection } from "../support/client.ts";
import { FakeClock, settled } from "../support/fake_clock.ts";
import { conversation, ScriptedServer } from "../support/script.ts";
import { bytes, text as textOf } from "../support/splits.ts";

const EIGHT = "C: MAIL FROM:<a@x.test> BODY=8BITMIME\nC: RCPT TO:<b@y.test>\nC: DATA";
const GO = "S: 250 ok\nS: 250 ok\nS: 354 go";

function send(client: SmtpClient, body: MessageBody, signal?: AbortSignal): Promise<unknown> {
  return client.send({ from: "a@x.test", to: "b@y.test", body }, { signal });
}

/** A body that gives its chunks one by one, and tells why it was cancelled. */
class Source {
  cancelled: unknown;
  readonly stream: ReadableStream<Uint8Array>;
  #controller!: ReadableStreamDefaultController<Uint8Array>;

  constructor(...chunks: readonly Uint8Array[]) {
    this.stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
        for (const chunk of chunks) controller.enqueue(chunk);
      },
      cancel: (reason) => void (this.cancelled = reason),
    });
  }

  give(chunk: Uint8Array): void {
    this.#controller.enqueue(chunk);
  }

  end(): void {
    this.#controller.close();
  }

  fail(error: unknown): void {
    this.#controller.error(error);
  }
}

Deno.test("SmtpClient never sends the dot when the source fails half-way", async () => {
  const server = new ScriptedServer(`${HELLO}\n${EIGHT}\n${GO}\nC: ${"x".repeat(20_000)}\nS: {silence}`);
  const client = await connectTo(server);
  const source = new Source(bytes(`${"x".repeat(20_000)}\r\n`));
  const ended = rejection(send(client, source.stream));
  for (let turn = 0; turn < 5; turn++) await settled();
  const cause = new Error("the disk is gone");
  source.fail(cause);
  const error = await ended;
  assertEquals(facts(error), { name: "SmtpBodyError", kind: "body", phase: "data", delivery: "not-sent", transient: false });
  assertEquals(Reflect.get(Object(error), "cause"), cause);
  server.check();
  assertEquals(facts(await rejection(client.verify())).kind, "closed");
});

for (
  const [what, body] of [
    ["throws when it is opened", () => {
      throw new Error("no such file");
    }],
    ["gives text for octets", new ReadableStream({ start: (controller) => controller.enqueue("text") })],
  ] as const
) {
  Deno.test(`SmtpClient ends the message when the source ${what}`, async () => {
    const server = new ScriptedServer(`${HELLO}\n${EIGHT}\n${GO}\nS: {silence}`);
    const client = await connectTo(server);
    const error = await assertRejects(() => send(client, body), SmtpBodyError);
    assertEquals([error.kind, error.phase, error.delivery, client.isClosed], ["body", "data", "not-sent", true]);
    assert(error.cause instanceof Error);
    server.check();
  });
}

conversation(
  "SmtpClient leaves a stream whole when the message is refused before its content",
  `
  ${HELLO}
  ${EIGHT}
  S: 250 ok
  S: 450 later
  S: 503 no
  C: RSET
  S: 250 ok
  ${EIGHT}
  ${GO}
  C: hello
  C: .
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server);
    const body = new Blob(["hello"]).stream();
    await assertRejects(() => send(client, body), SmtpReplyError);
    assertEquals(body.locked, false);
    await send(client, body);
  },
);

Deno.test("SmtpClient does not open a body that is not asked for", async () => {
  const server = new ScriptedServer(`${HELLO}\n${EIGHT}\nS: 550 no\nS: 503 no\nS: 503 no\nS: {silence}`);
  const client = await connectTo(server);
  let opened = 0;
  const body = () => {
    opened++;
    return new Blob(["hello"]).stream();
  };
  await assertRejects(() => send(client, body), SmtpReplyError);
  assertEquals(opened, 0);
  client.close();
});

Deno.test("SmtpClient refuses a stream that somebody else reads, before anything is written", async () => {
  const server = new ScriptedServer(`${HELLO}\nS: {silence}`);
  const client = await connectTo(server);
  const body = new Blob(["hello"]).stream();
  body.getReader();
  await assertRejects(() => send(client, body), TypeError, "locked");
  assertEquals(server.writes.length, 1);
  client.close();
});

for (const [reply, kind] of [["552 5.3.4 too big", "refused"], ["421 4.3.2 going down", "refused"], ["250 thanks", "protocol"]] as const) {
  Deno.test(`SmtpClient stops at once when the server answers ${reply} before the end of the content`, async () => {
    const server = new ScriptedServer(`${HELLO}\n${EIGHT}\n${GO}\nC: ${"x".repeat(20_000)}\nS: ${reply}\nS: {silence}`);
    const client = await connectTo(server);
    const source = new Source(bytes(`${"x".repeat(20_000)}\r\n`));
    const error = await rejection(send(client, source.stream));
    assertEquals([facts(error).kind, facts(error).phase, facts(error).code], [kind, "data", Number(reply.slice(0, 3))]);
    assertEquals([facts(error).delivery, client.isClosed], ["not-sent", true]);
    assert(source.cancelled !== undefined, "the source was told");
    for (let turn = 0; turn < 5; turn++) await settled();
    server.check();
  });
}

/** A server that has said 354 and takes no more octets. */
async function blocked(clock: FakeClock): Promise<{ client: SmtpClient; says: (reply: string) => void; isClosed: () => boolean }> {
  const server = new ScriptedServer(`${HELLO}\n${EIGHT}\n${GO}\nS: {silence}`);
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  let isClosed = false;
  const inner = server.socket();
  const writer = inner.writable.getWriter();
  const reader = inner.readable.getReader();
  const socket: Socket = {
    readable: new ReadableStream<Uint8Array>({
      start: (given) => void (controller = given),
      async pull(): Promise<void> {
        const { value } = await reader.read();
        if (value !== undefined) controller.enqueue(value);
      },
    }, { highWaterMark: 0 }),
    writable: new WritableStream<Uint8Array>({
      write: (chunk) => /^(EHLO|MAIL)/.test(new TextDecoder().decode(chunk.slice(0, 4))) ? writer.write(chunk) : new Promise(() => {}),
    }),
    close: () => {
      isClosed = true;
      inner.close();
    },
  };
  const client = await connectTo(server, { socket, clock });
  return { client, says: (reply) => controller.enqueue(bytes(reply)), isClosed: () => isClosed };
}

Deno.test("SmtpClient gives up on a block of content that the server does not take, and the message was not sent", async () => {
  const clock = new FakeClock();
  const { client, isClosed } = await blocked(clock);
  let error: unknown;
  const ended = rejection(send(client, new Blob([new Uint8Array(200_000)]))).then((reason) => error = reason);
  for (let turn = 0; turn < 10; turn++) await settled();
  await clock.advance(179_999);
  assertEquals(error, undefined);
  await clock.advance(1);
  await ended;
  assertEquals(facts(error), { name: "SmtpConnectionError", kind: "timeout", phase: "data", delivery: "not-sent", transient: true });
  assertEquals([isClosed(), clock.pending], [true, 0]);
});

Deno.test("SmtpClient hears a refusal while a write is blocked", async () => {
  const { client, says, isClosed } = await blocked(new FakeClock());
  const ended = rejection(send(client, new Blob([new Uint8Array(200_000)])));
  for (let turn = 0; turn < 10; turn++) await settled();
  says("552 5.3.4 too big\r\n");
  assertEquals([facts(await ended).code, facts(await ended).delivery, isClosed()], [552, "not-sent", true]);
});

Deno.test("SmtpClient tells a message that waits no code of the one before it, which was refused before its end", async () => {
  const { client, says } = await blocked(new FakeClock());
  const ended = rejection(send(client, new Blob([new Uint8Array(200_000)])));
  const waiting = rejection(send(client, "hello"));
  for (let turn = 0; turn < 10; turn++) await settled();
  says("552 5.3.4 too big\r\n");
  assertEquals(facts(await ended).code, 552);
  assertEquals(facts(await waiting), { name: "SmtpConnectionError", kind: "disconnected", phase: "mail", delivery: "not-sent", transient: true });
});

Deno.test("SmtpClient can be aborted while a write is blocked, and tells the source", async () => {
  const { client, isClosed } = await blocked(new FakeClock());
  const controller = new AbortController();
  const source = new Source(new Uint8Array(100_000));
  const ended = rejection(send(client, source.stream, controller.signal));
  for (let turn = 0; turn < 10; turn++) await settled();
  controller.abort("enough");
  assertEquals([facts(await ended).kind, facts(await ended).delivery, isClosed()], ["aborted", "not-sent", true]);
  assert(source.cancelled instanceof SmtpConnectionError);
});

Deno.test("SmtpClient can be aborted while the source gives nothing", async () => {
  const server = new ScriptedServer(`${HELLO}\n${EIGHT}\n${GO}\nS: {silence}`);
  const client = await connectTo(server);
  const controller = new AbortController();
  const source = new Source();
  const ended = rejection(send(client, source.stream, controller.signal));
  for (let turn = 0; turn < 10; turn++) await settled();
  controller.abort("enough");
  assertEquals([facts(await ended).kind, facts(await ended).delivery], ["aborted", "not-sent"]);
  assert(source.cancelled instanceof SmtpConnectionError);
  server.check();
});

Deno.test("SmtpClient reads no more of the source than the socket takes", async () => {
  const clock = new FakeClock();
  const { client } = await blocked(clock);
  let given = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller): void {
      given += 65_536;
      controller.enqueue(new Uint8Array(65_536));
    },
  }, { highWaterMark: 0 });
  const ended = rejection(send(client, body));
  for (let turn = 0; turn < 50; turn++) await settled();
  assertEquals(given, 65_536, "one block, and none while it is not taken");
  client.close();
  assertEquals(facts(await ended).kind, "closed");
});

Deno.test("SmtpClient gathers small chunks into few writes", async () => {
  const octets = "0123456789abcde\n".repeat(1_000);
  const server = new ScriptedServer(`${HELLO}\n${EIGHT}\n${GO}\n${"C: 0123456789abcde\n".repeat(1_000)}C: .\nS: 250 ok\nS: {silence}`);
  const client = await connectTo(server);
  await send(client, ReadableStream.from(Array.from(bytes(octets), (octet) => Uint8Array.of(octet))));
  assertEquals(server.writes.length, 3, "EHLO, the envelope, the content");
  client.close();
});

Deno.test("SmtpClient does not hold back what a slow source has given", async () => {
  const server = new ScriptedServer(`${HELLO}\n${EIGHT}\n${GO}\nC: slow\nC: slower\nC: .\nS: 250 ok\nS: {silence}`);
  const clock = new FakeClock();
  const client = await connectTo(server, { clock });
  const source = new Source(bytes("slow\r\n"));
  const sending = send(client, source.stream);
  for (let turn = 0; turn < 10; turn++) await settled();
  assertEquals(server.writes.length, 2, "EHLO and the envelope");
  await clock.advance(1_000);
  assertEquals(server.writes.at(-1), "slow\r\n");
  source.give(bytes("slower\r\n"));
  source.end();
  await sending;
  assertEquals(server.writes.at(-1), "slower\r\n.\r\n");
  client.close();
  server.check();
  assertEquals(clock.pending, 0);
});

Deno.test("prepareBody hands on a large body uncopied where nothing in it has to change, and as a new one where something has", () => {
  const filling = `${"x".repeat(65_536)}\r\n`;
  const parts = (text: string, framing: "data" | "bdat" | "binary") => {
    const body = bytes(filling + text);
    const { parts } = prepareBody(body, "normalize", framing === "binary");
    const all = parts!(framing);
    return [all[0] === body, all.map(textOf)];
  };
  assertEquals(parts("a\r\n.b\r\n", "bdat"), [true, [`${filling}a\r\n.b\r\n`]]);
  assertEquals(parts("a\r\nb", "bdat"), [true, [`${filling}a\r\nb`, "\r\n"]]);
  assertEquals(parts("a\nb", "bdat"), [false, [`${filling}a\r\nb`, "\r\n"]]);
  assertEquals(parts("a\r\nb", "data"), [true, [`${filling}a\r\nb`, "\r\n.\r\n"]]);
  assertEquals(parts("a\r\n.b\r\n", "data"), [false, [`${filling}a\r\n..b\r\n`, ".\r\n"]]);
  assertEquals(parts("a\nb", "binary"), [true, [`${filling}a\nb`]]);
});

Deno.test("prepareBody copies a small body, and of an empty one there are no parts", () => {
  const body = bytes("a\r\n");
  const { parts } = prepareBody(body, "normalize");
  body.set(bytes("\n.\n"));
  assertEquals(parts!("bdat").map(textOf), ["a\r\n"]);
  assertEquals(prepareBody("", "normalize").parts!("bdat"), []);
});
