/** The octets of the runtimes' own sockets without streams around them: Deno's, and Node's as Deno has them. */
import { assert, assertEquals } from "@std/assert";
import { createDialer, type Dialer, type DialOptions, type Socket } from "@posthorn/smtp";
import { dialDeno } from "@posthorn/smtp/transport/deno";
import { dialNode } from "@posthorn/smtp/transport/node";
import { httpConnect } from "@posthorn/smtp/proxy";
import { rejection } from "../support/client.ts";
import { settled } from "../support/fake_clock.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (octets: Uint8Array | undefined) => octets && new TextDecoder().decode(octets);

/** What `serve` does with its one connection, and the client's end of it. */
async function meeting(dial: Dialer, serve: (conn: Deno.TcpConn) => Promise<void>): Promise<{ socket: Socket; served: Promise<void> }> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served = (async () => {
    const conn = await listener.accept();
    listener.close();
    await serve(conn);
    conn.close();
  })();
  const { port } = listener.addr as Deno.NetAddr;
  const options: DialOptions = { hostname: "127.0.0.1", port, secureTransport: "off", tls: {}, signal: new AbortController().signal };
  return { socket: await dial(options), served };
}

async function heard(conn: Deno.TcpConn): Promise<string | undefined> {
  const buffer = new Uint8Array(100);
  const length = await conn.read(buffer);
  return length === null ? undefined : text(buffer.subarray(0, length));
}

for (const [name, dial] of [["dialDeno", dialDeno], ["dialNode", dialNode], ["createDialer", createDialer()]] as const) {
  Deno.test(`the socket of ${name} reads and writes directly, and tells the end each time it is asked`, async () => {
    const { socket, served } = await meeting(dial, async (conn) => {
      await conn.write(bytes(`${await heard(conn)} yourself`));
    });
    const { direct } = socket;
    assert(direct !== undefined);
    await direct.write(bytes("hello"));
    assertEquals(text(await direct.read()), "hello yourself");
    assertEquals([await direct.read(), await direct.read()], [undefined, undefined]);
    await served;
    await socket.close();
  });

  Deno.test(`the socket of ${name} writes all, and ends what is pending when it is closed`, async () => {
    const octets = new Uint8Array(8 << 20).fill(0x61);
    let count = 0;
    let isCounted = () => {};
    const counted = new Promise<void>((resolve) => isCounted = resolve);
    const { socket, served } = await meeting(dial, async (conn) => {
      const buffer = new Uint8Array(1 << 16);
      while (count < octets.length) count += await conn.read(buffer) ?? octets.length;
      isCounted();
      while (await conn.read(buffer).catch(() => null) !== null);
    });
    const direct = socket.direct!;
    await direct.write(octets);
    await counted;
    assertEquals(count, octets.length);
    const read = rejection(direct.read());
    await settled();
    await socket.close();
    await socket.close();
    assert(await read instanceof Error);
    assert(await rejection(direct.write(octets)) instanceof Error);
    await served;
  });

  Deno.test(`the socket of ${name} gives what came while nobody asked, then the end, by stream and directly`, async () => {
    const { socket, served } = await meeting(dial, async (conn) => {
      await conn.write(bytes("one"));
      assertEquals(await heard(conn), "next");
      await conn.write(bytes("two"));
      assertEquals(await heard(conn), "last");
      await conn.write(bytes("three"));
    });
    const direct = socket.direct!;
    const reader = socket.readable.getReader();
    assertEquals(text((await reader.read()).value), "one");
    reader.releaseLock();
    await direct.write(bytes("next"));
    assertEquals(text(await direct.read()), "two");
    await direct.write(bytes("last"));
    await served;
    await settled();
    assertEquals([text(await direct.read()), await direct.read()], ["three", undefined]);
    await socket.close();
  });

  Deno.test(`a copy of the socket of ${name} has no direct access, nor has a tunnel in which octets came early`, async () => {
    for (const [early, hasDirect] of [["", true], ["220 mx", false]] as const) {
      let served: Promise<void> | undefined;
      const proxy: Dialer = async () => {
        const met = await meeting(dial, async (conn) => {
          await heard(conn);
          await conn.write(bytes(`HTTP/1.1 200 OK\r\n\r\n${early}`));
          await heard(conn);
        });
        served = met.served;
        assertEquals({ ...met.socket }.direct, undefined);
        return met.socket;
      };
      const through = httpConnect({ hostname: "proxy.test", port: 3128, dial: proxy });
      const signal = new AbortController().signal;
      const tunnel = await through({ hostname: "mx.example", port: 25, secureTransport: "off", tls: {}, signal });
      assertEquals(tunnel.direct !== undefined, hasDirect);
      if (!hasDirect) assertEquals(text((await tunnel.readable.getReader().read()).value), early);
      await tunnel.close();
      await served;
    }
  });
}

Deno.test("the socket of dialDeno fails a write whose octets are handed on before all were taken", async () => {
  let read = () => {};
  const readOn = new Promise<void>((resolve) => read = resolve);
  const { socket, served } = await meeting(dialDeno, async (conn) => {
    await readOn;
    const buffer = new Uint8Array(1 << 16);
    while (await conn.read(buffer).catch(() => null) !== null);
  });
  // More than the kernel keeps of a connection that nobody reads.
  const octets = new Uint8Array(64 << 20).fill(0x61);
  const writing = rejection(socket.direct!.write(octets));
  await settled();
  structuredClone(octets.buffer, { transfer: [octets.buffer] });
  read();
  assert(await writing instanceof TypeError);
  await socket.close();
  await served;
});
