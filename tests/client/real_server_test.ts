/** The client against a real server: npm's smtp-server, over TCP and TLS on the loopback. */
import { assert, assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import {
  connect,
  type ConnectOptions,
  SmtpAuthError,
  SmtpConnection,
  SmtpConnectionError,
  SmtpReplyError,
  SmtpSecurityError,
  SmtpUnsupportedError,
} from "@posthorn/smtp";
import { Authority, type Leaf } from "../support/certificates.ts";
import { MailServer, USER } from "../support/mail_server.ts";
import { type Crossing, roundTrips, spyDialer } from "../support/spy_socket.ts";

const authority = await Authority.create();
const leaf: Leaf = await authority.leaf(["localhost", "mail.test", "ip:127.0.0.1"]);
const tlsOptions = { caCerts: [authority.cert] };
const MESSAGE = "From: a@x.test\r\nTo: b@y.test\r\nSubject: hello\r\n\r\nHello.\r\n.hidden\r\n..\r\n";

function options(server: MailServer, more: Partial<ConnectOptions> = {}): ConnectOptions {
  return { hostname: "localhost", port: server.port, tlsOptions, ...more };
}

Deno.test("connect sends over STARTTLS with AUTH, and the server stores the same bytes", async () => {
  await using server = await MailServer.start(leaf);
  await using client = await connect(options(server, { auth: USER }));
  assert(client.isSecure);
  const result = await client.send({ from: "a@x.test", to: ["b@y.test", "reject@y.test", "defer@y.test"], body: MESSAGE });
  assertEquals(result.accepted.map(({ address }) => address), ["b@y.test"]);
  assertEquals(result.rejected.map(({ address, reply }) => [address, reply.code]), [["reject@y.test", 550], ["defer@y.test", 450]]);
  assertEquals(result.queueId, "TEST1");
  const [stored] = server.messages;
  assertEquals(new TextDecoder().decode(stored?.bytes), MESSAGE);
  assertEquals(stored?.user, "alice");
  assertEquals(stored?.isSecure, true);
  assertEquals(server.logins, [`PLAIN ${USER.username} ${USER.password}`]);
});

Deno.test("connect sends over implicit TLS, to a name and to an IP address", async () => {
  await using server = await MailServer.start(leaf, { secure: true });
  for (const hostname of ["localhost", "127.0.0.1"]) {
    await using client = await connect(options(server, { hostname, tls: "implicit", auth: USER }));
    await client.send({ from: "a@x.test", to: "b@y.test", body: MESSAGE });
  }
  assertEquals(server.messages.map(({ isSecure }) => isSecure), [true, true]);
});

Deno.test("connect takes a URL, with options beside it", async () => {
  await using server = await MailServer.start(leaf, { secure: true });
  const url = `smtps://alice:${encodeURIComponent(USER.password)}@localhost:${server.port}`;
  await using client = await connect(url, { tlsOptions });
  await client.send({ from: "a@x.test", to: "b@y.test", body: MESSAGE });
  assertEquals(server.messages[0]?.user, "alice");
});

Deno.test("connect expects the name in tlsOptions.serverName rather than the host's", async () => {
  await using server = await MailServer.start(leaf, { secure: true });
  await using client = await connect(options(server, { tls: "implicit", tlsOptions: { ...tlsOptions, serverName: "mail.test" } }));
  assert(client.isSecure);
});

Deno.test("connect presents a client certificate with implicit TLS", async () => {
  const wanting = { secure: true, requestCert: true, rejectUnauthorized: true, ca: [authority.cert] };
  await using server = await MailServer.start(leaf, wanting);
  const identity = await authority.leaf(["alice"], { isClient: true });
  await using client = await connect(options(server, { tls: "implicit", tlsOptions: { ...tlsOptions, ...identity } }));
  assert(client.isSecure);
  await assertRejects(() => connect(options(server, { tls: "implicit" })), SmtpConnectionError);
});

for (const tls of ["implicit", "starttls"] as const) {
  const secure = tls === "implicit";
  Deno.test(`connect refuses a certificate for another host (${tls}), and no credentials are sent`, async () => {
    await using server = await MailServer.start(await authority.leaf(["other.test"]), { secure });
    const error = await assertRejects(() => connect(options(server, { tls, auth: USER })), SmtpSecurityError, "TLS with localhost failed");
    assertEquals([error.kind, error.delivery], ["tls", "not-sent"]);
    assert(error.cause instanceof Error);
    assertEquals(server.logins, []);
  });

  Deno.test(`connect refuses a certificate of an authority it does not know (${tls})`, async () => {
    await using server = await MailServer.start(leaf, { secure });
    await assertRejects(() => connect({ hostname: "localhost", port: server.port, tls, auth: USER }), SmtpSecurityError);
    assertEquals(server.logins, []);
  });

  Deno.test(`connect refuses a certificate that has expired (${tls})`, async () => {
    const expired = await authority.leaf(["localhost"], { age: 48 * 3_600_000 });
    await using server = await MailServer.start(expired, { secure });
    await assertRejects(() => connect(options(server, { tls, auth: USER })), SmtpSecurityError);
    assertEquals(server.logins, []);
  });
}

Deno.test("connect tells which mode the port speaks when implicit TLS meets STARTTLS", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const serving = listener.accept().then(async (conn) => {
    await conn.write(new TextEncoder().encode("220 mx.example ESMTP\r\n"));
    await conn.read(new Uint8Array(1024));
    conn.close();
  });
  const error = await assertRejects(() => connect({ hostname: "localhost", port, tls: "implicit" }), SmtpSecurityError);
  assertStringIncludes(error.hint ?? "", "STARTTLS");
  await serving;
  listener.close();
});

