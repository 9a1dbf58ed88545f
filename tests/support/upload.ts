/**
 * A process of its own that sends messages of unknown length to `127.0.0.1`, and tells in JSON how much memory it had while the connection was idle, and
 * at its peak: `deno run upload.ts <port> <"bdat" | "data"> <octets>`.
 */
import { connect } from "@posthorn/smtp";

const [port, transfer, octets] = Deno.args;
if (transfer !== "bdat" && transfer !== "data") throw new Error(`no transfer: ${transfer}`);

/**
 * One chunk for the whole stream, as large as those of a file: what a source throws away is for the runtime to collect, and a program that writes fresh
 * chunks to a socket, and does nothing else, grows by more than is allowed here. One line in nine begins with a dot, so that every block has to change.
 */
const CHUNK = new TextEncoder().encode(`.${"x".repeat(77)}\r\n${`${"x".repeat(78)}\r\n`.repeat(8)}`.repeat(91));

function stream(length: number, onPull: () => void): ReadableStream<Uint8Array> {
  let left = length;
  return new ReadableStream<Uint8Array>({
    pull(controller): void {
      onPull();
      if (left <= 0) return controller.close();
      left -= CHUNK.length;
      controller.enqueue(CHUNK);
    },
  }, { highWaterMark: 0 });
}

await using client = await connect({ hostname: "127.0.0.1", port: Number(port), tls: "none" });
const send = (length: number, onPull: () => void) => client.send({ from: "a@x.test", to: "b@y.test", body: () => stream(length, onPull), transfer });
// The connection is idle once everything that sends a message is loaded.
await send(1, () => {});
const idle = Deno.memoryUsage().rss;
let peak = idle;
const measure = () => void (peak = Math.max(peak, Deno.memoryUsage().rss));
await send(Number(octets), measure);
measure();
console.log(JSON.stringify({ idle, peak }));
