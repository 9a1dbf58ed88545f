/** D: replies that do not come, do not end, or come unasked. */
import { equal, rejected } from "../../runtimes/case.ts";
import { Puppet, type SocketFault } from "../puppet/puppet.ts";
import { BYE, ENVELOPE, HELLO, meet, MESSAGE, notSaid, SENT, WAYS } from "./sessions.ts";

const LOST = "SmtpConnectionError";

/** A reply that never comes, or comes too slowly, in each phase. */
const SLOW: readonly { readonly words: string; readonly script: string; readonly phase: string }[] = [
  { words: "no greeting", script: "S: {silence}", phase: "greeting" },
  { words: "a greeting octet by octet", script: `S: {drip} 10 220 ${"x".repeat(300)}`, phase: "greeting" },
  { words: "a greeting that goes on line by line", script: `S: {drip} 10 220-x\n`.repeat(60), phase: "greeting" },
  { words: "no reply to EHLO", script: "S: 220 mx.test\nC: EHLO client.test\nS: {silence}", phase: "ehlo" },
  { words: "a reply to EHLO octet by octet", script: `S: 220 mx.test\nC: EHLO client.test\nS: {drip} 10 250 ${"x".repeat(300)}`, phase: "ehlo" },
];

/** Replies that have no end. */
const ENDLESS: Readonly<Record<string, string>> = {
  "a line without an end": "S: {noise} x",
  "lines without an end": "S: {flood} 250-x",
  "20000 lines": "S: {repeat} 20000 250-x\nS: 250 x",
  "empty lines without an end": "S: {flood} ",
};

