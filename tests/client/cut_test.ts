/** One whole session, split and cut at every octet of the server's. What must come of a cut is worked out here, from the script alone. */
import { assertEquals } from "@std/assert";
import type { ConnectOptions, SendResult } from "@posthorn/smtp";
import { connectTo, facts, rejection } from "../support/client.ts";
import { cutting, splitAt } from "../support/cutting.ts";
import { FakeClock, settled } from "../support/fake_clock.ts";
import { ScriptedServer } from "../support/script.ts";

const auth = { username: "alice", password: "s3cret" };

/** What the server says, and the phase in which the client then waits. The octets of the last one decide over the message. */
const SERVER: readonly (readonly [phase: string, reply: string])[] = [
  ["greeting", "220-mx.example\r\n220 ESMTP\r\n"],
  ["ehlo", "250-mx.example\r\n250-PIPELINING\r\n250 AUTH PLAIN\r\n"],
  ["auth", "235 2.7.0 welcome\r\n"],
  ["mail", "250 2.1.0 ok\r\n"],
  ["rcpt", "250 2.1.5 ok\r\n"],
  ["rcpt", "550-5.1.1 no\r\n550 5.1.1 such user\r\n"],
  ["data", "354 go ahead\r\n"],
  ["content", "250 2.0.0 Ok: queued as ABC\r\n"],
];

const SCRIPT = `
  S: 220-mx.example
  S: 220 ESMTP
  C: EHLO client.test
  S: 250-mx.example
  S: 250-PIPELINING
  S: 250 AUTH PLAIN
  C: AUTH PLAIN AGFsaWNlAHMzY3JldA==
  S: 235 2.7.0 welcome
  C: MAIL FROM:<a@x.test>
  C: RCPT TO:<b@y.test>
  C: RCPT TO:<c@y.test>
  C: DATA
  S: 250 2.1.0 ok
  S: 250 2.1.5 ok
  S: 550-5.1.1 no
  S: 550 5.1.1 such user
  S: 354 go ahead
  C: Subject: a
  C:
  C: .
  S: 250 2.0.0 Ok: queued as ABC
  S: {silence}
`;

const TOTAL = SERVER.reduce((length, [, reply]) => length + reply.length, 0);

async function session(server: ScriptedServer, options: ConnectOptions = {}): Promise<SendResult> {
  const client = await connectTo(server, { auth, allowCleartextAuth: true, ...options });
  try {
    return await client.send({ from: "a@x.test", to: ["b@y.test", "c@y.test"], body: "Subject: a\r\n\r\n" });
  } finally {
    client.close();
  }
}

function summary({ accepted, rejected, reply, queueId }: SendResult): unknown {
  const plain = [...accepted, ...rejected].map(({ address, reply }) => [address, `${reply}`]);
  return [plain, accepted.length, `${reply}`, queueId];
}

Deno.test("SmtpClient comes to the same outcome with the replies split at every octet", async () => {
  const expected = summary(await session(new ScriptedServer(SCRIPT)));
  let tried = 0;
  for (let at = 1; at < TOTAL; at++) {
    const server = new ScriptedServer(SCRIPT, splitAt(at));
    assertEquals(summary(await session(server)), expected, `split at ${at}`);
    server.check();
    tried++;
  }
  assertEquals(tried, TOTAL - 1);
});

/** Where a session stands of which the client sees `octets` octets: the phase it waits in, and which recipients it knows of. */
function expected(octets: number): { phase: string; accepted: number; rejected: number } {
  let at = 0;
  let accepted = 0;
  let rejected = 0;
  for (const [phase, reply] of SERVER) {
    at += reply.length;
    if (octets < at) return { phase: phase === "content" ? "data" : phase, accepted, rejected };
    if (phase === "rcpt" && reply.startsWith("250")) accepted++;
    if (phase === "rcpt" && reply.startsWith("550")) rejected++;
  }
  throw new Error("nothing is cut off");
}

