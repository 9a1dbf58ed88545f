/** The socket that leads through a proxy: what it keeps, when TLS may begin on it, and how it ends. */
import { assert, assertEquals } from "@std/assert";
import {
  connect,
  type Dialer,
  type DialOptions,
  SmtpConnectionError,
  SmtpError,
  SmtpProtocolError,
  SmtpUnsupportedError,
  type Socket,
} from "@posthorn/smtp";
import { httpConnect, proxyProtocol, socks5 } from "@posthorn/smtp/proxy";
import { BYE, facts, rejection } from "../support/client.ts";
import { FakeClock, settled } from "../support/fake_clock.ts";
import { conversation, ScriptedServer } from "../support/script.ts";

const AUTH = { username: "alice", password: "s3cret" };
const SOCKS = { hostname: "proxy.test", username: "ab", password: "cde" };
const HTTP = { hostname: "proxy.test", port: 3128 };

/** Each proxy: its dialer, the conversation up to its last answer, and that answer. */
const PROXIES: readonly (readonly [name: string, make: (dial: Dialer) => Dialer, before: string, answer: string])[] = [
  [
    "SOCKS5",
    (dial) => socks5({ ...SOCKS, dial }),
    `C: {octets} 05 02 00 02
     S: {octets} 05 02
     C: {octets} 01 02 61 62 03 63 64 65
     S: {octets} 01 00
     C: {octets} 05 01 00 03 0a 6d 78 2e 65 78 61 6d 70 6c 65 02 4b`,
    "S: {octets} 05 00 00 01 c0 00 02 01 9c 40",
  ],
  [
    "HTTP CONNECT",
    (dial) => httpConnect({ ...HTTP, dial }),
    "C: CONNECT mx.example:587 HTTP/1.1\nC: Host: mx.example:587\nC:",
    "S: HTTP/1.1 200 OK\nS: A: b\nS:",
  ],
];

function options(more: Partial<DialOptions> = {}): DialOptions {
  return { hostname: "mx.example", port: 587, secureTransport: "starttls", tls: {}, signal: new AbortController().signal, ...more };
}

/** A dialer to `server` whose sockets fail to start TLS while something reads or holds them, as Deno's do. */
function strict(server: ScriptedServer, names: string[] = []): Dialer {
  const guard = (socket: Socket): Socket => ({
    ...socket,
    startTls: async (options) => {
      if (server.isAsked || socket.readable.locked || socket.writable.locked) throw new Error("Bad resource ID");
      names.push(options.serverName);
      return await socket.startTls!(options);
    },
  });
  return () => Promise.resolve(guard(server.socket()));
}

/** Where a proxy may fall silent: before each part of its answers, and inside it. */
function* stalls(script: string): Generator<string> {
  const lines = script.split("\n").map((line) => line.trim());
  for (const [index, line] of lines.entries()) {
    if (!line.startsWith("S:")) continue;
    const before = lines.slice(0, index).join("\n");
    yield `${before}\nS: {silence}`;
    const part = line.includes("{octets}") ? line.slice(0, -3) : line.replace("S:", "S: {part}");
    if (line !== "S:") yield `${before}\n${part}\nS: {silence}`;
  }
}

