/** The sockets of Deno, against listeners of our own that misbehave. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { connect, dial, type DialOptions, SmtpConnectionError, SmtpSecurityError, SmtpUnsupportedError } from "@posthorn/smtp";
import { Authority } from "../support/certificates.ts";
import { facts, rejection } from "../support/client.ts";
import { FakeClock, settled } from "../support/fake_clock.ts";

const authority = await Authority.create();
const leaf = await authority.leaf(["localhost", "ip:127.0.0.1"]);
const tls = { caCerts: [authority.cert] };

/** A listener on the loopback that does `serve` with its one connection. */
function listening(serve: (conn: Deno.TcpConn) => Promise<void>): AsyncDisposable & { readonly port: number } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served = (async () => {
    for await (const conn of listener) {
      try {
        await serve(conn);
      } finally {
        try {
          conn.close();
        } catch {
          // Taken over by TLS.
        }
      }
    }
  })();
  return {
    port: (listener.addr as Deno.NetAddr).port,
    async [Symbol.asyncDispose](): Promise<void> {
      listener.close();
      await served;
    },
  };
}

function dialling(port: number, more: Partial<DialOptions> = {}): DialOptions {
  return { hostname: "127.0.0.1", port, secureTransport: "off", tls, signal: new AbortController().signal, ...more };
}

Deno.test("dial opens a socket that tells both addresses, reads and writes", async () => {
  await using server = listening(async (conn) => {
    const buffer = new Uint8Array(10);
    const length = await conn.read(buffer);
    await conn.write(buffer.subarray(0, length ?? 0));
  });
  const socket = await dial(dialling(server.port));
  const writer = socket.writable.getWriter();
  await writer.write(new TextEncoder().encode("hello"));
  const reader = socket.readable.getReader();
  assertEquals(new TextDecoder().decode((await reader.read()).value), "hello");
  assertEquals((await reader.read()).done, true);
  const info = await socket.opened;
  assertEquals(info?.remoteAddress, `127.0.0.1:${server.port}`);
  assert(info?.localAddress?.startsWith("127.0.0.1:"));
  await socket.close();
  await socket.close();
});

Deno.test("dial ends a pending read and a pending write when the socket is closed", async () => {
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  await using server = listening(() => closed);
  const socket = await dial(dialling(server.port));
  const read = rejection(socket.readable.getReader().read());
  const writer = socket.writable.getWriter();
  writer.closed.catch(() => {});
  const write = rejection(writer.write(new Uint8Array(64 << 20)));
  await settled();
  await socket.close();
  assert(await read instanceof Error);
  assert(await write instanceof Error);
  close();
});

Deno.test("dial rejects at once when it is aborted, and leaves nothing open", async () => {
  await using server = listening(() => Promise.resolve());
  const reason = new Error("enough");
  assertEquals(await rejection(dial(dialling(server.port, { signal: AbortSignal.abort(reason) }))), reason);
  const controller = new AbortController();
  const ended = rejection(dial(dialling(server.port, { signal: controller.signal })));
  controller.abort(reason);
  assertEquals(await ended, reason);
});

// Deno keeps the TCP connection of a handshake that was closed until the peer or the process ends (see the head of deno.ts), so here the listener ends it.
for (const secureTransport of ["on", "starttls"] as const) {
  Deno.test(`dial ends a TLS handshake that stalls when it is aborted (${secureTransport})`, async () => {
    const greeted = Promise.withResolvers<void>();
    const done = Promise.withResolvers<void>();
    await using server = listening(async (conn) => {
      await conn.read(new Uint8Array(2000));
      greeted.resolve();
      await done.promise;
    });
    const controller = new AbortController();
    const options = dialling(server.port, { secureTransport, signal: controller.signal });
    const ended = rejection((async () => {
      const socket = await dial(options);
      if (socket.startTls) await socket.startTls({ ...tls, serverName: "localhost", signal: controller.signal });
    })());
    await greeted.promise;
    const reason = new Error("enough");
    controller.abort(reason);
    assertEquals(await ended, reason);
    done.resolve();
  });
}

Deno.test("connect gives a handshake after STARTTLS no longer than its deadline", async () => {
  const done = Promise.withResolvers<void>();
  let hello = 0;
  await using server = listening(async (conn) => {
    const say = (text: string) => conn.write(new TextEncoder().encode(text));
    await say("220 mx\r\n");
    await conn.read(new Uint8Array(1000));
    await say("250-mx\r\n250 STARTTLS\r\n");
    await conn.read(new Uint8Array(1000));
    await say("220 go\r\n");
    hello = (await conn.read(new Uint8Array(2000))) ?? 0;
    await done.promise;
  });
  const clock = new FakeClock();
  const ended = rejection(connect({ hostname: "localhost", port: server.port, tlsOptions: tls, clock }));
  while (hello === 0) await settled();
  await clock.advance(30_000);
  assertEquals([facts(await ended).kind, facts(await ended).phase, facts(await ended).delivery], ["timeout", "starttls", "not-sent"]);
  done.resolve();
});

Deno.test("dial rejects when the other side speaks no TLS", async () => {
  await using server = listening(async (conn) => {
    await conn.write(new TextEncoder().encode("HTTP/1.0 400 Bad Request\r\n\r\n"));
    await conn.read(new Uint8Array(2000));
  });
  const error = await assertRejects(() => dial(dialling(server.port, { secureTransport: "on" })), SmtpSecurityError, "TLS with 127.0.0.1");
  assert(error.cause instanceof Error);
});