for (const end of ["close", "reset", "stall"] as const) {
  Deno.test(`SmtpClient says the right delivery when the server's octets end anywhere (${end})`, async () => {
    let tried = 0;
    const outcomes = new Set<string>();
    for (let octets = 0; octets < TOTAL; octets++) {
      const server = new ScriptedServer(SCRIPT);
      const clock = new FakeClock();
      const dial = cutting(server, octets, end);
      const ended = rejection(session(server, { dial, clock }));
      if (end === "stall") {
        for (let turn = 0; turn < 4; turn++) await settled();
        await clock.advance(600_000);
      }
      const error = await ended;
      const { kind, phase, delivery } = facts(error);
      const { accepted, rejected, ...waiting } = expected(octets);
      // The message was out of the client's hands exactly when the server has its dot.
      const outcome = {
        kind: end === "stall" ? "timeout" : "disconnected",
        delivery: server.received.endsWith("\r\n.\r\n") ? "unknown" : "not-sent",
      };
      assertEquals({ kind, phase, delivery }, { ...outcome, ...waiting }, `cut at ${octets}`);
      outcomes.add(`${phase} ${delivery}`);
      if (phase === "data") {
        const count = (name: string) => Reflect.get(Object(error), name).length;
        assertEquals([count("accepted"), count("rejected")], [accepted, rejected], `cut at ${octets}`);
      }
      assertEquals([server.isClosed, clock.pending], [true, 0], `cut at ${octets}`);
      tried++;
    }
    assertEquals(tried, TOTAL);
    const seen = ["greeting", "ehlo", "auth", "mail", "rcpt", "data"].map((phase) => `${phase} not-sent`);
    assertEquals([...outcomes].sort(), [...seen, "data unknown"].sort());
  });
}

Deno.test("SmtpClient says the right delivery when its own octets cannot be written any more", async () => {
  const whole = new ScriptedServer(SCRIPT);
  await session(whole);
  const total = whole.received.length;
  const content = whole.received.indexOf("Subject");
  for (let writes = 0; writes < whole.writes.length; writes++) {
    const server = new ScriptedServer(SCRIPT);
    let left = writes;
    const dial = () => {
      const socket = server.socket();
      const writer = socket.writable.getWriter();
      return Promise.resolve({
        ...socket,
        writable: new WritableStream<Uint8Array>({
          write: (chunk) => left-- > 0 ? writer.write(chunk) : Promise.reject(new Error("broken pipe")),
        }),
      });
    };
    const clock = new FakeClock();
    const ended = rejection(session(server, { dial, clock }));
    for (let turn = 0; turn < 4; turn++) await settled();
    // The server is listened to for a moment: it may have said why.
    await clock.advance(1_000);
    const isContent = writes === whole.writes.length - 1;
    const { kind, phase, delivery } = facts(await ended);
    const phases = ["ehlo", "auth", "mail", "data"];
    assertEquals({ kind, phase, delivery }, { kind: "disconnected", phase: phases[writes], delivery: isContent ? "unknown" : "not-sent" });
    assertEquals(server.isClosed, true);
  }
  assertEquals(content > 0 && content < total, true);
});

Deno.test("SmtpClient reports what the server said before it stopped taking octets", async () => {
  const script = SCRIPT.replace("S: 250 2.1.0 ok", "S: 421 4.3.2 going down");
  const server = new ScriptedServer(script);
  const dial = () => {
    const socket = server.socket();
    const writer = socket.writable.getWriter();
    let writes = 0;
    return Promise.resolve({
      ...socket,
      writable: new WritableStream<Uint8Array>({
        async write(chunk): Promise<void> {
          await writer.write(chunk);
          if (++writes === 3) throw new Error("broken pipe");
        },
      }),
    });
  };
  const error = facts(await rejection(session(server, { dial, clock: new FakeClock() })));
  assertEquals([error.code, error.phase, error.delivery], [421, "mail", "not-sent"]);
});
