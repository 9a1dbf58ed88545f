/** E: what a server refuses, in whole and in part, and what it does with what was refused. */
import { assertEquals, assertInstanceOf } from "@std/assert";
import { connect, SmtpError } from "@posthorn/smtp";
import { rejection } from "../../support/client.ts";
import { settled } from "../../support/fake_clock.ts";
import { HostileServer, type Way, WAYS } from "../../support/hostile.ts";
import { assertNothingLeft, WitnessedBody } from "../../support/witness.ts";
import type { Fault } from "../fault.ts";
import { inEachScene, outcomeOf, turns } from "../sending.ts";

const TO = ["b@y.test", "c@y.test", "d@y.test"];
const MESSAGE = { from: "a@x.test", to: TO, body: "hello\r\n" };
const isLast = (command: string): boolean => command === "." || / LAST$/.test(command);
const isLmtp = ({ protocol }: Way): boolean => protocol === "lmtp";
const isData = ({ name }: Way): boolean => name.includes("DATA");
const DATA_PIPELINED = WAYS.filter(({ name }) => name === "by DATA" || name === "by LMTP and DATA");
const codes = (replies: readonly { readonly reply: { readonly code: number } }[]): readonly number[] => replies.map(({ reply }) => reply.code);

/** The replies to RCPT, one for each of three recipients, in turn; what was said to MAIL, and to DATA where it is said. */
function says(rcpt: readonly string[], more: { readonly mail?: string; readonly data?: string; readonly dot?: string | null } = {}) {
  let next = 0;
  return (command: string): string | null | undefined => {
    if (command.startsWith("MAIL")) return more.mail;
    if (command.startsWith("RCPT")) return rcpt[next++ % rcpt.length];
    if (command === "DATA") return more.data;
    return command === "." ? more.dot : undefined;
  };
}

/** Replies to three recipients, and what becomes of the message. */
const RECIPIENTS: readonly (readonly [rcpt: readonly string[], accepted: readonly number[], rejected: readonly number[], transient: boolean])[] = [
  [["250 ok", "550 5.1.1 no", "250 ok"], [250, 250], [550], false],
  [["550 5.1.1 no", "450 4.2.0 greylisted", "251 2.1.5 forwarded"], [251], [550, 450], false],
  [["252 cannot tell", "552 5.2.2 full", "452 4.2.2 full"], [252], [552, 452], false],
  [["550 5.1.1 no", "550 5.1.1 no", "550 5.1.1 no"], [], [550, 550, 550], false],
  [["550 5.1.1 no", "450 4.2.0 greylisted", "550 5.1.1 no"], [], [550, 450, 550], true],
  [["452 4.5.3 too many", "452 4.5.3 too many", "452 4.5.3 too many"], [], [452, 452, 452], true],
];

/** What a server that said 354 for nobody says to the lone dot, and whether the connection can be used again, once what must pass has passed. */
const LONE_DOTS: readonly (readonly [dot: string | null, isUsable: boolean])[] = [
  ["554 5.5.1 no valid recipients", true],
  ["250 2.0.0 taken, for nobody", true],
  ["354 go on", false],
  ["421 4.3.2 bye", false],
  ["nonsense", false],
  [null, false],
];

/** What a server says to the RSET behind a refusal, and whether the connection is used again. */
const RESETS: readonly (readonly [reply: string | null, isUsable: boolean])[] = [
  ["250 ok", true],
  ["500 5.5.2 what?", false],
  ["503 5.5.1 bad sequence", false],
  ["354 go", false],
  ["421 4.3.2 bye", false],
  ["nonsense", false],
  [null, false],
];

