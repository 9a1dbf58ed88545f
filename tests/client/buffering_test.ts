/** How far a source may be ahead of the socket: what was read of it and not yet taken is what a message of any size costs in memory. */
import { assert, assertEquals } from "@std/assert";
import { connect, type ConnectOptions, type Socket } from "@posthorn/smtp";
import { FakeClock, settled } from "../support/fake_clock.ts";
import { ManualServer } from "../support/manual.ts";

const KIB = 1_024;
const TOTAL = 6 * KIB * KIB;
/** No dot and no lone line end, so that as many octets are written as are read. */
const LINE = `${"x".repeat(62)}\r\n`;

/** Yes to everything, without a look at content: a chunk of BDAT is answered when all of it has come. */
function server(): ManualServer {
  let missing = 0;
  /** The last octets behind DATA. */
  let tail: string | undefined;
  return new ManualServer((text, server) => {
    for (let rest = text; rest !== "";) {
      if (tail !== undefined) {
        tail = (tail + rest).slice(-5);
        if (tail !== "\r\n.\r\n") return;
        tail = undefined;
        return server.say("250 ok\r\n");
      }
      if (missing > 0) {
        const taken = Math.min(missing, rest.length);
        missing -= taken;
        rest = rest.slice(taken);
        if (missing === 0) server.say("250 ok\r\n");
        continue;
      }
      const end = rest.indexOf("\r\n");
      const command = rest.slice(0, end);
      rest = rest.slice(end + 2);
      missing = Number(/^BDAT (\d+)/.exec(command)?.[1] ?? 0);
      if (command === "DATA") tail = "";
      if (command.startsWith("EHLO")) server.say("250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
      else if (missing === 0) server.say(command === "DATA" ? "354 go\r\n" : "250 ok\r\n");
    }
  });
}

/** Sends `TOTAL` octets in chunks of `size`, through a socket that takes a write only once everything else stands still, and tells how far it was behind. */
async function furthest(transfer: "data" | "bdat", size: number): Promise<number> {
  const manual = server();
  let given = 0;
  let taken = 0;
  let most = 0;
  const chunk = new TextEncoder().encode(LINE.repeat(size / LINE.length));
  const body = new ReadableStream<Uint8Array>({
    pull(controller): void {
      if (given === TOTAL) return controller.close();
      given += chunk.length;
      controller.enqueue(chunk);
    },
  }, { highWaterMark: 0 });
  const dial = (): Promise<Socket> => {
    const { socket } = manual;
    const writer = socket.writable.getWriter();
    const write = async (octets: Uint8Array): Promise<void> => {
      await settled();
      most = Math.max(most, given - taken);
      await writer.write(octets);
      if (octets.length > KIB) taken += octets.length;
    };
    return Promise.resolve({ ...socket, writable: new WritableStream<Uint8Array>({ write }) });
  };
  const options: ConnectOptions = manual.options({ clock: new FakeClock(), dial });
  const client = await connect(options);
  await client.send({ from: "a@x.test", to: "b@y.test", body, transfer });
  client.close();
  assertEquals(given, TOTAL);
  assert(taken >= TOTAL - KIB);
  return most;
}

for (const size of [4 * KIB, 64 * KIB, 256 * KIB]) {
  Deno.test(`SmtpClient.send by DATA is never further ahead of the socket than one chunk of ${size / KIB} KiB, or the 16 KiB that are gathered`, async () => {
    const most = await furthest("data", size);
    assert(most <= Math.max(size, 16 * KIB), `${most}`);
  });

  Deno.test(`SmtpClient.send by BDAT is never further ahead of the socket than four chunks of 512 KiB and one of the source (${size / KIB} KiB)`, async () => {
    const most = await furthest("bdat", size);
    assert(most <= 4 * 512 * KIB + size, `${most}`);
    assert(most > 512 * KIB, "the source is read while chunks are written");
  });
}
