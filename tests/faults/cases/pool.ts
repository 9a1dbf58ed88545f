/** E: what a pool does next: when it sends again, when never, and who is not kept waiting by a connection that is stuck. */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { type ConnectOptions, SmtpConnectionError, SmtpError, SmtpPool, type Socket } from "@posthorn/smtp";
import { rejection } from "../../support/client.ts";
import { FakeClock, settled } from "../../support/fake_clock.ts";
import { type HostileOptions, HostileServer, type Way, WAYS } from "../../support/hostile.ts";
import { assertNothingLeft, WitnessedSignal } from "../../support/witness.ts";
import type { Fault } from "../fault.ts";
import { outcomeOf, turns } from "../sending.ts";

const MESSAGE = { from: "a@x.test", to: "b@y.test", body: "hello\r\n" };

/** Servers behind one name, one for each connection; those beyond the list are well. */
class Fleet {
  readonly servers: HostileServer[] = [];
  readonly clock = new FakeClock();
  readonly #way: Way;
  readonly #scripts: readonly HostileOptions[];
  /** Of connections that were refused. */
  refused = 0;

  constructor(way: Way, scripts: readonly HostileOptions[]) {
    this.#way = way;
    this.#scripts = scripts;
  }

  get taken(): number {
    return this.servers.reduce((sum, { taken }) => sum + taken, 0);
  }

