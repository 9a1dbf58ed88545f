/** What `connect` once made of servers, sockets and options that are not as they should be. */
import { assertEquals, assertRejects } from "@std/assert";
import { connect } from "@posthorn/smtp";
import { facts, rejection } from "../support/client.ts";
import { FakeClock, settled } from "../support/fake_clock.ts";
import { ManualServer } from "../support/manual.ts";

async function turns(count = 10): Promise<void> {
  for (let turn = 0; turn < count; turn++) await settled();
}

Deno.test("connect ends when a write fails and one reply still comes", async () => {
  const server = new ManualServer((_text, server) => {
    settled().then(() => server.say("554 5.7.1 blocked\r\n"));
    throw new Error("broken pipe");
  });
  const clock = new FakeClock();
  const error = await rejection(connect(server.options({ clock })));
  assertEquals([facts(error).phase, facts(error).code, server.isClosed, clock.pending], ["ehlo", 554, true, 0]);
});

for (const how of ["deadline", "signal"] as const) {
  Deno.test(`connect does not wait for a mechanism beyond its ${how}`, async () => {
    const server = new ManualServer((text, server) => server.say(text.startsWith("EHLO") ? "250-mx\r\n250 AUTH X\r\n" : "334 go on\r\n"));
    const clock = new FakeClock();
    const controller = new AbortController();
    const mechanism = { name: "X", isPlaintext: false, start: () => ({ isComplete: false, respond: () => new Promise<Uint8Array>(() => {}) }) };
    const ended = rejection(connect(server.options({ clock, signal: controller.signal, auth: { mechanisms: [mechanism] } })));
    await turns();
    if (how === "signal") controller.abort("enough");
    else await clock.advance(300_000);
    assertEquals([facts(await ended).kind, facts(await ended).phase], [how === "signal" ? "aborted" : "timeout", "auth"]);
    assertEquals([server.isClosed, clock.pending], [true, 0]);
  });
}

Deno.test("connect keeps the credentials of a URL when an option beside it is undefined", async () => {
  const server = new ManualServer((text, server) => server.say(text.startsWith("EHLO") ? "250-mx\r\n250 AUTH PLAIN\r\n" : "235 ok\r\n"));
  const more = server.options({ allowCleartextAuth: true });
  const client = await Reflect.apply(connect, undefined, ["smtp://alice:s3cret@mx.example", { ...more, auth: undefined }]);
  assertEquals(client.connection.isAuthenticated, true);
  client.close();
});

Deno.test("connect closes the socket when it is aborted between dialling and the greeting", async () => {
  const server = new ManualServer(() => {}, "");
  const controller = new AbortController();
  const trace = () => controller.abort("enough");
  const error = await rejection(connect(server.options({ signal: controller.signal, trace })));
  assertEquals([facts(error).kind, server.isClosed], ["aborted", true]);
});

Deno.test("connect closes a socket that is dialled too late and never opens", async () => {
  const server = new ManualServer(() => {});
  const controller = new AbortController();
  let arrive = () => {};
  const socket = { ...server.socket, opened: new Promise<never>(() => {}) };
  const dial = () => new Promise<typeof socket>((resolve) => arrive = () => resolve(socket));
  const ended = rejection(connect(server.options({ signal: controller.signal, dial })));
  await settled();
  controller.abort("enough");
  assertEquals(facts(await ended).kind, "aborted");
  arrive();
  await turns();
  assertEquals(server.isClosed, true);
});

Deno.test("connect answers an abort at once while it says QUIT to a server that refused it", async () => {
  const server = new ManualServer((text, server) => text.startsWith("EHLO") ? server.say("550 no\r\n") : undefined);
  const controller = new AbortController();
  let error: unknown;
  const ended = rejection(connect(server.options({ signal: controller.signal }))).then((reason) => error = reason);
  await turns();
  assertEquals([error, server.writes.at(-1)], [undefined, "QUIT\r\n"]);
  controller.abort("enough");
  await ended;
  assertEquals([facts(error).code, server.isClosed], [550, true]);
});

Deno.test("connect refuses a plain socket where implicit TLS was asked for, and says nothing on it", async () => {
  const auth = { username: "alice", password: "s3cret" };
  for (const secureTransport of ["off", "starttls"] as const) {
    const server = new ManualServer((_text, server) => server.say("250-mx\r\n250 AUTH PLAIN\r\n"));
    const error = await rejection(connect({ hostname: "mx.example", port: 465, auth, socket: { ...server.socket, secureTransport } }));
    assertEquals([facts(error).kind, server.writes, server.isClosed], ["insecure", [], true]);
  }
  // Port 465 alone does not say that a socket which does not tell has TLS; the caller's own word does.
  const { secureTransport: _untold, ...untold } = new ManualServer(() => {}).socket;
  assertEquals(facts(await rejection(connect({ hostname: "mx.example", port: 465, auth, socket: untold }))).kind, "insecure");
});

Deno.test("connect checks how TLS is to be spoken before it dials", async () => {
  const dial = () => Promise.reject(new Error("dialled"));
  for (const tlsOptions of [{ serverName: "" }, { serverName: "a b" }, { caCerts: "PEM" }, { caCerts: [5] }, { cert: 5 }, { key: {} }]) {
    await assertRejects(() => Reflect.apply(connect, undefined, [{ hostname: "mx.example", dial, tlsOptions }]), TypeError, "Cannot use");
  }
});
