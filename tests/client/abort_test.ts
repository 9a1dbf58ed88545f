/** Who gives up, and when: at every point of a session the call ends at once, the socket is closed, and `delivery` is right. */
import { assertEquals, assertRejects } from "@std/assert";
import { connect, SmtpConnectionError, type Socket } from "@posthorn/smtp";
import { connectTo, facts, HELLO, HELLO_LOCKSTEP, openTo, reaching, rejection } from "../support/client.ts";
import { FakeClock, settled } from "../support/fake_clock.ts";
import { ScriptedServer } from "../support/script.ts";

const auth = { username: "alice", password: "s3cret" };
const MESSAGE = { from: "a@x.test", to: "b@y.test", body: "Subject: a\r\n\r\n" };
const ENVELOPE = "C: MAIL FROM:<a@x.test>\nC: RCPT TO:<b@y.test>\nC: DATA";
const GO = "S: 250 ok\nS: 250 ok\nS: 354 go";

/** Where the server falls silent, and what the client then has to say. */
const STALLS: [where: string, script: string, phase: string, delivery: string, timeout: number][] = [
  ["in the greeting", "S: {silence}", "greeting", "not-sent", 300_000],
  ["inside the greeting", "S: {part} 220 mx", "greeting", "not-sent", 300_000],
  ["in EHLO", "S: 220 mx\nC: EHLO client.test", "ehlo", "not-sent", 300_000],
  ["inside the reply to EHLO", "S: 220 mx\nC: EHLO client.test\nS: 250-mx", "ehlo", "not-sent", 300_000],
  ["in AUTH", "S: 220 mx\nC: EHLO client.test\nS: 250-mx\nS: 250 AUTH PLAIN\nC: AUTH PLAIN AGFsaWNlAHMzY3JldA==", "auth", "not-sent", 300_000],
  ["in MAIL", `${HELLO}\n${ENVELOPE}`, "mail", "not-sent", 300_000],
  ["in MAIL, in lockstep", `${HELLO_LOCKSTEP}\nC: MAIL FROM:<a@x.test>`, "mail", "not-sent", 300_000],
  ["in RCPT", `${HELLO}\n${ENVELOPE}\nS: 250 ok`, "rcpt", "not-sent", 300_000],
  ["in DATA", `${HELLO}\n${ENVELOPE}\nS: 250 ok\nS: 250 ok`, "data", "not-sent", 120_000],
  ["behind the dot", `${HELLO}\n${ENVELOPE}\n${GO}\nC: Subject: a\nC:\nC: .`, "data", "unknown", 600_000],
  ["inside the reply to the content", `${HELLO}\n${ENVELOPE}\n${GO}\nC: Subject: a\nC:\nC: .\nS: {part} 250`, "data", "unknown", 600_000],
];

function session(server: ScriptedServer, clock: FakeClock, signal?: AbortSignal): Promise<unknown> {
  const needsAuth = server.rest.includes("AUTH");
  const more = { clock, ...(signal && { signal }), ...(needsAuth && { auth, allowCleartextAuth: true }) };
  return connectTo(server, more).then((client) => client.send(MESSAGE, { signal }));
}

/** Until the server has heard all and says no more: the login is loaded when it is needed, which may take many turns of the event loop. */
async function stalled(server: ScriptedServer): Promise<void> {
  for (let turn = 0; turn < 8 || (server.rest.includes("C:") && turn < 10_000); turn++) await settled();
  assertEquals(server.mismatch, undefined);
}

