/** G: the bodies and the sources of messages, and messages whose members do something. */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { connect, type Message, SmtpBodyError, SmtpError, SmtpPool } from "@posthorn/smtp";
import { rejection } from "../../support/client.ts";
import { settled } from "../../support/fake_clock.ts";
import { HostileServer, WAYS } from "../../support/hostile.ts";
import { assertNothingLeft, WitnessedBody, WitnessedSignal } from "../../support/witness.ts";
import type { Fault } from "../fault.ts";
import { anything, inEachScene, outcomeOf, THROWN, turns } from "../sending.ts";

const MESSAGE = { from: "a@x.test", to: "b@y.test", body: "hello\r\n" };

/** Sources of messages that fail, each behind one message that is none the worse. */
const SOURCES: Readonly<Record<string, () => unknown>> = {
  "that throws": () =>
    (function* () {
      yield MESSAGE;
      throw new Error("mine");
    })(),
  "that rejects": () =>
    (async function* () {
      yield MESSAGE;
      await settled();
      throw new Error("mine");
    })(),
  "whose next gives no object": () => iterable({ next: once(() => undefined) }),
  "whose next gives a promise of no object": () => iterable({ next: once(() => Promise.resolve(7)) }),
  "whose then throws": () =>
    iterable({
      next: once(() => ({
        then: () => {
          throw new Error("mine");
        },
      })),
    }),
};

/** What is no source at all. */
const NO_SOURCES: readonly unknown[] = [undefined, null, 7, "text", {}, MESSAGE, () => [MESSAGE], { [Symbol.iterator]: () => undefined }, {
  [Symbol.asyncIterator]: () => 7,
}, {
  [Symbol.iterator]: () => {
    throw new TypeError("mine");
  },
}];

function iterable(iterator: unknown): unknown {
  return { [Symbol.asyncIterator]: () => iterator };
}

function once(then: () => unknown): () => unknown {
  let isFirst = true;
  return () => {
    if (!isFirst) return then();
    isFirst = false;
    return { done: false, value: MESSAGE };
  };
}

/** How a stream's own cancel may go. */
const CANCELS: Readonly<Record<string, () => void | Promise<void>>> = {
  "throws": () => {
    throw Object.create(null);
  },
  "rejects": () => Promise.reject(undefined),
  "never settles": () => new Promise(() => {}),
};

/** Members of a message that throw when they are read, from the first time on or later. */
function trapped(member: "from" | "to" | "body", times: number, thrown: unknown): Message {
  let left = times;
  return Object.defineProperty({ ...MESSAGE }, member, {
    enumerable: true,
    get: () => {
      if (left-- <= 0) throw thrown;
      return MESSAGE[member];
    },
  });
}

