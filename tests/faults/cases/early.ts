/** E: what the server says before the message's end, and a server that takes nothing. */
import { assert, assertEquals } from "@std/assert";
import type { Message } from "@posthorn/smtp";
import { settled } from "../../support/fake_clock.ts";
import { type HostileServer, type Way, WAYS } from "../../support/hostile.ts";
import { assertNothingLeft, WitnessedBody, type WitnessedSignal } from "../../support/witness.ts";
import type { Fault } from "../fault.ts";
import { inEachScene, type Outcome, outcomeOf, turns } from "../sending.ts";

const MESSAGE = { from: "a@x.test", to: "b@y.test" };
const isLast = (command: string): boolean => command === "." || /^BDAT \d+ LAST/.test(command);
/** Whether a write ends a message. */
const isEnd = (text: string): boolean => text.endsWith("\r\n.\r\n") || / LAST\r\n/.test(text);
const isData = ({ name }: Way): boolean => name.includes("DATA");

/** A message of `pieces` writes of content, apart from its end. */
function large(way: Way, pieces = 4): { readonly message: Message; readonly body: WitnessedBody } {
  const body = new WitnessedBody({ piece: way.piece, pieces });
  return { message: { ...MESSAGE, body: body.stream }, body };
}

/** How many octets have come when the server says it. */
const POSITIONS: readonly (readonly [name: string, octets: (way: Way) => number])[] = [
  ["before the first octet", () => 0],
  ["behind the first write", ({ piece }) => piece],
  ["in the middle", ({ piece }) => 2 * piece],
  ["right before the end", ({ piece }) => 4 * piece],
];

const blocked = (): Promise<void> => new Promise(() => {});

/** Each position, once with a server that reads on and once with one that takes nothing more. */
function* places(): Generator<{ readonly name: string; readonly at: (way: Way) => number; readonly isStuck: boolean }> {
  for (const [name, at] of POSITIONS) {
    for (const isStuck of [false, true]) yield { name: `${name}${isStuck ? ", and reads no more" : ""}`, at, isStuck };
  }
}

/** A server that says `reply` to a message once when `at` octets of it have come, and is out of step from then on. */
async function earlyReply(reply: string, check: (outcome: unknown, where: string) => void, ways: readonly Way[]): Promise<void> {
  for (const { name, at, isStuck } of places()) {
    let isSaid = false;
    const script = (way: Way) => {
      isSaid = false;
      return {
        onContent: (octets: number, server: { say(line: string): void; deafen(): void }) => {
          if (isSaid || octets < at(way)) return;
          isSaid = true;
          server.say(reply);
          if (isStuck || isData(way)) server.deafen();
        },
        onWrite: () => isSaid && isStuck ? blocked() : undefined,
        // The chunk was answered already; those behind it are out of sequence.
        answer: (command: string) => !isSaid || !command.startsWith("BDAT") ? undefined : answered++ === 0 ? null : "503 5.5.1 bad sequence",
      };
    };
    let answered = 0;
    await inEachScene(script, async ({ way, call, server, signal, name: scene }) => {
      answered = 0;
      const where = `${scene}, ${name}`;
      const { message, body } = large(way);
      const { done, close } = await call.send(server.options(), message, signal.signal);
      let error: unknown = "pending";
      void done.then((reason) => error = reason);
      await turns();
      // What is counted may have to wait for a write that will never end.
      if (isStuck && !isData(way)) await server.clock.advance(30_000);
      assert(error !== "pending", `${where}: no outcome`);
      check(outcomeOf(error), where);
      assertEquals([signal.listeners, server.taken], [0, 0], where);
      if (isData(way)) {
        assertEquals([server.isClosed, server.commands.includes(".")], [true, false], where);
        const [, content = ""] = server.writes.join("").split("DATA\r\n");
        assertEquals(/[A-Z]/.test(content), false, `${where}: a command among the content`);
      }
      close();
      await assertNothingLeft({ clock: server.clock, sockets: [server], signal, body }, where);
    }, ways);
  }
}

/** What comes in one read with the 354, and the kind of error that it becomes. */
const ANSWERS: readonly (readonly [reply: string, kind: string])[] = [
  ["552 5.3.4 too big", "refused"],
  ["421 4.3.2 bye", "refused"],
  ["250 2.0.0 taken", "protocol"],
  ["354 go", "protocol"],
];

