/**
 * What the library does, as cases that run in any runtime against servers in another process. A case is given the library and an environment, asks
 * nothing of the runtime but what every one has, and throws when it fails.
 */
import type { ConnectOptions, Socket, TraceEvent } from "@posthorn/smtp";
import {
  type Case,
  type Environment,
  equal,
  type Library,
  loginsTried,
  type Phase,
  PHASES,
  reaching,
  rejected,
  sendOne,
  sha256,
  storedFor,
  TEXT,
} from "./case.ts";
import { logins } from "./login_cases.ts";
import { extensionCases } from "./extension_cases.ts";
import { manyCases } from "./many_cases.ts";
import { proxies, proxyCertificates } from "./proxy_cases.ts";
import { resumptions } from "./tls_cases.ts";

/**
 * These come first: the servers of the test share a process and with it the keys of their TLS tickets, so a runtime that resumes sessions by name
 * (workerd) would resume a good one at the wrong server, and check no certificate.
 */
const certificates: Case[] = [
  {
    name: "a certificate for another host",
    async run({ connect }, env): Promise<void> {
      const before = await loginsTried(env);
      const implicit = await rejected(connect(reaching(env, env.ports.otherHost, { tls: "implicit", auth: env.user })));
      const starttls = await rejected(connect(reaching(env, env.ports.otherHostStarttls, { auth: env.user })));
      equal([implicit.kind, starttls.kind, await loginsTried(env) - before], ["tls", "tls", 0]);
    },
  },
  {
    name: "a certificate of an unknown authority",
    async run({ connect }, env): Promise<void> {
      const error = await rejected(connect(reaching(env, env.ports.unknownAuthority, { tls: "implicit", auth: env.user })));
      equal([error.name, error.kind, error.delivery], ["SmtpSecurityError", "tls", "not-sent"]);
    },
  },
];

