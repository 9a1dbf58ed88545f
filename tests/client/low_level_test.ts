import { assertEquals, assertRejects } from "@std/assert";
import { type Reply, SmtpConnectionError, SmtpProtocolError, SmtpStateError, type TraceEvent } from "@posthorn/smtp";
import { BYE, connectTo, facts, HELLO, HELLO_LOCKSTEP, openTo, rejection } from "../support/client.ts";
import { settled } from "../support/fake_clock.ts";
import { conversation, ScriptedServer } from "../support/script.ts";

conversation(
  "SmtpConnection has every verb, and resolves with the reply whatever its code",
  `
  S: 220 mx.example
  C: NOOP
  S: 250 ok
  C: HELO client.test
  S: 250 mx.example
  C: HELP
  S: 214-see
  S: 214 the manual
  C: HELP MAIL
  S: 502 no
  C: VRFY Jörg
  S: 252 maybe
  C: EXPN staff
  S: 550 no
  C: ETRN x.test
  S: 253 2 messages
  C: SEND FROM:<a@x.test>
  S: 502 no
  C: SOML FROM:<a@x.test>
  S: 502 no
  C: SAML FROM:<a@x.test>
  S: 502 no
  C: TURN
  S: 502 no
  C: XTEST some thing
  S: 299 odd
  C: MAIL FROM:<a@x.test> SIZE=5 BODY=8BITMIME
  S: 250 ok
  C: RCPT TO:<b@y.test> NOTIFY=NEVER
  S: 250 ok
  C: RSET
  S: 250 flushed
  C: QUIT
  S: 221 bye
  S: {close}`,
  async (server) => {
    const connection = await openTo(server);
    const codes = [
      await connection.noop(),
      await connection.helo("client.test"),
      await connection.help(),
      await connection.help("MAIL"),
      await connection.vrfy("Jörg"),
      await connection.expn("staff"),
      await connection.etrn("x.test"),
      await connection.send("a@x.test"),
      await connection.soml("a@x.test"),
      await connection.saml("a@x.test"),
      await connection.turn(),
      await connection.command("XTEST", "some thing"),
      await connection.mail("a@x.test", { parameters: { SIZE: 5, BODY: "8BITMIME" } }),
      await connection.rcpt("b@y.test", { parameters: { NOTIFY: "NEVER" } }),
      await connection.rset(),
      await connection.quit(),
    ].map(({ code }) => code);
    assertEquals(codes, [250, 250, 214, 502, 252, 550, 253, 502, 502, 502, 502, 299, 250, 250, 250, 221]);
    assertEquals([connection.isClosed, connection.state], [true, "over"]);
  },
);

conversation(
  "SmtpConnection writes all that is asked in one tick at once where the server pipelines, up to what ends a group",
  `
  ${HELLO}
  C: RSET
  C: MAIL FROM:<a@x.test>
  C: RCPT TO:<b@y.test>
  C: NOOP
  S: 250 one
  S: 250 two
  S: 250 three
  S: 250 four
  C: VRFY x
  S: 252 five
  C: RSET
  C: NOOP
  S: 250 six
  S: 250 seven
  ${BYE}`,
  async (server) => {
    await using connection = await openTo(server);
    await connection.ehlo("client.test");
    const replies = await Promise.all([
      connection.rset(),
      connection.mail("a@x.test"),
      connection.rcpt("b@y.test"),
      connection.noop(),
      connection.vrfy("x"),
      connection.rset(),
      connection.noop(),
    ]);
    assertEquals(replies.map(({ text }) => text), ["one", "two", "three", "four", "five", "six", "seven"]);
    assertEquals(server.writes.map((write) => write.split("\r\n").length - 1), [1, 4, 1, 2]);
  },
);

