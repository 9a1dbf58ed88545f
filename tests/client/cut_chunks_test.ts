/** Whole sessions of BDAT and LMTP, split and cut at every octet of the server's. What must come of a cut is worked out here, from the script alone. */
import { assertEquals } from "@std/assert";
import type { ConnectOptions, MessageBody, SendResult } from "@posthorn/smtp";
// Loaded beforehand: what is loaded in the middle of a session takes time of the real clock.
import "../../src/authenticate.ts";
import { connectTo, facts, rejection } from "../support/client.ts";
import { cutting, splitAt } from "../support/cutting.ts";
import { FakeClock, settled } from "../support/fake_clock.ts";
import { ScriptedServer } from "../support/script.ts";

/** One reply, the phase in which the client waits for it, and how many recipients are known to be accepted and rejected behind it. */
type Said = readonly [phase: string, reply: string, accepted: number, rejected: number];

/** A session, what the server says in it, and what tells that the end of the message was handed over. */
interface Session {
  readonly name: string;
  readonly protocol: "smtp" | "lmtp";
  readonly script: string;
  readonly said: readonly Said[];
  readonly end: string;
  /** The content, whole; or in pieces of which the first goes out by itself, since the second is slow. */
  readonly body: string | readonly [string, string];
}

const ENVELOPE = `
  C: MAIL FROM:<a@x.test>
  C: RCPT TO:<b@y.test>
  C: RCPT TO:<c@y.test>
  C: RCPT TO:<d@y.test>
`;
const ANSWERS = `
  S: 250 2.1.0 ok
  S: 250 2.1.5 ok
  S: 550-5.1.1 no
  S: 550 5.1.1 such user
  S: 250 2.1.5 ok
`;

/** What a server says up to the end of the envelope. */
function beginning(hello: string, ...login: readonly Said[]): Said[] {
  return [
    ["greeting", "220 mx.example\r\n", 0, 0],
    ["ehlo", hello, 0, 0],
    ...login,
    ["mail", "250 2.1.0 ok\r\n", 0, 0],
    ["rcpt", "250 2.1.5 ok\r\n", 1, 0],
    ["rcpt", "550-5.1.1 no\r\n550 5.1.1 such user\r\n", 1, 1],
    ["rcpt", "250 2.1.5 ok\r\n", 2, 1],
  ];
}