export const refusals: readonly Fault[] = [
  {
    name: "F58 Each recipient has its own reply, some are enough, and with none there is neither DATA nor content",
    run: async () => {
      for (const [rcpt, accepted, rejected, transient] of RECIPIENTS) {
        for (const way of WAYS) {
          const where = `${way.name}, ${rcpt}`;
          const server = new HostileServer({
            keywords: way.keywords,
            protocol: way.protocol,
            answer: says(rcpt, accepted.length === 0 ? { data: "503 5.5.1 nobody" } : {}),
          });
          await using client = await connect(server.options());
          if (accepted.length > 0) {
            const result = await client.send(MESSAGE);
            assertEquals([isLmtp(way) ? accepted.length : codes(result.accepted), codes(result.rejected)], [
              isLmtp(way) ? accepted.length : accepted,
              rejected,
            ], where);
            assertEquals([result.transactions.length, server.taken], [1, 1], where);
          } else {
            const error = await rejection(client.send(MESSAGE));
            assertInstanceOf(error, SmtpError, where);
            assertEquals([error.kind, error.phase, error.delivery, error.code, error.transient], [
              "refused",
              "rcpt",
              "not-sent",
              rejected[0],
              transient,
            ], where);
            assertEquals([codes(error.accepted), codes(error.rejected), error.rejected.map(({ address }) => address)], [[], rejected, TO], where);
            assertEquals(server.commands.filter(isLast), [], where);
            if (!way.keywords.includes("PIPELINING")) assertEquals(server.commands.includes("DATA"), false, where);
          }
          assertEquals(client.isClosed, false, where);
        }
      }
    },
  },
  {
    name: "F58 A 421 in the middle of the replies to an envelope ends the connection, and behind a refusal of the sender that is told",
    run: async () => {
      const table = [
        ["250 ok", ["250 ok", "421 4.3.2 bye"], "rcpt", 421],
        ["250 ok", ["550 5.1.1 no", "421 4.3.2 bye"], "rcpt", 421],
        ["250 ok", ["421 4.3.2 bye"], "rcpt", 421],
        ["550 5.7.1 not you", ["421 4.3.2 bye"], "mail", 550],
        ["421 4.3.2 bye", [], "mail", 421],
      ] as const;
      for (const [mail, rcpt, phase, code] of table) {
        await inEachScene(() => {
          const answer = says([...rcpt], { mail });
          return {
            answer: (command, server) => {
              const reply = answer(command);
              if (reply?.startsWith("421")) server.deafen();
              return reply;
            },
          };
        }, async ({ way, call, server, signal, name }) => {
          // A pool would send it again. In lockstep nothing is asked behind a refused sender.
          if (call.name === "a pool" || (phase === "mail" && !way.keywords.includes("PIPELINING"))) return;
          const { done, close } = await call.send(server.options(), MESSAGE, signal.signal);
          await turns();
          const where = `${name}, ${mail}, ${rcpt}`;
          assertEquals([outcomeOf(await done), server.isClosed], [{ kind: "refused", phase, delivery: "not-sent", code }, true], where);
          close();
          await assertNothingLeft({ clock: server.clock, sockets: [server], signal }, where);
        });
      }
    },
  },
  {
    name: "F59 A 354 for nobody is answered with the lone dot and nothing else, and whatever comes of that the error is that of the recipients",
    run: async () => {
      for (const [dot, isUsable] of LONE_DOTS) {
        await inEachScene(
          () => ({ answer: says(["550 5.1.1 no", "450 4.2.0 later", "550 5.1.1 no"], { data: "354 go", dot }) }),
          async ({ call, server, signal, name }) => {
            const where = `${name}, ${dot}`;
            const body = new WitnessedBody({ piece: 16_384 });
            const { done, quit } = await call.send(server.options(), { ...MESSAGE, body: body.stream }, signal.signal);
            await turns();
            assertEquals(outcomeOf(await done), { kind: "refused", phase: "rcpt", delivery: "not-sent", code: 550 }, where);
            assertEquals([body.pulls, signal.listeners, server.taken > 0], [0, 0, dot?.startsWith("250") ?? false], where);
            const over = quit();
            await turns();
            if (dot === null) await server.clock.advance(5_000);
            await over;
            const [, ...behind] = server.writes.join("").split("DATA\r\n");
            assertEquals(behind.join(""), isUsable ? ".\r\nQUIT\r\n" : ".\r\n", where);
            await assertNothingLeft({ clock: server.clock, sockets: [server], signal, body }, where);
          },
          DATA_PIPELINED,
        );
      }
    },
  },
  {
    name: "F59 The message behind a lone dot goes out where the server let that end, and is surely not sent where it did not",
    run: async () => {
      for (const [dot, isUsable] of LONE_DOTS) {
        const server = rounds({ first: says(["550 5.1.1 no"], { data: "354 go", dot }) });
        const client = await connect(server.options());
        const errors = [rejection(client.send(MESSAGE)), client.send(MESSAGE).then(() => undefined, (error: unknown) => error)];
        await turns();
        if (dot === null) await server.clock.advance(5_000);
        const [, second] = await Promise.all(errors);
        const outcome = outcomeOf(second);
        assertEquals(outcome === "sent" ? outcome : outcome.delivery, isUsable ? "sent" : "not-sent", `${dot}`);
        assertEquals(client.isClosed, !isUsable, `${dot}`);
        client.close();
        await assertNothingLeft({ clock: server.clock, sockets: [server] });
      }
    },
  },
  {
    name: "F59 A 354 behind a refused sender closes the connection, with neither content nor a dot, whatever the recipients were told",
    run: async () => {
      for (const rcpt of ["250 ok", "550 5.1.1 no", "503 5.5.1 no sender"]) {
        await inEachScene(() => ({ answer: says([rcpt], { mail: "550 5.7.1 not you", data: "354 go" }) }), async ({ call, server, signal, name }) => {
          const { done, quit } = await call.send(server.options(), MESSAGE, signal.signal);
          await turns();
          assertEquals(outcomeOf(await done), { kind: "refused", phase: "mail", delivery: "not-sent", code: 550 }, name);
          assertEquals([server.isClosed, server.writes.join("").split("DATA\r\n")[1]], [true, ""], name);
          await quit();
          await assertNothingLeft({ clock: server.clock, sockets: [server], signal }, name);
        }, DATA_PIPELINED);
      }
    },
  },
  {
    name: "F62 A refused chunk stops the message, the replies to those behind it are read, and the next goes out behind RSET",
    run: async () => {
      for (const refusal of ["444 4.3.0 later", "552-5.3.4 too\r\n552 5.3.4 big", "554 5.5.1 no"]) {
        for (const at of [1, 2, 4, 5]) {
          for (const way of WAYS.filter((way) => !isData(way))) {
            const where = `${way.name}, ${refusal} for chunk ${at}`;
            let chunks = 0;
            // The end of a message is answered for each of its recipients.
            const said = isLmtp(way) && at === 5 ? [refusal, refusal, refusal].join("\r\n") : refusal;
            const server = rounds({
              first: (command) =>
                !command.startsWith("BDAT") || ++chunks < at ? undefined : chunks === at ? said : "503-5.5.1 bad\r\n503 5.5.1 sequence",
            }, way);
            const client = await connect(server.options());
            const body = new WitnessedBody({ piece: way.piece, pieces: at === 5 ? 4 : 1_000 });
            const error = await rejection(client.send({ ...MESSAGE, body: body.stream }));
            assertEquals(outcomeOf(error), { kind: "refused", phase: "data", delivery: "not-sent", code: Number(refusal.slice(0, 3)) }, where);
            assertEquals(body.pulls <= at + 4, true, `${where}: ${body.pulls} chunks were read`);
            assertEquals((await client.send(MESSAGE)).accepted.length, 3, where);
            assertEquals(server.commands.filter((command) => command === "RSET").length, 1, where);
            await client.quit();
            await assertNothingLeft({ clock: server.clock, sockets: [server], body }, where);
          }
        }
      }
    },
  },
  {
    name: "F62 A chunk that is answered twice, or before it was announced, ends the connection, and the message is not sent",
    run: async () => {
      for (const way of WAYS.filter((way) => !isData(way))) {
        for (const pieces of [1, 4]) {
          const server = new HostileServer({
            keywords: way.keywords,
            protocol: way.protocol,
            answer: (command) =>
              command.startsWith("BDAT") && !isLast(command) ? "250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 ok" : undefined,
          });
          const client = await connect(server.options());
          const body = new WitnessedBody({ piece: way.piece, pieces, isEndless: true });
          const error = rejection(client.send({ ...MESSAGE, body: body.stream }));
          await turns();
          assertEquals(outcomeOf(await error), { kind: "protocol", phase: "data", delivery: "not-sent", code: 250 }, way.name);
          await assertNothingLeft({ clock: server.clock, sockets: [server], body }, way.name);
        }
      }
    },
  },
  {
    name: "F63 With LMTP each recipient has its own last word, whatever the others have",
    run: async () => {
      const table = [
        [["250 b", "550 c", "451 d"], ["b@y.test"], [550, 451]],
        [["550 b", "250 c", "250 d"], ["c@y.test", "d@y.test"], [550]],
        [["452 b", "552 c", "250 d"], ["d@y.test"], [452, 552]],
      ] as const;
      for (const [words, accepted, rejected] of table) {
        await inEachScene(
          () => ({ answer: (command) => isLast(command) ? words.join("\r\n") : undefined }),
          async ({ call, server, signal, name }) => {
            const { done, quit } = await call.send(server.options(), MESSAGE, signal.signal);
            await turns();
            assertEquals(outcomeOf(await done), "sent", name);
            await quit();
            await assertNothingLeft({ clock: server.clock, sockets: [server], signal }, name);
          },
          WAYS.filter(isLmtp),
        );
        for (const way of WAYS.filter(isLmtp)) {
          const server = new HostileServer({
            keywords: way.keywords,
            protocol: "lmtp",
            answer: (command) => isLast(command) ? words.join("\r\n") : undefined,
          });
          await using client = await connect(server.options());
          const result = await client.send(MESSAGE);
          assertEquals([result.accepted.map(({ address }) => address), codes(result.rejected)], [accepted, rejected], way.name);
        }
      }
    },
  },
  {
    name: "F63 With LMTP the message is in doubt for those whose last word is missing, and the others' words are told",
    run: async () => {
      for (const [words, accepted, rejected] of [["250 b", 1, 0], ["550 b", 0, 1], ["250 b\r\n550 c", 1, 1]] as const) {
        for (const end of ["close", "silence", "nonsense"] as const) {
          await inEachScene(() => ({
            answer: (command, server) => {
              if (!isLast(command)) return undefined;
              server.say(end === "nonsense" ? `${words}\r\nwhat?` : words);
              if (end === "close") server.end();
              return null;
            },
          }), async ({ call, server, signal, name }) => {
            const where = `${name}, ${words}, ${end}`;
            const { done, close } = await call.send(server.options(), MESSAGE, signal.signal);
            await turns();
            if (end === "silence") await server.clock.advance(600_000);
            const error = await done;
            assertInstanceOf(error, SmtpError, where);
            const kind = { close: "disconnected", silence: "timeout", nonsense: "protocol" }[end];
            assertEquals([error.kind, error.delivery, error.accepted.length, error.rejected.length], [kind, "unknown", accepted, rejected], where);
            close();
            await assertNothingLeft({ clock: server.clock, sockets: [server], signal }, where);
          }, WAYS.filter(isLmtp));
        }
      }
    },
  },
  {
    name: "F66 A server that cannot even reset is dropped, the refusal before stands, and what comes next is surely not sent",
    run: async () => {
      for (const [reset, isUsable] of RESETS) {
        for (const way of WAYS) {
          const where = `${way.name}, ${reset}`;
          const refused = says(["550 5.1.1 no"], { data: "503 5.5.1 nobody" });
          const server = rounds({ first: (command) => command === "RSET" ? reset : refused(command) }, way);
          const client = await connect(server.options());
          const errors = [rejection(client.send(MESSAGE)), client.send(MESSAGE).then(() => undefined, (error: unknown) => error)];
          await turns();
          if (reset === null) await server.clock.advance(5_000);
          const [first, second] = await Promise.all(errors);
          assertEquals(outcomeOf(first), { kind: "refused", phase: "rcpt", delivery: "not-sent", code: 550 }, where);
          const outcome = outcomeOf(second);
          assertEquals(outcome === "sent" ? outcome : outcome.delivery, isUsable ? "sent" : "not-sent", where);
          assertEquals(client.isClosed, !isUsable, where);
          client.close();
          await assertNothingLeft({ clock: server.clock, sockets: [server] }, where);
        }
      }
    },
  },
  {
    name: "F66 A refused NOOP is told, one that is no answer ends the connection, and a session goes on behind a refusal",
    run: async () => {
      const table = [["500 5.5.2 what?", "refused", false], ["421 4.3.2 bye", "refused", true], ["354 go", "protocol", true]] as const;
      for (const [reply, kind, isClosed] of table) {
        const server = new HostileServer({ answer: (command) => command === "NOOP" ? reply : undefined });
        const client = await connect(server.options());
        const error = outcomeOf(await rejection(client.verify()));
        assertEquals(error, { kind, phase: "command", delivery: "not-sent", code: Number(reply.slice(0, 3)) });
        assertEquals(client.isClosed, isClosed, reply);
        if (!isClosed) assertEquals((await client.send(MESSAGE)).accepted.length, 3);
        client.close();
        await settled();
        await assertNothingLeft({ clock: server.clock, sockets: [server] });
      }
    },
  },
];

/** A server whose first transaction goes as `first` says, and every other one well. */
function rounds(
  { first }: { readonly first: (command: string) => string | null | undefined },
  { keywords, protocol }: Pick<Way, "keywords" | "protocol"> = WAYS[0]!,
): HostileServer {
  let round = 0;
  return new HostileServer({
    keywords,
    protocol,
    answer: (command, server) => {
      if (command.startsWith("MAIL")) round++;
      const reply = round === 1 ? first(command) : undefined;
      if (reply === null) server.deafen();
      return reply;
    },
  });
}
