/** SOCKS5 octet by octet, against RFC 1928 and RFC 1929. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { connect, SmtpAuthError, SmtpConnectionError, SmtpProtocolError, SmtpUnsupportedError, type Socket } from "@posthorn/smtp";
import { socks5, type Socks5Options } from "@posthorn/smtp/proxy";
import { BYE, facts, HELLO, rejection } from "../support/client.ts";
import { toHex } from "../support/octets.ts";
import { conversation, ScriptedServer } from "../support/script.ts";

const PROXY = { hostname: "proxy.test", port: 1080 };
const NAME_AND_PASSWORD = { username: "ab", password: "cde" };
/** `mx.example` and port 587. */
const TARGET = "03 0a 6d 78 2e 65 78 61 6d 70 6c 65 02 4b";

const GREETING = `C: {octets} 05 01 00\nS: {octets} 05 00`;
const REQUEST = `C: {octets} 05 01 00 ${TARGET}`;
const LOGIN = `C: {octets} 05 02 00 02\nS: {octets} 05 02\nC: {octets} 01 02 61 62 03 63 64 65`;

function dialled(server: ScriptedServer, more: Partial<Socks5Options> = {}, hostname = "mx.example"): Promise<Socket> {
  const signal = new AbortController().signal;
  return socks5({ ...PROXY, dial: server.dial, ...more })({ hostname, port: 587, secureTransport: "starttls", tls: {}, signal });
}

for (
  const [kind, bound] of [
    ["an IPv4 address", "01 c0 00 02 01 9c 40"],
    ["an IPv6 address", "04 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01 9c 40"],
    ["a name", "03 04 68 6f 73 74 9c 40"],
    ["an empty name", "03 00 00 00"],
  ]
) {
  conversation(
    `socks5 asks for the name, and takes ${kind} for the address of the proxy's side`,
    `
    ${GREETING}
    ${REQUEST}
    S: {octets} 05 00 00 ${bound}
    ${HELLO}
    ${BYE}`,
    async (server) => {
      await using client = await connect({
        hostname: "mx.example",
        tls: "none",
        name: "client.test",
        dial: socks5({ ...PROXY, dial: server.dial }),
      });
      assertEquals(client.extensions.has("PIPELINING"), true);
    },
  );
}

for (const chosen of ["05 02", "05 00"]) {
  conversation(
    `socks5 offers to log in, and does so if the proxy chooses it (${chosen})`,
    `
    ${chosen === "05 02" ? `${LOGIN}\nS: {octets} 01 00` : `C: {octets} 05 02 00 02\nS: {octets} 05 00`}
    ${REQUEST}
    S: {octets} 05 00 00 01 00 00 00 00 00 00`,
    async (server) => {
      const socket = await dialled(server, NAME_AND_PASSWORD);
      await socket.close();
    },
  );
}

for (
  const [hostname, address] of [
    ["192.0.2.1", "01 c0 00 02 01"],
    ["2001:db8::1", "04 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01"],
    ["::ffff:192.0.2.1", "04 00 00 00 00 00 00 00 00 00 00 ff ff c0 00 02 01"],
    ["bücher.example", "03 15 78 6e 2d 2d 62 63 68 65 72 2d 6b 76 61 2e 65 78 61 6d 70 6c 65"],
    ["a".repeat(255), `03 ff ${"61 ".repeat(255)}`],
  ] as const
) {
  conversation(
    `socks5 asks for ${hostname.slice(0, 20)} in the form of RFC 1928 section 5`,
    `
    ${GREETING}
    C: {octets} 05 01 00 ${address} 02 4b
    S: {octets} 05 00 00 01 00 00 00 00 00 00`,
    async (server) => {
      const socket = await dialled(server, {}, hostname);
      assertEquals(socket.secureTransport, "starttls");
      await socket.close();
    },
  );
}

conversation(
  "socks5 asks for the address that resolve gives, and never resolves an address",
  `
  ${GREETING}
  C: {octets} 05 01 00 01 c0 00 02 07 02 4b
  S: {octets} 05 00 00 01 00 00 00 00 00 00`,
  async (server) => {
    const socket = await dialled(server, { resolve: (name) => name === "mx.example" ? "192.0.2.7" : "" });
    await socket.close();
    const other = new ScriptedServer(`${GREETING}\nC: {octets} 05 01 00 01 c0 00 02 01 02 4b\nS: {octets} 05 01`);
    const resolve = () => {
      throw new Error("an address needs no resolving");
    };
    assertEquals(facts(await rejection(dialled(other, { resolve }, "192.0.2.1"))).kind, "connect");
  },
);