for (const [name, make, before, answer] of PROXIES) {
  conversation(
    `connect starts TLS behind STARTTLS through ${name} with nothing pending, for the name of the server`,
    `
    ${before}
    ${answer}
    S: 220 mx.example
    C: EHLO client.test
    S: 250-mx.example
    S: 250 STARTTLS
    C: STARTTLS
    S: 220 go
    C: {tls}
    C: EHLO client.test
    S: 250-mx.example
    S: 250 AUTH PLAIN
    C: AUTH PLAIN AGFsaWNlAHMzY3JldA==
    S: 235 welcome
    ${BYE}`,
    async (server) => {
      const names: string[] = [];
      await using client = await connect({ hostname: "mx.example", name: "client.test", auth: AUTH, dial: make(strict(server, names)) });
      assertEquals([client.isSecure, names], [true, ["mx.example"]]);
    },
  );

  conversation(
    `connect starts implicit TLS through ${name} with nothing pending, for the name it was told to expect`,
    `
    ${before}
    ${answer}
    C: {tls}
    S: 220 mx.example
    C: EHLO client.test
    S: 250 mx.example
    ${BYE}`,
    async (server) => {
      const names: string[] = [];
      const tlsOptions = { serverName: "other.example" };
      const dial = make(strict(server, names));
      await using client = await connect({ hostname: "mx.example", port: 587, tls: "implicit", name: "client.test", tlsOptions, dial });
      assertEquals([client.isSecure, names], [true, ["other.example"]]);
    },
  );

  Deno.test(`connect never takes octets in the clear for those of TLS inside ${name}`, async () => {
    for (const injected of ["S: 220 mx.example ESMTP", "S: {part} 2", "S: {octets} 16 03 03"]) {
      const server = new ScriptedServer(`${before}\n${answer}\n${injected}\nS: {silence}`);
      const dial = make(strict(server));
      const error = await rejection(connect({ hostname: "mx.example", port: 587, tls: "implicit", auth: AUTH, dial }));
      assert(error instanceof SmtpProtocolError && error.message.includes("in the clear"), String(error));
      assertEquals([server.isClosed, server.received.includes("EHLO")], [true, false]);
    }
  });

  conversation(
    `connect ends the connection when plaintext stands behind the 220 of STARTTLS inside ${name}`,
    `
    ${before}
    ${answer}
    S: 220 mx.example
    C: EHLO client.test
    S: 250-mx.example
    S: 250 STARTTLS
    C: STARTTLS
    S: 220 go
    S: {part} 250-AUTH
    S: {silence}`,
    async (server) => {
      // By line and by octet the rest comes later, and the handshake of a real socket meets it.
      const failing: Dialer = async (options) => ({
        ...await strict(server)(options),
        startTls: () => Promise.reject(new Error("no TLS record")),
      });
      const error = await rejection(connect({ hostname: "mx.example", name: "client.test", auth: AUTH, dial: make(failing) }));
      assert(error instanceof SmtpError && ["protocol", "tls"].includes(error.kind), String(error));
      assertEquals([server.isClosed, server.received.includes("AUTH")], [true, false]);
    },
  );

  Deno.test(`the dialer of ${name} asks for a socket in the clear, and tells of the TLS to come`, async () => {
    const asked: DialOptions[] = [];
    const { signal } = new AbortController();
    const run = async (more: Partial<DialOptions>) => {
      const server = new ScriptedServer(`${before}\n${answer}\n${more.secureTransport === "on" ? "C: {tls}" : ""}\nS: {silence}`);
      const dial = make((options) => {
        asked.push(options);
        return server.dial();
      });
      await (await dial(options({ signal, ...more }))).close();
    };
    await run({ secureTransport: "off" });
    await run({ tls: { caCerts: ["a"] } });
    await run({ secureTransport: "on", tls: { caCerts: ["a"] } });
    const proxy = { hostname: "proxy.test", port: name === "SOCKS5" ? 1080 : 3128, signal };
    assertEquals(asked, [
      { ...proxy, secureTransport: "off", tls: {} },
      { ...proxy, secureTransport: "starttls", tls: { caCerts: ["a"] } },
      { ...proxy, secureTransport: "starttls", tls: { caCerts: ["a"], serverName: "mx.example" } },
    ]);
  });

  Deno.test(`the dialer of ${name} refuses TLS by name on a socket that cannot start it, and tells the proxy nothing`, async () => {
    for (const secureTransport of ["on", "off"] as const) {
      const server = new ScriptedServer(`${before}\n${answer}\nS: {silence}`);
      const { startTls: _, ...plain } = server.socket();
      const dial = make(() => Promise.resolve({ ...plain, secureTransport }));
      const error = await rejection(dial(options({ secureTransport: "on" })));
      assert(error instanceof SmtpUnsupportedError && error.hint?.includes("dialNode"), String(error));
      assertEquals([server.received, server.isClosed], ["", true]);
    }
  });

  Deno.test(`the dialer of ${name} hands on what its own dialer rejects with`, async () => {
    const cause = new SmtpConnectionError("connect", "nobody is there", { phase: "connect" });
    assertEquals(await rejection(make(() => Promise.reject(cause))(options())), cause);
  });

  Deno.test(`the socket through ${name} ends with its stream, where octets were held back too`, async () => {
    for (const early of ["", "S: 220 mx.example"]) {
      let cancelled: unknown;
      const server = new ScriptedServer(`${before}\n${answer}\n${early}\nS: {silence}`);
      const socket = await make(() => {
        const socket = server.socket();
        const reader = socket.readable.getReader();
        const readable = new ReadableStream<Uint8Array>({
          async pull(controller): Promise<void> {
            const { done, value } = await reader.read();
            if (done) controller.close();
            else controller.enqueue(value);
          },
          cancel: (reason) => void (cancelled = reason),
        }, { highWaterMark: 0 });
        return Promise.resolve({ ...socket, readable });
      })(options());
      await socket.readable.cancel("enough");
      assertEquals(cancelled, "enough");
      await socket.close();
      assertEquals(server.isClosed, true);
    }
  });

  Deno.test(`the socket through ${name} tells when the server hangs up, right behind its greeting too`, async () => {
    for (const early of ["", "S: 220 mx.example"]) {
      const server = new ScriptedServer(`${before}\n${answer}\n${early}\nS: {close}`);
      const socket = await make(server.dial)(options());
      const reader = socket.readable.getReader();
      const chunks: string[] = [];
      for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) chunks.push(new TextDecoder().decode(chunk.value));
      assertEquals(chunks, early === "" ? [] : ["220 mx.example\r\n"]);
      await socket.close();
    }
  });

  for (const [index, script] of [...stalls(`${before}\n${answer}`)].entries()) {
    Deno.test(`connect ends at its deadline when ${name} falls silent (${index})`, async () => {
      const server = new ScriptedServer(script);
      const clock = new FakeClock();
      let error: unknown;
      const ended = rejection(connect({ hostname: "mx.example", clock, dial: make(server.dial), timeouts: { connect: 5000 } })).then((reason) => {
        error = reason;
      });
      await settled();
      await clock.advance(4999);
      assertEquals(error, undefined, "not before its time");
      await clock.advance(1);
      await ended;
      assertEquals(facts(error), { name: "SmtpConnectionError", kind: "timeout", phase: "connect", delivery: "not-sent", transient: true });
      await settled();
      assertEquals([server.isClosed, clock.pending], [true, 0]);
    });

    Deno.test(`connect ends at once when it is aborted while ${name} is silent (${index})`, async () => {
      const server = new ScriptedServer(script);
      const controller = new AbortController();
      const ended = rejection(connect({ hostname: "mx.example", signal: controller.signal, dial: make(server.dial) }));
      await settled();
      const reason = new Error("enough");
      controller.abort(reason);
      const error = await ended;
      assertEquals([facts(error).kind, Reflect.get(Object(error), "cause")], ["aborted", reason]);
      await settled();
      assertEquals(server.isClosed, true);
    });

    Deno.test(`the dialer of ${name} rejects with the signal's reason, and closes (${index})`, async () => {
      const server = new ScriptedServer(script);
      const controller = new AbortController();
      const ended = rejection(make(server.dial)(options({ signal: controller.signal })));
      await settled();
      const reason = new Error("enough");
      controller.abort(reason);
      assertEquals([await ended, server.isClosed], [reason, true]);
    });
  }

  Deno.test(`the dialer of ${name} closes a socket that comes after the abort, and says nothing on it`, async () => {
    const server = new ScriptedServer(`${before}\nS: {silence}`);
    const controller = new AbortController();
    const coming = Promise.withResolvers<Socket>();
    const ended = rejection(make(() => coming.promise)(options({ signal: controller.signal })));
    const reason = new Error("enough");
    controller.abort(reason);
    coming.resolve(server.socket());
    assertEquals([await ended, server.isClosed, server.received], [reason, true, ""]);
  });

  Deno.test(`the dialer of ${name} rejects at once on a socket that neither writes nor closes`, async () => {
    const controller = new AbortController();
    const socket: Socket = {
      readable: new ReadableStream(),
      writable: new WritableStream({ write: () => new Promise(() => {}) }),
      close: () => new Promise(() => {}),
    };
    const ended = rejection(make(() => Promise.resolve(socket))(options({ signal: controller.signal })));
    await settled();
    const reason = new Error("enough");
    controller.abort(reason);
    assertEquals(await ended, reason);
  });

  Deno.test(`the dialer of ${name} closes a socket whose TLS comes after the abort`, async () => {
    const server = new ScriptedServer(`${before}\n${answer}\nS: {silence}`);
    const controller = new AbortController();
    const shaking = Promise.withResolvers<void>();
    let closed = false;
    const dial = make(() => {
      const startTls = async () => {
        await shaking.promise;
        return { readable: new ReadableStream(), writable: new WritableStream(), close: () => void (closed = true) };
      };
      return Promise.resolve({ ...server.socket(), startTls });
    });
    const ended = rejection(dial(options({ secureTransport: "on", signal: controller.signal })));
    await settled();
    const reason = new Error("enough");
    controller.abort(reason);
    assertEquals(await ended, reason);
    shaking.resolve();
    await settled();
    assertEquals([closed, server.isClosed], [true, true]);
  });
}

