/** Sockets that offer their octets directly. */
import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { connect, dial, type Dialer, SmtpConnectionError, SmtpReplyError, SmtpSecurityError, type Socket } from "@posthorn/smtp";
import { BYE, connectTo, HELLO, rejection } from "../support/client.ts";
import { directly } from "../support/direct.ts";
import { FakeClock, settled } from "../support/fake_clock.ts";
import { conversation, ScriptedServer } from "../support/script.ts";

const SENT = `
  C: MAIL FROM:<a@x.test>
  C: RCPT TO:<b@y.test>
  C: DATA
  S: 250 2.1.0 ok
  S: 250 2.1.5 ok
  S: 354 go on
  C: Subject: a
  C:
  C: .
  S: 250-2.0.0 ok
  S: 250 2.0.0 queued as 4XyzAB1cdE
`;
const MESSAGE = { from: "a@x.test", to: "b@y.test", body: "Subject: a\r\n\r\n" };

conversation(
  "SmtpClient uses the octets of a socket that offers them directly, whose buffer is used again",
  `${HELLO}${SENT}${BYE}`,
  async (server) => {
    await using client = await connectTo(server, { dial: () => Promise.resolve(directly(server.socket())) });
    const { reply, queueId } = await client.send(MESSAGE);
    assertEquals([reply.lines, queueId], [["2.0.0 ok", "2.0.0 queued as 4XyzAB1cdE"], "4XyzAB1cdE"]);
  },
);

conversation(
  "SmtpClient starts TLS on a socket that offers its octets directly",
  `S: 220 mx.example ESMTP
   C: EHLO client.test
   S: 250-mx.example
   S: 250 STARTTLS
   C: STARTTLS
   S: 220 go on
   C: {tls}
   C: EHLO client.test
   S: 250-mx.example
   S: 250-PIPELINING
   S: 250 8BITMIME
   ${SENT}${BYE}`,
  async (server) => {
    await using client = await connectTo(server, { tls: "starttls", dial: () => Promise.resolve(directly(server.socket())) });
    assertEquals((await client.send(MESSAGE)).accepted.length, 1);
  },
);

Deno.test("SmtpClient uses the stream that was put in the place of one, and not the direct access of the socket copied", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = listener.accept().then(async (conn) => {
    await conn.write(new TextEncoder().encode("220 mx\r\n"));
    conn.close();
  });
  let seen = "";
  const dialSeen: Dialer = async (options) => {
    const socket = await dial(options);
    const spy = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller): void {
        seen += new TextDecoder().decode(chunk);
        controller.enqueue(chunk);
      },
    });
    return { ...socket, readable: socket.readable.pipeThrough(spy) };
  };
  const { port } = listener.addr as Deno.NetAddr;
  await assertRejects(() => connect({ hostname: "127.0.0.1", port, tls: "none", dial: dialSeen }), SmtpConnectionError);
  assertEquals(seen, "220 mx\r\n");
  await serving;
  listener.close();
});

Deno.test("SmtpClient tells the end of a socket that offers its octets directly", async () => {
  const server = new ScriptedServer(`${HELLO}C: NOOP\nS: {close}`);
  const client = await connectTo(server, { dial: () => Promise.resolve(directly(server.socket())) });
  await assertRejects(() => client.connection.noop(), SmtpConnectionError, "closed");
});

Deno.test("connect takes a socket that is read directly without asking for its streams", async () => {
  const socket: Socket = {
    get readable(): ReadableStream<Uint8Array> {
      throw new Error("asked for");
    },
    get writable(): WritableStream<Uint8Array> {
      throw new Error("asked for");
    },
    direct: { read: () => Promise.resolve(new TextEncoder().encode("554 no\r\n")), write: () => Promise.resolve() },
    close: () => {},
  };
  await assertRejects(() => connect({ hostname: "mx.example", tls: "none", socket }), SmtpReplyError, "554 no");
});

Deno.test("connect passes on whether a handshake may succeed later, also where the socket tells of it only when it is read", async () => {
  for (const transient of [true, false]) {
    const lost = new SmtpSecurityError("tls", "the handshake failed", { phase: "connect", transient });
    const readable = new ReadableStream<Uint8Array>({ start: (controller) => controller.error(lost) });
    const socket: Socket = { readable, writable: new WritableStream(), secureTransport: "on", close: () => {} };
    const error = await assertRejects(() => connect({ hostname: "mx.example", tls: "implicit", socket }), SmtpSecurityError);
    assertEquals([error.kind, error.phase, error.transient], ["tls", "greeting", transient]);
  }
});

for (
  const [what, write] of [
    ["throws", () => {
      throw new Error("no write");
    }],
    ["rejects", () => Promise.reject(new Error("no write"))],
  ] as const
) {
  Deno.test(`SmtpClient ends, and says why, when the write of a socket of the caller's own ${what}`, async () => {
    const server = new ScriptedServer(`${HELLO}S: {silence}`);
    const socket = directly(server.socket());
    const { read, write: writeWell } = socket.direct!;
    let isBroken = false;
    const direct = { read, write: (octets: Uint8Array) => isBroken ? write() : writeWell(octets) };
    const clock = new FakeClock();
    const broken: Socket = { ...socket, direct };
    const client = await connectTo(server, { clock, dial: () => Promise.resolve(broken) });
    isBroken = true;
    const verified = rejection(client.verify());
    await settled();
    await clock.advance(1_000);
    const error = await verified;
    assertInstanceOf(error, SmtpConnectionError);
    assertEquals([error.kind, String(error.cause), client.isClosed], ["disconnected", "Error: no write", true]);
    await client.quit();
    assertEquals(clock.pending, 0);
  });
}

conversation(
  "SmtpClient takes a write of a socket of the caller's own for done that gives no promise",
  `${HELLO}${SENT}${BYE}`,
  async (server) => {
    const socket = directly(server.socket());
    const { read, write } = socket.direct!;
    const direct = { read, write: (octets: Uint8Array) => void write(octets) as unknown as Promise<void> };
    await using client = await connectTo(server, { dial: () => Promise.resolve({ ...socket, direct }) });
    assertEquals((await client.send(MESSAGE)).accepted.length, 1);
  },
);
