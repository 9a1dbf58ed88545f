/** G: what is given up, by signal, by close and by the clock, at every point. */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { connect, type ConnectOptions, type SmtpClient, SmtpConnection, SmtpError, SmtpPool } from "@posthorn/smtp";
import { rejection } from "../../support/client.ts";
import { type FakeClock, settled } from "../../support/fake_clock.ts";
import { HostileServer, WAYS } from "../../support/hostile.ts";
import { assertNothingLeft, WitnessedBody, WitnessedSignal } from "../../support/witness.ts";
import type { Fault } from "../fault.ts";
import { METHODS } from "../methods.ts";
import { inEachScene, outcomeOf, turns } from "../sending.ts";

const MESSAGE = { from: "a@x.test", to: "b@y.test", body: "hello\r\n" };
const AUTH = { username: "alice", password: "s3cret" };

/** Reasons, not all of which are errors; none may be mistaken for anything else. */
const REASONS: readonly unknown[] = [
  new Error("enough"),
  "enough",
  undefined,
  null,
  0,
  Symbol("enough"),
  Object.freeze({ frozen: true }),
  Object.create(null),
  { then: (resolve: (value: unknown) => void) => resolve("never asked") },
];

/** Points at which a server falls silent while a message is sent: behind which command, and what is then known. */
const SILENCES: readonly (readonly [command: RegExp, phase: string, delivery: string])[] = [
  [/^MAIL/, "mail", "not-sent"],
  [/^RCPT/, "rcpt", "not-sent"],
  [/^DATA/, "data", "not-sent"],
  [/^(\.|BDAT \d+ LAST)$/, "data", "unknown"],
];

/** A server that hears `command` and says nothing more. */
function silentAt(command: RegExp): { readonly answer: (said: string, server: HostileServer) => null | undefined } {
  return {
    answer: (said, server) => {
      if (!command.test(said)) return undefined;
      server.deafen();
      return null;
    },
  };
}

/** What ends a message that is under way, and the kind of error that it becomes. */
const ENDINGS: Readonly<Record<string, { readonly kind: string; readonly end: (signal: WitnessedSignal, close: () => void) => void }>> = {
  "its signal": { kind: "aborted", end: (signal) => signal.abort("enough") },
  "close": { kind: "closed", end: (_, close) => close() },
  "close, twice": { kind: "closed", end: (_, close) => (close(), close()) },
  "its signal, and close at once": { kind: "aborted", end: (signal, close) => (signal.abort("enough"), close()) },
  "close, and its signal at once": { kind: "closed", end: (signal, close) => (close(), signal.abort("enough")) },
};

const KEYWORDS = ["PIPELINING", "CHUNKING", "BURL", "AUTH PLAIN", "STARTTLS"];
const challenging = (command: string): string | undefined => command === "AUTH PLAIN" ? "334 " : undefined;