conversation(
  "a SOCKS5 proxy is reached through an HTTP proxy, and the server behind both hears the PROXY header first",
  `
  C: CONNECT inner.test:1080 HTTP/1.1
  C: Host: inner.test:1080
  C:
  S: HTTP/1.1 200 OK
  S:
  C: {octets} 05 01 00
  S: {octets} 05 00
  C: {octets} 05 01 00 03 0a 6d 78 2e 65 78 61 6d 70 6c 65 02 4b
  S: {octets} 05 00 00 01 00 00 00 00 00 00
  C: PROXY TCP4 192.0.2.1 198.51.100.2 40000 25
  C: {tls}
  S: 220 mx.example
  C: EHLO client.test
  S: 250 mx.example
  ${BYE}`,
  async (server) => {
    const outer = httpConnect({ ...HTTP, dial: strict(server) });
    const inner = socks5({ hostname: "inner.test", dial: outer });
    const dial = proxyProtocol({ version: 1, source: "192.0.2.1:40000", destination: "198.51.100.2:25", dial: inner });
    await using client = await connect({ hostname: "mx.example", port: 587, tls: "implicit", name: "client.test", dial });
    assertEquals(client.isSecure, true);
  },
);

Deno.test("a tunnel inside the TLS of a proxy is not secure for the server, and says so", async () => {
  const script = "C: CONNECT mx.example:587 HTTP/1.1\nC: Host: mx.example:587\nC:\nS: HTTP/1.1 200 OK\nS:\nS: {silence}";
  const server = new ScriptedServer(script);
  const { startTls: _, ...secure } = server.socket("on");
  const asked: DialOptions[] = [];
  const dial = httpConnect({
    ...HTTP,
    secure: true,
    tlsOptions: { caCerts: ["a"] },
    dial: (options) => {
      asked.push(options);
      return Promise.resolve({ ...secure, channelBinding: () => Promise.resolve({ type: "tls-exporter", data: new Uint8Array(32) }) });
    },
  });
  const given = options();
  const socket = await dial(given);
  assertEquals(asked.map(({ tls, ...more }) => ({ ...more, tls: { ...tls } })), [
    { ...HTTP, secureTransport: "on", tls: { caCerts: ["a"] }, signal: given.signal },
  ]);
  // A login to the server cannot be tied to the TLS of the proxy.
  assertEquals([socket.secureTransport, socket.channelBinding], ["off", undefined]);
  const error = await rejection(Promise.resolve(socket.startTls?.({ serverName: "mx.example" })));
  assert(error instanceof SmtpUnsupportedError && error.message.includes("the proxy proxy.test:3128"), String(error));
  await socket.close();
});