Deno.test("connect refuses a server without STARTTLS, and no credentials are sent", async () => {
  await using server = await MailServer.start(leaf, { hideSTARTTLS: true, allowInsecureAuth: true });
  const error = await assertRejects(() => connect(options(server, { auth: USER })), SmtpSecurityError, "does not offer STARTTLS");
  assertEquals([error.kind, error.phase], ["insecure", "starttls"]);
  assertEquals(server.logins, []);
});

Deno.test("connect sends credentials in the clear only when told so by name", async () => {
  await using server = await MailServer.start(leaf, { hideSTARTTLS: true, allowInsecureAuth: true });
  for (const tls of ["none", "opportunistic"] as const) {
    const error = await assertRejects(() => connect(options(server, { tls, auth: USER })), SmtpSecurityError, "without TLS");
    assertEquals([error.kind, error.phase], ["insecure", "auth"]);
  }
  assertEquals(server.logins, []);
  await using client = await connect(options(server, { tls: "none", auth: USER, allowCleartextAuth: true }));
  assertEquals([client.isSecure, server.logins.length], [false, 1]);
});

Deno.test("connect uses LOGIN when it is forced or the only one offered", async () => {
  await using forced = await MailServer.start(leaf);
  await using one = await connect(options(forced, { auth: { ...USER, forceMechanism: "login" } }));
  assert(one.connection.isAuthenticated);
  await using only = await MailServer.start(leaf, { authMethods: ["LOGIN"] });
  await using two = await connect(options(only, { auth: USER }));
  assert(two.connection.isAuthenticated);
  assertEquals([forced.logins, only.logins], [[`LOGIN alice ${USER.password}`], [`LOGIN alice ${USER.password}`]]);
});

Deno.test("connect rejects with the server's words when the password is wrong", async () => {
  await using server = await MailServer.start(leaf);
  const error = await assertRejects(() => connect(options(server, { auth: { username: "alice", password: "wrong" } })), SmtpAuthError);
  assertEquals([error.code, error.phase, error.transient, error.delivery], [535, "auth", false, "not-sent"]);
});

Deno.test("SmtpClient costs two round trips a message over STARTTLS with AUTH and PIPELINING", async () => {
  await using server = await MailServer.start(leaf);
  const crossings: Crossing[] = [];
  await using client = await connect(options(server, { auth: USER, dial: spyDialer(crossings) }));
  assert(client.extensions.has("PIPELINING"));
  crossings.length = 0;
  await client.send({ from: "a@x.test", to: ["b@y.test", "c@y.test"], body: MESSAGE });
  const writes = crossings.filter(({ direction }) => direction === ">").map(({ octets }) => new TextDecoder().decode(octets));
  assertEquals(writes.length, 2);
  assertEquals(writes[0]?.split("\r\n").map((line) => line.slice(0, 4)), ["MAIL", "RCPT", "RCPT", "DATA", ""]);
  assert(writes[1]?.endsWith("\r\n.\r\n"));
  assertEquals(roundTrips(crossings), 2);
});

