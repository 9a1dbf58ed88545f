/** Real proxies on the loopback, and a real mail server behind them. Only the proxy knows where the host of the server is. */
import { assert, assertEquals } from "@std/assert";
import { connect, type ConnectOptions, dial, type Dialer, type DialOptions, SmtpConnection } from "@posthorn/smtp";
import { httpConnect, proxyProtocol, socks5 } from "@posthorn/smtp/proxy";
import { dialNode } from "@posthorn/smtp/transport/node";
import { Authority } from "../support/certificates.ts";
import { facts, rejection } from "../support/client.ts";
import { MailServer, USER } from "../support/mail_server.ts";
import { TestProxy, type TestProxyOptions } from "../support/proxy.ts";

const authority = await Authority.create();
const leaf = await authority.leaf(["mail.example.com"]);
const proxysOwn = await authority.leaf(["localhost", "ip:127.0.0.1"]);
const tlsOptions = { caCerts: [authority.cert] };
const credentials = { username: "pröxy", password: "pröxy: s3cret" };
const MESSAGE = { from: "a@x.test", to: "b@y.test", body: "Subject: a\r\n\r\nHello.\r\n" };

/** A proxy in front of `server`, whatever the host it is asked for. */
function inFrontOf(server: { readonly port: number }, more: TestProxyOptions = {}): TestProxy {
  return new TestProxy({ route: () => ({ hostname: "127.0.0.1", port: server.port }), ...more });
}

type Make = (proxy: { readonly port: number }, more?: { readonly username?: string; readonly password?: string; readonly dial?: Dialer }) => Dialer;

const KINDS: readonly (readonly [name: string, make: Make])[] = [
  ["SOCKS5", ({ port }, more) => socks5({ hostname: "127.0.0.1", port, ...more })],
  ["HTTP CONNECT", ({ port }, more) => httpConnect({ hostname: "127.0.0.1", port, ...more })],
];

/** What the servers and the options of each way to speak TLS are, and whether the message comes in by TLS. */
const MODES: readonly (readonly [name: string, secure: boolean, options: ConnectOptions])[] = [
  ["no TLS", false, { port: 25, tls: "none" }],
  ["STARTTLS", true, { tlsOptions, auth: USER }],
  ["implicit TLS", true, { tls: "implicit", tlsOptions, auth: USER }],
];

