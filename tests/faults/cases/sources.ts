/** B: sources of content that fail, lie, or change while they are read. */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { DotStuffer, type Message, type MessageBody, SmtpBodyError, type SmtpClient, SmtpError } from "@posthorn/smtp";
import { FakeClock, settled } from "../../support/fake_clock.ts";
import { clientOf, connectionOf, OctetServer } from "../../support/octet_server.ts";
import { bytes } from "../../support/splits.ts";
import type { Fault } from "../fault.ts";
import { assertBadArgument, assertRefused, assertUsable, errorOf, untyped } from "../refusals.ts";
import { dotted, normalized } from "../wire.ts";

const MEGABYTE = `${"x".repeat(76)}\r\n`.repeat(13_444);

/** A stream of `chunks`, then what `end` does. */
function streamOf(chunks: readonly unknown[], end: (controller: ReadableStreamDefaultController<Uint8Array>) => void | Promise<void>): MessageBody {
  let index = 0;
  return new ReadableStream<Uint8Array>({
    pull(controller): void | Promise<void> {
      if (index === chunks.length) return end(controller);
      controller.enqueue(untyped(chunks[index++]));
    },
  }, { highWaterMark: 0 });
}

const close = (controller: ReadableStreamDefaultController<Uint8Array>) => controller.close();
const fail = (controller: ReadableStreamDefaultController<Uint8Array>) => controller.error(new Error("the disk is gone"));

/** Sends `body`, which fails: by DATA that costs the connection, by BDAT the transaction. */
async function assertNoMessage(body: MessageBody, transfer: "data" | "bdat", protocol: "smtp" | "lmtp", what: string): Promise<SmtpBodyError> {
  const server = new OctetServer(undefined, protocol);
  await using client = await clientOf(server);
  const error = await errorOf(() => client.send({ from: "a@x.test", to: "b@y.test", body, transfer }));
  await settled();
  assertInstanceOf(error, SmtpBodyError, `${what}: ${error}`);
  assertEquals([error.kind, error.delivery, server.messages.length], ["body", "not-sent", 0], what);
  if (transfer === "data") {
    assertEquals([client.isClosed, server.isClosed], [true, true], what);
    assertEquals(server.received.endsWith("\r\n.\r\n"), false, what);
    return error;
  }
  assertEquals([client.isClosed, server.commands.at(-1)], [false, "RSET"], what);
  assertEquals(server.commands.some((line) => line.endsWith("LAST")), false, what);
  await client.send({ from: "a@x.test", to: "b@y.test", body: "hello" });
  assertEquals(server.messages, ["hello\r\n"], what);
  return error;
}

/** Ways to a message that its source spoils. */
const WAYS = [["data", "smtp"], ["bdat", "smtp"], ["data", "lmtp"], ["bdat", "lmtp"]] as const;

/** Memory that others can change. */
function shared(text: string): Uint8Array {
  const octets = new Uint8Array(new SharedArrayBuffer(text.length));
  octets.set(bytes(text));
  return octets;
}

/** Octets in a buffer of their own, which can be handed on. */
function movable(text: string): { readonly octets: Uint8Array; readonly move: () => void } {
  const octets = new Uint8Array(bytes(text));
  return { octets, move: () => void structuredClone(octets.buffer, { transfer: [octets.buffer] }) };
}

/** Sends `message` and changes it by `change` as soon as it was handed over. */
async function sendAndChange(client: SmtpClient, message: Message, change: () => void): Promise<unknown> {
  const sending = errorOf(() => client.send(message));
  change();
  return await sending;
}

