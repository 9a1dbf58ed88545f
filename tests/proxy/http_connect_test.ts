/** HTTP CONNECT line by line, against RFC 9110, RFC 9112 and RFC 7617. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { connect, SmtpAuthError, SmtpConnectionError, SmtpProtocolError, SmtpUnsupportedError, type Socket } from "@posthorn/smtp";
import { httpConnect, type HttpConnectOptions } from "@posthorn/smtp/proxy";
import { BYE, facts, HELLO, rejection } from "../support/client.ts";
import { hex } from "../support/octets.ts";
import { conversation, ScriptedServer } from "../support/script.ts";

const PROXY = { hostname: "proxy.test", port: 3128 };

const REQUEST = `
  C: CONNECT mx.example:587 HTTP/1.1
  C: Host: mx.example:587
  C:
`;

function dialled(server: ScriptedServer, more: Partial<HttpConnectOptions> = {}, hostname = "mx.example"): Promise<Socket> {
  const signal = new AbortController().signal;
  return httpConnect({ ...PROXY, dial: server.dial, ...more })({ hostname, port: 587, secureTransport: "starttls", tls: {}, signal });
}

for (
  const [what, head] of [
    ["a head with fields", "S: HTTP/1.1 200 Connection established\nS: Proxy-Agent: test/1.0\nS:"],
    ["a head without", "S: HTTP/1.1 200 OK\nS:"],
    ["HTTP/1.0", "S: HTTP/1.0 200 Connection established\nS:"],
    ["no reason", "S: HTTP/1.1 200 \nS:"],
    ["no reason and no space", "S: HTTP/1.1 200\nS:"],
    ["another 2xx", "S: HTTP/1.1 204 No Content\nS:"],
    ["a length, which means nothing here", "S: HTTP/1.1 200 OK\nS: Content-Length: 4711\nS: Transfer-Encoding: chunked\nS:"],
    ["an interim answer before", "S: HTTP/1.1 100 Continue\nS: A: b\nS:\nS: HTTP/1.1 200 OK\nS:"],
  ]
) {
  conversation(
    `httpConnect opens a tunnel on ${what}, and the greeting comes behind it`,
    `
    ${REQUEST}
    ${head}
    ${HELLO}
    ${BYE}`,
    async (server) => {
      await using client = await connect({
        hostname: "mx.example",
        tls: "none",
        name: "client.test",
        dial: httpConnect({ ...PROXY, dial: server.dial }),
      });
      assertEquals(client.extensions.has("PIPELINING"), true);
    },
  );
}

Deno.test("httpConnect takes lines that end in a bare LF (RFC 9112 section 2.2)", async () => {
  for (const size of [1, 5, 1000]) {
    const head = (reply: Uint8Array) => {
      const text = new TextDecoder().decode(reply).replaceAll("\r", "").replace("220 mx\n", "220 mx\r\n");
      const octets = new TextEncoder().encode(text);
      return Array.from({ length: Math.ceil(octets.length / size) }, (_, index) => octets.slice(index * size, (index + 1) * size));
    };
    const server = new ScriptedServer(`${REQUEST}\nS: HTTP/1.1 200 OK\nS: A: b\nS:\nS: 220 mx\nS: {silence}`, head);
    const socket = await dialled(server);
    const reader = socket.readable.getReader();
    let text = "";
    while (!text.endsWith("\r\n")) text += new TextDecoder().decode((await reader.read()).value);
    assertEquals(text, "220 mx\r\n");
    await socket.close();
  }
});

for (
  const [what, more, hostname, lines] of [
    ["an IPv4 address", {}, "192.0.2.1", ["CONNECT 192.0.2.1:587 HTTP/1.1", "Host: 192.0.2.1:587"]],
    ["an IPv6 address", {}, "2001:db8::1", ["CONNECT [2001:db8::1]:587 HTTP/1.1", "Host: [2001:db8::1]:587"]],
    ["a name in other letters", {}, "bücher.example", ["CONNECT xn--bcher-kva.example:587 HTTP/1.1", "Host: xn--bcher-kva.example:587"]],
    ["name and password", { username: "alice", password: "pä:ss" }, "a", [
      "CONNECT a:587 HTTP/1.1",
      "Host: a:587",
      "Proxy-Authorization: Basic YWxpY2U6cMOkOnNz",
    ]],
    ["an empty password", { username: "key", password: "" }, "a", [
      "CONNECT a:587 HTTP/1.1",
      "Host: a:587",
      "Proxy-Authorization: Basic a2V5Og==",
    ]],
    ["fields of the caller's own", { headers: { "Proxy-Authorization": "Bearer abc.def", "User-Agent": "a b" } }, "a", [
      "CONNECT a:587 HTTP/1.1",
      "Host: a:587",
      "Proxy-Authorization: Bearer abc.def",
      "User-Agent: a b",
    ]],
  ] as const
) {
  conversation(
    `httpConnect asks with ${what}`,
    `
    ${lines.map((line) => `C: ${line}`).join("\n")}
    C:
    S: HTTP/1.1 200 OK
    S:`,
    async (server) => {
      const socket = await dialled(server, more, hostname);
      assertEquals(socket.secureTransport, "starttls");
      await socket.close();
    },
  );
}

for (
  const [status, transient] of [
    ["400 Bad Request", false],
    ["403 Forbidden", false],
    ["404 Not Found", false],
    ["405 Method Not Allowed", false],
    ["408 Request Timeout", true],
    ["429 Too Many Requests", true],
    ["500 Internal Server Error", true],
    ["501 Not Implemented", false],
    ["502 Bad Gateway", true],
    ["503 Service Unavailable", true],
    ["504 Gateway Timeout", true],
    ["101 Switching Protocols", false],
    ["301 Moved Permanently", false],
  ] as const
) {
  conversation(
    `httpConnect rejects with the proxy's words on ${status}`,
    `
    ${REQUEST}
    S: HTTP/1.1 ${status}
    S: Content-Length: 1000000
    S:
    S: <html>`,
    async (server) => {
      const error = await rejection(dialled(server));
      assertEquals(facts(error), { name: "SmtpConnectionError", kind: "connect", phase: "connect", delivery: "not-sent", transient });
      for (const part of [status, "mx.example:587", "the proxy proxy.test:3128"]) assert(String(error).includes(part), String(error));
    },
  );
}

conversation(
  "httpConnect rejects with SmtpAuthError on 407, and tells what the proxy asks for",
  `
  C: CONNECT mx.example:587 HTTP/1.1
  C: Host: mx.example:587
  C: Proxy-Authorization: Basic YWxpY2U6czNjcmV0
  C:
  S: HTTP/1.1 407 Proxy Authentication Required
  S: Proxy-Authenticate: Negotiate
  S: proxy-authenticate: Basic realm="a"
  S:`,
  async (server) => {
    const error = await rejection(dialled(server, { username: "alice", password: "s3cret" }));
    assert(error instanceof SmtpAuthError, String(error));
    assertEquals([error.phase, error.transient], ["connect", false]);
    assert(error.message.includes("407 Proxy Authentication Required; it asks for Negotiate, Basic"), error.message);
    assert(!/s3cret|YWxpY2U6/.test(error.message), error.message);
  },
);

for (
  const [what, answer, words] of [
    ["is the mail server", "S: 220 mx.example ESMTP", "the mail server itself"],
    ["speaks SOCKS5", `S: {octets} 05 ff 00 00 00`, "use socks5"],
    ["speaks TLS", `S: {octets} 15 03 03 00 02 02 46`, "set secure"],
    ["speaks SSH", "S: SSH-2.0-OpenSSH", "it is not HTTP"],
    ["speaks HTTP/2", "S: HTTP/2 200", "no status line"],
    ["has a status of four digits", "S: HTTP/1.1 2000 OK", "no status line"],
    ["has a status of two digits", "S: HTTP/1.1 20 OK", "no status line"],
    ["has no status", "S: HTTP/1.1", "no status line"],
    ["has a status beyond 5xx", "S: HTTP/1.1 600 What", "no status line"],
    ["has two spaces before its status", "S: HTTP/1.1  200 OK", "no status line"],
  ] as const
) {
  conversation(`httpConnect rejects with SmtpProtocolError when the proxy ${what}`, `${REQUEST}\n${answer}\nS: {silence}`, async (server) => {
    const error = await rejection(dialled(server));
    assert(error instanceof SmtpProtocolError && error.message.includes(words), String(error));
    assertEquals([error.phase, error.transient], ["connect", false]);
  });
}

Deno.test("httpConnect takes a head of 16 KiB and none that is longer, however it comes", async () => {
  const first = "HTTP/1.1 200 OK";
  const fill = (length: number) => `S: ${first}\n${`S: A: ${"x".repeat(1000)}\n`.repeat(16)}S: A: ${"x".repeat(length)}\nS:`;
  // The five octets of "HTTP/" are not counted.
  const used = first.length - 5 + 2 + 16 * 1005 + 5 + 2;
  for (const [length, isGood] of [[16_384 - used, true], [16_384 - used + 1, false]] as const) {
    for (const delivery of ["whole", "byte"] as const) {
      const server = new ScriptedServer(`${REQUEST}\n${fill(length)}\nS: {silence}`, delivery);
      const outcome = await dialled(server).then((socket) => socket.close(), (error: unknown) => error);
      if (isGood) assertEquals(outcome, undefined);
      else assert(outcome instanceof SmtpProtocolError && outcome.message.includes("no end"), String(outcome));
      assertEquals(server.isClosed, true);
    }
  }
});

Deno.test("httpConnect gives up on interim answers without an end, and on a line without one", async () => {
  const endless = [`${"S: HTTP/1.1 100 Continue\nS:\n".repeat(2000)}`, `S: {part} HTTP/1.1 200 ${"x".repeat(20_000)}\n`];
  for (const answer of endless) {
    const server = new ScriptedServer(`${REQUEST}\n${answer}S: {silence}`, "line");
    const error = await rejection(dialled(server));
    assert(error instanceof SmtpProtocolError && error.message.includes("no end"), String(error));
    assertEquals(server.isClosed, true);
  }
});

Deno.test("httpConnect makes the proxy's words fit for a log, and cuts them", async () => {
  const server = new ScriptedServer(`${REQUEST}\nS: {part} HTTP/1.1 403 ${hex("1b 5d 30 3b 07")}${"x".repeat(500)}\nS:\nS:`);
  const error = await rejection(dialled(server));
  assert(error instanceof SmtpConnectionError);
  assert(error.message.includes("403 \\x1b]0;\\x07xxx") && error.message.length < 400, error.message);
});

Deno.test("httpConnect rejects with SmtpConnectionError wherever the proxy hangs up, and closes the socket", async () => {
  const head = "HTTP/1.1 200 OK\r\nA: b\r\n\r";
  for (let length = 0; length <= head.length; length++) {
    for (const end of ["close", "reset"]) {
      const script = `${REQUEST}\nS: HTTP/1.1 200 OK\nS: A: b\nS:\nS: {${end}}`;
      const server = new ScriptedServer(script, (reply) => length === 0 ? [] : [reply.slice(0, length)]);
      const { name, kind, transient } = facts(await rejection(dialled(server)));
      assertEquals([name, kind, transient], ["SmtpConnectionError", "connect", true]);
      server.check();
    }
  }
});

Deno.test("httpConnect understands an answer wherever it is cut in two", async () => {
  const script = `${REQUEST}\nS: HTTP/1.1 100 Continue\nS:\nS: HTTP/1.1 200 OK\nS: A: b\nS:\nS: 220 mx.example ESMTP\nS: {silence}`;
  for (let at = 1; at < 80; at++) {
    const server = new ScriptedServer(script, (reply) => at < reply.length ? [reply.slice(0, at), reply.slice(at)] : [reply]);
    const socket = await dialled(server);
    const reader = socket.readable.getReader();
    let text = "";
    while (!text.endsWith("\r\n")) text += new TextDecoder().decode((await reader.read()).value);
    assertEquals(text, "220 mx.example ESMTP\r\n");
    await socket.close();
  }
});

Deno.test("httpConnect refuses what it cannot reach before anything is dialled", async () => {
  const dial = httpConnect({ ...PROXY, dial: () => Promise.reject(new Error("it was dialled")) });
  const reach = (target: { hostname: string; path?: string }) => {
    return rejection(dial({ port: 25, secureTransport: "off", tls: {}, signal: new AbortController().signal, ...target }));
  };
  assert(await reach({ hostname: "localhost", path: "/run/smtp" }) instanceof SmtpUnsupportedError);
  assert(await reach({ hostname: "a".repeat(256) }) instanceof RangeError);
  for (const hostname of ["", "a b", "a HTTP/1.1\r\nX: y", "[::1]", "a:25", "a/b", "a@b", "a?b", "ü#b"]) {
    const error = await reach({ hostname });
    assert(error instanceof TypeError && error.message.startsWith("Cannot use hostname to reach a server"), String(error));
  }
});

Deno.test("httpConnect checks its options before any I/O, and shows no secret", () => {
  const secret = "s3cret";
  const type: readonly object[] = [
    { hostname: "" },
    { port: "3128" },
    { port: undefined },
    { username: "alice" },
    { password: secret },
    { username: "alice", password: `${secret}\r\n` },
    { username: `al:${secret}`, password: secret },
    { username: "alice", password: secret, headers: { "proxy-authorization": secret } },
    { headers: { "A B": secret } },
    { headers: { "": secret } },
    { headers: { Host: secret } },
    { headers: { "content-length": secret } },
    { headers: { "Transfer-Encoding": secret } },
    { headers: { A: `${secret}\r\nB: c` } },
    { headers: { A: ` ${secret}` } },
    { headers: { A: `ü${secret}` } },
    { headers: { A: 1 } },
    { headers: null },
    { secure: "yes" },
    { tlsOptions: null },
    { tlsOptions: { serverName: "" } },
    { tlsOptions: { caCerts: secret } },
    { dial: null },
  ];
  for (const options of type) {
    const error = assertThrows(() => httpConnect({ ...PROXY, ...options }), TypeError);
    assert(!error.message.includes(secret), error.message);
  }
  for (const options of [{ port: 0 }, { username: "alice", password: secret.repeat(3000) }]) {
    const error = assertThrows(() => httpConnect({ ...PROXY, ...options }), RangeError);
    assert(!error.message.includes(secret), error.message);
  }
});