export const cancellation: readonly Fault[] = [
  ...Object.entries(ENDINGS).map(([what, { kind, end }]): Fault => ({
    name: `F72 F74 A message that is ended by ${what} ends within a tick, wherever the server has fallen silent, and leaves nothing`,
    run: async () => {
      for (const [command, phase, delivery] of SILENCES) {
        await inEachScene(() => silentAt(command), async ({ way, call, server, signal, name }) => {
          if (command.test("DATA") && !way.name.includes("DATA")) return;
          const where = `${name}, ${command}`;
          const { done, close } = await call.send(server.options(), MESSAGE, signal.signal);
          await turns();
          let error: unknown = "pending";
          void done.then((reason) => error = reason);
          end(signal, close);
          await settled();
          assertEquals(outcomeOf(error), { kind, phase, delivery }, where);
          if (kind === "aborted") assertEquals(Object(error).cause, "enough", where);
          close();
          await assertNothingLeft({ clock: server.clock, sockets: [server], signal }, where);
        });
      }
    },
  })),
  {
    name: "F72 A message whose source gives nothing ends within a tick when it is aborted, and only what is counted leaves the connection standing",
    run: () =>
      inEachScene(() => ({}), async ({ way, call, server, signal, name }) => {
        const body = new WitnessedBody({ piece: way.piece, pieces: 2, isEndless: true });
        const { done, close } = await call.send(server.options(), { ...MESSAGE, body: body.stream }, signal.signal);
        await turns();
        let error: unknown = "pending";
        void done.then((reason) => error = reason);
        signal.abort("enough");
        await settled();
        assertEquals(outcomeOf(error), { kind: "aborted", phase: "data", delivery: "not-sent" }, name);
        await turns();
        assertEquals([server.isClosed, body.cancelled], [way.name.includes("DATA"), 1], name);
        close();
        await assertNothingLeft({ clock: server.clock, sockets: [server], signal, body }, name);
      }),
  },
  {
    name: "F72 A reason may be anything, and is the cause of the error as it is",
    run: async () => {
      for (const reason of REASONS) {
        for (const [name, server, run] of stalls()) {
          const signal = new WitnessedSignal();
          const error = rejection(run(signal.signal));
          await turns();
          signal.abort(reason);
          const given = await error;
          assertInstanceOf(given, SmtpError, name);
          // Without one it is the platform's own.
          assertEquals([given.kind, given.cause === signal.signal.reason], ["aborted", true], `${name}, ${String(typeof reason)}`);
          await assertNothingLeft({ clock: server.clock, sockets: [server], signal }, name);
        }
      }
    },
  },
  {
    name: "F72 No method does anything for a signal that has fired before, and each says so with its reason",
    run: async () => {
      for (const [name, run] of Object.entries(METHODS)) {
        const signal = new WitnessedSignal();
        const reason = new Error("enough");
        signal.abort(reason);
        const server = new HostileServer({ keywords: KEYWORDS, answer: challenging });
        const error = await rejection(run(server.options(), signal.signal));
        assertInstanceOf(error, SmtpError, name);
        assertEquals([error.kind, error.cause, error.delivery], ["aborted", reason, "not-sent"], name);
        await settled();
        const written = server.commands.filter((command) => !/^(EHLO client|MAIL FROM:<a@x.test>$|RCPT|DATA|AUTH PLAIN$)/.test(command));
        assertEquals([written, signal.listeners, server.clock.pending], [[], 0, 0], name);
      }
    },
  },
  {
    name: "F72 SmtpClient.quit with a signal that has fired, or fires, closes at once and does not reject",
    run: async () => {
      for (const isBefore of [true, false]) {
        const signal = new WitnessedSignal();
        const server = new HostileServer({ answer: (command) => command === "QUIT" ? null : undefined });
        const client = await connect(server.options());
        if (isBefore) signal.abort();
        const over = client.quit({ signal: signal.signal });
        await turns();
        signal.abort();
        await over;
        assertEquals(server.commands.includes("QUIT"), !isBefore);
        await assertNothingLeft({ clock: server.clock, sockets: [server], signal });
      }
    },
  },
  {
    name: "F72 A signal that fires in the tick of the last reply finds the message in doubt or taken, and never both",
    run: () =>
      inEachScene(() => silentAt(/^(\.|BDAT \d+ LAST)$/), async ({ call, server, signal, name }) => {
        for (const isFirst of [true, false]) {
          const other = new HostileServer({ keywords: ["PIPELINING"], ...silentAt(/^\.$/) });
          const own = new WitnessedSignal();
          const { done, close } = await call.send(other.options(), MESSAGE, own.signal);
          await turns();
          if (isFirst) own.abort("enough");
          other.say("250 2.0.0 taken");
          if (!isFirst) own.abort("enough");
          assertEquals(outcomeOf(await done), { kind: "aborted", phase: "data", delivery: "unknown" }, name);
          close();
          await assertNothingLeft({ clock: other.clock, sockets: [other], signal: own }, name);
        }
        const { done, close } = await call.send(server.options(), MESSAGE, signal.signal);
        await turns();
        server.say("250 2.0.0 taken\r\n250 2.0.0 taken");
        await settled();
        signal.abort("enough");
        assertEquals(outcomeOf(await done), "sent", name);
        close();
        await assertNothingLeft({ clock: server.clock, sockets: [server], signal }, name);
      }, WAYS),
  },
  {
    name: "F72 AbortSignal.any and AbortSignal.timeout end a call like any other signal, and their reason is the cause",
    run: async () => {
      for (const [name, server, run] of stalls()) {
        const controller = new AbortController();
        const error = rejection(run(AbortSignal.any([new AbortController().signal, controller.signal])));
        await turns();
        controller.abort("enough");
        assertEquals(Object(await error).cause, "enough", name);
        await assertNothingLeft({ clock: server.clock, sockets: [server] }, name);
      }
      // Node does not stay for the timer of a signal, and there is nothing else here to stay for.
      const stay = setInterval(() => {}, 1_000);
      for (const [name, server, run] of stalls()) {
        const error = await rejection(run(AbortSignal.timeout(1)));
        assertInstanceOf(error, SmtpError, name);
        assertEquals([error.kind, Object(error.cause).name], ["aborted", "TimeoutError"], name);
        await assertNothingLeft({ clock: server.clock, sockets: [server] }, name);
      }
      clearInterval(stay);
    },
  },
  {
    name: "F72 A message that waits for its turn again, since the window has failed, ends within a tick when it is aborted",
    run: async () => {
      let isRefused = false;
      const server = new HostileServer({
        keywords: ["PIPELINING", "CHUNKING"],
        answer: (command, server) => {
          if (command.startsWith("MAIL FROM:<stuck")) server.deafen();
          if (command.startsWith("MAIL")) isRefused = command.startsWith("MAIL FROM:<refused");
          return command.startsWith("MAIL FROM:<stuck") ? null : isRefused ? "503 5.5.1 bad sequence" : undefined;
        },
      });
      const pool = new SmtpPool(server.options(), { maxConnections: 1, window: 8 });
      const send = (name: string, signal?: AbortSignal) => pool.send({ ...MESSAGE, from: `${name}@x.test` }, { signal });
      await Promise.all([send("a"), send("b"), send("c")]);
      const signal = new WitnessedSignal();
      const sent = send("d");
      const refused = rejection(send("refused", signal.signal));
      const stuck = rejection(send("stuck"));
      await sent;
      await turns();
      let error: unknown = "pending";
      void refused.then((reason) => error = reason);
      signal.abort("enough");
      await settled();
      assertEquals(outcomeOf(error), { kind: "aborted", phase: "local", delivery: "not-sent" });
      pool.close();
      assertEquals(outcomeOf(await stuck), { kind: "closed", phase: "data", delivery: "unknown" });
      await assertNothingLeft({ clock: server.clock, sockets: [server], signal });
    },
  },
  {
    name: "F72 A clock that is set back makes no wait longer than twice what it may be, and one that jumps ends it",
    run: async () => {
      for (const jump of [-3_600_000, -1e15, 3_600_000, 1e15]) {
        for (const [name, server, run] of stalls((clock) => new JumpingClock(clock, jump))) {
          let error: unknown;
          const ended = run(new AbortController().signal).catch((reason) => error = reason);
          await turns();
          JumpingClock.jump(server.clock);
          for (let minute = 0; minute <= 20 && error === undefined; minute++) await server.clock.advance(60_000);
          await ended;
          assertEquals(outcomeOf(error) === "sent" ? "sent" : Object(error).kind, "timeout", `${name}, ${jump}`);
          await assertNothingLeft({ clock: server.clock, sockets: [server] }, name);
        }
      }
    },
  },
  {
    name: "F74 close, quit and dispose may be called in any phase, twice, and at once, and leave nothing",
    run: async () => {
      const endings: readonly ((client: SmtpClient) => unknown)[] = [
        (client) => client.close(),
        (client) => client.quit(),
        (client) => client[Symbol.asyncDispose](),
        (client) => client.connection.close(),
        (client) => client.connection[Symbol.asyncDispose](),
      ];
      for (const [command] of [...SILENCES, [/^NOTHING/] as const]) {
        for (const one of endings) {
          for (const other of endings) {
            const server = new HostileServer(silentAt(command));
            const client = await connect(server.options());
            const sending = client.send(MESSAGE).catch((error: unknown) => error);
            await turns();
            const over = Promise.all([one(client), other(client)]);
            for (let turn = 0; turn < 5; turn++) await server.clock.advance(300_000);
            await over;
            await sending;
            assert(client.isClosed);
            await assertNothingLeft({ clock: server.clock, sockets: [server] }, `${command}`);
          }
        }
      }
    },
  },
  {
    name: "F74 Disposing of a connection twice at once waits for what is under way, as once does",
    run: async () => {
      const server = new HostileServer({
        answer: (command, server) => {
          if (command !== "NOOP") return undefined;
          void turns().then(() => server.say("250 ok"));
          return null;
        },
      });
      const connection = await SmtpConnection.open(server.options());
      const replies = connection.ehlo("client.test").then(() => Promise.all([connection.noop(), connection.noop()]));
      await turns();
      const last = connection.noop();
      await Promise.all([connection[Symbol.asyncDispose](), connection[Symbol.asyncDispose]()]);
      assertEquals([...(await replies), await last].map(({ code }) => code), [250, 250, 250]);
      assertEquals(server.commands.at(-1), "QUIT");
      await assertNothingLeft({ clock: server.clock, sockets: [server] });
    },
  },
  {
    name: "F74 quit waits for the messages before it, and what comes behind it is surely not sent",
    run: () =>
      inEachScene(() => ({}), async ({ way, server }) => {
        const client = await connect(server.options());
        const before = client.send(MESSAGE);
        const over = client.quit();
        const behind = rejection(client.send(MESSAGE));
        assertEquals((await before).accepted.length, 1, way.name);
        await over;
        assertEquals(outcomeOf(await behind), { kind: "closed", phase: "mail", delivery: "not-sent" }, way.name);
        assertEquals(server.taken, 1);
        await assertNothingLeft({ clock: server.clock, sockets: [server] }, way.name);
      }),
  },
];