for (const [where, script, phase, delivery, timeout] of STALLS) {
  Deno.test(`SmtpClient ends at its deadline when the server falls silent ${where}`, async () => {
    const server = new ScriptedServer(`${script}\nS: {silence}`);
    const clock = new FakeClock();
    let error: unknown;
    const ended = rejection(session(server, clock)).then((reason) => error = reason);
    await stalled(server);
    await clock.advance(timeout - 1000);
    assertEquals(error, undefined, "not before its time");
    await clock.advance(1000);
    assertEquals(facts(await ended), { name: "SmtpConnectionError", kind: "timeout", phase, delivery, transient: true });
    assertEquals([server.isClosed, clock.pending], [true, 0]);
  });

  Deno.test(`SmtpClient ends at once when it is aborted ${where}`, async () => {
    const server = new ScriptedServer(`${script}\nS: {silence}`);
    const clock = new FakeClock();
    const controller = new AbortController();
    let error: unknown;
    const ended = rejection(session(server, clock, controller.signal)).then((reason) => error = reason);
    await stalled(server);
    const reason = new Error("enough");
    controller.abort(reason);
    await settled();
    assertEquals(facts(error), { name: "SmtpConnectionError", kind: "aborted", phase, delivery, transient: false });
    assertEquals(Reflect.get(Object(error), "cause"), reason);
    await ended;
    assertEquals([server.isClosed, clock.pending], [true, 0]);
  });
}

Deno.test("SmtpClient gains nothing by a server that drips: the deadline is absolute", async () => {
  const server = new ScriptedServer("S: {silence}");
  const clock = new FakeClock();
  let drip = (_octet: string) => {};
  const socket: Socket = {
    readable: new ReadableStream<Uint8Array>({ start: (controller) => void (drip = (octet) => controller.enqueue(new TextEncoder().encode(octet))) }),
    writable: new WritableStream<Uint8Array>(),
    close: () => {},
  };
  let error: unknown;
  const ended = rejection(connectTo(server, { socket, clock })).then((reason) => error = reason);
  for (const octet of "220 mx.example ESMTP and some more") {
    drip(octet);
    await clock.advance(10_000);
    if (error !== undefined) break;
  }
  assertEquals([facts(await ended).kind, facts(error).phase, clock.now()], ["timeout", "greeting", 300_000]);
});

Deno.test("SmtpClient gives every reply of a group its own time", async () => {
  const server = new ScriptedServer(`${HELLO}\n${ENVELOPE}\nS: {silence}`);
  const clock = new FakeClock();
  const client = await connectTo(server, { clock, timeouts: { mail: 50, rcpt: 70, data: 90 } });
  const ended = rejection(client.send(MESSAGE));
  await stalled(server);
  await clock.advance(49);
  assertEquals(client.isClosed, false);
  await clock.advance(1);
  assertEquals([facts(await ended).phase, facts(await ended).kind], ["mail", "timeout"]);
});

Deno.test("SmtpClient leaves no timer behind once it is idle for long, and closes without one", async () => {
  const server = new ScriptedServer(`${HELLO}\nS: {silence}`);
  const clock = new FakeClock();
  const client = await connectTo(server, { clock });
  assertEquals(clock.pending <= 1, true);
  await clock.advance(3_600_000);
  assertEquals([clock.pending, client.isClosed], [0, false]);
  client.close();
});

Deno.test("SmtpClient takes a call out of the queue when it is aborted before its turn, and the others go on", async () => {
  const server = new ScriptedServer(
    `${HELLO}\n${ENVELOPE}\n${GO}\nC: Subject: a\nC:\nC: .\nS: 250 first\n${ENVELOPE}\n${GO}\nC: Subject: a\nC:\nC: .\nS: 250 third`,
  );
  const client = await connectTo(server);
  const controller = new AbortController();
  const first = client.send(MESSAGE);
  const second = rejection(client.send(MESSAGE, { signal: controller.signal }));
  const third = client.send(MESSAGE);
  controller.abort("enough");
  assertEquals(facts(await second), { name: "SmtpConnectionError", kind: "aborted", phase: "local", delivery: "not-sent", transient: false });
  assertEquals([(await first).reply.text, (await third).reply.text, client.isClosed], ["first", "third", false]);
  client.close();
});

