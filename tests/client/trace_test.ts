/** What a log may know: everything that happened. That there is no secret in it, tests/faults/cases/secrets.ts shows. */
import { assertEquals } from "@std/assert";
import type { TraceEvent } from "@posthorn/smtp";
import { connectTo, HELLO } from "../support/client.ts";
import { conversation, ScriptedServer } from "../support/script.ts";

conversation(
  "trace tells all that happened, and which commands left in one write",
  `
  S: 220 mx.example
  C: EHLO client.test
  S: 250-mx.example
  S: 250-PIPELINING
  S: 250 AUTH PLAIN
  C: AUTH PLAIN AGFsaWNlAHMzY3JldA==
  S: 235 welcome
  C: MAIL FROM:<a@x.test>
  C: RCPT TO:<b@y.test>
  C: DATA
  S: 250 ok
  S: 250 \x1b[31mok
  S: 354 go
  C: hi
  C: .
  S: 250 ok
  C: QUIT
  S: 221 bye
  S: {close}`,
  async (server) => {
    const events: TraceEvent[] = [];
    const auth = { username: "alice", password: "s3cret" };
    await using client = await connectTo(server, { auth, allowCleartextAuth: true, trace: (event) => events.push(event) });
    await client.send({ from: "a@x.test", to: "b@y.test", body: "hi" });
    await client.quit();
    assertEquals(events, [
      { type: "connect", secure: false },
      { type: "receive", command: "greeting", lines: ["220 mx.example"] },
      { type: "send", line: "EHLO client.test", write: 1 },
      { type: "receive", command: "EHLO client.test", lines: ["250-mx.example", "250-PIPELINING", "250 AUTH PLAIN"] },
      { type: "send", line: "AUTH PLAIN ***", write: 2 },
      { type: "receive", command: "AUTH PLAIN ***", lines: ["235 welcome"] },
      { type: "send", line: "MAIL FROM:<a@x.test>", write: 3 },
      { type: "send", line: "RCPT TO:<b@y.test>", write: 3 },
      { type: "send", line: "DATA", write: 3 },
      { type: "receive", command: "MAIL FROM:<a@x.test>", lines: ["250 ok"] },
      { type: "receive", command: "RCPT TO:<b@y.test>", lines: ["250 \\x1b[31mok"] },
      { type: "receive", command: "DATA", lines: ["354 go"] },
      { type: "content", octets: 7, write: 4 },
      { type: "receive", command: "the message", lines: ["250 ok"] },
      { type: "send", line: "QUIT", write: 5 },
      { type: "receive", command: "QUIT", lines: ["221 bye"] },
      { type: "close", reason: "The session has ended with QUIT" },
    ]);
  },
);

Deno.test("a trace that throws costs no message", async () => {
  const server = new ScriptedServer(`${HELLO}\nC: NOOP\nS: 250 ok\nS: {silence}`);
  const client = await connectTo(server, {
    trace: () => {
      throw new Error("the log is full");
    },
  });
  await client.verify();
  client.close();
});
