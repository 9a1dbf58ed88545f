/** E: a connection that ends in the middle of a transaction, and what may be written before what is answered. */
import { assert, assertEquals } from "@std/assert";
import { connect } from "@posthorn/smtp";
import { facts, rejection } from "../../support/client.ts";
import { settled } from "../../support/fake_clock.ts";
import { HostileServer, type Way, WAYS } from "../../support/hostile.ts";
import { NarrowServer } from "../../support/narrow_server.ts";
import { assertNothingLeft, WitnessedBody } from "../../support/witness.ts";
import type { Fault } from "../fault.ts";
import { inEachScene, outcomeOf, turns } from "../sending.ts";

const MESSAGE = { from: "a@x.test", to: "b@y.test", body: "hello\r\n" };
const isLast = (command: string): boolean => command === "." || / LAST$/.test(command);

/** How a server goes, without a word. */
const ENDS: Readonly<Record<string, (server: HostileServer) => void>> = {
  FIN: (server) => server.end(),
  RST: (server) => server.reset(new Error("connection reset by peer")),
  "an error that is none": (server) => server.reset(undefined),
};

/** Where it goes: in the place of which reply, and what is then known. */
const POINTS: readonly (readonly [command: RegExp, phase: string, delivery: string])[] = [
  [/^MAIL/, "mail", "not-sent"],
  [/^RCPT/, "rcpt", "not-sent"],
  [/^DATA/, "data", "not-sent"],
  [/^(\.|BDAT \d+ LAST)$/, "data", "unknown"],
];

/** What server and network do once a message is taken. */
const AFTERWARDS: Readonly<Record<string, (server: HostileServer) => void>> = {
  ...ENDS,
  "421": (server) => server.say("421 4.3.2 going down"),
  "a second reply": (server) => server.say("250 2.0.0 taken again"),
  "a refusal": (server) => server.say("554 5.0.0 no, not at all"),
  "no reply": (server) => server.say("!"),
};

