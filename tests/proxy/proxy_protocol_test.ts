/** The header of the PROXY protocol, against sections 2.1 and 2.2 of HAProxy's specification (proxy-protocol.txt of 2020-03-05). */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { connect, type DialOptions, SmtpConnectionError, SmtpUnsupportedError, type Socket, type SocketInfo } from "@posthorn/smtp";
import { proxyProtocol, type ProxyProtocolOptions } from "@posthorn/smtp/proxy";
import { BYE, facts, HELLO, rejection } from "../support/client.ts";
import { toHex } from "../support/octets.ts";
import { conversation, ScriptedServer } from "../support/script.ts";

/** What every header of version 2 begins with. */
const SIGNATURE = "0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a";

function options(more: Partial<DialOptions> = {}): DialOptions {
  return { hostname: "mx.example", port: 25, secureTransport: "starttls", tls: {}, signal: new AbortController().signal, ...more };
}

/** What is written on a socket that tells `info` of itself. */
async function written(options_: ProxyProtocolOptions, info?: SocketInfo): Promise<string[]> {
  const server = new ScriptedServer("S: {silence}");
  const socket = server.socket();
  const told: Socket = { ...socket, ...(info && { opened: Promise.resolve(info) }) };
  const { close } = await proxyProtocol({ ...options_, dial: () => Promise.resolve(told) })(options());
  await close();
  return server.writes;
}

const TEXT: readonly (readonly [source: string, destination: string, line: string])[] = [
  ["192.168.0.1:56324", "192.168.0.11:443", "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"],
  ["255.255.255.255:65535", "255.255.255.255:65535", "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"],
  ["0.0.0.0:0", "0.0.0.0:0", "PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"],
  ["[2001:DB8:0:0:0:0:0:1]:40000", "[::1]:25", "PROXY TCP6 2001:db8::1 ::1 40000 25\r\n"],
  ["[::ffff:192.0.2.1]:40000", "[2001:db8::0:2]:25", "PROXY TCP6 ::ffff:c000:201 2001:db8::2 40000 25\r\n"],
  ["[fe80::1%eth0]:40000", "[fe80::2]:25", "PROXY TCP6 fe80::1 fe80::2 40000 25\r\n"],
];

for (const [source, destination, line] of TEXT) {
  Deno.test(`proxyProtocol writes version 1 for ${source} in one write (section 2.1)`, async () => {
    assertEquals(await written({ version: 1, source, destination }), [line]);
    // The longest line there may be, its end counted.
    assert(line.length <= 107);
  });
}

const full = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
const BINARY: readonly (readonly [source: string, destination: string, rest: string])[] = [
  ["192.0.2.1:40000", "198.51.100.2:25", "21 11 00 0c c0 00 02 01 c6 33 64 02 9c 40 00 19"],
  [
    "[2001:db8::1]:40000",
    "[::1]:25",
    "21 21 00 24 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01 9c 40 00 19",
  ],
  [`[${full}]:65535`, `[${full}]:65535`, `21 21 00 24 ${"ff ".repeat(36)}`.trim()],
];

for (const [source, destination, rest] of BINARY) {
  Deno.test(`proxyProtocol writes version 2 for ${source} in one write (section 2.2)`, async () => {
    const writes = await written({ version: 2, source, destination });
    assertEquals(writes.map(toHex), [`${SIGNATURE} ${rest}`]);
  });
}

Deno.test("proxyProtocol says that a connection is its own: LOCAL in version 2, UNKNOWN in version 1", async () => {
  assertEquals((await written({ version: 2, local: true })).map(toHex), [`${SIGNATURE} 20 00 00 00`]);
  assertEquals(await written({ version: 1, local: true }), ["PROXY UNKNOWN\r\n"]);
});

Deno.test("proxyProtocol tells the socket's own addresses for those that are not given", async () => {
  const info = { localAddress: "192.0.2.7:40000", remoteAddress: "198.51.100.1:25" };
  assertEquals(await written({ version: 1 }, info), ["PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\r\n"]);
  assertEquals(await written({ version: 1, source: "203.0.113.9:7" }, info), ["PROXY TCP4 203.0.113.9 198.51.100.1 7 25\r\n"]);
  assertEquals(await written({ version: 1, destination: "203.0.113.9:7" }, info), ["PROXY TCP4 192.0.2.7 203.0.113.9 40000 7\r\n"]);
  const ipv6 = { localAddress: "[2001:db8::7]:40000", remoteAddress: "[2001:db8::1]:25" };
  assertEquals(await written({ version: 1 }, ipv6), ["PROXY TCP6 2001:db8::7 2001:db8::1 40000 25\r\n"]);
});

