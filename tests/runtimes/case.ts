/** What a case of the behaviour suite is and is given, and the steps that cases share. */
import type { ConnectOptions, SmtpClient } from "@posthorn/smtp";

/** The library, from source or from a package. */
export type Library = typeof import("@posthorn/smtp") & {
  readonly extensions: typeof import("@posthorn/smtp/extensions");
  readonly proxy: typeof import("@posthorn/smtp/proxy");
  readonly sasl: typeof import("@posthorn/smtp/sasl");
};

/** Where a session stands when a server hangs up or falls silent. */
export const PHASES = ["greeting", "ehlo", "mail", "rcpt", "data", "content"] as const;
export type Phase = typeof PHASES[number];

/** What a runtime may lack; the table in `runtimes.ts` says which lacks what. */
export type Feature =
  | "own authority"
  | "client certificate"
  | "client certificate after STARTTLS"
  | "unix socket"
  | "MD5"
  | "channel binding"
  | "session resumption"
  | "the end of a handshake"
  | "TLS through a proxy"
  | "TLS inside TLS";

/**
 * The servers of `sasl_server.ts`: all that they can, no more than TLS 1.2, with the -PLUS mechanisms cut out of their list, and with another host's
 * certificate at the second of three connections.
 */
export type SaslPorts = Readonly<Record<"sasl" | "saslTls12" | "saslStripped" | "saslTurning", number>>;

/** The servers, and what is needed to reach them. */
export interface Environment {
  readonly ports: SaslPorts & {
    readonly starttls: number;
    readonly implicit: number;
    readonly plain: number;
    readonly otherHost: number;
    readonly otherHostStarttls: number;
    readonly unknownAuthority: number;
    readonly wantsCertificate: number;
    readonly wantsCertificateStarttls: number;
    /** Its certificate is for {@linkcode Environment.proxy}. */
    readonly proxysName: number;
    readonly proxysNameStarttls: number;
    /** Expects the header of the PROXY protocol. */
    readonly proxyProtocol: number;
    /** Offers CHUNKING, BINARYMIME, DSN, SMTPUTF8, FUTURERELEASE, MT-PRIORITY, DELIVERBY and LIMITS, over implicit TLS. */
    readonly chunking: number;
    readonly closed: number;
    readonly closes: Readonly<Record<Phase, number>>;
    readonly stalls: Readonly<Record<Phase, number>>;
  };
  /** A unix socket in front of the plain server. */
  readonly path: string;
  /** A unix socket in front of a server of LMTP. */
  readonly lmtpPath: string;
  /** A proxy that speaks SOCKS5 and HTTP, on an address that no certificate of the other servers has; {@linkcode user} may use it. */
  readonly proxy: { readonly hostname: string; readonly port: number };
  /** An HTTP proxy that speaks TLS itself. */
  readonly secureProxy: { readonly hostname: string; readonly port: number };
  /** Tells of the messages that were stored (`GET /?to=mailbox`), how many logins were tried (`/logins`), how often a proxy led somewhere (`/tunnels`). */
  readonly control: string;
  /** The authority of the servers, PEM; a runtime without the feature was told to trust it beforehand. */
  readonly authority: string;
  readonly identity: { readonly cert: string; readonly key: string };
  readonly user: { readonly username: string; readonly password: string };
  /** An access token of the user's. */
  readonly token: string;
  /** What the runtime does not have. */
  readonly lacks: readonly Feature[];
  /** Told apart from the runs of other runtimes by this. */
  readonly run: string;
}

/** A stored message, as the control server tells it. */
export interface Stored {
  readonly from: string;
  readonly sha256: string;
  readonly length: number;
  readonly user: string | undefined;
  readonly client: string;
  readonly isSecure: boolean;
  /** The parameters of MAIL, and where the server keeps them of RCPT. */
  readonly parameters: Readonly<Record<string, string | boolean>>;
}

/** How long a case may take, in milliseconds: longer than any that does not hang. */
const PATIENCE = 10_000;