export const transaction: readonly Fault[] = [
  ...Object.entries(ENDS).map(([end, go]): Fault => ({
    name: `F52 A connection that ends by ${end} in the place of any reply is told at once, with its phase and what is known of the message`,
    run: async () => {
      for (const [command, phase, delivery] of POINTS) {
        await inEachScene(() => ({
          answer: (said, server) => {
            if (!command.test(said)) return undefined;
            server.deafen();
            // What was said before has arrived by then.
            void settled().then(() => go(server));
            return null;
          },
        }), async ({ way, call, server, signal, name }) => {
          if (call.name === "a pool" || (command.test("DATA") && !way.name.includes("DATA"))) return;
          const where = `${name}, ${command}`;
          const { done, close } = await call.send(server.options(), MESSAGE, signal.signal);
          await turns();
          assertEquals(outcomeOf(await done), { kind: "disconnected", phase, delivery }, where);
          assertEquals([server.isClosed || end !== "FIN", signal.listeners], [true, 0], where);
          close();
          await assertNothingLeft({ clock: server.clock, sockets: [server], signal }, where);
        });
      }
    },
  })),
  ...Object.entries(ENDS).map(([end, go]): Fault => ({
    name: `F52 F53 A connection that ends by ${end} in the middle of the content stops it at once, though the server would read on`,
    run: () =>
      inEachScene(
        ({ piece }) => ({ onContent: (octets, server) => octets === 2 * piece ? go(server) : undefined }),
        async ({ way, call, server, signal, name }) => {
          const body = new WitnessedBody({ piece: way.piece, pieces: 1_000 });
          const { done, close } = await call.send(server.options(), { ...MESSAGE, body: body.stream }, signal.signal);
          await turns();
          assertEquals(outcomeOf(await done), { kind: "disconnected", phase: "data", delivery: "not-sent" }, name);
          assert(body.pulls < 10, `${name}: ${body.pulls} chunks were read`);
          close();
          await assertNothingLeft({ clock: server.clock, sockets: [server], signal, body }, name);
        },
      ),
  })),
  {
    name: "F52 A connection that ends before EHLO is answered is told by connect",
    run: async () => {
      for (const go of Object.values(ENDS)) {
        for (const protocol of ["smtp", "lmtp"] as const) {
          const server = new HostileServer({ protocol, answer: (_, server) => (go(server), null) });
          assertEquals(facts(await rejection(connect(server.options()))), {
            name: "SmtpConnectionError",
            kind: "disconnected",
            phase: "ehlo",
            delivery: "not-sent",
            transient: true,
          });
          await assertNothingLeft({ clock: server.clock, sockets: [server] });
        }
      }
    },
  },
  {
    name: "F52 A write that fails while a reply is under way does not hide the reply, and ends the wait for one within a second",
    run: async () => {
      const replies = [["250 2.0.0 taken", "sent"], ["554 5.0.0 no", "refused"], ["421 4.3.2 bye", "refused"], [null, "disconnected"]] as const;
      for (const [reply, expected] of replies) {
        await inEachScene(() => ({
          answer: (command) => isLast(command) ? reply : undefined,
          onWrite: (text) => /(^|\n)\.\r\n$| LAST\r\n/.test(text) ? Promise.reject(new Error("broken pipe")) : undefined,
        }), async ({ call, server, signal, name }) => {
          const { done, close } = await call.send(server.options(), MESSAGE, signal.signal);
          await turns();
          await server.clock.advance(1_000);
          const outcome = outcomeOf(await done);
          const { kind, delivery } = outcome === "sent" ? { kind: "sent", delivery: "not-sent" } : outcome;
          assertEquals([kind, delivery], [expected, expected === "disconnected" ? "unknown" : "not-sent"], `${name}, ${reply}`);
          close();
          await assertNothingLeft({ clock: server.clock, sockets: [server], signal }, name);
        });
      }
    },
  },
  {
    name: "F56 A message is in doubt when its end is read and nothing is said for ten minutes, and not a moment before",
    run: () =>
      inEachScene(() => ({ answer: (command) => isLast(command) ? null : undefined }), async ({ call, server, signal, name }) => {
        const { done, close } = await call.send(server.options(), MESSAGE, signal.signal);
        let isDone = false;
        void done.then(() => isDone = true);
        await turns();
        await server.clock.advance(599_000);
        assertEquals(isDone, false, name);
        await server.clock.advance(1_000);
        assertEquals(outcomeOf(await done), { kind: "timeout", phase: "data", delivery: "unknown" }, name);
        close();
        await assertNothingLeft({ clock: server.clock, sockets: [server], signal }, name);
      }),
  },
  ...Object.entries(AFTERWARDS).map(([what, say]): Fault => ({
    name: `F57 A message that was taken stays so whatever comes behind the reply in the same read: ${what}`,
    run: () =>
      inEachScene(() => ({
        answer: (command, server) => {
          if (!isLast(command)) return undefined;
          server.say("250 2.0.0 taken");
          say(server);
          return null;
        },
      }), async ({ call, server, signal, name }) => {
        const { done, quit } = await call.send(server.options(), MESSAGE, signal.signal);
        await turns();
        assertEquals(outcomeOf(await done), "sent", name);
        await quit();
        await assertNothingLeft({ clock: server.clock, sockets: [server], signal }, name);
      }),
  })),
  {
    name: "F57 A QUIT that is refused, answered with nonsense, or not at all fails nothing, and is not waited for longer than five seconds",
    run: async () => {
      for (const reply of ["500 5.5.1 what?", "421 4.3.2 bye", "354 go", "nonsense", null]) {
        await inEachScene(() => ({ answer: (command) => command === "QUIT" ? reply : undefined }), async ({ call, server, signal, name }) => {
          const { done, quit } = await call.send(server.options(), MESSAGE, signal.signal);
          await turns();
          assertEquals(outcomeOf(await done), "sent", name);
          let isOver = false;
          const over = quit().then(() => isOver = true);
          await turns();
          assertEquals(isOver, reply !== null, `${name}, ${reply}`);
          await server.clock.advance(5_000);
          await over;
          await assertNothingLeft({ clock: server.clock, sockets: [server], signal }, name);
        });
      }
    },
  },
  {
    name: "F60 A list of 5000 recipients goes to a server that reads nothing until what it said was read, with long replies",
    run: async () => {
      for (const keywords of [["PIPELINING"], ["PIPELINING", "CHUNKING"], []]) {
        const server = new NarrowServer({ keywords, replyLength: 300, room: 4_096 });
        const client = await connect(server.options());
        const to = Array.from({ length: 5_000 }, (_, index) => `r${index}@y.test`);
        const { accepted } = await client.send({ ...MESSAGE, to });
        assertEquals([accepted.length, server.taken], [5_000, 1]);
        assert(server.mostOwed <= 256, `${server.mostOwed} replies were owed at once`);
        await client.quit();
        await assertNothingLeft({ clock: server.clock, sockets: [server] });
      }
    },
  },
  {
    name: "F61 A server without PIPELINING gets one command at a time, and none before the reply to the one before",
    run: () =>
      oneByOne(WAYS.filter(({ keywords }) => !keywords.includes("PIPELINING")), (write, server) => {
        assertEquals(write.match(/^(EHLO|MAIL|RCPT|DATA|BDAT|QUIT|RSET|NOOP|VRFY)\b/gm)?.length ?? 0, write.startsWith("hello") ? 0 : 1, write);
        assertEquals(server.isOwed, false, `written before the reply to the last: ${write}`);
      }),
  },
  {
    name: "F61 EHLO, DATA, NOOP, VRFY and QUIT are the last of what leaves in one write, and so is the end of a message",
    run: () =>
      oneByOne(WAYS.filter(({ keywords }) => keywords.includes("PIPELINING")), (write) => {
        assertEquals(/^(EHLO|LHLO|DATA|NOOP|VRFY|QUIT)\b.*\r\n[^]/m.test(write), false, write);
        assertEquals(/^(\.|BDAT \d+ LAST\r\nhello)\r\n[^]/m.test(write), false, write);
      }),
  },
];

/** Sends what there is to send in each of `ways`, and looks at each write before it is heard. */
async function oneByOne(ways: readonly Way[], look: (write: string, server: { readonly isOwed: boolean }) => void): Promise<void> {
  for (const { name, keywords, protocol } of ways) {
    let faults: unknown;
    const held: (() => void)[] = [];
    const server: HostileServer = new HostileServer({
      keywords,
      protocol,
      onWrite: (write) => {
        try {
          look(write, { isOwed: held.length > 0 });
        } catch (error) {
          faults ??= error;
        }
      },
      // Each reply comes a turn later, so that whatever does not wait for it is seen.
      answer: (command, server) => {
        if (/^([EL]HLO|DATA|QUIT)/.test(command)) return undefined;
        held.push(() => server.say(server.usual(command)));
        void settled().then(() => held.shift()?.());
        return null;
      },
    });
    const client = await connect(server.options());
    await Promise.all(
      [client.send({ ...MESSAGE, to: ["b@y.test", "c@y.test"] }), client.verify(), client.send(MESSAGE)].map((call) => call.catch(() => {})),
    );
    if (!client.isClosed) await Promise.all([client.connection.noop(), client.connection.vrfy("b"), client.connection.noop()]);
    await client.quit();
    if (faults !== undefined) throw new Error(name, { cause: faults });
    await assertNothingLeft({ clock: server.clock, sockets: [server] });
  }
}