const REPLIES: readonly (readonly [reply: string, words: string, transient: boolean])[] = [
  ["01", "general failure", true],
  ["02", "not allowed by its rules", false],
  ["03", "network unreachable", true],
  ["04", "host unreachable", true],
  ["05", "connection refused", true],
  ["06", "TTL expired", true],
  ["07", "command not supported", false],
  ["08", "address type not supported", false],
  ["09", "SOCKS reply 9", false],
  ["ff", "SOCKS reply 255", false],
];

for (const [reply, words, transient] of REPLIES) {
  conversation(
    `socks5 says in words that the proxy replied ${reply}`,
    `
    ${GREETING}
    ${REQUEST}
    S: {octets} 05 ${reply} 00 01 00 00 00 00 00 00`,
    async (server) => {
      const error = await rejection(dialled(server));
      assertEquals(facts(error), { name: "SmtpConnectionError", kind: "connect", phase: "connect", delivery: "not-sent", transient });
      const message = String(error);
      for (const part of [words, "mx.example:587", "the proxy proxy.test:1080"]) assert(message.includes(part), message);
    },
  );
}

conversation(
  "socks5 understands a refusal of two octets, behind which the proxy hangs up",
  `
  ${GREETING}
  ${REQUEST}
  S: {octets} 05 05
  S: {close}`,
  async (server) => {
    const error = await rejection(dialled(server));
    assert(error instanceof SmtpConnectionError && error.message.includes("connection refused"), String(error));
  },
);

for (
  const [what, script, more] of [
    ["has no way to log in for us", `C: {octets} 05 01 00\nS: {octets} 05 ff`, {}],
    ["has no way to log in that we know", `C: {octets} 05 02 00 02\nS: {octets} 05 ff`, NAME_AND_PASSWORD],
    ["refuses the password", `${LOGIN}\nS: {octets} 01 01`, NAME_AND_PASSWORD],
    ["refuses the password by another status", `${LOGIN}\nS: {octets} 01 ff`, NAME_AND_PASSWORD],
  ] as const
) {
  conversation(`socks5 rejects with SmtpAuthError when the proxy ${what}`, script, async (server) => {
    const error = await rejection(dialled(server, more));
    assert(error instanceof SmtpAuthError, String(error));
    assertEquals([error.phase, error.transient, error.hint === undefined], ["connect", false, false]);
    assert(error.message.includes("the proxy proxy.test:1080") && !error.message.includes("cde"), error.message);
  });
}

for (
  const [what, script, more, words] of [
    ["speaks SOCKS4", `C: {octets} 05 01 00\nS: {octets} 00 5b 00 00 00 00 00 00`, {}, "SOCKS4"],
    ["speaks HTTP", `C: {octets} 05 01 00\nS: HTTP/1.1 400 Bad Request`, {}, "use httpConnect"],
    ["is the mail server", `C: {octets} 05 01 00\nS: 220 mx.example ESMTP`, {}, "the mail server itself"],
    ["speaks TLS", `C: {octets} 05 01 00\nS: {octets} 15 03 03 00 02 02 46`, {}, "TLS"],
    ["chooses a way that was not offered", `C: {octets} 05 01 00\nS: {octets} 05 02`, {}, "not offered"],
    ["chooses GSSAPI", `C: {octets} 05 02 00 02\nS: {octets} 05 01`, NAME_AND_PASSWORD, "not offered"],
    ["answers the login in another version", `${LOGIN}\nS: {octets} 05 00`, NAME_AND_PASSWORD, "version 5"],
    ["replies in another version", `${GREETING}\n${REQUEST}\nS: {octets} 04 00 00 01`, {}, "not SOCKS5"],
    ["has an address of no kind", `${GREETING}\n${REQUEST}\nS: {octets} 05 00 00 02 00 00 00 00`, {}, "no kind of address 2"],
  ] as const
) {
  conversation(`socks5 rejects with SmtpProtocolError when the proxy ${what}`, script, async (server) => {
    const error = await rejection(dialled(server, more));
    assert(error instanceof SmtpProtocolError && error.message.includes(words), String(error));
    assertEquals([error.phase, error.transient], ["connect", false]);
  });
}

Deno.test("socks5 rejects a proxy that answers before it is asked, and sends it no password", async () => {
  for (const early of ["05 02 01 00", "05 02 01 00 05 00 00 01 00 00 00 00 00 00"]) {
    const server = new ScriptedServer(`C: {octets} 05 02 00 02\nS: {octets} ${early}\nS: {silence}`);
    const error = await rejection(dialled(server, NAME_AND_PASSWORD));
    assert(error instanceof SmtpProtocolError && error.message.includes("before it was asked"), String(error));
    assertEquals([toHex(server.received), server.isClosed], ["05 02 00 02", true]);
  }
});

