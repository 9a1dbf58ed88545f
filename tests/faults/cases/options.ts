/** A: options of connections, pools and proxies: what reaches the wire, or decides where it leads. */
import { assert, assertEquals } from "@std/assert";
import { connect, type ConnectOptions, type Dialer, type PoolOptions, SmtpClient, SmtpPool, type Socket } from "@posthorn/smtp";
import { httpConnect, type HttpConnectOptions, proxyProtocol, socks5, type Socks5Options } from "@posthorn/smtp/proxy";
import { clientOf, connectionOf, OctetServer } from "../../support/octet_server.ts";
import { ManualServer } from "../../support/manual.ts";
import type { Fault } from "../fault.ts";
import { assertBadArgument, assertRefused, assertUsable, errorOf, untyped } from "../refusals.ts";

const SECRET = "s3cret";
const CONTROLS = ["\0", "\x01", "\t", "\n", "\r", "\r\n", "\x1b", "\x1f", "\x7f", "\ud800"];
/** What is no number that anything could be counted or waited by. */
const NO_NUMBERS: readonly unknown[] = [
  "5",
  "5\r\nQUIT",
  "",
  null,
  NaN,
  Infinity,
  -Infinity,
  0,
  -0,
  -1,
  1e21,
  0.5,
  1n,
  [5],
  { valueOf: () => 5 },
  true,
];

/** A dialer that must not be asked. */
function noDialer(): { readonly dial: Dialer; readonly dialled: number } {
  let dialled = 0;
  return {
    dial: () => {
      dialled++;
      return Promise.reject(new Error("dialled"));
    },
    get dialled(): number {
      return dialled;
    },
  };
}

/** That no `options` of these open anything. */
async function refuseOptions(options: readonly Readonly<Record<string, unknown>>[]): Promise<void> {
  const never = noDialer();
  for (const one of options) {
    const what = Object.entries(one).map(([name, value]) => `${name} ${String(value)}`).join();
    const error = await errorOf(() => connect(untyped<ConnectOptions>({ hostname: "mx.example", dial: never.dial, ...one })));
    assertBadArgument(error, what);
    assertEquals(String(error).includes(SECRET), false, what);
    assertBadArgument(await errorOf(() => new SmtpPool(untyped<ConnectOptions>({ hostname: "mx.example", dial: never.dial, ...one }))), what);
  }
  assertEquals(never.dialled, 0);
}

/** Every octet that is said on the way to a server by `dial`, with nobody to answer. */
async function saidBy(dial: (below: Dialer) => Dialer, more: ConnectOptions = {}): Promise<string> {
  const server = new ManualServer((_, server) => server.end(), "");
  const below: Dialer = () => Promise.resolve<Socket>(server.socket);
  await errorOf(() => connect({ hostname: "mx.example", port: 25, tls: "none", dial: dial(below), ...more }));
  return server.writes.join("");
}