export const sources: readonly Fault[] = [
  {
    name: "F20 A source that fails before its first octet, in the midst, or behind its last octet never gets the final dot or the last chunk",
    run: async () => {
      const failures: readonly (readonly [string, () => MessageBody])[] = [
        ["before the first octet", () => streamOf([], fail)],
        ["behind an empty chunk", () => streamOf([new Uint8Array(0)], fail)],
        ["behind one octet", () => streamOf([bytes("a")], fail)],
        ["behind a line", () => streamOf([bytes("a\r\n")], fail)],
        ["behind a line and a dot", () => streamOf([bytes("a\r\n.")], fail)],
        ["behind a CR", () => streamOf([bytes("a\r")], fail)],
        ["behind what looks like the end", () => streamOf([bytes("a\r\n.\r\n")], fail)],
        ["behind a megabyte", () => streamOf([bytes(MEGABYTE)], fail)],
        ["behind many chunks", () => streamOf(Array.from({ length: 200 }, () => bytes(MEGABYTE.slice(0, 7_800))), fail)],
        ["by a throw from pull", () =>
          streamOf([bytes("a")], () => {
            throw new Error("the disk is gone");
          })],
        ["by a rejection of pull", () => streamOf([bytes("a")], () => Promise.reject(new Error("the disk is gone")))],
        ["when it is opened", () => () => {
          throw new Error("the disk is gone");
        }],
        ["with nothing at all for a reason", () => streamOf([bytes("a")], (controller) => controller.error(undefined))],
      ];
      for (const [transfer, protocol] of WAYS) {
        for (const [where, body] of failures) {
          const error = await assertNoMessage(body(), transfer, protocol, `${where}, ${transfer}, ${protocol}`);
          if (!where.startsWith("with nothing")) assertEquals(Reflect.get(Object(error.cause), "message"), "the disk is gone");
        }
      }
    },
  },
  {
    name: "F20 The low level never gives the final dot to a source that fails either",
    run: async () => {
      for (const chunks of [[], [bytes("a\r\n")], [bytes("a\r\n.\r\n")], [bytes(MEGABYTE)]]) {
        const server = new OctetServer();
        await using connection = await connectionOf(server);
        await connection.mail("a@x.test");
        await connection.rcpt("b@y.test");
        await connection.data();
        const error = await errorOf(() => connection.dotStuff(streamOf(chunks, fail)));
        assertInstanceOf(error, SmtpBodyError);
        assertEquals([error.delivery, connection.isClosed, server.messages.length], ["not-sent", true, 0]);
      }
    },
  },
  {
    name: "F20 A stream that another message has begun to read by then costs neither the connection nor those that wait for it",
    run: async () => {
      for (const [transfer, protocol] of WAYS) {
        const server = new OctetServer(undefined, protocol);
        await using client = await clientOf(server);
        const body = streamOf([bytes("hello\r\n")], close);
        const messages = [body, body, "bye"].map((body) => ({ from: "a@x.test", to: "b@y.test", body, transfer }));
        const [first, second, third] = await Promise.allSettled(messages.map((message) => client.send(message)));
        assertEquals([first?.status, second?.status, third?.status], ["fulfilled", "rejected", "fulfilled"], transfer);
        assertInstanceOf(Reflect.get(Object(second), "reason"), TypeError);
        assertEquals([server.messages, client.isClosed], [["hello\r\n", "bye\r\n"], false]);
      }
    },
  },
  {
    name: "F20 What is no octets in a stream ends the message, and is no part of it",
    run: async () => {
      const odd: readonly unknown[] = [
        "text",
        "\r\n.\r\n",
        new ArrayBuffer(3),
        new Uint16Array(3),
        new Uint8ClampedArray(3),
        new DataView(new ArrayBuffer(3)),
        [65, 66],
        5,
        null,
        undefined,
        { length: 3 },
        new Blob(["x"]),
      ];
      for (const [transfer, protocol] of WAYS) {
        for (const value of odd) {
          const what = `${Object.prototype.toString.call(value)}, ${transfer}, ${protocol}`;
          const first = await assertNoMessage(streamOf([value], close), transfer, protocol, what);
          assertBadArgument(first.cause, what);
          await assertNoMessage(streamOf([bytes("a"), value, bytes("b")], close), transfer, protocol, what);
        }
      }
    },
  },
  {
    name: "F20 A body that is none is refused before anything is written, and a function that opens none costs what a source that fails does",
    run: async () => {
      const server = new OctetServer();
      await using client = await clientOf(server);
      async function* generator(): AsyncGenerator<Uint8Array> {
        yield bytes("a");
      }
      const locked = new Blob(["x"]).stream();
      locked.getReader();
      const bodies: readonly unknown[] = [
        undefined,
        null,
        5,
        true,
        {},
        [],
        ["a"],
        generator(),
        [bytes("a")],
        new ArrayBuffer(3),
        new Uint16Array(3),
        new String("a"),
        { toString: () => "a" },
        Promise.resolve("a"),
        locked,
        "\ud800",
        "a\udc00b",
      ];
      for (const body of bodies) {
        const message: Message = { from: "a@x.test", to: "b@y.test", body: untyped(body) };
        await assertRefused(server, Object.prototype.toString.call(body), () => client.send(message));
        await assertRefused(server, Object.prototype.toString.call(body), () => client.connection.dotStuff(untyped(body)));
      }
      await assertUsable(server, client);
      for (const opened of [undefined, "text", bytes("a"), new Blob(["a"]), Promise.resolve(new Blob(["a"]).stream()), locked, generator()]) {
        for (const transfer of ["data", "bdat"] as const) {
          await assertNoMessage(() => untyped(opened), transfer, "smtp", Object.prototype.toString.call(opened));
        }
      }
    },
  },
  {
    name: "F20 A source that fails once the message is delivered changes nothing",
    run: async () => {
      for (const [transfer, protocol] of WAYS) {
        const server = new OctetServer(undefined, protocol);
        await using client = await clientOf(server);
        let late: (reason: unknown) => void = () => {};
        const body = new ReadableStream<Uint8Array>({
          start(controller): void {
            controller.enqueue(bytes("hello"));
            controller.close();
            late = (reason) => controller.error(reason);
          },
          cancel: () => Promise.reject(new Error("too late")),
        });
        const { accepted } = await client.send({ from: "a@x.test", to: "b@y.test", body, transfer });
        late(new Error("too late"));
        await settled();
        assertEquals([accepted.length, server.messages, client.isClosed], [1, ["hello\r\n"], false]);
        await client.send({ from: "a@x.test", to: "b@y.test", body: "again" });
        assertEquals(server.messages.length, 2);
      }
    },
  },
  {
    name: "F20 Octets that are gone are no message: a buffer that was handed on before or while it was sent",
    run: async () => {
      const text = "\r\n.\r\nMAIL FROM:<evil@x.test>\r\n";
      for (const [transfer, protocol] of WAYS) {
        const server = new OctetServer(undefined, protocol);
        await using client = await clientOf(server);
        const { octets, move } = movable(text);
        move();
        const to = "b@y.test";
        await assertRefused(server, "a body that is gone", () => client.send({ from: "a@x.test", to, body: octets, transfer }));
        await assertRefused(server, "a chunk that is gone", () => client.connection.dotStuff(octets));
        assertBadArgument(await errorOf(() => new DotStuffer().push(octets)), "a chunk that is gone");
        // A small one was copied, so it does not matter any more.
        const small = movable(text);
        assertEquals(await sendAndChange(client, { from: "a@x.test", to, body: small.octets, transfer }, small.move), undefined);
        assertEquals(server.messages.at(-1), normalized(text));
        await assertNoMessage(streamOf([bytes("a"), octets], close), transfer, protocol, "a chunk that is gone");
        // Each chunk is handed on as soon as the next one is asked for.
        const [one, two] = [movable(MEGABYTE), movable(text)];
        let asked = 0;
        const moving = streamOf([], (controller) => {
          if (asked++ === 0) controller.enqueue(one.octets);
          else if (asked === 2) {
            controller.enqueue(two.octets);
            two.move();
          } else controller.close();
        });
        await assertNoMessage(moving, transfer, protocol, "a chunk that goes while it is waited for");
      }
    },
  },
  {
    name: "F20 A large body whose buffer is handed on while it is sent is not taken for one that has come to its end",
    run: async () => {
      for (const [transfer, protocol] of WAYS) {
        const server = new OctetServer(undefined, protocol);
        await using client = await clientOf(server);
        const { octets, move } = movable(MEGABYTE);
        const error = await sendAndChange(client, { from: "a@x.test", to: "b@y.test", body: octets, transfer }, move);
        assertInstanceOf(error, SmtpBodyError, `${transfer} ${protocol}: ${error}`);
        assertEquals([error.delivery, server.messages], ["not-sent", []]);
      }
      // At every moment of it: whenever it goes, there is the whole message or an error.
      const text = MEGABYTE.slice(0, 78 * 2_600);
      for (const [transfer, protocol] of WAYS.slice(0, 2)) {
        for (let turns = 0; turns < 40; turns++) {
          const { octets, move } = movable(text);
          let asked = 0;
          const body = streamOf([], (controller) => {
            if (asked++ > 0) return controller.close();
            controller.enqueue(octets);
            let left = turns;
            const wait = (): void => left-- > 0 ? queueMicrotask(wait) : move();
            wait();
          });
          const server = new OctetServer(undefined, protocol);
          const clock = new FakeClock();
          const client = await clientOf(server, { clock });
          const sending = errorOf(() => client.send({ from: "a@x.test", to: "b@y.test", body, transfer }));
          // Whatever the server is waited for is waited for no longer than for its last words.
          for (let waits = 0; waits < 5; waits++) await settled();
          await clock.advance(1_000);
          const error = await sending;
          client.close();
          const what = `${turns} turns, ${transfer}, ${protocol}: ${error}`;
          // The dot may be on its way already when it goes, and then it is too late to do any harm.
          if (error === undefined) assert(server.messages[0] === text, what);
          else assertEquals([error instanceof SmtpError, server.messages], [true, []], what);
        }
      }
    },
  },
  {
    name: "F20 Content that its owner changes while it is sent is what it was, and its SIZE and its dots are right",
    run: async () => {
      const text = `Subject: a\r\n\r\n${"x".repeat(4_000)}\r\n`;
      const evil = `\r\n.\r\nMAIL FROM:<evil@x.test>\r\n\n.\n\xff`;
      for (const [transfer, protocol] of WAYS) {
        for (const keywords of [["PIPELINING", "CHUNKING", "SIZE"], ["CHUNKING", "SIZE"]]) {
          const server = new OctetServer(keywords, protocol);
          await using client = await clientOf(server);
          for (const make of [bytes, shared, (text: string) => new Uint8Array(bytes(`x${text}`).buffer, 1)]) {
            const body = make(text);
            const change = () => void body.set(Uint8Array.from(evil, (one) => one.charCodeAt(0)));
            const error = await sendAndChange(client, { from: "a@x.test", to: "b@y.test", body, transfer }, change);
            assertEquals([error, server.messages.at(-1)], [undefined, text]);
          }
          assertEquals(server.commands.filter((line) => line.startsWith("MAIL")), Array(3).fill(`MAIL FROM:<a@x.test> SIZE=${text.length}`));
          assertEquals(server.commands.some((line) => line.includes("evil")), false);
        }
      }
      const server = new OctetServer();
      await using connection = await connectionOf(server);
      for (const last of [true, false]) {
        await connection.mail("a@x.test");
        const octets = bytes("hello");
        const chunk = Promise.all([connection.rcpt("b@y.test"), connection.bdat(octets, { last: true })]);
        octets.fill(10);
        await chunk;
        await connection.mail("a@x.test");
        await connection.rcpt("b@y.test");
        await connection.data();
        const stuffed = bytes(last ? "hello" : "hello\n");
        const sent = connection.dotStuff(stuffed);
        stuffed.set(bytes("\n.\nx"));
        await sent;
      }
      assertEquals(server.messages, ["hello", "hello\r\n", "hello", "hello\r\n"]);
      await assertUsable(server, { connection });
    },
  },
  {
    name: "F20 Octets in shared memory, and in a buffer that grows and shrinks, are what they were when they were given",
    run: async () => {
      const resizable = (text: string): { readonly octets: Uint8Array; readonly resize: (length: number) => void } => {
        const buffer: ArrayBuffer = Reflect.construct(ArrayBuffer, [text.length, { maxByteLength: 4 * text.length }]);
        const octets = new Uint8Array(buffer);
        octets.set(bytes(text));
        return { octets, resize: (length) => void Reflect.apply(Reflect.get(buffer, "resize"), buffer, [length]) };
      };
      for (const [transfer, protocol] of WAYS) {
        for (const text of ["a\n.\nb", MEGABYTE.slice(0, 78 * 2_000)]) {
          const server = new OctetServer(undefined, protocol);
          await using client = await clientOf(server);
          const message = { from: "a@x.test", to: "b@y.test", transfer };
          const wire = transfer === "data" ? dotted(text) : normalized(text);
          await client.send({ ...message, body: shared(text) });
          await client.send({ ...message, body: streamOf([shared(text)], close) });
          for (const length of [0, 1, 2 * text.length]) {
            const { octets, resize } = resizable(text);
            assertEquals(await sendAndChange(client, { ...message, body: octets }, () => resize(length)), undefined);
            const other = resizable(text);
            await client.send({
              ...message,
              body: streamOf([other.octets], (controller) => {
                other.resize(length);
                controller.close();
              }),
            });
          }
          assertEquals(server.raw.length, 8);
          for (const raw of server.raw) assert(raw === wire, `${transfer} ${protocol} ${raw.length}`);
        }
      }
      // A view of a part that is not there any more.
      const { octets, resize } = resizable("hello");
      const view = new Uint8Array(octets.buffer, 2, 3);
      resize(1);
      const server = new OctetServer();
      await using client = await clientOf(server);
      await assertRefused(server, "a view beyond its buffer", () => client.send({ from: "a@x.test", to: "b@y.test", body: view }));
      await assertUsable(server, client);
    },
  },
];
