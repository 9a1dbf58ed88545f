/** E: what can go wrong while a message is sent. */
import { equal, rejected } from "../../runtimes/case.ts";
import { Puppet, type SocketFault } from "../puppet/puppet.ts";
import { BYE, ENVELOPE, HELLO, measured, meet, MESSAGE, notSaid, SENT, WAYS } from "./sessions.ts";

const MB = 1_000_000;
/** Far more than all buffers between a client and a server that does not read. */
const LARGE = 24 * MB;
/** More than is ever sent before something is noticed. */
const ENDLESS = 4_000 * MB;
/** What those buffers may hold on the loopback, ours included. */
const HELD = 16 * MB;

/** Where a server may be lost, and what is known then. */
const POINTS: readonly { readonly words: string; readonly script: string; readonly phase: string; readonly delivery: string }[] = [
  { words: "in the reply to MAIL", script: "C: MAIL FROM:<a@x.test>\nS: {part} 25", phase: "mail", delivery: "not-sent" },
  { words: "behind MAIL", script: "C: MAIL FROM:<a@x.test>", phase: "mail", delivery: "not-sent" },
  { words: "behind RCPT", script: "C: MAIL FROM:<a@x.test>\nC: RCPT TO:<b@y.test>\nS: 250 ok\n", phase: "rcpt", delivery: "not-sent" },
  { words: "behind DATA", script: ENVELOPE.replace("S: 354 go", ""), phase: "data", delivery: "not-sent" },
  { words: "behind the dot", script: `${ENVELOPE}C: {message}`, phase: "data", delivery: "unknown" },
  { words: "in the reply to the dot", script: `${ENVELOPE}C: {message}\nS: {part} 250 o`, phase: "data", delivery: "unknown" },
];