Deno.test("SmtpClient rejects when every recipient is refused, and sends the next message on the same connection", async () => {
  await using server = await MailServer.start(leaf);
  await using client = await connect(options(server));
  const error = await assertRejects(() => client.send({ from: "a@x.test", to: ["reject@y.test", "defer@y.test"], body: MESSAGE }), SmtpReplyError);
  assertEquals([error.code, error.phase, error.recipient, error.transient], [550, "rcpt", "reject@y.test", true]);
  assertEquals(error.rejected.map(({ address, reply }) => [address, reply.code]), [["reject@y.test", 550], ["defer@y.test", 450]]);
  await client.send({ from: "a@x.test", to: "b@y.test", body: MESSAGE });
  assertEquals(server.messages.length, 1);
});

Deno.test("SmtpClient refuses a message beyond SIZE before MAIL, and one that turns out so while it is sent", async () => {
  await using server = await MailServer.start(leaf, { size: 1000 });
  const body = `Subject: big\r\n\r\n${"x".repeat(70)}\r\n`.repeat(20);
  await using client = await connect(options(server));
  const early = await assertRejects(() => client.send({ from: "a@x.test", to: "b@y.test", body }), SmtpUnsupportedError);
  assertEquals([early.kind, early.phase], ["too-large", "local"]);
  const late = await assertRejects(() => client.send({ from: "a@x.test", to: "b@y.test", body: new Blob([body]) }), SmtpUnsupportedError);
  assertEquals([late.kind, late.phase, late.delivery], ["too-large", "data", "not-sent"]);
  assertEquals(server.messages, []);
});

Deno.test("SmtpClient declares 8BITMIME when the content needs it, and not when it does not", async () => {
  await using server = await MailServer.start(leaf);
  await using client = await connect(options(server));
  await client.send({ from: "a@x.test", to: "b@y.test", body: "Subject: ä\r\n\r\nö\r\n" });
  await client.send({ from: "a@x.test", to: "b@y.test", body: MESSAGE });
  assertEquals(server.messages.map(({ parameters }) => parameters.BODY), ["8BITMIME", undefined]);
  assertEquals(new TextDecoder().decode(server.messages[0]?.bytes), "Subject: ä\r\n\r\nö\r\n");
});

Deno.test("SmtpClient refuses 8-bit content where the server does not offer 8BITMIME", async () => {
  await using server = await MailServer.start(leaf, { hide8BITMIME: true });
  await using client = await connect(options(server));
  const message = { from: "a@x.test", to: "b@y.test" };
  const text = await assertRejects(() => client.send({ ...message, body: "Subject: ä\r\n\r\n" }), SmtpUnsupportedError, "8BITMIME");
  assertEquals(text.phase, "local");
  await client.send({ ...message, body: MESSAGE });
  const stream = await assertRejects(() => client.send({ ...message, body: new Blob(["Subject: ä\r\n"]) }), SmtpUnsupportedError, "8BITMIME");
  assertEquals([stream.phase, stream.delivery], ["data", "not-sent"]);
  assertEquals(server.messages.length, 1);
});

Deno.test("SmtpClient sends the same bytes from text, bytes, a Blob, a stream and a function", async () => {
  await using server = await MailServer.start(leaf);
  await using client = await connect(options(server));
  const bytes = new TextEncoder().encode(MESSAGE);
  for (const body of [MESSAGE, bytes, new Blob([bytes]), new Blob([bytes]).stream(), () => new Blob([bytes]).stream()]) {
    await client.send({ from: "a@x.test", to: "b@y.test", body });
  }
  assertEquals(server.messages.map(({ bytes }) => new TextDecoder().decode(bytes)), Array(5).fill(MESSAGE));
});

for (const size of [1, 7, 65_536]) {
  Deno.test(`SmtpClient sends 1 MB in chunks of ${size} and the server stores the same bytes`, async () => {
    await using server = await MailServer.start(leaf);
    await using client = await connect(options(server, { auth: USER }));
    const line = ".The quick brown fox\r\n..\r\n.\r\njumps over the lazy dog.\r\n\r\n";
    const bytes = new TextEncoder().encode(line.repeat(Math.ceil(1_000_000 / line.length)));
    let at = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller): void {
        if (at >= bytes.length) return controller.close();
        controller.enqueue(bytes.slice(at, at += size));
      },
    });
    await client.send({ from: "a@x.test", to: "b@y.test", body });
    assertEquals(server.messages[0]?.bytes.length, bytes.length);
    assert(server.messages[0]?.bytes.every((octet, index) => octet === bytes[index]));
  });
}