const basics: Case[] = [
  {
    name: "implicit TLS",
    async run({ connect }, env): Promise<void> {
      await using client = await connect(reaching(env, env.ports.implicit, { tls: "implicit" }));
      equal((await sendOne(client, env)).isSecure, true);
    },
  },
  {
    name: "implicit TLS to an IP address",
    async run({ connect }, env): Promise<void> {
      await using client = await connect(reaching(env, env.ports.implicit, { tls: "implicit", hostname: "127.0.0.1" }));
      equal((await sendOne(client, env)).isSecure, true);
    },
  },
  {
    name: "STARTTLS, then AUTH",
    async run({ connect }, env): Promise<void> {
      await using client = await connect(reaching(env, env.ports.starttls, { auth: env.user }));
      const { isSecure, user } = await sendOne(client, env);
      equal([isSecure, user, client.isSecure], [true, env.user.username, true]);
    },
  },
  {
    name: "AUTH LOGIN, and a wrong password",
    async run({ connect }, env): Promise<void> {
      await using client = await connect(reaching(env, env.ports.starttls, { auth: { ...env.user, forceMechanism: "LOGIN" } }));
      equal((await sendOne(client, env)).user, env.user.username);
      const error = await rejected(connect(reaching(env, env.ports.starttls, { auth: { username: "alice", password: "wrong" } })));
      equal([error.name, error.code, error.phase], ["SmtpAuthError", 535, "auth"]);
    },
  },
  {
    name: "no TLS",
    async run({ connect }, env): Promise<void> {
      await using client = await connect(reaching(env, env.ports.plain, { tls: "none" }));
      equal((await sendOne(client, env)).isSecure, false);
    },
  },
  {
    name: "TLS required and not offered",
    async run({ connect }, env): Promise<void> {
      const before = await loginsTried(env);
      const error = await rejected(connect(reaching(env, env.ports.plain, { auth: env.user })));
      equal([error.name, error.kind, await loginsTried(env) - before], ["SmtpSecurityError", "insecure", 0]);
    },
  },
  {
    name: "a pipelined send in two writes",
    async run({ connect }, env): Promise<void> {
      const writes = new Set<number>();
      const trace = (event: { type: string; write?: number }) => void (event.write !== undefined && writes.add(event.write));
      await using client = await connect(reaching(env, env.ports.starttls, { auth: env.user, trace }));
      writes.clear();
      await sendOne(client, env);
      equal(writes.size, 2);
    },
  },
  {
    name: "a partial refusal",
    async run({ connect }, env): Promise<void> {
      await using client = await connect(reaching(env, env.ports.starttls));
      const to = [`${env.run}-partial@y.test`, "reject@y.test", "defer@y.test"];
      const { accepted, rejected } = await client.send({ from: "a@x.test", to, body: TEXT });
      equal(accepted.map(({ address }) => address), to.slice(0, 1));
      equal(rejected.map(({ address, reply }) => [address, reply.code]), [["reject@y.test", 550], ["defer@y.test", 450]]);
    },
  },
  {
    name: "a refusal of everybody, and the next message",
    async run({ connect, SmtpReplyError }, env): Promise<void> {
      await using client = await connect(reaching(env, env.ports.starttls));
      const error = await client.send({ from: "a@x.test", to: ["reject@y.test"], body: TEXT }).catch((error: unknown) => error);
      equal(error instanceof SmtpReplyError && [error.code, error.rejected.length], [550, 1]);
      await sendOne(client, env);
    },
  },
  {
    name: "a streamed body of 20 MiB",
    async run({ connect }, env): Promise<void> {
      await using client = await connect(reaching(env, env.ports.starttls));
      const line = new TextEncoder().encode(`.${"0123456789abcdef".repeat(4)}\r\n`);
      const block = new Uint8Array(line.length * 1000);
      for (let at = 0; at < block.length; at += line.length) block.set(line, at);
      const blocks = Math.ceil(20 * 1024 * 1024 / block.length);
      let left = blocks;
      const body = new ReadableStream<Uint8Array>({
        pull: (controller) => left-- > 0 ? controller.enqueue(block.slice()) : controller.close(),
      });
      const to = `${env.run}-stream@y.test`;
      await client.send({ from: "a@x.test", to, body });
      const whole = new Uint8Array(block.length * blocks);
      for (let at = 0; at < whole.length; at += block.length) whole.set(block, at);
      const { length, sha256: hash } = await storedFor(env, to);
      equal([length, hash], [whole.length, await sha256(whole)]);
    },
  },
  {
    name: "one connection for 100 messages",
    async run({ connect }, env): Promise<void> {
      await using client = await connect(reaching(env, env.ports.starttls, { auth: env.user }));
      const to = (index: number) => `${env.run}-many-${index}@y.test`;
      const numbers = Array.from({ length: 100 }, (_, index) => index);
      const results = await Promise.all(numbers.map((index) => client.send({ from: "a@x.test", to: to(index), body: `Subject: ${index}\r\n\r\n` })));
      equal(results.filter(({ accepted }) => accepted.length === 1).length, 100);
      const hash = await sha256(new TextEncoder().encode("Subject: 99\r\n\r\n"));
      equal((await storedFor(env, to(99))).sha256, hash);
    },
  },
  {
    name: "low-level verbs on the same connection",
    async run({ SmtpConnection }, env): Promise<void> {
      await using connection = await SmtpConnection.open(reaching(env, env.ports.plain, { tls: "none" }));
      await connection.ehlo("client.test");
      const to = `${env.run}-low@y.test`;
      const replies = await Promise.all([connection.mail("a@x.test"), connection.rcpt(to), connection.data()]);
      equal(replies.map(({ code }) => code), [250, 250, 354]);
      equal((await connection.dotStuff(TEXT)).code, 250);
      equal((await storedFor(env, to)).sha256, await sha256(new TextEncoder().encode(TEXT)));
    },
  },
  {
    name: "an adopted socket of WinterTC's shape",
    async run({ connect, dial }, env): Promise<void> {
      const signal = new AbortController().signal;
      const dialled = await dial({ hostname: "localhost", port: env.ports.plain, secureTransport: "off", tls: {}, signal });
      const socket: Socket = { readable: dialled.readable, writable: dialled.writable, close: () => dialled.close() };
      await using client = await connect({ hostname: "localhost", tls: "none", name: "client.test", socket });
      await sendOne(client, env);
    },
  },
];

const dialErrors: Case[] = [
  {
    name: "dialling a port where nobody listens",
    async run({ connect }, env): Promise<void> {
      const error = await rejected(connect(reaching(env, env.ports.closed)));
      equal([error.name, error.kind, error.phase, error.delivery], ["SmtpConnectionError", "connect", "connect", "not-sent"]);
    },
  },
  {
    name: "dialling a name that does not exist",
    async run({ connect }, env): Promise<void> {
      const error = await rejected(connect(reaching(env, env.ports.plain, { hostname: "nowhere.invalid" })));
      equal([error.name, error.kind, error.phase], ["SmtpConnectionError", "connect", "connect"]);
    },
  },
  {
    name: "dialling beyond the deadline",
    async run({ connect }, env): Promise<void> {
      // A clock on which every deadline has come when it is set.
      const clock = { now: () => 0, schedule: (callback: () => void) => (queueMicrotask(callback), () => {}) };
      const error = await rejected(connect(reaching(env, env.ports.plain, { tls: "none", clock })));
      equal([error.name, error.kind, error.phase], ["SmtpConnectionError", "timeout", "connect"]);
    },
  },
];