  options(more: ConnectOptions = {}): ConnectOptions {
    const { keywords, protocol } = this.#way;
    const dial = (): Promise<Socket> => {
      const server = new HostileServer({ keywords, protocol, ...this.#scripts[this.servers.length] });
      this.servers.push(server);
      return Promise.resolve(server.socket);
    };
    return { hostname: "mx.example", tls: "none", name: "client.test", protocol, clock: this.clock, dial, ...more };
  }

  /** Lets pauses pass, and what comes behind them. */
  async pass(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) await this.clock.advance(50);
  }
}

/** How a connection is lost, or left. */
const LOSSES: Readonly<Record<string, (server: HostileServer) => void>> = {
  "421": (server) => (server.say("421 4.3.2 going down"), server.end()),
  FIN: (server) => server.end(),
  RST: (server) => server.reset(new Error("connection reset by peer")),
};

/** A server that goes by `lose` in the place of the reply to the first `command` of message number `message`. */
function losing(command: RegExp, lose: (server: HostileServer) => void, message = 1): HostileOptions {
  let mails = 0;
  return {
    answer: (said, server) => {
      if (said.startsWith("MAIL")) mails++;
      if (mails !== message || !command.test(said)) return undefined;
      server.deafen();
      // What was said before has arrived by then.
      void settled().then(() => lose(server));
      return null;
    },
  };
}

const pooled = (fleet: Fleet, more: ConstructorParameters<typeof SmtpPool>[1] = {}): SmtpPool => {
  return new SmtpPool(fleet.options(), { maxConnections: 1, random: () => 0, ...more });
};

export const pool: readonly Fault[] = [
  ...Object.entries(LOSSES).map(([loss, lose]): Fault => ({
    name: `F64 A connection that is lost by ${loss} while it is idle is no error, and the next message goes out on another`,
    run: async () => {
      for (const way of WAYS) {
        const fleet = new Fleet(way, []);
        const pool = pooled(fleet);
        await pool.send(MESSAGE);
        lose(fleet.servers[0]!);
        await turns();
        assertEquals([fleet.servers[0]!.isClosed || loss !== "421", pool.stats().connections.total], [true, 0], way.name);
        await pool.send(MESSAGE);
        assertEquals([fleet.servers.length, fleet.taken, pool.stats().retried, pool.stats().failed], [2, 2, 0, 0], way.name);
        await pool.drain();
        await assertNothingLeft({ clock: fleet.clock, sockets: fleet.servers }, way.name);
      }
    },
  })),
  ...Object.entries(LOSSES).map(([loss, lose]): Fault => ({
    name:
      `F64 A message whose connection is lost by ${loss} before its content is sent once more, on a fresh connection, whether it was reused or not`,
    run: async () => {
      for (const way of WAYS) {
        for (const command of [/^MAIL/, /^RCPT/, /^DATA/]) {
          for (const message of [1, 2]) {
            // A whole transaction by BDAT is in one write once the server is known, and then nobody can tell.
            const isWhole = way.name === "by BDAT" && message === 2;
            if ((command.test("DATA") && !way.name.includes("DATA")) || (isWhole && !(loss === "421" && command.test("MAIL")))) continue;
            const where = `${way.name}, ${command} of message ${message}`;
            const fleet = new Fleet(way, [losing(command, lose, message)]);
            const pool = pooled(fleet);
            if (message === 2) await pool.send(MESSAGE);
            const sending = pool.send(MESSAGE);
            await turns();
            await fleet.pass();
            assertEquals((await sending).accepted.length, 1, where);
            assertEquals([fleet.servers.length, fleet.taken, pool.stats().retried], [2, message, 1], where);
            await pool.drain();
            await assertNothingLeft({ clock: fleet.clock, sockets: fleet.servers }, where);
          }
        }
      }
    },
  })),
  {
    name: "F64 A message is sent once more and no more, and the second loss is told",
    run: async () => {
      for (const way of WAYS) {
        const fleet = new Fleet(way, [losing(/^MAIL/, LOSSES.FIN!), losing(/^RCPT/, LOSSES.FIN!)]);
        const pool = pooled(fleet);
        const error = rejection(pool.send(MESSAGE));
        await turns();
        await fleet.pass();
        assertEquals(outcomeOf(await error), { kind: "disconnected", phase: "rcpt", delivery: "not-sent" }, way.name);
        assertEquals([fleet.servers.length, fleet.taken, pool.stats().retried], [2, 0, 1], way.name);
        await pool.drain();
        await assertNothingLeft({ clock: fleet.clock, sockets: fleet.servers }, way.name);
      }
    },
  },
  ...[...Object.entries(LOSSES), ["silence", () => {}] as const].map(([loss, lose]): Fault => ({
    name: `F56 F64 A message that is lost by ${loss} behind its end is never sent again by a pool, and the next one goes out`,
    run: async () => {
      for (const way of WAYS) {
        for (const message of [1, 2]) {
          const where = `${way.name}, message ${message}`;
          const fleet = new Fleet(way, [losing(/^(\.|BDAT \d+ LAST)$/, lose, message)]);
          const pool = pooled(fleet);
          if (message === 2) await pool.send(MESSAGE);
          const sending = rejection(pool.send(MESSAGE));
          await turns();
          if (loss === "silence") await fleet.clock.advance(600_000);
          const error = await sending;
          assertInstanceOf(error, SmtpError, where);
          // The server's own word is known: it did not take it.
          assertEquals([error.delivery, error.code ?? 0], loss === "421" ? ["not-sent", 421] : ["unknown", 0], where);
          await fleet.pass();
          assertEquals([fleet.taken, pool.stats().retried, pool.stats().queued], [message - 1, 0, 0], where);
          const next = pool.send(MESSAGE);
          await fleet.pass();
          await next;
          assertEquals([fleet.servers.length, fleet.taken], [2, message], where);
          await pool.drain();
          await assertNothingLeft({ clock: fleet.clock, sockets: fleet.servers }, where);
        }
      }
    },
  })),
  {
    name: "F64 A whole transaction by BDAT that was in one write is in doubt when its connection is lost unanswered, and is not sent again",
    run: async () => {
      const [way] = WAYS.filter(({ name }) => name === "by BDAT");
      for (const [loss, lose] of Object.entries(LOSSES).slice(1)) {
        const fleet = new Fleet(way!, [losing(/^MAIL/, lose, 2)]);
        const pool = pooled(fleet);
        await pool.send(MESSAGE);
        assertEquals(outcomeOf(await rejection(pool.send(MESSAGE))), { kind: "disconnected", phase: "data", delivery: "unknown" }, loss);
        await pool.drain();
        assertEquals([fleet.servers.length, fleet.taken], [1, 1]);
        await assertNothingLeft({ clock: fleet.clock, sockets: fleet.servers });
      }
    },
  },
  {
    name: "F66 A pool puts the next message on another connection where one could not be reset",
    run: async () => {
      for (const way of WAYS) {
        const answer = (command: string) => /^(RCPT|RSET|DATA)/.test(command) ? "550 5.1.1 no" : undefined;
        const fleet = new Fleet(way, [{ answer }]);
        const pool = pooled(fleet);
        assertEquals(outcomeOf(await rejection(pool.send(MESSAGE))), { kind: "refused", phase: "rcpt", delivery: "not-sent", code: 550 });
        await turns();
        await pool.send(MESSAGE);
        assertEquals([fleet.servers.length, fleet.servers[0]!.isClosed, pool.stats().retried], [2, true, 0], way.name);
        await pool.drain();
        await assertNothingLeft({ clock: fleet.clock, sockets: fleet.servers }, way.name);
      }
    },
  },
  {
    name: "F65 A connection that is stuck keeps what waits behind it no longer than it may wait, and its place is free when its own time is up",
    run: async () => {
      for (const way of WAYS) {
        const fleet = new Fleet(way, [losing(/^(\.|BDAT \d+ LAST)$/, () => {})]);
        const pool = pooled(fleet, { queueTimeout: 60_000, maxQueued: 2 });
        const stuck = rejection(pool.send(MESSAGE));
        await turns();
        const waiting = [rejection(pool.send(MESSAGE)), rejection(pool.send(MESSAGE))];
        assertEquals(outcomeOf(await rejection(pool.send(MESSAGE))), { kind: "state", phase: "local", delivery: "not-sent" }, way.name);
        await fleet.clock.advance(60_000);
        for (const error of await Promise.all(waiting)) {
          assertEquals(outcomeOf(error), { kind: "timeout", phase: "local", delivery: "not-sent" }, way.name);
        }
        await fleet.clock.advance(539_000);
        const last = pool.send(MESSAGE);
        await fleet.clock.advance(1_000);
        assertEquals(outcomeOf(await stuck), { kind: "timeout", phase: "data", delivery: "unknown" }, way.name);
        await fleet.pass();
        await last;
        assertEquals([fleet.servers.length, fleet.taken], [2, 1], way.name);
        await pool.drain();
        await assertNothingLeft({ clock: fleet.clock, sockets: fleet.servers }, way.name);
      }
    },
  },
  {
    name: "F65 F72 A message that is aborted ends within a tick wherever it is in a pool: in the queue, a pause, an opening, or to be sent again",
    run: async () => {
      const places: Readonly<Record<string, (fleet: Fleet) => ConnectOptions>> = {
        "a queue": (fleet) => fleet.options(),
        "an opening": (fleet) => fleet.options({ dial: () => new Promise(() => {}) }),
        "a pause": (fleet) => fleet.options({ dial: () => (fleet.refused++, Promise.reject(new Error("refused"))) }),
      };
      for (const [place, options] of Object.entries(places)) {
        const fleet = new Fleet(WAYS[0]!, [losing(/^\.$/, () => {})]);
        const pool = new SmtpPool(options(fleet), { maxConnections: 1, random: () => 0 });
        const first = pool.send(MESSAGE).catch((error: unknown) => error);
        await turns();
        const signal = new WitnessedSignal();
        let error: unknown = "pending";
        void pool.send(MESSAGE, { signal: signal.signal }).catch((reason) => error = reason);
        await turns();
        signal.abort("enough");
        await settled();
        assertEquals([outcomeOf(error), Object(error).cause], [{ kind: "aborted", phase: "local", delivery: "not-sent" }, "enough"], place);
        pool.close();
        await first;
        await assertNothingLeft({ clock: fleet.clock, sockets: fleet.servers, signal }, place);
      }
    },
  },
  {
    name:
      "F65 F74 A pool that is closed, drained, or both, while it is opened, pauses, sends, sends again or ends, tells everybody and leaves nothing",
    run: async () => {
      const moods: Readonly<Record<string, (fleet: Fleet) => ConnectOptions>> = {
        "is well": (fleet) => fleet.options(),
        "never answers a dial": (fleet) => fleet.options({ dial: () => new Promise(() => {}) }),
        "refuses every dial": (fleet) => fleet.options({ dial: () => Promise.reject(new Error("refused")) }),
        "refuses every EHLO": (fleet) => fleet.options(),
        "is lost at every MAIL": (fleet) => fleet.options(),
        "is silent at every end": (fleet) => fleet.options(),
        "says 421 to every MAIL": (fleet) => fleet.options(),
        "never answers QUIT": (fleet) => fleet.options(),
      };
      const scripts: Readonly<Record<string, () => HostileOptions>> = {
        "refuses every EHLO": () => ({ answer: (command) => command.startsWith("EHLO") ? "554 5.0.0 no" : undefined }),
        "is lost at every MAIL": () => losing(/^MAIL/, LOSSES.FIN!),
        "is silent at every end": () => losing(/^\.$/, () => {}),
        "says 421 to every MAIL": () => ({ answer: (command) => command.startsWith("MAIL") ? "421 4.7.0 too much" : undefined }),
        "never answers QUIT": () => ({ answer: (command) => command === "QUIT" ? null : undefined }),
      };
      const ends: readonly ((pool: SmtpPool) => Promise<unknown>)[] = [
        (pool) => pool.drain(),
        (pool) => Promise.resolve(pool.close()),
        (pool) => Promise.all([pool.drain(), pool.drain(), pool[Symbol.asyncDispose]()]),
        (pool) => Promise.all([pool.drain(), pool.close(), pool.close(), pool.drain()]),
      ];
      for (const [mood, options] of Object.entries(moods)) {
        for (const end of ends) {
          for (const turn of [0, 1, 3, 8]) {
            const where = `a server that ${mood}, behind ${turn} turns`;
            const script = scripts[mood];
            const fleet = new Fleet(WAYS[0]!, Array.from({ length: 50 }, () => script?.() ?? {}));
            const pool = new SmtpPool(options(fleet), { maxConnections: 2, random: () => 0 });
            const calls = Array.from({ length: 6 }, () => pool.send(MESSAGE).then(() => undefined, (error: unknown) => error));
            for (let index = 0; index < turn; index++) await settled();
            let isOver = false;
            const over = end(pool).then(() => isOver = true);
            assertInstanceOf(await rejection(pool.send(MESSAGE)), SmtpError, where);
            for (let index = 0; index < 100 && !isOver; index++) await (fleet.clock.pending > 0 ? fleet.clock.skip() : settled());
            assert(isOver, where);
            await over;
            const outcomes = (await Promise.all(calls)).map(outcomeOf);
            const inDoubt = outcomes.filter((outcome) => outcome !== "sent" && outcome.delivery === "unknown").length;
            const sent = outcomes.filter((outcome) => outcome === "sent").length;
            assert(sent <= fleet.taken && fleet.taken <= sent + inDoubt, `${where}: ${sent} sent, ${inDoubt} in doubt, ${fleet.taken} taken`);
            await assertNothingLeft({ clock: fleet.clock, sockets: fleet.servers }, where);
          }
        }
      }
    },
  },
  {
    name: "F72 F74 What a dialer brings to a pool that was closed meanwhile is closed, and so is what was being greeted",
    run: async () => {
      for (const greeting of [false, true]) {
        const fleet = new Fleet(WAYS[0]!, []);
        const server = new HostileServer({ answer: () => null });
        let bring = (_: Socket) => {};
        const pool = new SmtpPool(fleet.options({ dial: () => new Promise((resolve) => bring = resolve) }), { maxConnections: 1 });
        const error = rejection(pool.send(MESSAGE));
        await turns();
        if (greeting) bring(server.socket);
        await turns();
        pool.close();
        if (!greeting) bring(server.socket);
        assertInstanceOf(await error, SmtpConnectionError);
        assertEquals(outcomeOf(await error), { kind: "closed", phase: "local", delivery: "not-sent" });
        await assertNothingLeft({ clock: fleet.clock, sockets: [server] });
      }
    },
  },
];
