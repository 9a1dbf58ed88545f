/** What a log may know: everything that happened, and no secret. */
import { assert, assertEquals } from "@std/assert";
import { type Auth, connect, type ConnectOptions, type TraceEvent } from "@posthorn/smtp";
import { decodeBase64 } from "../../src/wire/base64.ts";
import { connectTo, HELLO, rejection } from "../support/client.ts";
import { ManualServer } from "../support/manual.ts";
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

const SECRET = "s3cret-pässwörd";
const FORMS = [
  SECRET,
  "s3cret",
  btoa(String.fromCharCode(...new TextEncoder().encode(`\0alice\0${SECRET}`))),
  btoa(String.fromCharCode(...new TextEncoder().encode(SECRET))),
];

const FAILURES: [what: string, script: string, options?: ConnectOptions][] = [
  ["the password is refused", "S: 250 AUTH PLAIN\nC: AUTH PLAIN {secret}\nS: 535 no"],
  ["LOGIN is refused", "S: 250 AUTH LOGIN\nC: AUTH LOGIN\nS: 334 a\nC: YWxpY2U=\nS: 334 b\nC: {secret}\nS: 535 no"],
  ["the server breaks off", "S: 250 AUTH PLAIN\nC: AUTH PLAIN {secret}\nS: {reset}"],
  ["the server answers nonsense", "S: 250 AUTH PLAIN\nC: AUTH PLAIN {secret}\nS: nonsense"],
  ["the server asks on and on", "S: 250 AUTH LOGIN\nC: AUTH LOGIN\nS: 334 a\nC: YWxpY2U=\nS: 334 b\nC: {secret}\nS: 334 c\nC: *\nS: 501 no"],
  ["the server repeats the line", "S: 250 AUTH PLAIN\nC: AUTH PLAIN {secret}\nS: 535 what is {secret}?"],
  ["the server repeats the password", `S: 250 AUTH PLAIN\nC: AUTH PLAIN {secret}\nS: 535-alice has no\nS: 535 password "${SECRET}"`],
  [
    "the server repeats the password of LOGIN",
    `S: 250 AUTH LOGIN\nC: AUTH LOGIN\nS: 334 a\nC: YWxpY2U=\nS: 334 b\nC: {secret}\nS: 535 no ${SECRET} here`,
  ],
  ["the server is an echo", "S: 250 AUTH PLAIN\nC: AUTH PLAIN {secret}\nS: AUTH PLAIN {secret}"],
  ["TLS is missing", "S: 250 AUTH PLAIN", { allowCleartextAuth: false }],
  ["AUTH is missing", "S: 250 HELP"],
];

for (const [what, script, options] of FAILURES) {
  Deno.test(`no secret is in the trace or the error when ${what}`, async () => {
    const said = script.includes("LOGIN") ? FORMS[3] : FORMS[2];
    const server = new ScriptedServer(`S: 220 mx\nC: EHLO client.test\nS: 250-mx\n${script.replaceAll("{secret}", said ?? "")}\nC: QUIT\nS: 221 bye`);
    const events: TraceEvent[] = [];
    const auth = { username: "alice", password: SECRET };
    const error = await rejection(connectTo(server, { auth, allowCleartextAuth: true, trace: (event) => events.push(event), ...options }));
    const seen = [JSON.stringify(events), JSON.stringify(error), String(error), Deno.inspect(error, { depth: 20, showHidden: true })];
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) seen.push(cause.message, cause.stack ?? "", Deno.inspect(cause));
    assert(events.length > 3);
    for (const form of FORMS) assertEquals(seen.filter((text) => text.includes(form)), []);
  });
}

Deno.test("no secret is to be seen in a client that is inspected", async () => {
  const server = new ScriptedServer(
    `S: 220 mx\nC: EHLO client.test\nS: 250-mx\nS: 250 AUTH PLAIN\nC: AUTH PLAIN ${FORMS[2]}\nS: 235 ok\nS: {silence}`,
  );
  const client = await connectTo(server, { auth: { username: "alice", password: SECRET }, allowCleartextAuth: true });
  const seen = Deno.inspect(client, { depth: 20, showHidden: true }) + JSON.stringify(client);
  for (const form of FORMS) assertEquals(seen.includes(form), false);
  client.close();
});

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

Deno.test("no secret is in the error of an option of the wrong kind", async () => {
  for (const auth of ["alice:s3cret", ["s3cret"], { username: "alice", password: ["s3cret"] }, { username: "alice", accessToken: "s3cret token" }]) {
    const error = await rejection(Promise.resolve().then(() => Reflect.apply(connect, undefined, [{ hostname: "x.test", auth }])));
    assert(error instanceof TypeError, `${error}`);
    assertEquals(`${error.stack}${Deno.inspect(error)}`.includes("s3cret"), false, `${error}`);
  }
});

/** How each mechanism fails against a server that repeats in its refusal all that it heard, as it came and decoded. */
const MECHANISMS: readonly (readonly [name: string, auth: Auth])[] = [
  ...["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"].map((name) => [name, { username: "alice", password: SECRET }] as const),
  ...["OAUTHBEARER", "XOAUTH2"].map((name) => [name, { username: "alice", accessToken: "s3cret.token" }] as const),
];

for (const [name, auth] of MECHANISMS) {
  Deno.test(`no secret is in the trace or the error when the server repeats what it heard (${name})`, async () => {
    const heard: string[] = [];
    const server = new ManualServer((text, server) => {
      if (text.startsWith("EHLO")) return server.say(`250-mx\r\n250 AUTH ${name}\r\n`);
      if (text.startsWith("QUIT")) return server.say("221 bye\r\n");
      const line = text.trimEnd().replace(/^AUTH \S+ ?/, "");
      if (line !== "") heard.push(line, new TextDecoder().decode(decodeBase64(line)).replaceAll("\0", " ").replaceAll("\x01", " "));
      // SCRAM goes on only with the nonce that it was told.
      const nonce = /r=([^,]*)/.exec(heard[1] ?? "")?.[1];
      const challenge = nonce === undefined ? "<1.2@mx>" : `r=${nonce}x,s=QSXCR+Q6sek8bf92,i=4096`;
      const isOver = heard.length === (name === "LOGIN" || name.startsWith("SCRAM") ? 4 : name === "CRAM-MD5" ? 2 : heard.length);
      server.say(isOver && heard.length > 0 ? `535 5.7.8 no, not ${heard.slice(-2).join(" or ")}\r\n` : `334 ${btoa(challenge)}\r\n`);
    });
    const events: TraceEvent[] = [];
    const error = await rejection(connect(server.options({ auth, allowCleartextAuth: true, trace: (event) => events.push(event) })));
    assertEquals([Reflect.get(Object(error), "code"), heard.length > 1], [535, true], `${error}`);
    const seen = [JSON.stringify(events), JSON.stringify(error), String(error), Deno.inspect(error, { depth: 20, showHidden: true })].join();
    for (const secret of [SECRET, "s3cret", ...heard.filter((line) => !line.includes(" "))]) assertEquals(seen.includes(secret), false, secret);
  });
}