Deno.test("socks5 rejects with SmtpConnectionError wherever the proxy hangs up, and closes the socket", async () => {
  const answers = ["05 02", "01 00", "05 00 00 03 04 68 6f 73 74 9c 40"];
  const asked = ["05 02 00 02", "01 02 61 62 03 63 64 65", `05 01 00 ${TARGET}`];
  for (const [step, answer] of answers.entries()) {
    const octets = answer.split(" ");
    for (let length = 0; length < octets.length; length++) {
      for (const end of ["close", "reset"]) {
        const before = answers.slice(0, step).map((answer, index) => `C: {octets} ${asked[index]}\nS: {octets} ${answer}`);
        const script = [...before, `C: {octets} ${asked[step]}`, `S: {octets} ${octets.slice(0, length).join(" ")}`, `S: {${end}}`].join("\n");
        const server = new ScriptedServer(script);
        assertEquals(facts(await rejection(dialled(server, NAME_AND_PASSWORD))), {
          name: "SmtpConnectionError",
          kind: "connect",
          phase: "connect",
          delivery: "not-sent",
          transient: true,
        });
        server.check();
      }
    }
  }
});

Deno.test("socks5 understands its answers wherever they are cut in two, the greeting behind them included", async () => {
  const answer = "05 00 00 03 04 68 6f 73 74 9c 40";
  for (let at = 1; at < 11 + 20; at++) {
    const script = `${GREETING}\n${REQUEST}\nS: {octets} ${answer}\nS: 220 mx.example ESMTP\nS: {silence}`;
    const server = new ScriptedServer(script, (reply) => at < reply.length ? [reply.slice(0, at), reply.slice(at)] : [reply]);
    const socket = await dialled(server);
    const reader = socket.readable.getReader();
    let text = "";
    while (!text.endsWith("\r\n")) text += new TextDecoder().decode((await reader.read()).value);
    assertEquals(text, "220 mx.example ESMTP\r\n");
    await socket.close();
  }
});

Deno.test("socks5 refuses what it cannot reach before anything is dialled", async () => {
  const options = { ...PROXY, dial: () => Promise.reject(new Error("it was dialled")) };
  const reach = (target: { hostname: string; path?: string }, more: Partial<Socks5Options> = {}) => {
    const signal = new AbortController().signal;
    return rejection(socks5({ ...options, ...more })({ port: 25, secureTransport: "off", tls: {}, signal, ...target }));
  };
  assert(await reach({ hostname: "localhost", path: "/run/smtp" }) instanceof SmtpUnsupportedError);
  assert(await reach({ hostname: "a".repeat(256) }) instanceof RangeError);
  for (const hostname of ["", "a b", "a\r\nb", "[::1]", "a:25", "ü/x", "ü:25", "a\0", "1::2::3"]) {
    const error = await reach({ hostname });
    assert(error instanceof TypeError && error.message.startsWith("Cannot use hostname to reach a server"), String(error));
  }
  assert(await reach({ hostname: "mx.example" }, { resolve: () => "not an address" }) instanceof TypeError);
  const cause = new Error("no such name");
  const error = await reach({ hostname: "mx.example" }, { resolve: () => Promise.reject(cause) });
  assert(error instanceof SmtpConnectionError && error.cause === cause && error.kind === "connect");
});

Deno.test("connect tells the caller of a name too long for SOCKS5 as a RangeError", async () => {
  const error = await rejection(connect({ hostname: "a".repeat(256), dial: socks5(PROXY) }));
  assert(error instanceof RangeError && error.message.includes("at most 255 octets"), String(error));
});

Deno.test("socks5 checks its options before any I/O, and shows no secret", () => {
  const secret = "s3cret";
  const type: readonly object[] = [
    { hostname: "" },
    { hostname: "a b" },
    { username: "alice" },
    { password: secret },
    { username: "alice", password: `${secret}\n` },
    { username: "a\0b", password: secret },
    { port: "1080" },
    { resolve: "proxy" },
    { dial: null },
  ];
  for (const options of type) {
    const error = assertThrows(() => socks5({ ...PROXY, ...options }), TypeError);
    assert(!error.message.includes(secret), error.message);
  }
  const range: readonly Partial<Socks5Options>[] = [
    { port: 0 },
    { port: 65_536 },
    { port: 1.5 },
    { username: "", password: secret },
    { username: "alice", password: "" },
    { username: "ü".repeat(128), password: secret },
    { username: "alice", password: secret.repeat(50) },
  ];
  for (const options of range) {
    const error = assertThrows(() => socks5({ ...PROXY, ...options }), RangeError);
    assert(!error.message.includes(secret), error.message);
  }
  assertEquals(typeof socks5({ ...PROXY, username: "ü".repeat(127), password: "p".repeat(255) }), "function");
});