export const transactionFaults: readonly SocketFault[] = [
  ...["close", "reset"].flatMap((end): SocketFault[] => [
    ...["S: {part} 22", "", "S: 220 mx.test\nC: EHLO client.test\nS: 250-mx.test", "S: 220 mx.test\nC: EHLO client.test"].map(
      (script): SocketFault => {
        const isGreeted = script.includes("EHLO");
        return {
          name: `F52 A server that ends (${end}) in the ${isGreeted ? "reply to EHLO" : "greeting"} is gone at once: ${
            JSON.stringify(script.slice(-8))
          }`,
          async run({ connect }, env): Promise<void> {
            const puppet = await Puppet.play(env, `${script}\nS: {${end}}`);
            const error = await rejected(connect(puppet.options()));
            const phases = isGreeted ? ["ehlo"] : ["greeting", "connect"];
            equal(
              [error.name, error.delivery, phases.includes(String(error.phase))],
              ["SmtpConnectionError", "not-sent", true],
              JSON.stringify(error),
            );
          },
        };
      },
    ),
    ...POINTS.flatMap(({ words, script, phase, delivery }) =>
      WAYS.map((way): SocketFault => ({
        name: `F52 A server that ends (${end}) ${words} is gone at once, and what is known is said (${way})`,
        async run(library, env): Promise<void> {
          const { client, puppet } = await meet(library, env, way, `${script}\nS: {${end}}`);
          const error = await rejected(client.send(MESSAGE));
          // What was said before a reset may be lost with it.
          const phases = end === "reset" && phase !== "mail" && delivery === "not-sent" ? ["mail", "rcpt", "data"] : [phase];
          const expected = ["SmtpConnectionError", "disconnected", true, delivery];
          equal([error.name, error.kind, phases.includes(String(error.phase)), error.delivery], expected, JSON.stringify(error));
          equal([client.isClosed, (await puppet.report()).mismatch], [true, undefined]);
        },
      }))
    ),
    ...WAYS.map((way): SocketFault => ({
      name: `F52 A server that ends (${end}) in the middle of the content is gone at once (${way})`,
      async run(library, env): Promise<void> {
        const { client } = await meet(library, env, way, `${ENVELOPE}C: {taken} 300000\nS: {${end}}`);
        const error = await rejected(client.send({ ...MESSAGE, body: measured(LARGE).body }));
        equal([error.name, error.kind, error.phase, error.delivery], ["SmtpConnectionError", "disconnected", "data", "not-sent"]);
      },
    })),
  ]),
  ...WAYS.map((way): SocketFault => ({
    name: `F53 A server that says no more behind the 354 is lost, although it reads on (${way})`,
    async run(library, env): Promise<void> {
      const { client } = await meet(library, env, way, `${ENVELOPE}S: {half}`);
      const { body, asked } = measured(ENDLESS);
      const error = await rejected(client.send({ ...MESSAGE, body }));
      equal([error.name, error.kind, error.phase, error.delivery], ["SmtpConnectionError", "disconnected", "data", "not-sent"]);
      equal(asked() < ENDLESS / 2, true, "it was noticed at once");
    },
  })),
  ...WAYS.map((way): SocketFault => ({
    name: `F54 A server that says 354 and never reads is left at the deadline of a block, and the source waits (${way})`,
    async run(library, env): Promise<void> {
      const { client, puppet } = await meet(library, env, way, `${ENVELOPE}S: {deaf}`, { timeouts: { block: 300 } });
      const { body, asked } = measured(LARGE);
      const error = await rejected(client.send({ ...MESSAGE, body }));
      equal([error.name, error.kind, error.phase, error.delivery], ["SmtpConnectionError", "timeout", "data", "not-sent"]);
      equal([asked() < HELD, client.isClosed], [true, true], `${asked()} octets were asked for`);
      equal((await puppet.heard(0)).length, 1, "connections");
    },
  })),
  ...["goes on reading", "reads no more"].flatMap((then) =>
    WAYS.map((way): SocketFault => ({
      name: `F55 A refusal in the middle of the content stops it, and is what is told, where the server ${then} (${way})`,
      async run(library, env): Promise<void> {
        const rest = `${ENVELOPE}C: {taken} 300000\n${then === "reads no more" ? "S: {deaf}\n" : ""}S: 552 5.3.4 too large`;
        const { client, puppet } = await meet(library, env, way, rest);
        const { body, asked } = measured(ENDLESS);
        const error = await rejected(client.send({ ...MESSAGE, body }));
        equal([error.name, error.code, error.phase, error.delivery], ["SmtpReplyError", 552, "data", "not-sent"]);
        equal([asked() < ENDLESS, client.isClosed], [true, true]);
        // One that reads no more does not see the end either.
        const [report] = await (then === "reads no more" ? puppet.heard(0) : puppet.reports());
        notSaid((report?.said ?? "").split("DATA\r\n")[1] ?? "", "QUIT", "RSET", "MAIL", "\\.\\r");
      },
    }))
  ),
  ...WAYS.flatMap((way): SocketFault[] => [
    {
      name: `F56 A server that never answers the dot is left at a deadline of its own, and nobody knows (${way})`,
      async run(library, env): Promise<void> {
        const { client } = await meet(library, env, way, `${ENVELOPE}C: {message}\nS: {silence}`, { timeouts: { final: 300 } });
        const error = await rejected(client.send(MESSAGE));
        equal([error.name, error.kind, error.phase, error.delivery], ["SmtpConnectionError", "timeout", "data", "unknown"]);
      },
    },
    {
      name: `F56 A message that was lost behind its dot is not sent again, neither by a client nor by a pool (${way})`,
      async run({ SmtpPool }, env): Promise<void> {
        if (way === "starttls") return;
        const scripts = [`${HELLO}${ENVELOPE}C: {message}\nS: {close}`, `${HELLO}${SENT}${BYE}`];
        const puppet = await Puppet.play(env, { scripts, isImplicit: way === "implicit" });
        await using pool = new SmtpPool(puppet.options({ tls: way }), { maxConnections: 1 });
        const error = await rejected(pool.send(MESSAGE));
        equal([error.kind, error.delivery], ["disconnected", "unknown"]);
        equal((await puppet.reports()).length, 1, "connections");
      },
    },
  ]),
  ...[
    "S: {close}",
    "S: {reset}",
    "S: {silence}",
    "S: 421 4.3.2 going down\nS: {close}",
    "C: QUIT\nS: 500 what",
    "C: QUIT\nS: {reset}",
    "C: QUIT\nS: nonsense",
  ]
    .flatMap((end) =>
      WAYS.map((way): SocketFault => ({
        name: `F57 What was taken stays taken, whatever comes behind: ${JSON.stringify(end)} (${way})`,
        async run(library, env): Promise<void> {
          // A reset takes with it what was not read yet: the reply has to be there before.
          const waits = end === "S: {reset}" ? "S: {wait} 150\n" : "";
          const { client } = await meet(library, env, way, `${SENT}${waits}${end}`, { timeouts: { quit: 200 } });
          const { accepted, reply } = await client.send(MESSAGE);
          equal([accepted.length, reply.code], [1, 250]);
          await client.quit();
          equal(client.isClosed, true);
        },
      }))
    ),
  ...["S: {close}", "S: {reset}", "S: {silence}", "S: 421 no", "S: nonsense"].map((end): SocketFault => ({
    name: `F57 A QUIT that rides with the message changes nothing about it: ${JSON.stringify(end)}`,
    async run(library, env): Promise<void> {
      const { client } = await meet(library, env, "none", `${ENVELOPE}C: {message}\nS: 250 taken\nS: {wait} 100\n${end}`, {
        timeouts: { quit: 200 },
      });
      const { accepted, reply } = await client.send(MESSAGE, { quit: true });
      equal([accepted.length, reply.code], [1, 250]);
      await client.quit();
      equal(client.isClosed, true);
    },
  })),
];