Deno.test("SmtpClient queues calls that are made at once, and never mixes them on the wire", async () => {
  await using server = await MailServer.start(leaf);
  await using client = await connect(options(server));
  const numbers = Array.from({ length: 20 }, (_, index) => index);
  const send = (index: number) => client.send({ from: `a${index}@x.test`, to: `b${index}@y.test`, body: `Subject: ${index}\r\n\r\n` });
  const [results] = await Promise.all([Promise.all(numbers.map(send)), client.verify(), client.quit()]);
  assertEquals(results.map(({ queueId }) => queueId), numbers.map((index) => `TEST${index + 1}`));
  assertEquals(
    server.messages.map(({ from, to, bytes }) => [from, ...to, new TextDecoder().decode(bytes)]),
    numbers.map((index) => [`a${index}@x.test`, `b${index}@y.test`, `Subject: ${index}\r\n\r\n`]),
  );
  assert(client.isClosed);
});

Deno.test("SmtpConnection adopts a socket that Deno opened, plain or TLS", async () => {
  await using plain = await MailServer.start(leaf);
  const tcp = await Deno.connect({ hostname: "127.0.0.1", port: plain.port });
  await using one = await SmtpConnection.open({ hostname: "localhost", tls: "none", socket: tcp });
  assertEquals([(await one.ehlo("client.test")).code, one.isSecure], [250, false]);
  await using secure = await MailServer.start(leaf, { secure: true });
  const conn = await Deno.connectTls({ hostname: "localhost", port: secure.port, caCerts: [authority.cert] });
  await using two = await SmtpConnection.open({ hostname: "localhost", tls: "implicit", socket: conn });
  assertEquals([(await two.ehlo("client.test")).code, two.isSecure], [250, true]);
});

Deno.test("connect sends through a unix socket, where credentials may travel without TLS", async () => {
  await using server = await MailServer.start(leaf, { hideSTARTTLS: true, allowInsecureAuth: true });
  const path = `${await Deno.makeTempDir()}/smtp.sock`;
  const listener = Deno.listen({ transport: "unix", path });
  const relay = (async () => {
    const conn = await listener.accept();
    const tcp = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    await Promise.allSettled([conn.readable.pipeTo(tcp.writable), tcp.readable.pipeTo(conn.writable)]);
  })();
  {
    await using client = await connect({ path, auth: USER });
    await client.send({ from: "a@x.test", to: "b@y.test", body: MESSAGE });
  }
  await relay;
  listener.close();
  assertEquals(server.messages[0]?.user, "alice");
});

Deno.test("connect tells a client without a server from one that is refused", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  const error = await connect({ hostname: "127.0.0.1", port }).catch((error) => error);
  assertInstanceOf(error, Error);
  assertEquals([Reflect.get(error, "kind"), Reflect.get(error, "phase"), Reflect.get(error, "transient")], ["connect", "connect", true]);
});

/** What a session says, up to each point at which a server may hang up, and what that means for the message. */
const SAID: [where: string, replies: string[], phase: string, delivery: string][] = [
  ["before its greeting", [], "greeting", "not-sent"],
  ["at EHLO", ["220 mx\r\n"], "ehlo", "not-sent"],
  ["at MAIL", ["220 mx\r\n", "250-mx\r\n250 PIPELINING\r\n"], "mail", "not-sent"],
  ["at RCPT", ["220 mx\r\n", "250-mx\r\n250 PIPELINING\r\n", "250 ok\r\n"], "rcpt", "not-sent"],
  ["at DATA", ["220 mx\r\n", "250-mx\r\n250 PIPELINING\r\n", "250 ok\r\n250 ok\r\n"], "data", "not-sent"],
  ["behind the dot", ["220 mx\r\n", "250-mx\r\n250 PIPELINING\r\n", "250 ok\r\n250 ok\r\n354 go\r\n"], "data", "unknown"],
];

for (const [where, replies, phase, delivery] of SAID) {
  Deno.test(`SmtpClient says the right delivery when a real server hangs up ${where}`, async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    const serving = listener.accept().then(async (conn) => {
      for (const [index, reply] of replies.entries()) {
        if (index > 0) await conn.read(new Uint8Array(65_536));
        await conn.write(new TextEncoder().encode(reply));
      }
      if (delivery === "unknown") await conn.read(new Uint8Array(65_536));
      conn.close();
    });
    const error = await assertRejects(async () => {
      await using client = await connect({ hostname: "127.0.0.1", port, tls: "none" });
      await client.send({ from: "a@x.test", to: "b@y.test", body: MESSAGE });
    }, SmtpConnectionError);
    assertEquals([error.kind, error.phase, error.delivery], ["disconnected", phase, delivery]);
    await serving;
    listener.close();
  });
}