for (
  const [what, info, given, hint] of [
    ["the socket does not know its address", { remoteAddress: "192.0.2.1:25" }, {}, "local: true"],
    ["the socket does not know its peer's", { localAddress: "192.0.2.7:40000" }, { source: "192.0.2.9:1" }, "local: true"],
    ["the socket speaks of a name", { localAddress: "192.0.2.7:40000", remoteAddress: "mx.example:25" }, {}, "local: true"],
    ["the server was reached by the other family", { remoteAddress: "[2001:db8::1]:25" }, { source: "192.0.2.9:1" }, "both source and destination"],
  ] as const
) {
  Deno.test(`proxyProtocol writes nothing and closes the socket when ${what}`, async () => {
    const server = new ScriptedServer("S: {silence}");
    const dial = () => Promise.resolve<Socket>({ ...server.socket(), opened: Promise.resolve(info) });
    const error = await rejection(proxyProtocol({ version: 2, ...given, dial })(options()));
    assert(error instanceof SmtpUnsupportedError && error.hint?.includes(hint), String(error));
    assertEquals([server.writes, server.isClosed], [[], true]);
  });
}

for (
  const [mode, script] of [
    ["none", ""],
    ["implicit", "C: {tls}"],
  ] as const
) {
  conversation(
    `connect writes the header before the greeting, and TLS comes behind it (${mode})`,
    `
    C: PROXY TCP4 192.0.2.1 198.51.100.2 40000 25
    ${script}
    ${HELLO}
    ${BYE}`,
    async (server) => {
      const dial = proxyProtocol({ version: 1, source: "192.0.2.1:40000", destination: "198.51.100.2:25", dial: server.dial });
      await using client = await connect({ hostname: "mx.example", tls: mode, name: "client.test", dial });
      assertEquals(client.isSecure, mode === "implicit");
    },
  );
}

Deno.test("proxyProtocol hands on where to and how, but for TLS, which it starts behind the header", async () => {
  const asked: DialOptions[] = [];
  const server = new ScriptedServer("C: PROXY UNKNOWN\nC: {tls}\nS: {silence}");
  const dialler = proxyProtocol({
    version: 1,
    local: true,
    dial: (options) => {
      asked.push(options);
      return server.dial();
    },
  });
  const given = options({ secureTransport: "on", tls: { caCerts: ["a"] } });
  const socket = await dialler(given);
  assertEquals(socket.secureTransport, "on");
  assertEquals(asked, [{ ...given, secureTransport: "starttls", tls: { caCerts: ["a"], serverName: "mx.example" } }]);
  await socket.close();
});

Deno.test("proxyProtocol goes over a unix socket too, with the addresses it is given", async () => {
  const paths: (string | undefined)[] = [];
  const server = new ScriptedServer("C: PROXY TCP4 192.0.2.1 198.51.100.2 40000 25\nS: {silence}");
  const dial = (options: DialOptions) => {
    paths.push(options.path);
    return server.dial();
  };
  const dialler = proxyProtocol({ version: 1, source: "192.0.2.1:40000", destination: "198.51.100.2:25", dial });
  const socket = await dialler(options({ path: "/run/smtp", secureTransport: "off" }));
  await socket.close();
  assertEquals(paths, ["/run/smtp"]);
  server.check();
});

Deno.test("proxyProtocol rejects with SmtpConnectionError when the header cannot be written", async () => {
  const cause = new Error("broken pipe");
  const socket: Socket = {
    readable: new ReadableStream(),
    writable: new WritableStream({
      write: () => {
        throw cause;
      },
    }),
    close: () => {},
  };
  const error = await rejection(proxyProtocol({ version: 1, local: true, dial: () => Promise.resolve(socket) })(options()));
  assert(error instanceof SmtpConnectionError && error.cause === cause, String(error));
  assertEquals(facts(error).kind, "connect");
});

Deno.test("proxyProtocol checks its options before any I/O", () => {
  const bad: readonly object[] = [
    {},
    { version: 3 },
    { version: "1" },
    { version: 1, source: "192.0.2.1" },
    { version: 1, source: "192.0.2.1:65536" },
    { version: 1, source: "192.0.2.1:025" },
    { version: 1, source: "192.0.2.01:25" },
    { version: 1, source: "192.0.2.256:25" },
    { version: 1, source: "2001:db8::1:25" },
    { version: 1, source: "[2001:db8::g]:25" },
    { version: 1, source: "[192.0.2.1]:25" },
    { version: 1, source: "mx.example:25" },
    { version: 1, source: "192.0.2.1:25\r\n" },
    { version: 1, destination: 25 },
    { version: 1, source: "192.0.2.1:25", destination: "[2001:db8::1]:25" },
    { version: 2, local: "yes" },
    { version: 2, local: true, source: "192.0.2.1:25" },
    { version: 2, dial: "dial" },
  ];
  for (const options of bad) {
    const error = assertThrows(() => Reflect.apply(proxyProtocol, undefined, [options]), TypeError);
    assert(error.message.startsWith("Cannot use "), error.message);
  }
});
