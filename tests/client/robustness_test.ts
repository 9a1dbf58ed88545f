/** What went wrong once, or nearly: each of these hung, lost or misread something before it was mended. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { connect, SmtpConnection, SmtpConnectionError, SmtpReplyError, SmtpStateError } from "@posthorn/smtp";
import { facts, rejection } from "../support/client.ts";
import { FakeClock, settled } from "../support/fake_clock.ts";
import { ManualServer, PIPELINING } from "../support/manual.ts";
import { bytes } from "../support/splits.ts";

const MESSAGE = { from: "a@x.test", to: "b@y.test", body: "Subject: a\r\n\r\n" };
const GO = "250 ok\r\n250 ok\r\n354 go\r\n";

async function turns(count = 10): Promise<void> {
  for (let turn = 0; turn < count; turn++) await settled();
}

Deno.test("SmtpClient waits no longer for last words when one of several replies comes behind a failed write", async () => {
  const server = new ManualServer((text, server) => {
    if (text.startsWith("EHLO")) return server.say(PIPELINING);
    settled().then(() => server.say("250 ok\r\n"));
    throw new Error("broken pipe");
  });
  const clock = new FakeClock();
  const client = await connect(server.options({ clock }));
  const ended = rejection(client.send(MESSAGE));
  await turns();
  await clock.advance(1_000);
  assertEquals([facts(await ended).kind, facts(await ended).phase, facts(await ended).delivery], ["disconnected", "rcpt", "not-sent"]);
});

Deno.test("SmtpConnection.sendRaw has a deadline, and so has what is queued behind it", async () => {
  const server = new ManualServer(() => new Promise(() => {}));
  const clock = new FakeClock();
  const connection = await SmtpConnection.open(server.options({ clock }));
  const raw = rejection(connection.sendRaw(bytes("x")));
  await turns();
  const calls = [raw, rejection(connection.noop())];
  await clock.advance(180_000);
  assertEquals((await Promise.all(calls)).map((error) => [facts(error).kind, facts(error).delivery]), [["timeout", "unknown"], [
    "timeout",
    "not-sent",
  ]]);
  assertEquals(clock.pending, 0);
});

Deno.test("SmtpConnection loses no reply to octets written by hand when the server closes behind it, and says that delivery is unknown", async () => {
  for (const reply of ["250 queued as X\r\n", ""]) {
    const server = new ManualServer((text, server) => {
      if (text.startsWith("EHLO")) return server.say(PIPELINING);
      if (text.startsWith("MAIL")) return server.say(GO);
      server.say(reply);
      server.end();
    });
    const connection = await SmtpConnection.open(server.options());
    await connection.ehlo("client.test");
    await Promise.all([connection.mail("a@x.test"), connection.rcpt("b@y.test"), connection.data()]);
    await connection.sendRaw(bytes("Subject: a\r\n\r\n.\r\n"));
    await turns();
    if (reply !== "") assertEquals((await connection.receive()).text, "queued as X");
    const error = await assertRejects(() => connection.receive(), SmtpConnectionError);
    assertEquals([error.kind, error.delivery, connection.state], ["disconnected", "unknown", "over"]);
  }
});

Deno.test("SmtpConnection never writes content or AUTH answers where the server expects a command", async () => {
  const server = new ManualServer((text, server) => {
    if (text.startsWith("EHLO")) server.say(PIPELINING);
    else if (text.startsWith("MAIL")) server.say("250 ok\r\n250 ok\r\n554 no\r\n");
    else server.say("504 no\r\n");
  });
  const connection = await SmtpConnection.open(server.options());
  await connection.ehlo("client.test");
  const [, , data, content] = await Promise.allSettled([
    connection.mail("a@x.test"),
    connection.rcpt("b@y.test"),
    connection.data(),
    connection.dotStuff("MAIL FROM:<evil@x.test>\r\nRCPT TO:<victim@x.test>\r\n"),
  ]);
  assertEquals([data.status, content.status === "rejected" && content.reason instanceof SmtpStateError], ["fulfilled", true]);
  await connection.rset();
  connection.setExtensions([]);
  const [auth, answer] = await Promise.allSettled([connection.auth("LOGIN"), connection.authRespond(bytes("s3cret"))]);
  assertEquals([auth.status, answer.status], ["rejected", "rejected"], "RSET was refused, so AUTH is not legal");
  assertEquals(server.writes.join("").includes("evil"), false);
  connection.close();

  const other = new ManualServer((text, server) => server.say(text.startsWith("EHLO") ? PIPELINING : "504 no\r\n"));
  const second = await SmtpConnection.open(other.options());
  await second.ehlo("client.test");
  const outcomes = await Promise.allSettled([second.auth("LOGIN"), second.authRespond(bytes("s3cret"))]);
  assertEquals(outcomes.map(({ status }) => status), ["fulfilled", "rejected"]);
  assertEquals(other.writes, ["EHLO client.test\r\n", "AUTH LOGIN\r\n"]);
  second.close();
});

Deno.test("SmtpClient can send again after a message was aborted while none of its replies was owed", async () => {
  let taken = () => {};
  let mails = 0;
  const server = new ManualServer((text, server) => {
    server.say(text.startsWith("EHLO") ? "250 mx\r\n" : text.startsWith("DATA") ? "354 go\r\n" : "250 ok\r\n");
    return text.startsWith("MAIL") && mails++ === 0 ? new Promise((resolve) => taken = resolve) : undefined;
  });
  const client = await connect(server.options());
  const controller = new AbortController();
  const ended = rejection(client.send(MESSAGE, { signal: controller.signal }));
  await turns();
  controller.abort("enough");
  assertEquals(facts(await ended).kind, "aborted");
  taken();
  assertEquals((await client.send(MESSAGE)).accepted.length, 1);
  assertEquals(server.writes.map((write) => write.slice(0, 4)), ["EHLO", "MAIL", "RSET", "MAIL", "RCPT", "DATA", "Subj"]);
  client.close();
});

Deno.test("SmtpClient closes when a message is aborted between the 354 and its content", async () => {
  const controller = new AbortController();
  const server = new ManualServer((text, server) => server.say(text.startsWith("EHLO") ? PIPELINING : GO));
  const client = await connect(server.options({
    trace: (event) => event.type === "receive" && event.lines[0] === "354 go" && controller.abort("enough"),
  }));
  const error = await rejection(client.send(MESSAGE, { signal: controller.signal }));
  assertEquals([facts(error).kind, facts(error).delivery, client.isClosed], ["aborted", "not-sent", true]);
});

for (const how of ["close", "abort"] as const) {
  Deno.test(`SmtpConnection.upgrade ends at once on ${how}, is not revived by a late handshake, and closes what comes of it`, async () => {
    const server = new ManualServer(() => {});
    const late = new ManualServer(() => {});
    let shake = () => {};
    const socket = { ...server.socket, startTls: () => new Promise<typeof late.socket>((resolve) => shake = () => resolve(late.socket)) };
    const connection = await SmtpConnection.open(server.options({ socket }));
    const controller = new AbortController();
    const ended = rejection(connection.upgrade({}, { signal: controller.signal }));
    await settled();
    if (how === "close") connection.close();
    else controller.abort("enough");
    assertEquals(facts(await ended).kind, how === "close" ? "closed" : "aborted");
    shake();
    await turns();
    assertEquals([connection.state, connection.isSecure, connection.isClosed, server.isClosed, late.isClosed], ["over", false, true, true, true]);
  });
}

Deno.test("SmtpClient does not say STARTTLS where the handshake could not follow", async () => {
  const server = new ManualServer((text, server) => {
    if (text.startsWith("EHLO")) server.say("250-mx\r\n250-PIPELINING\r\n250 STARTTLS\r\n");
    else server.say(text.startsWith("MAIL") ? GO : "250 ok\r\n");
  });
  const client = await connect(server.options());
  await client.send(MESSAGE);
  await assertRejects(() => client.startTls(), SmtpStateError, "any more");
  await client.verify();
  assertEquals(server.writes.some((write) => write.startsWith("STARTTLS")), false);
  client.close();
});

for (
  const [what, chunk, lineEndings, expected] of [
    ["is 8-bit where the server is not", Uint8Array.of(200), "normalize", "unsupported"],
    ["has a lone LF where they are rejected", Uint8Array.of(10), "reject", "body"],
  ] as const
) {
  Deno.test(`SmtpClient cancels the source of a message that ${what}`, async () => {
    const server = new ManualServer((text, server) => server.say(text.startsWith("EHLO") ? PIPELINING : GO));
    const client = await connect(server.options());
    let cancelled: unknown;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(chunk),
      cancel: (reason) => void (cancelled = reason),
    });
    const error = await rejection(client.send({ ...MESSAGE, body, lineEndings }));
    assertEquals([facts(error).kind, cancelled], [expected, error]);
    assertEquals(body.locked, true);
  });
}

Deno.test("SmtpConnection shows no AUTH line in an error, whichever way it is given", async () => {
  const server = new ManualServer(() => {});
  const connection = await SmtpConnection.open(server.options());
  const secret = btoa("\0alice\0s3cret");
  const errors = [
    await assertRejects(() => connection.command("AUTH", `PLAIN ${secret}\n`), TypeError),
    await assertRejects(() => connection.command("auth", `PLAIN ${secret}\n`), TypeError),
    await assertRejects(() => connection.command(`AUTH PLAIN ${secret}`), TypeError),
    await assertRejects(() => connection.command(`AUTH\tPLAIN`, secret), TypeError),
    await assertRejects(() => connection.auth("PLAIN\n", bytes("\0alice\0s3cret")), TypeError),
  ];
  for (const error of errors) assertEquals(error.message.includes(secret), false, error.message);
  connection.close();
});

Deno.test("SmtpConnection.receive may be asked before the octets are written that it is the reply to", async () => {
  const server = new ManualServer((text, server) => {
    for (const _line of text.trimEnd().split("\r\n")) server.say("250 ok\r\n");
  });
  const connection = await SmtpConnection.open(server.options());
  const first = connection.receive();
  const second = connection.receive();
  await connection.sendRaw(bytes("NOOP\r\nNOOP\r\n"));
  assertEquals([(await first).code, (await second).code], [250, 250]);
  connection.close();
});

Deno.test("SmtpClient refuses a list of recipients with a hole before anything is written", async () => {
  const server = new ManualServer((_text, server) => server.say(PIPELINING));
  const client = await connect(server.options());
  const to = ["b@y.test", "", "c@y.test"];
  delete to[1];
  await assertRejects(() => client.send({ ...MESSAGE, to }), TypeError);
  await assertRejects(() => client.send({ ...MESSAGE, body: "a\nb", lineEndings: "reject" }), TypeError, "CRLF");
  assertEquals([server.writes.length, client.isClosed], [1, false]);
  client.close();
});

Deno.test("SmtpClient takes a list of 20,000 recipients, and an abort of it, without a pause", async () => {
  const server = new ManualServer((text, server) => {
    if (text.startsWith("EHLO")) return server.say(PIPELINING);
    server.say(text.replace(/[^\r\n]+/g, "250 ok"));
  });
  const client = await connect(server.options());
  const to = Array.from({ length: 20_000 }, (_, index) => `r${index}@y.test`);
  const controller = new AbortController();
  const ended = rejection(client.send({ ...MESSAGE, to }, { signal: controller.signal }));
  controller.abort("enough");
  assertEquals([facts(await ended).kind, client.isClosed], ["aborted", false]);
  const error = await rejection(client.send({ ...MESSAGE, to }));
  // This server answers 250 to DATA too.
  assertEquals([facts(error).kind, facts(error).phase], ["protocol", "data"]);
  const rcpts = server.writes.join("").split("\r\n").filter((line) => line.startsWith("RCPT"));
  assert(rcpts.length === to.length && rcpts.every((line, index) => line === `RCPT TO:<${to[index]}>`));
});

Deno.test("no secret is in an error or a trace when the server repeats the line", async () => {
  const secret = btoa("\0alice\0s3cret");
  const server = new ManualServer((text, server) => {
    server.say(text.startsWith("EHLO") ? "250-mx\r\n250 AUTH PLAIN\r\n" : `500 5.5.1 what is "${text.trimEnd()}"?\r\n`);
  });
  const events: unknown[] = [];
  const auth = { username: "alice", password: "s3cret" };
  const error = await rejection(connect(server.options({ auth, allowCleartextAuth: true, trace: (event) => events.push(event) })));
  assertEquals(facts(error).code, 500);
  for (const seen of [JSON.stringify(events), JSON.stringify(error), Deno.inspect(error, { depth: 9 })]) {
    assertEquals(seen.includes(secret), false, seen);
  }
  assert(String(error).includes('what is "AUTH PLAIN ***"?'));
});

Deno.test("SmtpConnection.auth takes a mechanism for a name and nothing more", async () => {
  const server = new ManualServer(() => {});
  const connection = await SmtpConnection.open(server.options());
  const error = await assertRejects(() => connection.auth("PLAIN AGFsaWNlAHMzY3JldA=="), TypeError, "mechanism");
  assertEquals([error.message.includes("AGFs"), server.writes], [false, []]);
  connection.close();
});

Deno.test("SmtpClient.close ends a login that waits for its mechanism", async () => {
  const server = new ManualServer((text, server) => server.say(text.startsWith("EHLO") ? "250-mx\r\n250 AUTH X\r\n" : "334 go on\r\n"));
  const client = await connect(server.options());
  const mechanism = { name: "X", isPlaintext: false, start: () => ({ isComplete: false, respond: () => new Promise<Uint8Array>(() => {}) }) };
  const ended = rejection(client.login({ mechanisms: [mechanism] }));
  await turns();
  client.close();
  assertEquals([facts(await ended).kind, facts(await ended).phase], ["closed", "auth"]);
});

Deno.test("SmtpClient does not wait for ever on a source that gives nothing", async () => {
  const server = new ManualServer((text, server) => server.say(text.startsWith("EHLO") ? PIPELINING : GO));
  const clock = new FakeClock();
  const client = await connect(server.options({ clock }));
  let cancelled: unknown;
  const body = new ReadableStream<Uint8Array>({ cancel: (reason) => void (cancelled = reason) });
  const ended = rejection(client.send({ ...MESSAGE, body }));
  await turns();
  await clock.advance(300_000);
  const error = await ended;
  assertEquals([facts(error).kind, facts(error).delivery, cancelled, clock.pending], ["body", "not-sent", error, 0]);
});

Deno.test("SmtpClient.quit waits for what tidies up no longer than for QUIT itself", async () => {
  const server = new ManualServer((text, server) => {
    if (text.startsWith("EHLO")) server.say(PIPELINING);
    if (text.startsWith("MAIL")) server.say("250 ok\r\n550 no\r\n354 go\r\n");
  });
  const clock = new FakeClock();
  const client = await connect(server.options({ clock }));
  await assertRejects(() => client.send(MESSAGE), SmtpReplyError, "550");
  const quit = client.quit();
  await turns();
  await clock.advance(5_000);
  await quit;
  assertEquals([server.writes.at(-1), server.isClosed], [".\r\n", true]);
});

for (const call of ["verify", "hello"] as const) {
  Deno.test(`SmtpClient.${call} ends the connection when the answer is neither yes nor no`, async () => {
    let isOdd = false;
    const server = new ManualServer((_text, server) => server.say(isOdd ? "354 what\r\n" : PIPELINING));
    const client = await connect(server.options());
    isOdd = true;
    const error = await rejection(client[call]());
    assertEquals([facts(error).kind, facts(error).code, client.isClosed, server.isClosed], ["protocol", 354, true, true]);
  });
}

Deno.test("SmtpConnection.close ends the streams of a socket whose own close cannot", async () => {
  const up = new TransformStream<Uint8Array, Uint8Array>();
  const down = new TransformStream<Uint8Array, Uint8Array>();
  const writer = down.writable.getWriter();
  const greeted = writer.write(bytes("220 mx\r\n"));
  const socket = { readable: down.readable, writable: up.writable, close: () => up.writable.close() };
  const connection = await SmtpConnection.open({ hostname: "mx.example", tls: "none", socket });
  await greeted;
  const end = rejection(up.readable.getReader().read());
  const gone = rejection(writer.closed);
  connection.close();
  await Promise.all([end, gone]);
});

Deno.test("SmtpClient tells one call's abort from another's", async () => {
  const server = new ManualServer((text, server) => text.startsWith("EHLO") ? server.say(PIPELINING) : undefined);
  const client = await connect(server.options());
  const controller = new AbortController();
  const mine = rejection(client.send(MESSAGE, { signal: controller.signal }));
  const theirs = rejection(client.send(MESSAGE));
  await turns();
  controller.abort("enough");
  assertEquals(facts(await mine).kind, "aborted");
  assertEquals([facts(await theirs).kind, facts(await theirs).delivery, facts(await theirs).transient], ["closed", "not-sent", true]);
});

Deno.test("SmtpClient says which recipient a 421 came for", async () => {
  const server = new ManualServer((text, server) => server.say(text.startsWith("EHLO") ? PIPELINING : "250 ok\r\n250 ok\r\n421 going down\r\n"));
  const client = await connect(server.options());
  const error = await assertRejects(() => client.send({ ...MESSAGE, to: ["b@y.test", "c@y.test"] }), SmtpReplyError, "421 going down");
  assertEquals([error.phase, error.recipient, error.code, error.accepted.length, client.isClosed], ["rcpt", "c@y.test", 421, 1, true]);
});

Deno.test("SmtpClient listens to a signal once, however many recipients there are", async () => {
  const server = new ManualServer((text, server) => server.say(text.startsWith("EHLO") ? PIPELINING : text.replace(/[^\r\n]+/g, "550 no")));
  const client = await connect(server.options());
  const { signal } = new AbortController();
  let listeners = 0;
  let most = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => (most = Math.max(most, ++listeners), add(...args));
  signal.removeEventListener = (...args: Parameters<typeof remove>) => (listeners--, remove(...args));
  await rejection(client.send({ ...MESSAGE, to: Array.from({ length: 50 }, (_, index) => `r${index}@y.test`) }, { signal }));
  assertEquals([most <= 2, listeners], [true, 0]);
  client.close();
});

Deno.test("SmtpClient.send queues its commands in the tick in which it is called", async () => {
  const server = new ManualServer((text, server) => server.say(text.startsWith("EHLO") ? PIPELINING : text.startsWith("MAIL") ? GO : "250 ok\r\n"));
  const client = await connect(server.options());
  const sending = client.send(MESSAGE);
  await assertRejects(() => client.connection.rset(), SmtpStateError, '"data"');
  assertEquals((await sending).accepted.length, 1);
  client.close();
});