/** A clock that is set to another time once, while its timers fire as before. */
class JumpingClock {
  static readonly #jumps = new WeakMap<FakeClock, () => void>();
  readonly #clock: FakeClock;
  #offset = 0;

  constructor(clock: FakeClock, milliseconds: number) {
    this.#clock = clock;
    JumpingClock.#jumps.set(clock, () => this.#offset = milliseconds);
  }

  static jump(clock: FakeClock): void {
    this.#jumps.get(clock)?.();
  }

  now(): number {
    return this.#clock.now() + this.#offset;
  }

  schedule(callback: () => void, milliseconds: number): () => void {
    return this.#clock.schedule(callback, milliseconds);
  }
}

/** Calls that never come to an end by themselves, each with a server of its own. */
function* stalls(
  clockOf: (clock: FakeClock) => ConnectOptions["clock"] = (clock) => clock,
): Generator<readonly [name: string, server: HostileServer, run: (signal: AbortSignal) => Promise<unknown>]> {
  const closing = async <T extends { close(): void }>(subject: T, ask: (subject: T) => Promise<unknown>): Promise<unknown> => {
    try {
      return await ask(subject);
    } finally {
      subject.close();
    }
  };
  const made = (command: RegExp, run: (options: ConnectOptions, signal: AbortSignal) => Promise<unknown>, name: string) => {
    const server = new HostileServer({ keywords: ["PIPELINING", "AUTH PLAIN XOAUTH2"], ...silentAt(command) });
    const options = { ...server.options(), clock: clockOf(server.clock)!, allowCleartextAuth: true };
    return [name, server, (signal: AbortSignal) => run(options, signal)] as const;
  };
  yield made(/^EHLO/, (options, signal) => connect({ ...options, signal }), "EHLO");
  yield made(/^AUTH/, (options, signal) => connect({ ...options, signal, auth: AUTH }), "AUTH");
  const token = { username: "alice", accessToken: (): Promise<string> => new Promise(() => {}) };
  yield made(/^NOTHING/, (options, signal) => connect({ ...options, signal, auth: token }), "a token that never comes");
  yield made(/^MAIL/, async (options, signal) => closing(await connect(options), (client) => client.send(MESSAGE, { signal })), "MAIL");
  yield made(/^\.$/, async (options, signal) => closing(await connect(options), (client) => client.send(MESSAGE, { signal })), "the final dot");
  yield made(/^NOOP/, async (options, signal) => closing(await connect(options), (client) => client.verify({ signal })), "NOOP");
  yield made(/^VRFY/, async (options, signal) => closing(await connect(options), (client) => client.connection.vrfy("b", { signal })), "VRFY");
}
