/** G: what the caller's own hooks, streams, sockets, dialers and messages do, and who has to hear of it. */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { connect, type Dialer, type SmtpClient, SmtpConnection, SmtpError, SmtpPool, type Socket } from "@posthorn/smtp";
import { rejection } from "../../support/client.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { HostileServer, WAYS } from "../../support/hostile.ts";
import { assertNothingLeft, WitnessedSignal } from "../../support/witness.ts";
import type { Fault } from "../fault.ts";
import { anything, inEachScene, outcomeOf, THROWN, turns } from "../sending.ts";

const MESSAGE = { from: "a@x.test", to: "b@y.test", body: "hello\r\n" };

/** Hooks that do what no hook should. */
const TRACES: Readonly<Record<string, () => unknown>> = {
  "throws": () => {
    throw Object.create(null);
  },
  "rejects": () => Promise.reject(new Error("mine")),
  "rejects by a thenable": () => ({ then: (_: unknown, reject: (reason: unknown) => void) => reject(new Error("mine")) }),
  "has a then that throws": () => ({
    get then(): never {
      throw new Error("mine");
    },
  }),
  "never settles": () => new Promise(() => {}),
};

/** What a dialer may give instead of a socket. */
function noSockets(): readonly unknown[] {
  const server = new HostileServer();
  const { socket } = server;
  const locked = new WritableStream();
  locked.getWriter();
  return [undefined, null, "socket", {}, { ...socket, close: undefined }, { ...socket, readable: undefined }, { ...socket, readable: {} }, {
    ...socket,
    writable: locked,
  }, { close: () => {}, direct: {} }];
}

/** Sockets that misbehave beside what they carry. */
const SOCKETS: Readonly<Record<string, (socket: Socket) => Socket>> = {
  "whose close throws": (socket) => ({
    ...socket,
    close: () => {
      void socket.close();
      throw Object.create(null);
    },
  }),
  "whose close rejects": (socket) => ({
    ...socket,
    close: async () => {
      await socket.close();
      throw undefined;
    },
  }),
  "whose close never settles": (socket) => ({
    ...socket,
    close: () => {
      void socket.close();
      return new Promise(() => {});
    },
  }),
  "that knows nonsense of itself": (socket) => ({ ...socket, opened: Promise.resolve(Object.create(null, { localAddress: { value: 7 } })) }),
  "that knows nothing of itself": (socket) => ({ ...socket, opened: Promise.resolve(Object(null)) }),
};