conversation(
  "SmtpConnection writes one command at a time where the server does not pipeline",
  `
  ${HELLO_LOCKSTEP}
  C: MAIL FROM:<a@x.test>
  S: 250 one
  C: RCPT TO:<b@y.test>
  S: 250 two
  C: RCPT TO:<c@y.test>
  S: 250 three
  ${BYE}`,
  async (server) => {
    await using connection = await openTo(server);
    await connection.ehlo("client.test");
    const replies = await Promise.all([connection.mail("a@x.test"), connection.rcpt("b@y.test"), connection.rcpt("c@y.test")]);
    assertEquals(replies.map(({ text }) => text), ["one", "two", "three"]);
    assertEquals(server.writes.length, 5 - 1);
  },
);

conversation(
  "SmtpConnection pipelines by extensions that were set by hand",
  `
  S: 220 mx.example
  C: HELO client.test
  S: 250 mx.example
  C: MAIL FROM:<a@x.test>
  C: RCPT TO:<b@y.test>
  S: 250 one
  S: 250 two
  ${BYE}`,
  async (server) => {
    await using connection = await openTo(server);
    await connection.helo("client.test");
    connection.setExtensions(["pipelining"]);
    await Promise.all([connection.mail("a@x.test"), connection.rcpt("b@y.test")]);
    assertEquals(server.writes.length, 2);
  },
);

conversation(
  "SmtpConnection sends raw octets, and keeps the replies until they are asked for",
  `
  ${HELLO}
  C: NOOP one
  C: NOOP two
  S: 250 one
  S: 250 two
  C: NOOP
  S: 250 three
  ${BYE}`,
  async (server) => {
    await using connection = await openTo(server);
    await connection.ehlo("client.test");
    await connection.sendRaw(new TextEncoder().encode("NOOP one\r\nNOOP two\r\n"));
    await settled();
    assertEquals([(await connection.receive()).text, (await connection.receive()).text], ["one", "two"]);
    assertEquals((await connection.noop()).text, "three");
  },
);

Deno.test("SmtpConnection takes a reply to raw octets that nobody asked for for no reply to the next command", async () => {
  const server = new ScriptedServer(`${HELLO}\nC: NOOP one\nS: 250 one\nS: {silence}`);
  const connection = await openTo(server);
  await connection.ehlo("client.test");
  const mail = connection.mail("a@x.test").catch(() => {});
  connection.close();
  await mail;
  const again = new ScriptedServer(`${HELLO}\nC: MAIL FROM:<a@x.test>\nS: 250 ok\nC: NOOP one\nS: 250 one\nS: {silence}`);
  const watched = await openTo(again);
  await watched.ehlo("client.test");
  await watched.mail("a@x.test");
  await watched.sendRaw(new TextEncoder().encode("NOOP one\r\n"));
  for (let turn = 0; turn < 5; turn++) await settled();
  await assertRejects(() => watched.rcpt("b@y.test"), SmtpProtocolError, "250 one");
  again.check();
});

const ILLEGAL: [state: string, script: string, prepare: (connection: Awaited<ReturnType<typeof openTo>>) => Promise<unknown>, verbs: string[]][] = [
  ["greeted", "", () => Promise.resolve(), ["mail", "rcpt", "data", "dotStuff", "etrn", "turn", "startTls", "auth", "authRespond"]],
  ["ready", "C: EHLO client.test\nS: 250 mx", (c) => c.ehlo("client.test"), ["rcpt", "data", "dotStuff", "authRespond", "authCancel"]],
  [
    "mail",
    "C: EHLO client.test\nS: 250 mx\nC: MAIL FROM:<a@x.test>\nS: 250 ok",
    async (c) => {
      await c.ehlo("client.test");
      await c.mail("a@x.test");
    },
    ["mail", "send", "data", "dotStuff", "startTls", "auth", "turn", "etrn"],
  ],
  [
    "data",
    "C: EHLO client.test\nS: 250 mx\nC: MAIL FROM:<a@x.test>\nS: 250 ok\nC: RCPT TO:<b@y.test>\nS: 250 ok\nC: DATA\nS: 354 go",
    async (c) => {
      await c.ehlo("client.test");
      await Promise.all([c.mail("a@x.test"), c.rcpt("b@y.test"), c.data()]);
    },
    ["ehlo", "mail", "rcpt", "data", "rset", "noop", "quit", "vrfy", "help", "auth", "startTls"],
  ],
];