for (const [kind, make] of KINDS) {
  for (const [mode, isSecure, options] of MODES) {
    for (const [sockets, below] of [["Deno's sockets", dial], ["Node's sockets on Deno", dialNode]] as const) {
      Deno.test(`connect sends through ${kind} with ${mode} on ${sockets}`, async () => {
        await using server = await MailServer.start(leaf, { secure: mode === "implicit TLS" });
        await using proxy = inFrontOf(server, { credentials });
        {
          await using client = await connect({ hostname: "mail.example.com", ...options, dial: make(proxy, { ...credentials, dial: below }) });
          assertEquals((await client.send(MESSAGE)).accepted.length, 1);
          assertEquals(client.isSecure, isSecure);
        }
        assertEquals(server.messages.map(({ isSecure }) => isSecure), [isSecure]);
        const port = options.port ?? (mode === "implicit TLS" ? 465 : 587);
        assertEquals(proxy.tunnels, [`${kind === "SOCKS5" ? "socks5" : "http"} pröxy mail.example.com:${port}`]);
      });
    }
  }

  Deno.test(`connect loses nothing when the greeting comes with the last answer of ${kind}`, async () => {
    await using server = await MailServer.start(leaf);
    await using proxy = inFrontOf(server, { coalesces: true });
    for (const tls of ["none", "starttls"] as const) {
      await using client = await connect({ hostname: "mail.example.com", tls, tlsOptions, dial: make(proxy) });
      assertEquals((await client.send(MESSAGE)).accepted.length, 1);
    }
    assertEquals(server.messages.map(({ isSecure }) => isSecure), [false, true]);
  });

  Deno.test(`connect refuses a greeting in the clear where TLS shall begin inside ${kind}`, async () => {
    await using server = await MailServer.start(leaf);
    await using proxy = inFrontOf(server, { coalesces: true });
    const error = facts(await rejection(connect({ hostname: "mail.example.com", tls: "implicit", tlsOptions, auth: USER, dial: make(proxy) })));
    assertEquals([error.name, error.kind, error.delivery], ["SmtpProtocolError", "protocol", "not-sent"]);
    assertEquals(server.logins, []);
  });

  for (const tls of ["implicit", "starttls"] as const) {
    Deno.test(`connect takes no certificate of the proxy's name for the server's inside ${kind} (${tls})`, async () => {
      await using server = await MailServer.start(proxysOwn, { secure: tls === "implicit" });
      await using proxy = inFrontOf(server);
      const error = facts(await rejection(connect({ hostname: "mail.example.com", tls, tlsOptions, auth: USER, dial: make(proxy) })));
      assertEquals([error.name, error.kind], ["SmtpSecurityError", "tls"]);
      assertEquals(server.logins, []);
    });
  }

  Deno.test(`connect tells a login that ${kind} refuses from one at the mail server`, async () => {
    await using server = await MailServer.start(leaf);
    await using proxy = inFrontOf(server, { credentials });
    for (const wrong of [{}, { username: "pröxy", password: "not this" }]) {
      const error = await rejection(connect({ hostname: "mail.example.com", tlsOptions, auth: USER, dial: make(proxy, wrong) }));
      assertEquals([facts(error).name, facts(error).phase, facts(error).transient], ["SmtpAuthError", "connect", false]);
      assert(!String(error).includes("not this"));
    }
    assertEquals([proxy.tunnels, server.logins], [[], []]);
  });

  Deno.test(`connect rejects when nobody answers behind ${kind}, and may try again later`, async () => {
    await using proxy = new TestProxy({ route: () => ({ hostname: "127.0.0.1", port: closedPort() }) });
    const error = facts(await rejection(connect({ hostname: "mail.example.com", dial: make(proxy) })));
    assertEquals([error.name, error.kind, error.phase, error.transient], ["SmtpConnectionError", "connect", "connect", true]);
  });

  Deno.test(`connect rejects when ${kind} is not there`, async () => {
    const error = await rejection(connect({ hostname: "mail.example.com", dial: make({ port: closedPort() }) }));
    assertEquals([facts(error).name, facts(error).kind], ["SmtpConnectionError", "connect"]);
  });

  Deno.test(`connect goes through one ${kind} behind another`, async () => {
    await using server = await MailServer.start(leaf);
    await using inner = inFrontOf(server);
    await using outer = inFrontOf(inner);
    {
      await using client = await connect({ hostname: "mail.example.com", tlsOptions, dial: make({ port: 3128 }, { dial: make(outer) }) });
      assertEquals([client.isSecure, (await client.send(MESSAGE)).accepted.length], [true, 1]);
    }
    assertEquals([outer.tunnels.length, inner.tunnels.length], [1, 1]);
    assert(outer.tunnels[0]?.endsWith(" 127.0.0.1:3128") && inner.tunnels[0]?.endsWith(" mail.example.com:587"));
  });
}

Deno.test("connect reaches a host by the address that resolve gives, and expects the certificate of its name", async () => {
  await using server = await MailServer.start(leaf);
  await using proxy = inFrontOf(server);
  const asked: string[] = [];
  for (const address of ["192.0.2.7", "2001:db8::7"]) {
    const resolve = (hostname: string) => {
      asked.push(hostname);
      return Promise.resolve(address);
    };
    await using client = await connect({
      hostname: "mail.example.com",
      tlsOptions,
      dial: socks5({ hostname: "127.0.0.1", port: proxy.port, resolve }),
    });
    assertEquals(client.isSecure, true);
  }
  assertEquals(asked, ["mail.example.com", "mail.example.com"]);
  assertEquals(proxy.tunnels, ["socks5 - 192.0.2.7:587", "socks5 - 2001:db8:0:0:0:0:0:7:587"]);
});

