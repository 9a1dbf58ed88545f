/** Posthorn's ways of sending; the same on every runtime. */
import * as posthorn from "@posthorn/smtp";
import type { Prepared, Ways } from "./steps.ts";
import { CLIENT_NAME, FROM, HOST, type Job, MESSAGE, recipients, streamed, TLS_NAME } from "./job.ts";

const { connect, createDialer, SmtpPool } = posthorn;
type Options = posthorn.ConnectOptions;
type Message = posthorn.Message;

const BODY = new TextEncoder().encode(MESSAGE);

function options({ port, authority }: Job): Options {
  const common = { hostname: HOST, port, name: CLIENT_NAME };
  return authority === undefined
    ? { ...common, tls: "none" }
    : { ...common, tls: "starttls", tlsOptions: { caCerts: [authority], serverName: TLS_NAME } };
}

function* messages(job: Job): Generator<Message> {
  const to = recipients(job);
  const transfer = job.transfer === undefined ? {} : { transfer: job.transfer };
  for (let count = 0; count < job.messages; count++) yield { from: FROM, to, body: BODY, ...transfer };
}

function first(job: Job): Message {
  return { from: FROM, to: recipients(job), body: BODY };
}

/** A client that has sent one message, as one that sends many soon has. */
async function onConnection(job: Job, run: (client: posthorn.SmtpClient) => Promise<void>): Promise<Prepared> {
  const client = await connect(options(job));
  await client.send(first(job));
  return { run: () => run(client), close: () => client.quit() };
}

function windowed({ window }: Job): { readonly window?: number } {
  return window === undefined ? {} : { window };
}

/** Reads the outcomes, and is content only with all of them. */
async function allSent(outcomes: AsyncIterable<posthorn.SendOutcome>, job: Job): Promise<void> {
  let sent = 0;
  for await (const { status } of outcomes) if (status === "sent") sent++;
  if (sent !== job.messages) throw new Error(`${sent} of ${job.messages} were sent`);
}

export const ways: Ways = {
  "send": (job) =>
    onConnection(job, async (client) => {
      for (const message of messages(job)) await client.send(message);
    }),
  "sendAll": (job) => onConnection(job, (client) => allSent(client.sendAll(messages(job), windowed(job)), job)),
  "fresh": (job) => {
    // As the documentation advises who connects often: what is dear in TLS is shared.
    const all = { ...options(job), dial: createDialer() };
    return Promise.resolve({
      run: async () => {
        for (const message of messages(job)) {
          const client = await connect(all);
          await client.send(message, { quit: true });
          await client.quit();
        }
      },
      close: () => {},
    });
  },
  "pool": async (job) => {
    const pool = new SmtpPool(options(job), { maxConnections: job.connections ?? 1, maxMessages: Number.MAX_SAFE_INTEGER, ...windowed(job) });
    await pool.send(first(job));
    return { run: () => allSent(pool.sendAll(messages(job)), job), close: () => pool.close() };
  },
  "stream": (job) =>
    onConnection(job, async (client) => {
      for (const message of messages(job)) await client.send({ ...message, body: () => streamed(job.octets ?? 0) });
    }),
};