export const options: readonly Fault[] = [
  {
    name: "F09 Numbers among the options are numbers within their range, or nothing is dialled",
    run: () =>
      refuseOptions([
        ...NO_NUMBERS.filter((value) => value !== null).flatMap((value) => [{ port: value }, { timeouts: { connect: value } }]),
        { port: 65_536 },
        { timeouts: { connect: 2 ** 31 } },
        { timeouts: { connect: null } },
        { timeouts: { evil: 5 } },
        { timeouts: 5 },
        { timeouts: "5" },
      ]),
  },
  {
    name: "F09 Numbers among a pool's options, and a window, are numbers within their range",
    run: async () => {
      for (const value of NO_NUMBERS.filter((value) => value !== null)) {
        const number: number = untyped(value);
        const all: readonly PoolOptions[] = [
          { maxConnections: number },
          { maxMessages: number },
          { window: number },
          { maxQueued: number },
          { idleTimeout: number },
          { queueTimeout: number },
          ...(value === 0.5 || value === 1e21 ? [] : [{ rateLimit: { messages: number } }, { rateLimit: { burst: number } }]),
        ];
        for (const one of all) {
          assertBadArgument(
            await errorOf(() => new SmtpPool({ hostname: "mx.example" }, one)),
            `${JSON.stringify(Object.keys(one))} ${String(value)}`,
          );
        }
      }
      const server = new OctetServer();
      await using client = await clientOf(server);
      for (const window of NO_NUMBERS) {
        await assertRefused(server, `window ${String(window)}`, () => client.sendAll([], { window: untyped(window) }));
        if (window === null) continue;
        await assertRefused(server, `timeout ${String(window)}`, () => client.connection.noop({ timeout: untyped(window) }));
      }
      await assertUsable(server, client);
    },
  },
  {
    name: "F06 A client's name, a host, a path and a name to be certified hold no control, and are text",
    run: () =>
      refuseOptions([
        ...CONTROLS.flatMap((control) => [
          { name: `x${control}` },
          { hostname: `x${control}.test` },
          { hostname: `${control}` },
          { path: `/run/x${control}` },
          { tlsOptions: { serverName: `x${control}.test` } },
        ]),
        ...["", " ", "a b", "a/b", "user@host", "[::1]", 5, {}, ["mx"], { toString: () => "mx" }, null].flatMap((hostname) => [{ hostname }]),
        ...[5, {}, [], "", { toString: () => "/x" }].flatMap((path) => [{ path }]),
        ...[5, {}, "", { toString: () => "client.test" }].flatMap((name) => [{ name }]),
        { tlsOptions: { serverName: "" } },
        { tlsOptions: { caCerts: "x" } },
        { tlsOptions: { key: 5 } },
        { tls: "off" },
        { tls: "NONE" },
        { protocol: "smtps" },
        { pipelining: "no" },
        { allowCleartextAuth: "no" },
        { signal: {} },
      ]),
  },
  {
    name: "F07 Credentials in a URL are held to the same as any, and are in no error",
    run: async () => {
      const never = noDialer();
      const urls = [
        ...["%00", "%01", "%09", "%0a", "%0d", "%0d%0a", "%1b", "%7f"].flatMap((escape) => [
          `smtp://user:${SECRET}${escape}@mx.example`,
          `smtp://user${escape}${SECRET}:pass@mx.example`,
          `smtps://user:${SECRET}@mx${escape}.example`,
          `lmtp+unix:///run/x${escape}`,
        ]),
        // The URL parser would take these out without a word.
        ...["\t", "\n", "\r", "\r\n", "\0", "\x7f"].flatMap((control) => [
          `smtp://user:${SECRET}${control}@mx.example`,
          `smtp://us${control}er:${SECRET}@mx.example`,
          `smtp://user:${SECRET}@mx${control}.example`,
          `smtp://user:${SECRET}@mx.example${control}`,
          `${control}smtp://user:${SECRET}@mx.example`,
          `sm${control}tp://user:${SECRET}@mx.example`,
        ]),
        ` smtp://user:${SECRET}@mx.example`,
        `smtp://user:${SECRET}@mx.example `,
        `smtp://user:${SECRET}%@mx.example`,
        `smtp://user:${SECRET}%ff@mx.example`,
        `smtp://user:${SECRET}@`,
        `smtp://:${SECRET}@mx.example`,
        `smtp://${SECRET}@mx.example`,
        `smtp://user:${SECRET}@mx.example/x`,
        `smtp://user:${SECRET}@mx.example?tls=none`,
        `smtp://user:${SECRET}@mx.example#x`,
        `smtp://user:${SECRET}@mx.example:0`,
        `smtp://user:${SECRET}@mx.example:65536`,
        `smtp:user:${SECRET}@mx.example`,
        `http://user:${SECRET}@mx.example`,
        `file:///etc/${SECRET}`,
        `data:${SECRET}`,
        `${SECRET}`,
      ];
      for (const url of urls) {
        const error = await errorOf(() => connect(url, { dial: never.dial }));
        assertBadArgument(error, JSON.stringify(url));
        assertEquals(String(error).includes(SECRET), false, JSON.stringify(url));
        assertBadArgument(await errorOf(() => new SmtpPool(url, { connect: { dial: never.dial } })), JSON.stringify(url));
      }
      assertEquals(never.dialled, 0);
    },
  },
  {
    name: "F07 A URL's own characters, escaped, are the characters of the name and the password",
    run: async () => {
      const server = new OctetServer();
      await using client = await connect("smtp://a%40b:p%3a%2f%c3%a9@mx.example:25", { ...server.options(), allowCleartextAuth: true });
      assert(client.connection.isAuthenticated);
      const [, base64 = ""] = /AUTH PLAIN (\S+)/.exec(server.received) ?? [];
      assertEquals(new TextDecoder().decode(Uint8Array.from(atob(base64), (octet) => octet.charCodeAt(0))), "\0a@b\0p:/\u00e9");
    },
  },
  {
    name: "F38 A line end in the host, the credentials or the fields of an HTTP proxy is refused when the dialer is made",
    run: async () => {
      const base: HttpConnectOptions = { hostname: "proxy.test", port: 3128 };
      for (const control of CONTROLS) {
        const nasty: readonly HttpConnectOptions[] = [
          { ...base, hostname: `proxy${control}.test` },
          { ...base, username: `${SECRET}${control}`, password: "p" },
          { ...base, username: "u", password: `${SECRET}${control}` },
          ...(control === "\t" ? [] : [{ ...base, headers: { "X-A": `1${control}X-Evil: ${SECRET}` } }]),
          { ...base, headers: { [`X-A${control}`]: SECRET } },
          { ...base, tlsOptions: { serverName: `proxy${control}.test` } },
        ];
        for (const one of nasty) {
          const error = await errorOf(() => httpConnect(one));
          assertBadArgument(error, JSON.stringify(one));
          assertEquals(String(error).includes(SECRET), false, `${error}`);
        }
        // And where it leads in the end, whoever says it.
        assertEquals(await saidBy((dial) => httpConnect({ ...base, dial }), { hostname: `mx${control}.example` }), "");
      }
      for (
        const headers of [
          { "X A": "1" },
          { "": "1" },
          { "X:": "1" },
          { Host: "evil" },
          { "content-length": "5" },
          { "Transfer-Encoding": "chunked" },
          { X: " 1" },
          { X: "\u010d\u010a" },
          { X: 1 },
          { X: null },
        ]
      ) {
        assertBadArgument(await errorOf(() => httpConnect({ ...base, headers: untyped(headers) })), JSON.stringify(headers));
      }
      for (const username of ["a:b"]) assertBadArgument(await errorOf(() => httpConnect({ ...base, username, password: "p" })), username);
      for (const port of NO_NUMBERS) assertBadArgument(await errorOf(() => httpConnect({ ...base, port: untyped(port) })), `port ${String(port)}`);
      for (const hostname of ["", "a b", "a/b", "a:1", "u@h", "[::1]", "a%0d", 5, null, { toString: () => "proxy.test" }]) {
        assertBadArgument(await errorOf(() => httpConnect({ ...base, hostname: untyped(hostname) })), `hostname ${hostname}`);
      }
    },
  },
  {
    name: "F38 The request to an HTTP proxy has one line for each field, and names the host in its A-labels",
    run: async () => {
      let reads = 0;
      const headers = {
        get "X-A"(): string {
          return reads++ === 0 ? "1" : "1\r\nX-Evil: 1";
        },
      };
      const proxied = (dial: Dialer) =>
        httpConnect({ hostname: "proxy.test", port: 3128, headers, username: "\u010d\u010a", password: "p\u00e9", dial });
      const login = btoa("\xc4\x8d\xc4\x8a:p\xc3\xa9");
      assertEquals(
        await saidBy(proxied, { hostname: "b\u00fccher.test" }),
        `CONNECT xn--bcher-kva.test:25 HTTP/1.1\r\nHost: xn--bcher-kva.test:25\r\nX-A: 1\r\nProxy-Authorization: Basic ${login}\r\n\r\n`,
      );
      assertEquals(reads, 1);
    },
  },
  {
    name: "F38 A control in the host or the credentials of a SOCKS proxy is refused, and a length fits its octet",
    run: async () => {
      const base: Socks5Options = { hostname: "proxy.test" };
      for (const control of CONTROLS) {
        for (
          const one of [
            { ...base, hostname: `proxy${control}.test` },
            { ...base, username: `${SECRET}${control}`, password: "p" },
            { ...base, username: "u", password: `${SECRET}${control}` },
          ]
        ) {
          const error = await errorOf(() => socks5(one));
          assertBadArgument(error, JSON.stringify(one));
          assertEquals(String(error).includes(SECRET), false, `${error}`);
        }
        assertEquals(await saidBy((dial) => socks5({ ...base, dial }), { hostname: `mx${control}.example` }), "");
      }
      for (const text of ["", "x".repeat(256), "\u00e9".repeat(128)]) {
        assertBadArgument(await errorOf(() => socks5({ ...base, username: text, password: "p" })), "username");
        assertBadArgument(await errorOf(() => socks5({ ...base, username: "u", password: text })), "password");
      }
      // A name of 256 octets would be one of none, with the rest of it as the port.
      assertEquals(await saidBy((dial) => socks5({ ...base, dial }), { hostname: `${"x".repeat(63)}.`.repeat(4) }), "");
    },
  },
  {
    name: "F10 The PROXY protocol's header holds addresses and ports as the library writes them, and nothing else",
    run: async () => {
      const nasty: readonly unknown[] = [
        ...CONTROLS.flatMap((control) => [`192.0.2.1${control}:25`, `192.0.2.1:25${control}`, `[2001:db8::1${control}]:25`]),
        "192.0.2.1:25\r\nMAIL FROM:<evil@x.test>",
        "192.0.2.1 10.0.0.1 1 2\r\n:25",
        "192.0.2.1",
        "192.0.2.1:",
        "192.0.2.1:025",
        "192.0.2.1:65536",
        "192.0.2.256:25",
        "192.0.2.01:25",
        "2001:db8::1:25",
        "[2001:db8::g]:25",
        "mx.example:25",
        "",
        5,
        {},
        ["192.0.2.1:25"],
        { toString: () => "192.0.2.1:25" },
      ];
      for (const value of nasty) {
        const source: string = untyped(value);
        assertBadArgument(await errorOf(() => proxyProtocol({ version: 1, source })), JSON.stringify(value));
        assertBadArgument(await errorOf(() => proxyProtocol({ version: 2, destination: source })), JSON.stringify(value));
      }
      for (const version of [0, 3, "1", "1\r\n", null, 1.5]) {
        assertBadArgument(await errorOf(() => proxyProtocol({ version: untyped(version) })), `${version}`);
      }
      const source = "[2001:DB8:0::1%eth0\u00a0]:40000";
      const destination = "[2001:db8::2]:25";
      assertEquals(
        await saidBy((dial) => proxyProtocol({ version: 1, source, destination, dial })),
        "PROXY TCP6 2001:db8::1 2001:db8::2 40000 25\r\n",
      );
    },
  },
  {
    name: "F10 What a socket says of its own address cannot be the client's name, nor a header, unless it is an address",
    run: async () => {
      const evil = "192.0.2.1\r\nMAIL FROM:<evil@x.test>:25";
      for (const localAddress of [evil, "x y:25", "[::1\r\n]:25", "", "mx.example:25", "/run/socket"]) {
        const server = new OctetServer();
        const socket = { ...server.socket, opened: Promise.resolve({ localAddress, remoteAddress: evil }) };
        const { name: _, ...rest } = server.options();
        await using client = await connect({ ...rest, dial: () => Promise.resolve(socket) });
        assertEquals(server.commands, ["EHLO [127.0.0.1]"]);
        assert(!client.isClosed);
        const manual = new ManualServer(() => {}, "");
        const told = { ...manual.socket, opened: socket.opened };
        await errorOf(() => connect({ hostname: "mx.example", tls: "none", dial: proxyProtocol({ version: 1, dial: () => Promise.resolve(told) }) }));
        assertEquals(manual.writes, []);
      }
    },
  },
  {
    name: "F10 A client on a connection of the caller's own checks its name and its options",
    run: async () => {
      const server = new OctetServer();
      await using connection = await connectionOf(server);
      for (const name of ["x\r\nMAIL FROM:<evil@x.test>", "a b", "", 5, { toString: () => "client.test" }]) {
        await assertRefused(server, `name ${name}`, () => new SmtpClient(connection, { name: untyped(name) }));
      }
      for (const protocol of ["smtps", "LMTP", 5, null]) {
        await assertRefused(server, `${protocol}`, () => new SmtpClient(connection, { protocol: untyped(protocol) }));
      }
      await assertUsable(server, { connection });
    },
  },
];