Deno.test("a dialer through a proxy gives a socket on which TLS stands where it was asked for", async () => {
  await using server = await MailServer.start(leaf, { secure: true });
  await using proxy = inFrontOf(server);
  for (const [, make] of KINDS) {
    const signal = new AbortController().signal;
    const socket = await make(proxy)({ hostname: "mail.example.com", port: 465, secureTransport: "on", tls: tlsOptions, signal });
    assertEquals(socket.secureTransport, "on");
    const { value } = await socket.readable.getReader().read();
    assert(new TextDecoder().decode(value).startsWith("220 mail.test"));
    await socket.close();
  }
});

for (const [mode, isSecure, options] of MODES) {
  Deno.test(`the server behind proxyProtocol sees the source it was told, with ${mode}`, async () => {
    const seen: string[] = [];
    await using server = await MailServer.start(leaf, {
      secure: mode === "implicit TLS",
      useProxy: true,
      onConnect: ({ remoteAddress }, callback) => {
        seen.push(remoteAddress);
        callback();
      },
    });
    await using proxy = inFrontOf(server);
    const below: Dialer = (options) => dial({ ...options, hostname: "127.0.0.1", port: server.port });
    const source = "192.0.2.7:40000";
    for (const inner of [below, socks5({ hostname: "127.0.0.1", port: proxy.port })]) {
      const outer = proxyProtocol({ version: 1, source, destination: "198.51.100.1:25", dial: inner });
      await using client = await connect({ hostname: "mail.example.com", ...options, dial: outer });
      assertEquals([client.isSecure, (await client.send(MESSAGE)).accepted.length], [isSecure, 1]);
    }
    assertEquals(seen, ["192.0.2.7", "192.0.2.7"]);
  });
}

Deno.test("proxyProtocol tells the socket's own addresses where none are given", async () => {
  const heard: Uint8Array[] = [];
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const served = (async () => {
    for (const _ of [1, 2]) {
      const conn = await listener.accept();
      const buffer = new Uint8Array(200);
      heard.push(buffer.subarray(0, await conn.read(buffer) ?? 0));
      conn.close();
    }
  })();
  const locals: (string | undefined)[] = [];
  for (const version of [1, 2] as const) {
    const options: DialOptions = { hostname: "127.0.0.1", port, secureTransport: "off", tls: {}, signal: new AbortController().signal };
    const socket = await proxyProtocol({ version })(options);
    locals.push((await socket.opened)?.localAddress);
    await socket.readable.getReader().read().catch(() => {});
    await socket.close();
  }
  await served;
  listener.close();
  const [first = "", second = ""] = locals.map((address) => address?.split(":")[1]);
  assertEquals(new TextDecoder().decode(heard[0]), `PROXY TCP4 127.0.0.1 127.0.0.1 ${first} ${port}\r\n`);
  const [high, low] = [Number(second) >> 8, Number(second) & 255];
  assertEquals([...heard[1]!.subarray(12)], [0x21, 0x11, 0, 12, 127, 0, 0, 1, 127, 0, 0, 1, high, low, port >> 8, port & 255]);
});

Deno.test("connect goes to a proxy that speaks TLS itself, and to the server behind it in the clear", async () => {
  await using server = await MailServer.start(leaf);
  await using proxy = inFrontOf(server, { leaf: proxysOwn, credentials });
  const options = { hostname: "127.0.0.1", port: proxy.port, secure: true, tlsOptions, ...credentials };
  {
    await using client = await connect({ hostname: "mail.example.com", tls: "none", dial: httpConnect(options) });
    assertEquals((await client.send(MESSAGE)).accepted.length, 1);
    // The server is beyond what protects the way to the proxy.
    assertEquals(client.isSecure, false);
  }
  assertEquals(proxy.tunnels, ["http pröxy mail.example.com:587"]);
});