export const early: readonly Fault[] = [
  ...["552 5.3.4 too big", "421 4.3.2 going down", "452 4.3.1 no room", "554 no"].map((reply, index): Fault => ({
    name: `F55 A message that is refused with ${reply.slice(0, 3)} while it is written stops at once, in every place and every way`,
    run: () =>
      earlyReply(reply, (outcome, where) => {
        assertEquals(outcome, { kind: "refused", phase: "data", delivery: "not-sent", code: Number(reply.slice(0, 3)) }, where);
      }, index < 2 ? WAYS : WAYS.filter(({ name }) => name === "by DATA" || name === "by BDAT")),
  })),
  ...["250 2.0.0 taken", "354 go", "354-go\r\n354 on"].map((reply): Fault => ({
    name: `F55 A message that is answered with ${JSON.stringify(reply)} before its end ends the connection, and is not sent`,
    run: () =>
      earlyReply(reply, (outcome, where) => {
        assertEquals(outcome, { kind: "protocol", phase: "data", delivery: "not-sent", code: Number(reply.slice(0, 3)) }, where);
      }, WAYS.filter(isData)),
  })),
  ...["150 wait", "no reply", "552"].map((reply): Fault => ({
    name: `F55 What is no reply, ${JSON.stringify(reply)}, in the middle of a message ends the connection, and the message is not sent`,
    run: () =>
      earlyReply(`${reply}${reply === "552" ? "\r\n666 devil" : ""}`, (outcome, where) => {
        const expected = { kind: "protocol", phase: "data", delivery: "not-sent" };
        const refused = { kind: "refused", phase: "data", delivery: "not-sent", code: 552 };
        assertEquals(outcome, reply === "552" ? refused : expected, where);
      }, WAYS.filter(isData)),
  })),
  ...ANSWERS.map(([reply, kind]): Fault => ({
    name: `F55 A message that is answered with ${reply} in one read with the 354 is not begun, and nothing of its source is read`,
    run: async () => {
      for (const isEnd of [false, true]) {
        await inEachScene(() => ({
          answer: (command) => command === "DATA" ? `354 go\r\n${reply}` : undefined,
          onContent: (octets, server) => octets === 0 && isEnd ? server.end() : undefined,
        }), async ({ way, call, server, signal, name }) => {
          const { message, body } = large(way);
          const { done, close } = await call.send(server.options(), message, signal.signal);
          await turns();
          assertEquals(outcomeOf(await done), { kind, phase: "data", delivery: "not-sent", code: Number(reply.slice(0, 3)) }, name);
          assertEquals([server.isClosed || isEnd, body.pulls, server.writes.join("").split("DATA\r\n")[1]], [true, 0, ""], name);
          close();
          await assertNothingLeft({ clock: server.clock, sockets: [server], signal, body }, name);
        }, WAYS.filter(isData));
      }
    },
  })),
  {
    name: "F55 The reply to a whole message counts though the write of its end is not done, and the connection is not waited for",
    run: async () => {
      const replies = [["250 2.0.0 taken", "sent"], ["552 5.3.4 no", { kind: "refused", phase: "data", delivery: "not-sent", code: 552 }]] as const;
      for (const [reply, outcome] of replies) {
        for (const isLarge of [false, true]) {
          await inEachScene(() => ({
            onWrite: (text) => isEnd(text) ? blocked() : undefined,
            answer: (command) => isLast(command) ? reply : undefined,
          }), async ({ way, call, server, signal, name }) => {
            const { message, body } = isLarge ? large(way) : { message: { ...MESSAGE, body: "hello\r\n" }, body: undefined };
            const sending = await call.send(server.options(), message, signal.signal);
            await turns();
            assertEquals([outcomeOf(await sending.done), signal.listeners], [outcome, 0], name);
            let isOver = false;
            void sending.quit().then(() => isOver = true);
            await turns();
            await server.clock.advance(30_000);
            assert(isOver, `${name}: a write that nobody takes is waited for`);
            await assertNothingLeft({ clock: server.clock, sockets: [server], signal, body }, name);
          });
        }
      }
    },
  },
  {
    name: "F54 A server that takes no octets of a message is given up at the deadline of one block, and the source is not read on meanwhile",
    run: () =>
      unread(async (server, way, isLarge) => {
        // The end of a message may take as long as its reply may.
        const timeout = isLarge ? 180_000 : 600_000;
        await server.clock.advance(timeout - 1_000);
        assertEquals(server.isClosed, false, way.name);
        await server.clock.advance(1_000);
        return { kind: "timeout", phase: "data", delivery: isLarge ? "not-sent" : "unknown" };
      }),
  },
  {
    name: "F54 F72 A write that is blocked ends at once when its message is aborted",
    run: () =>
      unread((_server, _way, isLarge, signal) => {
        signal.abort("enough");
        return Promise.resolve({ kind: "aborted", phase: "data", delivery: isLarge ? "not-sent" : "unknown" });
      }),
  },
  {
    name: "F54 F74 A write that is blocked ends at once when its connection is closed",
    run: () =>
      unread((_server, _way, isLarge, _signal, close) => {
        close();
        return Promise.resolve({ kind: "closed", phase: "data", delivery: isLarge ? "not-sent" : "unknown" });
      }),
  },
];

/** A server that takes none of the content, and what then ends it. */
async function unread(
  end: (server: HostileServer, way: Way, isLarge: boolean, signal: WitnessedSignal, close: () => void) => Promise<Outcome>,
): Promise<void> {
  for (const isLarge of [false, true]) {
    await inEachScene(() => {
      let isContent = false;
      return {
        onWrite: (text, server) => {
          const isBlocked = isContent || /^BDAT/m.test(text);
          if (isBlocked) server.deafen();
          isContent = text.includes("DATA");
          return isBlocked ? blocked() : undefined;
        },
      };
    }, async ({ way, call, server, signal, name }) => {
      const { message, body } = isLarge ? large(way, 64) : { message: { ...MESSAGE, body: "hello\r\n" }, body: undefined };
      const { done, close } = await call.send(server.options(), message, signal.signal);
      await turns();
      const expected = await end(server, way, isLarge, signal, close);
      await settled();
      assertEquals(outcomeOf(await done), expected, name);
      assert((body?.pulls ?? 0) <= (isData(way) ? 1 : 5), `${name}: ${body?.pulls} chunks were read`);
      close();
      await assertNothingLeft({ clock: server.clock, sockets: [server], signal, body }, name);
    });
  }
}