const SESSIONS: readonly Session[] = [
  {
    name: "BDAT in one write with its envelope",
    protocol: "smtp",
    script: `
      S: 220 mx.example
      C: EHLO client.test
      S: 250-mx.example
      S: 250-PIPELINING
      S: 250-AUTH PLAIN
      S: 250 CHUNKING
      C: AUTH PLAIN AGEAYg==
      S: 235 ok
      ${ENVELOPE}
      C: BDAT 5 LAST
      C: one
      ${ANSWERS}
      S: 250-2.0.0 5 octets
      S: 250 2.0.0 Ok: queued as ABC
      S: {silence}`,
    said: [
      ...beginning("250-mx.example\r\n250-PIPELINING\r\n250-AUTH PLAIN\r\n250 CHUNKING\r\n", ["auth", "235 ok\r\n", 0, 0]),
      ["data", "250-2.0.0 5 octets\r\n250 2.0.0 Ok: queued as ABC\r\n", 0, 0],
    ],
    end: "BDAT 5 LAST\r\none\r\n",
    body: "one\r\n",
  },
  {
    name: "BDAT in two chunks",
    protocol: "smtp",
    script: `
      S: 220 mx.example
      C: EHLO client.test
      S: 250-mx.example
      S: 250-PIPELINING
      S: 250 CHUNKING
      ${ENVELOPE}
      ${ANSWERS}
      C: BDAT 5
      C: one
      S: 250 2.0.0 5 octets
      C: BDAT 5 LAST
      C: two
      S: 250 2.0.0 Ok: queued as ABC
      S: {silence}`,
    said: [
      ...beginning("250-mx.example\r\n250-PIPELINING\r\n250 CHUNKING\r\n"),
      ["data", "250 2.0.0 5 octets\r\n", 2, 1],
      ["data", "250 2.0.0 Ok: queued as ABC\r\n", 0, 0],
    ],
    end: "BDAT 5 LAST\r\ntwo\r\n",
    body: ["one\r\n", "two\r\n"],
  },
  {
    name: "LMTP by DATA",
    protocol: "lmtp",
    script: `
      S: 220 mx.example
      C: LHLO client.test
      S: 250-mx.example
      S: 250 PIPELINING
      ${ENVELOPE}
      C: DATA
      ${ANSWERS}
      S: 354 go
      C: one
      C: .
      S: 452-4.2.2 over
      S: 452 4.2.2 quota
      S: 250 2.0.0 saved
      S: {silence}`,
    said: [
      ...beginning("250-mx.example\r\n250 PIPELINING\r\n"),
      ["data", "354 go\r\n", 2, 1],
      ["data", "452-4.2.2 over\r\n452 4.2.2 quota\r\n", 0, 2],
      ["data", "250 2.0.0 saved\r\n", 0, 0],
    ],
    end: "\r\n.\r\n",
    body: "one\r\n",
  },
  {
    name: "LMTP by BDAT",
    protocol: "lmtp",
    script: `
      S: 220 mx.example
      C: LHLO client.test
      S: 250-mx.example
      S: 250-PIPELINING
      S: 250 CHUNKING
      ${ENVELOPE}
      ${ANSWERS}
      C: BDAT 5 LAST
      C: one
      S: 250 2.0.0 saved
      S: 452-4.2.2 over
      S: 452 4.2.2 quota
      S: {silence}`,
    said: [
      ...beginning("250-mx.example\r\n250-PIPELINING\r\n250 CHUNKING\r\n"),
      ["data", "250 2.0.0 saved\r\n", 1, 1],
      ["data", "452-4.2.2 over\r\n452 4.2.2 quota\r\n", 0, 0],
    ],
    end: "BDAT 5 LAST\r\none\r\n",
    body: "one\r\n",
  },
];

const TO = ["b@y.test", "c@y.test", "d@y.test"];

/** Sends the message of `session` on a connection of its own, and lets the time pass that a slow source takes. */
async function run(
  { protocol, script, body }: Session,
  server: ScriptedServer,
  options: ConnectOptions & { readonly clock: FakeClock },
): Promise<SendResult> {
  const login = script.includes("AUTH") ? { auth: { username: "a", password: "b" }, allowCleartextAuth: true } : {};
  const client = await connectTo(server, { protocol, ...login, ...options });
  let release = () => {};
  const released = new Promise<void>((resolve) => release = resolve);
  async function* pieces(): AsyncGenerator<string> {
    yield body[0] ?? "";
    await released;
    yield body[1] ?? "";
  }
  const content: MessageBody = typeof body === "string" ? body : () => ReadableStream.from(pieces()).pipeThrough(new TextEncoderStream());
  try {
    const sending = client.send({ from: "a@x.test", to: TO, body: content }, { signal: options.signal });
    // It may have failed before the source has had its time.
    sending.catch(() => {});
    if (typeof body !== "string") {
      for (let turn = 0; turn < 3; turn++) await settled();
      await options.clock.advance(1_000);
      release();
    }
    return await sending;
  } finally {
    release();
    client.close();
  }
}

function summary({ accepted, rejected, reply, queueId, transactions }: SendResult): unknown {
  const plain = [...accepted, ...rejected].map(({ address, reply }) => [address, `${reply}`]);
  return [plain, accepted.length, `${reply}`, queueId, transactions.length];
}

