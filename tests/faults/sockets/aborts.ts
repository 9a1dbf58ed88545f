/** G: whoever gives up is free at once, and so is the server. */
import { equal } from "../../runtimes/case.ts";
import { Puppet, type SocketFault } from "../puppet/puppet.ts";
import { BYE, ENVELOPE, HELLO, measured, meet, MESSAGE, SENT, STARTTLS, WAYS } from "./sessions.ts";

const LARGE = 24_000_000;

/** What a promise that was given up rejects with, and whether its cause is the reason. */
async function given(promise: Promise<unknown>, reason: unknown): Promise<unknown[]> {
  try {
    await promise;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return [Reflect.get(error, "kind"), error.cause === reason, Reflect.get(error, "delivery")];
  }
  throw new Error("it was not given up");
}

/** Where a connection that begins may be given up: what the server plays, and how much it has heard then. */
const BEGINNINGS: readonly {
  readonly words: string;
  readonly script: string;
  readonly tls: "none" | "implicit" | "starttls";
  readonly heard: number;
}[] = [
  { words: "the greeting", script: "S: {silence}", tls: "none", heard: 0 },
  { words: "the middle of the greeting", script: "S: {part} 22", tls: "none", heard: 0 },
  { words: "EHLO", script: "S: 220 mx.test\nC: EHLO client.test\nS: 250-mx.test", tls: "none", heard: 10 },
  { words: "the handshake", script: "S: {silence}", tls: "implicit", heard: 10 },
  { words: "STARTTLS", script: STARTTLS.slice(0, STARTTLS.indexOf("S: 220 go")), tls: "starttls", heard: 25 },
  { words: "the handshake behind STARTTLS", script: STARTTLS.slice(0, STARTTLS.indexOf("C: {tls}")), tls: "starttls", heard: 60 },
  { words: "EHLO behind STARTTLS", script: STARTTLS.slice(0, STARTTLS.lastIndexOf("S: 250-mx")), tls: "starttls", heard: 40 },
];

export const abortFaults: readonly SocketFault[] = [
  {
    name: "F72 An abort while the socket is dialled ends the attempt",
    async run({ connect }, env): Promise<void> {
      const puppet = await Puppet.play(env, `${HELLO}${BYE}`);
      for (const ticks of [0, 1, 3, 10]) {
        const controller = new AbortController();
        const reason = new Error("enough");
        const connecting = given(connect(puppet.options({ signal: controller.signal })), reason);
        for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
        controller.abort(reason);
        equal(await connecting, ["aborted", true, "not-sent"], `after ${ticks} ticks`);
      }
    },
  },
  ...BEGINNINGS.map(({ words, script, tls, heard }): SocketFault => ({
    name: `F72 An abort in ${words} ends the connection at once`,
    async run({ connect }, env): Promise<void> {
      const puppet = await Puppet.play(env, script);
      const controller = new AbortController();
      const reason = new Error("enough");
      const connecting = given(connect(puppet.options({ tls, signal: controller.signal })), reason);
      await puppet.heard(heard);
      controller.abort(reason);
      equal(await connecting, ["aborted", true, "not-sent"]);
      // Some runtimes keep the connection of a handshake until the server has had enough.
      if (words.includes("handshake") && env.lacks.includes("the end of a handshake")) return;
      equal((await puppet.report()).end === undefined, false, "the end of the connection");
    },
  })),
  ...WAYS.flatMap((way): SocketFault[] => [
    ...[
      { words: "MAIL", script: "C: MAIL FROM:<a@x.test>", said: 20, delivery: "not-sent" },
      { words: "DATA", script: ENVELOPE.replace("S: 354 go", ""), said: 48, delivery: "not-sent" },
      { words: "the reply to the dot", script: `${ENVELOPE}C: {message}`, said: 76, delivery: "unknown" },
    ].map(({ words, script, said, delivery }): SocketFault => ({
      name: `F72 An abort in ${words} ends the connection, and what is known is said (${way})`,
      async run(library, env): Promise<void> {
        const { client, puppet } = await meet(library, env, way, script);
        const [before] = await puppet.heard(0);
        const controller = new AbortController();
        const reason = new Error("enough");
        const sending = given(client.send(MESSAGE, { signal: controller.signal }), reason);
        await puppet.heard((before?.octets ?? 0) + said);
        controller.abort(reason);
        equal(await sending, ["aborted", true, delivery]);
        equal([client.isClosed, (await puppet.report()).end === undefined], [true, false]);
      },
    })),
    {
      name: `F72 An abort in the middle of the content ends the connection without a dot (${way})`,
      async run(library, env): Promise<void> {
        const { client, puppet } = await meet(library, env, way, `${ENVELOPE}C: {taken} 300000\nS: {silence}`);
        const controller = new AbortController();
        const sending = given(client.send({ ...MESSAGE, body: measured(2_000_000_000).body }, { signal: controller.signal }), "enough");
        await puppet.heard(300_000);
        controller.abort("enough");
        equal(await sending, ["aborted", true, "not-sent"]);
        equal((await puppet.report()).said.includes("\r\n.\r\n"), false, "a dot");
      },
    },
    {
      name: `F72 An abort while a write is held up ends the connection (${way})`,
      async run(library, env): Promise<void> {
        const { client, puppet } = await meet(library, env, way, `${ENVELOPE}C: {taken} 300000\nS: {deaf}`);
        const controller = new AbortController();
        const { body, asked } = measured(LARGE);
        const sending = given(client.send({ ...MESSAGE, body }, { signal: controller.signal }), "enough");
        await puppet.heard(300_000);
        // Until nothing more is asked for: the socket is full.
        for (let before = -1; before !== asked();) {
          before = asked();
          await new Promise((resolve) => setTimeout(resolve, 30));
        }
        controller.abort("enough");
        equal(await sending, ["aborted", true, "not-sent"]);
        equal([client.isClosed, asked() < LARGE], [true, true]);
      },
    },
    {
      name: `F74 A client that is closed, disposed of or told to quit leaves no connection behind (${way})`,
      async run(library, env): Promise<void> {
        const closed = await meet(library, env, way, "S: {silence}");
        closed.client.close();
        const disposed = await meet(library, env, way, BYE);
        {
          await using client = disposed.client;
          equal(client.isClosed, false);
        }
        const quit = await meet(library, env, way, "C: QUIT\nS: 221 bye\nS: {silence}");
        await quit.client.quit();
        for (const { puppet } of [closed, disposed, quit]) {
          const started = Date.now();
          const { end } = await puppet.report();
          equal([end === undefined, Date.now() - started < 2_000], [false, true], "the end of the connection");
        }
      },
    },
  ]),
  {
    name: "F74 A pool that is drained or closed leaves no connection behind",
    async run({ SmtpPool }, env): Promise<void> {
      for (const isDrained of [true, false]) {
        const puppet = await Puppet.play(env, `${HELLO}${SENT}${isDrained ? BYE : "S: {silence}"}`);
        const pool = new SmtpPool(puppet.options());
        await pool.send(MESSAGE);
        if (isDrained) await pool.drain();
        else pool.close();
        equal((await puppet.reports()).map(({ end }) => end === undefined), [false]);
      }
    },
  },
];
