/**
 * A process of its own that meets a server on `127.0.0.1` which never stops talking, and tells in JSON what came of it and how much memory it had before
 * the flood and at its peak: `deno run flooded.ts <port> <scene>`.
 */
import { connect, type ConnectOptions, SmtpConnection, SmtpError } from "@posthorn/smtp";

const [port, scene] = Deno.args;

const options: ConnectOptions = { hostname: "127.0.0.1", port: Number(port), tls: "none", name: "client.test" };

function chunks(): ReadableStream<Uint8Array> {
  const chunk = new TextEncoder().encode(`${"x".repeat(78)}\r\n`.repeat(800));
  return new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(chunk) }, { highWaterMark: 0 });
}

/** Connects, and does nothing until the connection has ended. */
async function flooded(): Promise<void> {
  const client = await connect(options);
  for (let turns = 0; !client.isClosed && turns < 1_000; turns++) await new Promise((resolve) => setTimeout(resolve, 10));
  await client.verify();
}

/** Runs a step, and waits for the end of it whatever it is. */
const SCENES: Readonly<Record<string, () => Promise<unknown>>> = {
  greeting: () => connect(options),
  EHLO: flooded,
  AUTH: () => connect({ ...options, auth: { username: "alice", password: "s3cret" }, allowCleartextAuth: true }),
  RCPT: async () => {
    const client = await connect(options);
    return await client.send({ from: "a@x.test", to: "b@y.test", body: "hi\r\n" });
  },
  content: async () => {
    const client = await connect(options);
    return await client.send({ from: "a@x.test", to: "b@y.test", body: chunks(), transfer: "data" });
  },
  idle: flooded,
  // The server may talk as long as it likes: until TLS is settled nobody listens, and it has to wait.
  unheard: async () => {
    const connection = await SmtpConnection.open(options);
    await connection.ehlo("client.test");
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    return connection.close();
  },
  byHand: async () => {
    const connection = await SmtpConnection.open(options);
    await connection.ehlo("client.test");
    await connection.mail("a@x.test");
    await connection.sendRaw(new TextEncoder().encode("FLOOD\r\n"));
    for (let turns = 0; !connection.isClosed && turns < 1_000; turns++) await new Promise((resolve) => setTimeout(resolve, 10));
    return await connection.noop();
  },
};

// What is loaded when it is needed is loaded before it is measured.
await import("../../src/authenticate.ts");
await import("../../src/transport/deno.ts");
const idle = Deno.memoryUsage().rss;
let peak = idle;
const measuring = setInterval(() => peak = Math.max(peak, Deno.memoryUsage().rss), 5);
const outcome = await SCENES[scene ?? ""]?.().catch((error: unknown) => error);
peak = Math.max(peak, Deno.memoryUsage().rss);
clearInterval(measuring);
console.log(JSON.stringify({ idle, peak, kind: outcome instanceof SmtpError ? outcome.kind : `${outcome}` }));
Deno.exit(0);