for (const session of SESSIONS) {
  const total = session.said.reduce((length, [, reply]) => length + reply.length, 0);

  Deno.test(`SmtpClient comes to the same outcome with the replies split at every octet (${session.name})`, async () => {
    const expected = summary(await run(session, new ScriptedServer(session.script), { clock: new FakeClock() }));
    for (let at = 1; at < total; at++) {
      const server = new ScriptedServer(session.script, splitAt(at));
      assertEquals(summary(await run(session, server, { clock: new FakeClock() })), expected, `split at ${at}`);
      server.check();
    }
  });

  for (const end of ["close", "reset", "stall", "abort"] as const) {
    Deno.test(`SmtpClient says the right delivery when the server's octets end anywhere (${session.name}, ${end})`, async () => {
      const outcomes = new Set<string>();
      for (let octets = 0; octets < total; octets++) {
        const server = new ScriptedServer(session.script);
        const clock = new FakeClock();
        const controller = new AbortController();
        const dial = cutting(server, octets, end === "abort" ? "stall" : end);
        const ended = rejection(run(session, server, { dial, clock, signal: controller.signal }));
        if (end === "stall" || end === "abort") {
          for (let turn = 0; turn < (typeof session.body === "string" ? 4 : 10); turn++) await settled();
          if (end === "abort") controller.abort("enough");
          else await clock.advance(600_000);
        }
        const error = await ended;
        const { kind, phase, delivery } = facts(error);
        // The message was out of the client's hands exactly when the server has its end, and from then on it is what the client waits for.
        const waiting = phaseAt(session.said, octets);
        const outcome = server.received.endsWith(session.end) ? ["data", "unknown"] : [waiting.phase, "not-sent"];
        const kinds = { close: "disconnected", reset: "disconnected", stall: "timeout", abort: "aborted" };
        assertEquals([kind, phase, delivery], [kinds[end], ...outcome], `cut at ${octets}`);
        if (phase === "data") {
          const count = (name: string) => Reflect.get(Object(error), name).length;
          assertEquals([count("accepted"), count("rejected")], [waiting.accepted, waiting.rejected], `cut at ${octets}`);
        }
        assertEquals([server.isClosed, clock.pending], [true, 0], `cut at ${octets}`);
        outcomes.add(`${phase} ${delivery}`);
      }
      assertEquals(outcomes.has("data unknown"), true);
    });
  }
}

for (const session of SESSIONS) {
  Deno.test(`SmtpClient says the right delivery when its own octets cannot be written any more (${session.name})`, async () => {
    const whole = new ScriptedServer(session.script);
    await run(session, whole, { clock: new FakeClock() });
    for (let writes = 0; writes < whole.writes.length; writes++) {
      const server = new ScriptedServer(session.script);
      let left = writes;
      const dial = () => {
        const socket = server.socket();
        const writer = socket.writable.getWriter();
        const write = (chunk: Uint8Array) => left-- > 0 ? writer.write(chunk) : Promise.reject(new Error("broken pipe"));
        return Promise.resolve({ ...socket, writable: new WritableStream<Uint8Array>({ write }) });
      };
      const clock = new FakeClock();
      const ended = rejection(run(session, server, { dial, clock }));
      for (let turn = 0; turn < 10; turn++) await settled();
      // The server is listened to for a moment: it may have said why.
      await clock.advance(1_000);
      const { kind, delivery } = facts(await ended);
      assertEquals([kind, delivery], ["disconnected", writes === whole.writes.length - 1 ? "unknown" : "not-sent"], `${writes} writes`);
      assertEquals([server.isClosed, clock.pending], [true, 0]);
    }
  });
}

/** Where the client stands that sees `octets` octets. */
function phaseAt(said: readonly Said[], octets: number): { readonly phase: string; readonly accepted: number; readonly rejected: number } {
  let at = 0;
  let [accepted, rejected] = [0, 0];
  for (const [phase, reply, moreAccepted, moreRejected] of said) {
    at += reply.length;
    if (octets < at) return { phase, accepted, rejected };
    [accepted, rejected] = [moreAccepted, moreRejected];
  }
  throw new Error("nothing is cut off");
}
