/** nodemailer, the fastest of the peers: its bare connection, and its pool with a message that is ready-made or that it composes. */
import { Readable } from "node:stream";
import { serve } from "./harness.ts";
import { CLIENT_NAME, FROM, HOST, type Job, MESSAGE, recipients, streamed, SUBJECT, TEXT, TLS_NAME } from "./job.ts";
import type { Prepared } from "./steps.ts";

type Callback = (error?: Error | null) => void;

/** What is used of it. */
interface Connection {
  connect(done: Callback): void;
  send(envelope: { from: string; to: readonly string[] }, message: Uint8Array | Readable, done: Callback): void;
  quit(): void;
  close(): void;
  once(event: "error" | "end", done: Callback): void;
}
interface Transport {
  sendMail(message: Readonly<Record<string, unknown>>): Promise<unknown>;
  close(): void;
}

/** In constants, since they are packages of another folder. */
const CONNECTION = "nodemailer/lib/smtp-connection";
const NODEMAILER = "nodemailer";

const RAW = new TextEncoder().encode(MESSAGE);

function options({ port, authority }: Job): Readonly<Record<string, unknown>> {
  const common = { host: HOST, port, name: CLIENT_NAME };
  return authority === undefined ? { ...common, ignoreTLS: true } : { ...common, requireTLS: true, tls: { ca: authority, servername: TLS_NAME } };
}

function promised(start: (done: Callback) => void): Promise<void> {
  return new Promise((resolve, reject) => start((error) => error ? reject(error) : resolve()));
}

async function connected(job: Job): Promise<Connection> {
  const { default: SMTPConnection } = await import(CONNECTION);
  const connection: Connection = new SMTPConnection(options(job));
  await promised((done) => {
    connection.once("error", done);
    connection.connect(done);
  });
  return connection;
}

function send(connection: Connection, job: Job, message: Uint8Array | Readable = RAW): Promise<void> {
  return promised((done) => connection.send({ from: FROM, to: recipients(job) }, message, done));
}

/** As it stands on one connection that has sent one message already. */
async function onConnection(job: Job, message: () => Uint8Array | Readable = () => RAW): Promise<Prepared> {
  const connection = await connected(job);
  await send(connection, job);
  return {
    run: async () => {
      for (let count = 0; count < job.messages; count++) await send(connection, job, message());
    },
    close: () => connection.close(),
  };
}

async function onPool(job: Job, message: Readonly<Record<string, unknown>>): Promise<Prepared> {
  const { createTransport } = await import(NODEMAILER);
  const pool: Transport = createTransport({ ...options(job), pool: true, maxConnections: job.connections ?? 1, maxMessages: Infinity });
  const sendAll = (count: number) => Promise.all(Array.from({ length: count }, () => pool.sendMail(message)));
  await sendAll(1);
  return { run: async () => void await sendAll(job.messages), close: () => pool.close() };
}

await serve({
  "connection": (job) => onConnection(job),
  "stream": (job) => onConnection(job, () => Readable.from(streamed(job.octets ?? 0), { objectMode: false })),
  "pool, ready-made": (job) => onPool(job, { envelope: { from: FROM, to: recipients(job) }, raw: MESSAGE }),
  "pool, composing": (job) => onPool(job, { from: FROM, to: recipients(job), subject: SUBJECT, text: TEXT }),
  "fresh": (job) =>
    Promise.resolve({
      run: async () => {
        for (let count = 0; count < job.messages; count++) {
          const connection = await connected(job);
          await send(connection, job);
          await promised((done) => {
            connection.once("end", done);
            connection.quit();
          });
        }
      },
      close: () => {},
    }),
});
