/**
 * The yardstick of a large upload: the same stream, copied to a socket by as little code as the runtime allows. To the server it is one chunk of BDAT,
 * so that its end is told by a reply.
 */
import { CLIENT_NAME, FROM, HOST, type Job, recipients, streamed } from "./job.ts";
import type { Ways } from "./steps.ts";

/** A socket of the runtime, as it is. */
interface RawSocket {
  write(octets: Uint8Array): Promise<unknown>;
  /** Something that was read. */
  read(): Promise<Uint8Array | undefined>;
  close(): void;
}

/** What is used of Deno. */
interface DenoSockets {
  connect(options: { hostname: string; port: number }): Promise<DenoConnection>;
}
interface DenoConnection {
  write(octets: Uint8Array): Promise<number>;
  read(octets: Uint8Array): Promise<number | null>;
  setNoDelay(): void;
  close(): void;
}

async function openOnDeno({ connect }: DenoSockets, port: number): Promise<RawSocket> {
  const connection = await connect({ hostname: HOST, port });
  connection.setNoDelay();
  const room = new Uint8Array(4096);
  return {
    write: async (octets) => {
      for (let written = 0; written < octets.length;) written += await connection.write(octets.subarray(written));
    },
    read: async () => room.subarray(0, await connection.read(room) ?? 0),
    close: () => connection.close(),
  };
}

async function openOnNode(port: number): Promise<RawSocket> {
  const { connect } = await import("node:net");
  const socket = connect({ host: HOST, port, noDelay: true });
  const reader = socket[Symbol.asyncIterator]();
  return {
    write: (octets) => new Promise<void>((resolve) => socket.write(octets) ? resolve() : socket.once("drain", () => resolve())),
    read: async () => (await reader.next()).value,
    close: () => socket.destroy(),
  };
}

/** What is used of a Worker's socket. */
interface WorkerSocket {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  close(): Promise<void>;
}

/** In a constant, since it is a module of workerd alone. */
const WORKER_SOCKETS = "cloudflare:sockets";

async function openOnWorkers(port: number): Promise<RawSocket> {
  const { connect } = await import(WORKER_SOCKETS);
  const socket: WorkerSocket = connect({ hostname: HOST, port });
  const [writer, reader] = [socket.writable.getWriter(), socket.readable.getReader()];
  return {
    write: (octets) => writer.write(octets),
    read: async () => (await reader.read()).value,
    close: () => void socket.close(),
  };
}

function open(port: number): Promise<RawSocket> {
  const deno: DenoSockets | undefined = Reflect.get(globalThis, "Deno");
  if (deno !== undefined) return openOnDeno(deno, port);
  return Reflect.get(globalThis, "navigator")?.userAgent === "Cloudflare-Workers" ? openOnWorkers(port) : openOnNode(port);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Reads until the last of `count` replies of one line each has come. */
async function replies(socket: RawSocket, count: number): Promise<void> {
  for (let text = ""; (text.match(/^\d{3} .*\r\n/gm)?.length ?? 0) < count;) text += decoder.decode(await socket.read());
}

async function copy(socket: RawSocket, job: Job): Promise<void> {
  const { octets = 0 } = job;
  for (let count = 0; count < job.messages; count++) {
    const [to] = recipients(job);
    await socket.write(encoder.encode(`MAIL FROM:<${FROM}>\r\nRCPT TO:<${to}>\r\nBDAT ${octets} LAST\r\n`));
    for await (const chunk of streamed(octets)) await socket.write(chunk);
    await replies(socket, 3);
  }
}

export const ways: Ways = {
  "copy": async (job) => {
    const socket = await open(job.port);
    await replies(socket, 1);
    await socket.write(encoder.encode(`EHLO ${CLIENT_NAME}\r\n`));
    await replies(socket, 1);
    return { run: () => copy(socket, job), close: () => socket.close() };
  },
};
