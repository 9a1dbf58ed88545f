/** Blocks of content that had to change share their room where the socket keeps nothing of a write, and only there. */
import { assert, assertEquals } from "@std/assert";
import { connect, type DirectAccess, type Socket } from "@posthorn/smtp";
import { FakeClock, settled } from "../support/fake_clock.ts";
import { ManualServer, PIPELINING } from "../support/manual.ts";

/** Lines that are all different, every third with a dot to double. */
const LINES = Array.from({ length: 80_000 }, (_, index) => `${index % 3 === 0 ? "." : ""}${index}\n`);
const STUFFED = `${LINES.map((line) => `${line.startsWith(".") ? "." : ""}${line.trimEnd()}\r\n`).join("")}.\r\n`;

for (const isDirect of [true, false]) {
  Deno.test(`SmtpClient.send writes every block as it is to a socket ${isDirect ? "with direct access, and few rooms for them" : "of streams, each in room of its own"}`, async () => {
    const written: Uint8Array[] = [];
    let isData = false;
    const manual = new ManualServer((text, server) => {
      if (text.startsWith("EHLO")) server.say(PIPELINING);
      else if (text.startsWith("MAIL")) server.say("250 ok\r\n250 ok\r\n354 go\r\n");
      if (isData && /(^|\n)\.\r\n$/.test(text)) server.say("250 ok\r\n");
      isData ||= text.startsWith("MAIL");
    });
    const writer = manual.socket.writable.getWriter();
    const reader = manual.socket.readable.getReader();
    /** What stands in the room when a write resolves, or for streams when all is over. */
    const take = async (octets: Uint8Array): Promise<void> => {
      await settled();
      if (isData) written.push(isDirect ? octets.slice() : octets);
      if (isData && isDirect) rooms.add(octets.buffer);
      await writer.write(octets);
    };
    const rooms = new Set<ArrayBufferLike>();
    const direct: DirectAccess = { read: async () => (await reader.read()).value, write: take };
    const streams = { readable: new ReadableStream<Uint8Array>(), writable: new WritableStream<Uint8Array>({ write: take }) };
    const socket: Socket = isDirect ? { ...streams, direct, close: () => manual.socket.close() } : {
      ...streams,
      readable: new ReadableStream({ pull: async (controller) => controller.enqueue((await reader.read()).value) }),
      close: () => {},
    };
    const client = await connect(manual.options({ clock: new FakeClock(), dial: () => Promise.resolve(socket) }));
    await client.send({ from: "a@x.test", to: "b@y.test", body: new Blob([LINES.join("")]), transfer: "data" });
    client.close();
    assert(written.map((octets) => new TextDecoder().decode(octets)).join("") === STUFFED);
    if (isDirect) assertEquals([rooms.size <= 3, written.length > 3], [true, true], `${rooms.size} rooms for ${written.length} blocks`);
  });
}