export const hooks: readonly Fault[] = [
  ...Object.entries(TRACES).map(([what, trace]): Fault => ({
    name: `F73 A trace that ${what} costs nothing, on a client, a pool and each of its connections`,
    run: () =>
      inEachScene(() => ({}), async ({ way, call, server, signal, name }) => {
        const { done, quit } = await call.send(
          { ...server.options(), trace: () => anything<void>(trace()) },
          MESSAGE,
          signal.signal,
        );
        await turns();
        assertEquals(outcomeOf(await done), "sent", name);
        await quit();
        await assertNothingLeft({ clock: server.clock, sockets: [server], signal }, name);
        if (call.name !== "a pool") return;
        const again = new HostileServer({ keywords: way.keywords, protocol: way.protocol });
        const hooks = { trace: () => anything<void>(trace()), connectionTrace: () => anything<void>(trace()) };
        const pool = new SmtpPool({ ...again.options(), trace: hooks.trace }, hooks);
        await pool.send(MESSAGE);
        await pool.drain();
        await assertNothingLeft({ clock: again.clock, sockets: [again] }, name);
      }),
  })),
  {
    name: "F73 A trace of the pool's connections hears what it should, though that of the connection throws",
    run: async () => {
      const server = new HostileServer();
      const heard: string[] = [];
      const trace = () => {
        throw new Error("mine");
      };
      const pool = new SmtpPool({ ...server.options(), trace }, { connectionTrace: ({ type }, connection) => heard.push(`${connection} ${type}`) });
      await pool.send(MESSAGE);
      await pool.drain();
      assert(heard.includes("1 connect") && heard.includes("1 close"), `${heard}`);
    },
  },
  {
    name: "F73 A trace may call the client back at any event, and nothing is said twice, lost or left",
    run: async () => {
      const calls: Readonly<Record<string, (client: SmtpClient) => unknown>> = {
        close: (client) => client.close(),
        quit: (client) => client.quit(),
        send: (client) => client.send(MESSAGE).catch(() => {}),
        dispose: (client) => client.connection[Symbol.asyncDispose](),
      };
      for (const [what, call] of Object.entries(calls)) {
        for (const way of WAYS) {
          for (let at = 0; at < 12; at++) {
            const where = `${what} at event ${at}, ${way.name}`;
            let isOpen = false;
            let count = 0;
            const server = new HostileServer({ keywords: way.keywords, protocol: way.protocol });
            const client: SmtpClient = await connect({
              ...server.options(),
              trace: () => {
                if (isOpen && count++ === at) void call(client);
              },
            });
            isOpen = true;
            const outcome = await client.send(MESSAGE).then(() => undefined, (error: unknown) => error);
            await client.quit();
            await turns();
            const told = outcomeOf(outcome);
            // What is said to be unsent must not have been taken; what was taken may be in doubt.
            if (told !== "sent" && told.delivery === "not-sent") assert(server.taken === 0 || what === "send", where);
            if (told === "sent") assert(server.taken >= 1, where);
            await assertNothingLeft({ clock: server.clock, sockets: [server] }, where);
          }
        }
      }
    },
  },
  {
    name: "F73 What a dialer throws is the cause of the error, whatever it is, and no dialer throws past the call",
    run: async () => {
      for (const thrown of THROWN) {
        const dialers: readonly Dialer[] = [
          () => {
            throw thrown;
          },
          () => Promise.reject(thrown),
          () => Promise.resolve({ ...new HostileServer().socket, opened: rejecting(thrown) }),
        ];
        for (const dial of dialers) {
          const clock = new FakeClock();
          const error = await rejection(connect({ ...new HostileServer().options(), clock, dial }));
          assertInstanceOf(error, SmtpError);
          assertEquals([error.kind, error.phase, clock.pending], ["connect", "connect", 0]);
          assert(error.cause === thrown);
        }
      }
    },
  },
  {
    name: "F73 F74 What a dialer gives that is no socket is refused as such, and closed where it can be",
    run: async () => {
      for (const given of noSockets()) {
        for (const begin of [connect, SmtpConnection.open]) {
          const clock = new FakeClock();
          const error = await rejection(begin({ hostname: "mx.example", tls: "none", clock, dial: () => Promise.resolve(anything(given)) }));
          assertInstanceOf(error, TypeError);
          assert(error.message.startsWith("Cannot use what dial gave to connect as it must be"), error.message);
          assertEquals(clock.pending, 0);
        }
      }
      for (const stream of ["readable", "writable"] as const) {
        const server = new HostileServer();
        if (stream === "readable") server.socket.readable.getReader();
        else server.socket.writable.getWriter();
        assertInstanceOf(await rejection(connect(server.options())), TypeError);
        assertEquals([server.isClosed, server.socket.readable.locked, server.socket.writable.locked], [
          true,
          stream === "readable",
          stream === "writable",
        ]);
      }
    },
  },
  {
    name: "F73 F74 What STARTTLS brings that is no socket ends the connection that it came from",
    run: async () => {
      for (const given of noSockets()) {
        const server = new HostileServer({ keywords: ["STARTTLS"] });
        const socket: Socket = { ...server.socket, startTls: () => anything(given) };
        const error = await rejection(connect({ ...server.options(), tls: "starttls", dial: () => Promise.resolve(socket) }));
        assertInstanceOf(error, SmtpError);
        assertEquals([error.kind, error.phase], ["tls", "starttls"]);
        await assertNothingLeft({ clock: server.clock, sockets: [server] });
      }
    },
  },
  {
    name: "F72 F74 A socket that a dialer brings behind the abort or the deadline is closed, and so is what STARTTLS brings",
    run: async () => {
      for (const isAborted of [true, false]) {
        const server = new HostileServer();
        const signal = new WitnessedSignal();
        let bring = (_: Socket) => {};
        const dial = (): Promise<Socket> => new Promise((resolve) => bring = resolve);
        const error = rejection(connect({ ...server.options({ dial }), signal: signal.signal }));
        await turns();
        if (isAborted) signal.abort("enough");
        else await server.clock.advance(30_000);
        assertEquals(outcomeOf(await error), { kind: isAborted ? "aborted" : "timeout", phase: "connect", delivery: "not-sent" });
        assertEquals(server.isClosed, false);
        bring(server.socket);
        await assertNothingLeft({ clock: server.clock, sockets: [server], signal });
      }
      for (const isAborted of [true, false]) {
        const server = new HostileServer({ keywords: ["STARTTLS"] });
        const secure = new HostileServer();
        const signal = new WitnessedSignal();
        let bring = (_: Socket) => {};
        const socket: Socket = { ...server.socket, startTls: () => new Promise((resolve) => bring = resolve) };
        const error = rejection(connect({ ...server.options({ dial: () => Promise.resolve(socket) }), tls: "starttls", signal: signal.signal }));
        await turns();
        if (isAborted) signal.abort("enough");
        else await server.clock.advance(30_000);
        assertEquals(outcomeOf(await error), { kind: isAborted ? "aborted" : "timeout", phase: "starttls", delivery: "not-sent" });
        bring({ ...secure.socket, secureTransport: "on" });
        await assertNothingLeft({ clock: server.clock, sockets: [server, secure], signal });
      }
    },
  },
  ...Object.entries(SOCKETS).map(([what, odd]): Fault => ({
    name: `F73 F74 A socket ${what} carries messages, and is closed, like any other`,
    run: () =>
      inEachScene(() => ({}), async ({ call, server, signal, name }) => {
        const dial = () => Promise.resolve(odd(server.socket));
        // Without one of its own, the client's name is that of its address.
        const { name: _, ...options } = server.options({ dial });
        const { done, quit } = await call.send(options, MESSAGE, signal.signal);
        await turns();
        assertEquals(outcomeOf(await done), "sent", name);
        const over = quit();
        await turns();
        // It is not waited for longer than QUIT would be.
        await server.clock.advance(5_000);
        await over;
        await assertNothingLeft({ clock: server.clock, sockets: [server], signal }, name);
      }),
  })),
  {
    name: "F74 quit and dispose wait until the socket has closed",
    run: () =>
      inEachScene(() => ({}), async ({ call, server, signal, name }) => {
        let isGone = false;
        const close = async () => {
          await turns();
          await server.socket.close();
          isGone = true;
        };
        const { done, quit } = await call.send(server.options({ dial: () => Promise.resolve({ ...server.socket, close }) }), MESSAGE, signal.signal);
        await done;
        await quit();
        assert(isGone, name);
        await assertNothingLeft({ clock: server.clock, sockets: [server], signal }, name);
      }),
  },
  {
    name: "F73 A socket whose writable has failed or is closed is told as lost, with the cause",
    run: async () => {
      for (const spoil of [(writable: WritableStream) => writable.abort(new Error("mine")), (writable: WritableStream) => writable.close()]) {
        const server = new HostileServer();
        await spoil(server.socket.writable).catch(() => {});
        const error = rejection(connect(server.options()));
        await turns();
        await server.clock.advance(1_000);
        const given = await error;
        assertEquals(outcomeOf(given), { kind: "disconnected", phase: "ehlo", delivery: "not-sent" });
        assert(Object(given).cause !== undefined);
        await assertNothingLeft({ clock: server.clock, sockets: [server] });
      }
    },
  },
];

/** A rejected promise that is nobody's fault. */
function rejecting(reason: unknown): Promise<never> {
  const promise = Promise.reject(reason);
  promise.catch(() => {});
  return promise;
}