Deno.test("SmtpConnection takes a command out of the queue when it is aborted before it was written, and goes on", async () => {
  const server = new ScriptedServer(`${HELLO_LOCKSTEP}\nC: NOOP\nS: 250 one\nC: HELP\nS: 214 three`);
  const connection = await openTo(server);
  await connection.ehlo("client.test");
  const controller = new AbortController();
  const first = connection.noop();
  const second = rejection(connection.vrfy("x", { signal: controller.signal }));
  const third = connection.help();
  controller.abort("enough");
  assertEquals([facts(await second).kind, facts(await second).delivery], ["aborted", "not-sent"]);
  assertEquals([(await first).text, (await third).text, connection.isClosed], ["one", "three", false]);
  connection.close();
});

Deno.test("SmtpConnection writes nothing for a signal that has fired already", async () => {
  const server = new ScriptedServer(`${HELLO}\nS: {silence}`);
  const connection = await openTo(server);
  await connection.ehlo("client.test");
  const signal = AbortSignal.abort("enough");
  const error = await assertRejects(() => connection.noop({ signal }), SmtpConnectionError);
  assertEquals([error.kind, error.cause, connection.isClosed], ["aborted", "enough", false]);
  await settled();
  assertEquals(server.writes.length, 1);
  connection.close();
});

for (const how of ["deadline", "signal"]) {
  Deno.test(`connect ends an attempt to dial at its ${how}, and closes what comes of it later`, async () => {
    const clock = new FakeClock();
    const controller = new AbortController();
    const server = new ScriptedServer("S: 220 mx\nS: {silence}");
    let arrive = (_socket: Socket) => {};
    const dial = () => new Promise<Socket>((resolve) => arrive = resolve);
    let error: unknown;
    const ended = rejection(connect(reaching(server, { dial, clock, signal: controller.signal }))).then((reason) => error = reason);
    await settled();
    await clock.advance(29_999);
    assertEquals(error, undefined);
    if (how === "signal") controller.abort("enough");
    else await clock.advance(1);
    await settled();
    const kind = how === "signal" ? "aborted" : "timeout";
    assertEquals(facts(error), { name: "SmtpConnectionError", kind, phase: "connect", delivery: "not-sent", transient: how === "deadline" });
    await ended;
    arrive(server.socket());
    await settled();
    assertEquals([server.isClosed, clock.pending], [true, 0]);
  });
}

Deno.test("connect counts dialling and greeting as one wait", async () => {
  const clock = new FakeClock();
  const server = new ScriptedServer("S: {silence}");
  const dial = async () => {
    await clock.advance(200);
    return server.socket();
  };
  const ended = rejection(connect(reaching(server, { dial, clock, timeouts: { connect: 500, greeting: 300 } })));
  for (let turn = 0; turn < 5; turn++) await settled();
  await clock.advance(100);
  assertEquals([facts(await ended).kind, facts(await ended).phase, clock.now()], ["timeout", "greeting", 300]);
});

Deno.test("connect wraps what a dialer throws, and keeps it as the cause", async () => {
  const server = new ScriptedServer("S: {silence}");
  const cause = new Error("the tunnel is shut");
  const error = await assertRejects(() => connectTo(server, { dial: () => Promise.reject(cause) }), SmtpConnectionError, "the tunnel is shut");
  assertEquals([error.kind, error.phase, error.cause, error.transient], ["connect", "connect", cause, true]);
});

Deno.test("SmtpClient.quit waits for the server no longer than it must, and never rejects", async () => {
  const server = new ScriptedServer(`${HELLO}\nC: QUIT\nS: {silence}`);
  const clock = new FakeClock();
  const client = await connectTo(server, { clock });
  let isDone = false;
  const quit = client.quit().then(() => isDone = true);
  await settled();
  await clock.advance(4_999);
  assertEquals(isDone, false);
  await clock.advance(1);
  await quit;
  assertEquals([server.isClosed, clock.pending], [true, 0]);
  await client.quit();
});

for (const end of ["S: {close}", "S: {reset}", "S: 500 what", "S: 421 bye"]) {
  Deno.test(`SmtpClient.quit never rejects (${end})`, async () => {
    const server = new ScriptedServer(`${HELLO}\nC: QUIT\n${end}`);
    const client = await connectTo(server);
    await client.quit();
    server.check();
  });
}