const features: Case[] = [
  {
    name: "an authority of one's own",
    needs: "own authority",
    async run({ connect }, env): Promise<void> {
      const tlsOptions = { caCerts: [env.authority] };
      await using client = await connect(reaching(env, env.ports.starttls, { tlsOptions }));
      await sendOne(client, env);
    },
  },
  {
    name: "a client certificate with implicit TLS",
    needs: "client certificate",
    async run({ connect }, env): Promise<void> {
      const tlsOptions = { caCerts: [env.authority], ...env.identity };
      await using client = await connect(reaching(env, env.ports.wantsCertificate, { tls: "implicit", tlsOptions }));
      await sendOne(client, env);
    },
  },
  {
    name: "a client certificate after STARTTLS",
    needs: "client certificate after STARTTLS",
    async run({ connect }, env): Promise<void> {
      const tlsOptions = { caCerts: [env.authority], ...env.identity };
      await using client = await connect(reaching(env, env.ports.wantsCertificateStarttls, { tlsOptions }));
      await sendOne(client, env);
    },
  },
  {
    name: "a unix socket",
    needs: "unix socket",
    async run({ connect }, env): Promise<void> {
      await using client = await connect({ path: env.path, name: "client.test", auth: env.user });
      equal((await sendOne(client, env)).user, env.user.username);
    },
  },
];

/** What is known of the message when the server is lost in each phase. */
const LOST: Readonly<Record<Phase, readonly [phase: string, delivery: string]>> = {
  greeting: ["greeting", "not-sent"],
  ehlo: ["ehlo", "not-sent"],
  mail: ["mail", "not-sent"],
  rcpt: ["rcpt", "not-sent"],
  data: ["data", "not-sent"],
  content: ["data", "unknown"],
};

/** What the client does or hears last before it waits in each phase. */
const REACHED: Readonly<Record<Phase, (event: TraceEvent) => boolean>> = {
  greeting: ({ type }) => type === "connect",
  ehlo: (event) => event.type === "send" && event.line.startsWith("EHLO"),
  mail: (event) => event.type === "send" && event.line === "DATA",
  rcpt: (event) => event.type === "receive" && event.command?.startsWith("MAIL") === true,
  data: (event) => event.type === "receive" && event.command?.startsWith("RCPT") === true,
  content: ({ type }) => type === "content",
};

const losses: Case[] = PHASES.flatMap((phase): Case[] => [
  {
    name: `the server hangs up in ${phase}`,
    async run(library, env): Promise<void> {
      const error = await rejected(session(library, env, env.ports.closes[phase]));
      equal([error.name, error.kind, error.phase, error.delivery], ["SmtpConnectionError", "disconnected", ...LOST[phase]]);
    },
  },
  {
    name: `an abort in ${phase}`,
    async run(library, env): Promise<void> {
      const controller = new AbortController();
      let reached = () => {};
      const isReached = new Promise<void>((resolve) => reached = resolve);
      const trace = (event: TraceEvent) => REACHED[phase](event) && reached();
      const ended = rejected(session(library, env, env.ports.stalls[phase], { signal: controller.signal, trace }));
      await isReached;
      controller.abort(new Error("enough"));
      const error = await ended;
      equal([error.name, error.kind, error.phase, error.delivery], ["SmtpConnectionError", "aborted", ...LOST[phase]]);
    },
  },
]);

async function session({ connect }: Library, env: Environment, port: number, more: ConnectOptions = {}): Promise<void> {
  const client = await connect(reaching(env, port, { tls: "none", ...more }));
  try {
    await client.send({ from: "a@x.test", to: "b@y.test", body: TEXT }, { signal: more.signal });
  } finally {
    client.close();
  }
}

/** Every case, in the order of the matrix. */
export const cases: readonly Case[] = [
  ...certificates,
  ...proxyCertificates,
  ...basics,
  ...dialErrors,
  ...features,
  ...logins,
  ...resumptions,
  ...extensionCases,
  ...manyCases,
  ...proxies,
  ...losses,
];