export const replyFaults: readonly SocketFault[] = [
  ...SLOW.map(({ words, script, phase }): SocketFault => ({
    name: `F39 A server with ${words} is left at the deadline`,
    async run({ connect }, env): Promise<void> {
      const puppet = await Puppet.play(env, script);
      const error = await rejected(connect(puppet.options({ timeouts: { greeting: 300, command: 300 } })));
      equal([error.name, error.kind, error.phase, error.delivery], [LOST, "timeout", phase, "not-sent"]);
      equal((await puppet.report()).end === undefined, false, "the end of the connection");
    },
  })),
  ...Object.entries(ENDLESS).flatMap(([words, endless]): SocketFault[] => [
    {
      name: `F40 A greeting of ${words} ends the connection`,
      async run({ connect }, env): Promise<void> {
        const puppet = await Puppet.play(env, endless.replaceAll("250", "220"));
        const error = await rejected(connect(puppet.options()));
        equal([error.name, error.kind, error.phase, error.delivery], ["SmtpProtocolError", "protocol", "greeting", "not-sent"]);
        equal((await puppet.report()).end === undefined, false, "the end of the connection");
      },
    },
    ...WAYS.map((way): SocketFault => ({
      name: `F40 A reply to MAIL of ${words} ends the connection (${way})`,
      async run(library, env): Promise<void> {
        const { client, puppet } = await meet(library, env, way, `C: MAIL FROM:<a@x.test>\n${endless}`);
        const error = await rejected(client.send(MESSAGE));
        equal([error.name, error.kind, error.phase, error.delivery], ["SmtpProtocolError", "protocol", "mail", "not-sent"]);
        equal([client.isClosed, (await puppet.report()).end === undefined], [true, false]);
      },
    })),
  ]),
  ...WAYS.map((way): SocketFault => ({
    name: `F45 Replies of which every octet comes alone are whole replies (${way})`,
    async run(library, env): Promise<void> {
      const slowly = `
        C: MAIL FROM:<a@x.test>
        C: RCPT TO:<b@y.test>
        C: DATA
        S: {drip} 1 250-2.1.0 ok
        S: {drip} 1 250 2.1.0 ok
        S: {drip} 1 250 2.1.5 ok
        S: {drip} 1 354 go
        C: {message}
        S: {drip} 1 250 2.0.0 queued as ABC123
        C: QUIT
        S: 221 bye
      `;
      const { client, puppet } = await meet(library, env, way, slowly);
      const { accepted, reply } = await client.send(MESSAGE);
      equal([accepted.length, reply.code, reply.text], [1, 250, "queued as ABC123"]);
      await client.quit();
      equal((await puppet.report()).rest, "");
    },
  })),
  {
    name: "F46 A whole session that is played with the greeting is taken for none",
    async run({ connect }, env): Promise<void> {
      const played = ["220 mx.test", "250 mx.test", "250 ok", "250 ok", "354 go", "250 queued", "221 bye"].map((line) => `S: ${line}`).join("\n");
      const puppet = await Puppet.play(env, played);
      const error = await rejected((async () => {
        await using client = await connect(puppet.options());
        await client.send(MESSAGE);
      })());
      equal([error.name, error.kind, error.delivery], ["SmtpProtocolError", "protocol", "not-sent"]);
      notSaid((await puppet.report()).said, "RCPT", "DATA", "Subject");
    },
  },
  {
    name: "F46 A reply too many is nobody's reply",
    async run(library, env): Promise<void> {
      const { client } = await meet(
        library,
        env,
        "none",
        "C: MAIL FROM:<a@x.test>\nS: 250 ok\nS: 250 extra\nS: 250 more\nS: 250 and more\nS: 354 go",
      );
      const error = await rejected(client.send(MESSAGE, { signal: AbortSignal.timeout(5_000) }));
      // The replies are as many as the commands under way and one: no message may have been taken by them.
      equal([error.kind, client.isClosed], ["protocol", true], JSON.stringify(error));
    },
  },
  ...WAYS.map((way): SocketFault => ({
    name: `F46 Two final replies: the first is the message's, and the connection is used no more (${way})`,
    async run(library, env): Promise<void> {
      const { client, puppet } = await meet(library, env, way, `${SENT}S: 250 taken again`);
      const { reply } = await client.send(MESSAGE);
      equal(reply.text, "taken");
      const next = await rejected(client.connection.noop().then(() => client.connection.noop()));
      equal([next.delivery, client.isClosed], ["not-sent", true], JSON.stringify(next));
      notSaid((await puppet.report()).said.slice(200), "MAIL");
    },
  })),
  {
    name: "F47 A 421 to EHLO ends the session with the server's words, and no HELO follows",
    async run({ connect }, env): Promise<void> {
      const puppet = await Puppet.play(env, "S: 220 mx.test\nC: EHLO client.test\nS: 421 4.3.2 going down");
      const error = await rejected(connect(puppet.options()));
      equal([error.code, error.delivery, /going down/.test(String(error.message))], [421, "not-sent", true], JSON.stringify(error));
      notSaid((await puppet.report()).said, "HELO", "MAIL");
    },
  },
  ...[
    { words: "to MAIL", script: "C: MAIL FROM:<a@x.test>\nS: 421 4.3.2 going down\nS: {close}", delivery: "not-sent" },
    { words: "behind the dot", script: `${ENVELOPE}C: {message}\nS: 421 4.3.2 going down\nS: {close}`, delivery: "not-sent" },
  ].flatMap(({ words, script, delivery }) =>
    WAYS.map((way): SocketFault => ({
      name: `F47 A 421 ${words} ends the session with the server's words (${way})`,
      async run(library, env): Promise<void> {
        const { client } = await meet(library, env, way, script);
        const error = await rejected(client.send(MESSAGE));
        equal([error.code, error.delivery, /going down/.test(String(error.message)), client.isClosed], [421, delivery, true, true]);
      },
    }))
  ),
  ...WAYS.map((way): SocketFault => ({
    name: `F47 A 421 while nothing is asked is the reason that the next command is given (${way})`,
    async run(library, env): Promise<void> {
      const { client } = await meet(library, env, way, "C: NOOP\nS: 250 ok\nS: 421 4.3.2 going down\nS: {close}");
      await client.connection.noop();
      const error = await rejected(client.connection.noop());
      equal([error.name, error.kind, error.code, error.delivery], [LOST, "disconnected", 421, "not-sent"], JSON.stringify(error));
    },
  })),
  {
    name: "F47 A 421 instead of a greeting is the server's word, and nothing is said to it",
    async run({ connect }, env): Promise<void> {
      const puppet = await Puppet.play(env, "S: 421 4.3.2 too busy\nS: {close}");
      const error = await rejected(connect(puppet.options()));
      equal([error.code, /too busy/.test(String(error.message))], [421, true], JSON.stringify(error));
      notSaid((await puppet.report()).said, "EHLO", "HELO");
    },
  },
  {
    name: "F45 A session whose every reply has CR and LF in segments of their own goes as any other",
    async run({ connect }, env): Promise<void> {
      const apart = HELLO.replaceAll(/S: (.*)/g, "S: {part} $1\nS: {wait} 5\nS: {octets} 0d\nS: {wait} 5\nS: {octets} 0a\nS: {wait} 5");
      const puppet = await Puppet.play(env, `${apart}${BYE}`);
      const client = await connect(puppet.options());
      equal(client.extensions.has("PIPELINING"), true);
      await client.quit();
      equal((await puppet.report()).rest, "");
    },
  },
];