for (const [state, script, prepare, verbs] of ILLEGAL) {
  Deno.test(`SmtpConnection refuses in the state "${state}" what is not legal there, and nothing changes`, async () => {
    const server = new ScriptedServer(`S: 220 mx.example\n${script}\nS: {silence}`);
    const connection = await openTo(server);
    await prepare(connection);
    assertEquals(connection.state, state);
    const written = server.received;
    const args: Record<string, unknown[]> = {
      ehlo: ["client.test"],
      mail: ["a@x.test"],
      send: ["a@x.test"],
      rcpt: ["b@y.test"],
      vrfy: ["x"],
      etrn: ["x.test"],
      auth: ["PLAIN"],
      authRespond: [new Uint8Array(0)],
      dotStuff: [""],
    };
    for (const verb of verbs) {
      const method = Reflect.get(connection, verb);
      const error = await rejection(Reflect.apply(method, connection, args[verb] ?? []));
      assertEquals([facts(error).name, facts(error).kind, facts(error).delivery], ["SmtpStateError", "state", "not-sent"], verb);
    }
    await settled();
    assertEquals([connection.state, connection.isClosed, server.received], [state, false, written]);
    connection.close();
  });
}

Deno.test("SmtpConnection judges a command by the state that the ones before it ask for", async () => {
  const server = new ScriptedServer(`${HELLO}\nC: MAIL FROM:<a@x.test>\nC: RCPT TO:<b@y.test>\nC: DATA\nS: {silence}`);
  const connection = await openTo(server);
  await connection.ehlo("client.test");
  const group = Promise.allSettled([connection.mail("a@x.test"), connection.rcpt("b@y.test"), connection.data()]);
  await assertRejects(() => connection.noop(), SmtpStateError, '"data"');
  await assertRejects(() => connection.mail("a@x.test"), SmtpStateError, '"data"');
  connection.close();
  assertEquals((await group).map(({ status }) => status), ["rejected", "rejected", "rejected"]);
});

conversation(
  "SmtpConnection lets a known verb through command() obey its own rule",
  `
  ${HELLO}
  C: rcpt TO:<b@y.test>
  S: 503 no
  ${BYE}`,
  async (server) => {
    await using connection = await openTo(server);
    await connection.ehlo("client.test");
    await assertRejects(() => connection.command("DATA"), SmtpStateError);
    await assertRejects(() => connection.command("rcpt", "TO:<b@y.test>"), SmtpStateError);
    await connection.sendRaw(new TextEncoder().encode("rcpt TO:<b@y.test>\r\n"));
    assertEquals((await connection.receive()).code, 503);
  },
);

for (
  const [what, lines, kind, words] of [
    ["a reply nobody asked for", "S: 250 extra", "protocol", "250 extra"],
    ["a 421", "S: 421 4.4.2 idle too long", "disconnected", "421 4.4.2 idle too long"],
    ["the end", "S: {close}", "disconnected", "closed the connection"],
    ["a reset", "S: {reset}", "disconnected", "closed the connection"],
    ["what is no reply", "S: hello", "protocol", "hello"],
  ] as const
) {
  Deno.test(`SmtpClient notices ${what} while nothing is owed`, async () => {
    const script = `${HELLO}\nC: MAIL FROM:<a@x.test>\nS: 250 ok\nC: RSET\nS: 250 ok\nC: NOOP\nS: 250 ok\n${lines}`;
    const events: TraceEvent[] = [];
    const server = new ScriptedServer(script, "line");
    const client = await connectTo(server, { trace: (event) => events.push(event) });
    await client.connection.mail("a@x.test");
    await client.connection.rset();
    await client.connection.noop();
    for (let turn = 0; turn < 5; turn++) await settled();
    assertEquals(client.isClosed, true);
    const error = await rejection(client.verify());
    assertEquals([facts(error).kind, facts(error).delivery], [kind, "not-sent"]);
    assertEquals(String(error).includes(words), true, String(error));
    assertEquals(events.at(-1)?.type, "close");
    server.check();
  });
}