Deno.test("connect checks the certificate of a proxy that speaks TLS itself", async () => {
  await using server = await MailServer.start(leaf);
  await using proxy = inFrontOf(server, { leaf });
  const dial = httpConnect({ hostname: "127.0.0.1", port: proxy.port, secure: true, tlsOptions, ...credentials });
  const error = facts(await rejection(connect({ hostname: "mail.example.com", tls: "none", dial })));
  assertEquals([error.name, error.kind], ["SmtpSecurityError", "tls"]);
  assertEquals(proxy.tunnels, []);
});

for (const tls of ["implicit", "starttls"] as const) {
  Deno.test(`connect refuses TLS inside the TLS of a proxy by name where the sockets cannot nest it (${tls})`, async () => {
    await using server = await MailServer.start(leaf, { secure: tls === "implicit" });
    await using proxy = inFrontOf(server, { leaf: proxysOwn });
    const dial = httpConnect({ hostname: "127.0.0.1", port: proxy.port, secure: true, tlsOptions });
    const error = await rejection(connect({ hostname: "mail.example.com", tls, tlsOptions, auth: USER, dial }));
    assertEquals([facts(error).name, facts(error).kind], ["SmtpUnsupportedError", "unsupported"]);
    assert(String(Reflect.get(Object(error), "hint")).includes("without TLS of its own"));
    // What is known beforehand is not even said to the proxy.
    assertEquals([proxy.tunnels.length, server.logins], [tls === "implicit" ? 0 : 1, []]);
  });
}

for (const tls of ["implicit", "starttls"] as const) {
  Deno.test(`connect speaks TLS inside the TLS of a proxy on sockets that can nest it (${tls})`, async () => {
    await using server = await MailServer.start(leaf, { secure: tls === "implicit" });
    await using proxy = inFrontOf(server, { leaf: proxysOwn });
    const dial = httpConnect({ hostname: "127.0.0.1", port: proxy.port, secure: true, tlsOptions, dial: dialNode });
    await using client = await connect({ hostname: "mail.example.com", tls, tlsOptions, auth: USER, dial });
    assertEquals([client.isSecure, (await client.send(MESSAGE)).accepted.length], [true, 1]);
  });

  Deno.test(`connect takes no certificate of the proxy for the server's inside the TLS of the proxy (${tls})`, async () => {
    await using server = await MailServer.start(proxysOwn, { secure: tls === "implicit" });
    await using proxy = inFrontOf(server, { leaf: proxysOwn });
    const dial = httpConnect({ hostname: "127.0.0.1", port: proxy.port, secure: true, tlsOptions, dial: dialNode });
    const error = facts(await rejection(connect({ hostname: "mail.example.com", tls, tlsOptions, auth: USER, dial })));
    assertEquals([error.name, error.kind, server.logins.length], ["SmtpSecurityError", "tls", 0]);
  });
}

Deno.test("SmtpConnection names itself by its own address behind a proxy, and does not take the proxy for its peer", async () => {
  await using server = await MailServer.start(leaf);
  await using proxy = inFrontOf(server);
  const dialled: string[] = [];
  const inner = socks5({ hostname: "127.0.0.1", port: proxy.port });
  const spy: Dialer = async (options) => {
    const socket = await inner(options);
    const { localAddress, remoteAddress } = await socket.opened ?? {};
    dialled.push(`${localAddress?.split(":")[0]} ${remoteAddress}`);
    return socket;
  };
  await using connection = await SmtpConnection.open({ hostname: "mail.example.com", tls: "none", dial: spy });
  assertEquals((await connection.ehlo("client.test")).code, 250);
  assertEquals(dialled, ["127.0.0.1 undefined"]);
});

function closedPort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}