Deno.test("dial checks the IP address where there is no name", async () => {
  const nameOnly = await authority.leaf(["localhost"]);
  for (const [given, isGood] of [[leaf, true], [nameOnly, false]] as const) {
    const listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, ...given });
    const accepted = listener.accept().then(async (conn) => {
      await conn.handshake().catch(() => {});
      conn.close();
    });
    const { port } = listener.addr as Deno.NetAddr;
    const outcome = await dial(dialling(port, { secureTransport: "on" })).then((socket) => socket.close(), () => false);
    assertEquals(outcome !== false, isGood);
    await accepted;
    listener.close();
  }
});

Deno.test("dial ends a pending read and a pending write over TLS when the socket is closed, and the peer sees the end", async () => {
  const listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, ...leaf });
  const accepted = listener.accept();
  const shaken = accepted.then((conn) => conn.handshake());
  const { port } = listener.addr as Deno.NetAddr;
  const socket = await dial(dialling(port, { secureTransport: "on" }));
  await shaken;
  const writer = socket.writable.getWriter();
  writer.closed.catch(() => {});
  const ends = [rejection(writer.write(new Uint8Array(64 << 20))), rejection(socket.readable.getReader().read())];
  await settled();
  await socket.close();
  for (const end of ends) assert(await end instanceof Error);
  const conn = await accepted;
  const buffer = new Uint8Array(1 << 20);
  while (await conn.read(buffer).catch(() => null) !== null);
  conn.close();
  listener.close();
});

const hasIpv6 = Deno.networkInterfaces().some(({ address }) => address === "::1");
const why = hasIpv6 ? "" : " (skipped: this machine has no IPv6 loopback)";
Deno.test({ name: `connect reaches an IPv6 address, and names itself by its own${why}`, ignore: !hasIpv6 }, async () => {
  const listener = Deno.listenTls({ hostname: "::1", port: 0, ...await authority.leaf(["ip:::1"]) });
  let hello = "";
  const serving = listener.accept().then(async (conn) => {
    const buffer = new Uint8Array(100);
    for (const reply of ["220 mx", "250 mx", "221 bye"]) {
      await conn.write(new TextEncoder().encode(`${reply}\r\n`));
      const length = await conn.read(buffer);
      hello ||= new TextDecoder().decode(buffer.subarray(0, length ?? 0));
    }
    conn.close();
  });
  const { port } = listener.addr as Deno.NetAddr;
  {
    await using client = await connect({ hostname: "::1", port, tls: "implicit", tlsOptions: tls });
    assert(client.isSecure);
  }
  assertEquals(hello, "EHLO [IPv6:::1]\r\n");
  await serving;
  listener.close();
});

Deno.test("dial connects to a name that has addresses of both families", async () => {
  await using server = listening(() => Promise.resolve());
  const socket = await dial(dialling(server.port, { hostname: "localhost" }));
  assertEquals((await socket.opened)?.remoteAddress, `127.0.0.1:${server.port}`);
  await socket.close();
});

Deno.test("dial rejects with what the runtime said when nobody answers", async () => {
  const { port } = await (async () => {
    await using server = listening(() => Promise.resolve());
    return server;
  })();
  const error = await assertRejects(() => dial(dialling(port)), SmtpConnectionError, `Cannot connect to 127.0.0.1:${port}`);
  assert(error.cause instanceof Error);
  await assertRejects(() => dial(dialling(port, { hostname: "nowhere.invalid" })), SmtpConnectionError, "nowhere.invalid");
});

Deno.test("dial names what Deno's TLS cannot do before it dials", async () => {
  const identity = { cert: leaf.cert, key: leaf.key };
  for (const secureTransport of ["off", "starttls"] as const) {
    await assertRejects(() => dial(dialling(1, { secureTransport, tls: identity })), SmtpUnsupportedError, "client certificate");
  }
  await assertRejects(() => dial(dialling(1, { secureTransport: "on", tls: { ...identity, serverName: "other.test" } })), SmtpUnsupportedError);
  await assertRejects(() => dial(dialling(1, { secureTransport: "on", tls: { cert: leaf.cert } })), TypeError, "key");
  await assertRejects(() => dial(dialling(1, { secureTransport: "starttls", path: "/nowhere" })), SmtpUnsupportedError, "unix socket");
});

Deno.test("the library needs --allow-net on Deno, and nothing else", async () => {
  await using server = listening(async (conn) => {
    const say = (text: string) => conn.write(new TextEncoder().encode(text));
    const heard = () => conn.read(new Uint8Array(1000));
    await say("220 mx\r\n");
    await heard();
    await say("250 mx\r\n");
    await heard();
    await say("221 bye\r\n");
  });
  const script = `
    import { connect } from ${JSON.stringify(new URL("../../mod.ts", import.meta.url).href)};
    await using client = await connect({ hostname: "127.0.0.1", port: ${server.port}, tls: "none" });
    console.log(client.isClosed ? "closed" : "open");
  `;
  const run = (args: string[]) => {
    const command = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--no-config", "--no-lock", ...args, `data:application/typescript,${encodeURIComponent(script)}`],
    });
    return command.output();
  };
  const { code, stdout, stderr } = await run(["--allow-net", "--allow-import"]);
  assertEquals([code, new TextDecoder().decode(stdout).trim()], [0, "open"], new TextDecoder().decode(stderr));
});