Deno.test("SmtpConnection reads only while a reply is owed until TLS is settled", async () => {
  const server = new ScriptedServer(
    "S: 220 mx.example\nC: EHLO client.test\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\nC: {tls}\nS: {silence}",
  );
  const connection = await openTo(server);
  const asked: boolean[] = [];
  for (const step of [() => settled(), () => connection.ehlo("client.test"), () => connection.startTls(), () => connection.upgrade()]) {
    await step();
    await settled();
    asked.push(server.isAsked);
  }
  assertEquals(asked, [false, false, false, true], "only once TLS stands does a read wait while nothing is owed");
  connection.close();
});

Deno.test("SmtpConnection.close tells all that waits, and is all there is to say twice", async () => {
  const server = new ScriptedServer(`${HELLO}\nC: MAIL FROM:<a@x.test>\nC: NOOP\nS: {silence}`);
  const connection = await openTo(server);
  await connection.ehlo("client.test");
  const calls = [connection.mail("a@x.test"), connection.noop(), connection.vrfy("x")].map(rejection);
  await settled();
  connection.close();
  connection.close();
  assertEquals((await Promise.all(calls)).map((error) => [facts(error).kind, facts(error).phase]), [
    ["closed", "mail"],
    ["closed", "command"],
    ["closed", "command"],
  ]);
  assertEquals(facts(await rejection(connection.noop())).kind, "closed");
  server.check();
});

Deno.test("SmtpConnection pairs 5,000 replies with their commands, and never owes more than a bounded number", async () => {
  const count = 5000;
  const rcpts = Array.from({ length: count }, (_, index) => `r${index}@y.test`);
  let owed = 0;
  let most = 0;
  const server = new ScriptedServer("S: {silence}");
  const encoder = new TextEncoder();
  let send: ReadableStreamDefaultController<Uint8Array> | undefined;
  const socket = {
    readable: new ReadableStream<Uint8Array>({ start: (controller) => void (send = controller) }),
    writable: new WritableStream<Uint8Array>({
      write(chunk): void {
        for (const line of new TextDecoder().decode(chunk).trimEnd().split("\r\n")) {
          most = Math.max(most, ++owed);
          const reply = line.startsWith("EHLO") ? "250-mx\r\n250 PIPELINING\r\n" : `250 ${line}\r\n`;
          queueMicrotask(() => {
            owed--;
            send?.enqueue(encoder.encode(reply));
          });
        }
      },
    }),
    close: () => send?.close(),
  };
  send?.enqueue(encoder.encode("220 mx\r\n"));
  const connection = await openTo(server, { socket });
  await connection.ehlo("client.test");
  const replies: Reply[] = await Promise.all([connection.mail("a@x.test"), ...rcpts.map((address) => connection.rcpt(address))]);
  assertEquals(replies.slice(1).map(({ text }) => text), rcpts.map((address) => `RCPT TO:<${address}>`));
  assertEquals(most <= 256, true, `${most}`);
  connection.close();
});

Deno.test("SmtpConnection rejects what is asked after QUIT, and closes after it", async () => {
  const server = new ScriptedServer(`${HELLO}\nC: QUIT\nS: 221 bye\nS: {silence}`);
  const connection = await openTo(server);
  await connection.ehlo("client.test");
  const quit = connection.quit();
  await assertRejects(() => connection.noop(), SmtpStateError, '"over"');
  assertEquals((await quit).code, 221);
  await assertRejects(() => connection.noop(), SmtpConnectionError, "QUIT");
  server.check();
});