export const messageSources: readonly Fault[] = [
  {
    name: "F73 A body that opens to nothing, throws, fails or gives what is no octets costs its own message, with what it threw as the cause",
    run: async () => {
      for (const thrown of THROWN) {
        const bodies: Readonly<Record<string, () => Message["body"]>> = {
          "opens by throwing": () => () => {
            throw thrown;
          },
          "fails": () => new ReadableStream({ pull: (controller) => controller.error(thrown) }),
          "rejects": () => new ReadableStream({ pull: () => Promise.reject(thrown) }),
        };
        for (const [what, body] of Object.entries(bodies)) {
          await inEachScene(() => ({}), async ({ call, server, signal, name }) => {
            const { done, close } = await call.send(server.options(), { ...MESSAGE, body: body() }, signal.signal);
            await turns();
            const error = await done;
            assertInstanceOf(error, SmtpBodyError, `${name}, ${what}`);
            assert([error.delivery, error.phase].join() === "not-sent,data" && error.cause === thrown, `${name}, ${what}`);
            assertEquals(server.taken, 0);
            close();
            await assertNothingLeft({ clock: server.clock, sockets: [server], signal }, name);
          }, WAYS.slice(0, 3));
        }
      }
      for (const given of [undefined, {}, 7, new ReadableStream({ start: (controller) => controller.enqueue("text") }), lockedStream()]) {
        for (const way of WAYS) {
          const server = new HostileServer({ keywords: way.keywords, protocol: way.protocol });
          const client = await connect(server.options());
          const error = await rejection(client.send({ ...MESSAGE, body: () => anything(given) }));
          assertInstanceOf(error, SmtpBodyError, way.name);
          client.close();
          await assertNothingLeft({ clock: server.clock, sockets: [server] }, way.name);
        }
      }
    },
  },

  ...Object.entries(CANCELS).map(([what, onCancel]): Fault => ({
    name: `F73 F74 A body whose cancel ${what} is cancelled once, and nothing waits for it or fails by it`,
    run: async () => {
      for (const end of ["refused", "aborted", "closed"] as const) {
        await inEachScene(({ piece }) => ({
          onContent: (octets, server) => {
            if (end === "refused" && octets === 2 * piece) server.say("552 5.3.4 too big");
          },
          answer: (command) => end === "refused" && command.startsWith("BDAT") ? "503 5.5.1 bad sequence" : undefined,
        }), async ({ way, call, server, signal, name }) => {
          const body = new WitnessedBody({ piece: way.piece, pieces: 3, isEndless: true, onCancel });
          const { done, close } = await call.send(server.options(), { ...MESSAGE, body: body.stream }, signal.signal);
          await turns();
          if (end === "aborted") signal.abort("enough");
          if (end === "closed") close();
          await turns();
          const outcome = outcomeOf(await done);
          assertEquals(outcome === "sent" ? outcome : outcome.kind, end, name);
          assertEquals(body.cancelled, 1, name);
          close();
          await assertNothingLeft({ clock: server.clock, sockets: [server], signal, body }, name);
        });
      }
    },
  })),
  {
    name: "F73 F74 A body that ends its own connection when it is opened or read is let go",
    run: async () => {
      for (const way of WAYS) {
        for (const isOpened of [true, false]) {
          const server = new HostileServer({ keywords: way.keywords, protocol: way.protocol });
          const client = await connect(server.options());
          const body = new WitnessedBody({ piece: way.piece, onPull: (index) => index === (isOpened ? -1 : 1) && client.close() });
          const error = rejection(client.send({
            ...MESSAGE,
            body: () => {
              if (isOpened) client.close();
              return body.stream;
            },
          }));
          await turns();
          assertEquals(outcomeOf(await error), { kind: "closed", phase: "data", delivery: "not-sent" }, way.name);
          assertEquals(body.cancelled, 1, way.name);
          await assertNothingLeft({ clock: server.clock, sockets: [server], body }, way.name);
        }
      }
    },
  },
  {
    name: "F73 A message that throws when it is read rejects its own call with what it threw, and leaves the others alone",
    run: async () => {
      for (const member of ["from", "to", "body"] as const) {
        for (const times of [0, 1, 2, 3]) {
          const mine = new Error("mine");
          const server = new HostileServer();
          const client = await connect(server.options());
          const one = client.send(trapped(member, times, mine)).catch((error: unknown) => error);
          await client.send(MESSAGE);
          assertEquals(await one === mine, times === 0);
          await client.quit();
          const again = new HostileServer();
          const pool = new SmtpPool(again.options(), { maxConnections: 1, rateLimit: { octets: 1_000_000, recipients: 1_000 } });
          const zero = pool.send(MESSAGE);
          const calls = [pool.send(trapped(member, times, mine)).catch((error: unknown) => error), pool.send(MESSAGE)];
          // The rate lets one leave after the other.
          for (let turn = 0; turn < 5; turn++) await again.clock.advance(100);
          const [first] = await Promise.all([...calls, zero]);
          assertEquals(first === mine, times === 0, `${member}, ${times}`);
          await pool.drain();
          const { sent, failed } = pool.stats();
          assertEquals(sent + failed, 3);
          await assertNothingLeft({ clock: again.clock, sockets: [server, again] });
        }
      }
    },
  },
  {
    name: "F73 A message that a pool sends again is read no second time",
    run: async () => {
      const servers = [
        new HostileServer({ answer: (command, server) => command.startsWith("MAIL") ? (server.end(), null) : undefined }),
        new HostileServer(),
      ];
      let dialled = 0;
      const pool = new SmtpPool({ ...servers[0]!.options(), dial: () => Promise.resolve(servers[dialled++]!.socket) }, {
        maxConnections: 1,
        random: () => 0,
      });
      const sending = pool.send(trapped("body", 1, new Error("mine")));
      for (let turn = 0; turn < 10; turn++) await servers[0]!.clock.advance(100);
      assertEquals((await sending).accepted.length, 1);
      await pool.drain();
      await assertNothingLeft({ clock: servers[0]!.clock, sockets: servers });
    },
  },
  {
    name: "F73 What a message throws is its outcome in sendAll, whatever it is, and those behind it are sent",
    run: async () => {
      for (const thrown of THROWN) {
        for (const isPool of [false, true]) {
          const server = new HostileServer();
          const client = isPool ? new SmtpPool(server.options(), { maxConnections: 1 }) : await connect(server.options());
          const outcomes = [];
          for await (const outcome of client.sendAll([MESSAGE, trapped("from", 0, thrown), MESSAGE])) outcomes.push(outcome);
          assertEquals(outcomes.map(({ status }) => status), ["sent", "failed", "sent"]);
          const [, failed] = outcomes;
          assert(failed?.status === "failed" && (failed.error === thrown || failed.error.cause === thrown));
          await client[Symbol.asyncDispose]();
          await assertNothingLeft({ clock: server.clock, sockets: [server] });
        }
      }
    },
  },
  ...Object.entries(SOURCES).map(([what, source]): Fault => ({
    name: `F73 A source ${what} is told behind the outcome of what it gave before`,
    run: async () => {
      for (const isPool of [false, true]) {
        const server = new HostileServer();
        const client = isPool ? new SmtpPool(server.options(), { maxConnections: 1 }) : await connect(server.options());
        const statuses: string[] = [];
        const error = await rejection((async () => {
          for await (const { status } of client.sendAll(anything(source()))) statuses.push(status);
        })());
        assertInstanceOf(error, Error);
        assertEquals(statuses, ["sent"]);
        await client[Symbol.asyncDispose]();
        await assertNothingLeft({ clock: server.clock, sockets: [server] });
      }
    },
  })),
  {
    name: "F73 What is no source at all is refused, and the client can go on",
    run: async () => {
      for (const source of NO_SOURCES) {
        const server = new HostileServer();
        const client = await connect(server.options());
        const signal = new WitnessedSignal();
        const error = await rejection((async () => await client.sendAll(anything(source), { signal: signal.signal }).next())());
        assertInstanceOf(error, TypeError);
        assertEquals([(await client.send(MESSAGE)).accepted.length, signal.listeners], [1, 0]);
        await client.quit();
        await assertNothingLeft({ clock: server.clock, sockets: [server] });
      }
    },
  },
  {
    name: "F73 A source that is left half-way is told so once, and what it does then neither hides an error nor is waited for behind an abort",
    run: async () => {
      const returns: Readonly<Record<string, () => unknown>> = {
        "throws": () => {
          throw new Error("from return");
        },
        "rejects": () => Promise.reject(new Error("from return")),
        "never settles": () => new Promise(() => {}),
        "is as it should be": () => Promise.resolve({ done: true, value: undefined }),
      };
      for (const [what, leave] of Object.entries(returns)) {
        for (const isPool of [false, true]) {
          let returned = 0;
          const source = () => iterable({ next: () => Promise.resolve({ done: false, value: MESSAGE }), return: () => (returned++, leave()) });
          const server = new HostileServer();
          const client = isPool ? new SmtpPool(server.options(), { maxConnections: 1 }) : await connect(server.options());
          const signal = new WitnessedSignal();
          const outcomes = client.sendAll(anything(source()), { signal: signal.signal });
          assertEquals((await outcomes.next()).value?.status, "sent");
          signal.abort("enough");
          let error: unknown;
          for (let count = 0; error === undefined && count < 100; count++) {
            error = await outcomes.next().then(() => undefined, (reason: unknown) => reason);
          }
          assertInstanceOf(error, SmtpError, what);
          assertEquals([error.kind, returned, signal.listeners], ["aborted", 1, 0], what);
          assertEquals((await outcomes.next()).done, true);
          client.close();
          await assertNothingLeft({ clock: server.clock, sockets: [server], signal }, what);
        }
      }
    },
  },
  {
    name: "F73 The outcomes may be left by return and throw before, between and behind them, and nothing more is sent",
    run: async () => {
      for (const isPool of [false, true]) {
        for (const read of [0, 1, 3]) {
          for (const how of ["return", "throw"] as const) {
            const server = new HostileServer();
            const client = isPool ? new SmtpPool(server.options(), { maxConnections: 1 }) : await connect(server.options());
            let given = 0;
            const messages = (function* () {
              for (; given < 3; given++) yield MESSAGE;
            })();
            const outcomes = client.sendAll(messages);
            for (let count = 0; count < read; count++) assertEquals((await outcomes.next()).value?.status, "sent");
            const mine = new Error("mine");
            const left = await outcomes[how](anything(mine)).then(() => "left", (error: unknown) => error === mine ? "threw" : error);
            assertEquals(left, how === "return" ? "left" : "threw");
            const { taken } = server;
            await turns();
            assertEquals([server.taken, (await outcomes.next()).done], [taken, true]);
            await client[Symbol.asyncDispose]();
            // A pool opens nothing before there is something to send.
            await assertNothingLeft({ clock: server.clock, sockets: server.writes.length > 0 ? [server] : [] });
          }
        }
      }
    },
  },
  {
    name: "F75 A message of 4 MiB is read only as fast as the server takes it, in each way",
    run: async () => {
      for (const way of WAYS) {
        let held: (() => void)[] = [];
        let octets = 0;
        const server = new HostileServer({
          keywords: way.keywords,
          protocol: way.protocol,
          onWrite: (text) => text.length < 10_000 ? undefined : new Promise<void>((resolve) => held.push(resolve)),
          onContent: (count) => void (octets = count),
        });
        const client = await connect(server.options());
        const body = new WitnessedBody({ piece: 65_536, pieces: 64 });
        let isDone = false;
        const sending = client.send({ ...MESSAGE, body: body.stream }).then(() => isDone = true);
        let most = 0;
        while (!isDone) {
          await settled();
          most = Math.max(most, body.pulls * 65_536 - octets);
          const released = held;
          held = [];
          for (const release of released) release();
        }
        await sending;
        assert(most <= (way.name.includes("DATA") ? 131_072 : 5 * 524_288), `${way.name}: ${most} octets ahead`);
        await client.quit();
        await assertNothingLeft({ clock: server.clock, sockets: [server], body }, way.name);
      }
    },
  },
];

function lockedStream(): ReadableStream<Uint8Array> {
  const stream = new ReadableStream<Uint8Array>();
  stream.getReader();
  return stream;
}