/** One case, and what it is given. */
export interface Case<E = Environment> {
  readonly name: string;
  /** Without it the case has to fail with the documented error. */
  readonly needs?: Feature;
  readonly run: (library: Library, env: E) => Promise<void>;
}

/** A message with everything that a client may spoil. */
export const TEXT = "From: a@x.test\r\nTo: b@y.test\r\nSubject: hello\r\n\r\nHello.\r\n.hidden\r\n..\r\nGr\u00fc\u00dfe\r\n";

/** Throws unless both are the same as JSON. */
export function equal(actual: unknown, expected: unknown, what = ""): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what} expected ${b}, got ${a}`);
}

/** What a caller decides by of the error that `promise` rejects with. */
export async function rejected(promise: Promise<unknown>): Promise<Record<string, unknown>> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const names = ["kind", "phase", "code", "delivery", "details", "message"];
    return { name: error.name, ...Object.fromEntries(names.map((name) => [name, Reflect.get(error, name)])) };
  }
  throw new Error(`it did not reject, but resolved with ${value}`);
}

/** Options that reach `port`. */
export function reaching(env: Pick<Environment, "lacks" | "authority">, port: number, more: ConnectOptions = {}): ConnectOptions {
  const tlsOptions = env.lacks.includes("own authority") ? {} : { tlsOptions: { caCerts: [env.authority] } };
  return { hostname: "localhost", port, name: "client.test", ...tlsOptions, ...more };
}

/** The hash of `octets`, in hexadecimal. */
export async function sha256(octets: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", octets);
  return Array.from(new Uint8Array(digest), (octet) => octet.toString(16).padStart(2, "0")).join("");
}

let sent = 0;

/** Sends `TEXT` to a mailbox of its own and tells how it was stored. */
export async function sendOne(client: SmtpClient, env: Environment): Promise<Stored> {
  const to = `${env.run}-${++sent}@y.test`;
  const result = await client.send({ from: "a@x.test", to, body: TEXT });
  equal([result.accepted.length, result.rejected.length, result.reply.code], [1, 0, 250]);
  const stored = await storedFor(env, to);
  equal(stored.sha256, await sha256(new TextEncoder().encode(TEXT)), "the bytes");
  return stored;
}

/** How the message to `to` was stored. */
export async function storedFor(env: Environment, to: string): Promise<Stored> {
  const response = await fetch(`${env.control}/?to=${encodeURIComponent(to)}`);
  if (!response.ok) throw new Error(`the server has no message for ${to}`);
  return await response.json();
}

/** How many logins the servers have seen. */
export async function loginsTried(env: Environment): Promise<number> {
  return await (await fetch(`${env.control}/logins`)).json();
}

/** How often a proxy has led somewhere. */
export async function tunnels(env: Environment): Promise<number> {
  return await (await fetch(`${env.control}/tunnels`)).json();
}

/** Runs the one of `cases` that is called `name`; resolves with what went wrong, or with `undefined`. */
export async function runCase<E extends Pick<Environment, "lacks">>(
  cases: readonly Case<E>[],
  name: string,
  library: Library,
  env: E,
): Promise<string | undefined> {
  const found = cases.find((one) => one.name === name);
  if (found === undefined) return `there is no case ${name}`;
  try {
    const run = inTime(found.run(library, env));
    if (found.needs === undefined || !env.lacks.includes(found.needs)) await run;
    else {
      const { name, kind, phase, message } = await rejected(run);
      if (name !== "SmtpUnsupportedError" || kind !== "unsupported") {
        return `${name} of kind ${kind} in ${phase}, where SmtpUnsupportedError is documented: ${message}`;
      }
    }
    return undefined;
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}\n${error.stack}` : String(error);
  }
}

/** `run`, unless it hangs. */
async function inTime(run: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => timer = setTimeout(() => reject(new Error("it hangs")), PATIENCE));
  try {
    await Promise.race([run, late]);
  } finally {
    clearTimeout(timer);
  }
}
