/**
 * The dialer of Deno, on `Deno.connect` and `Deno.startTls`. It needs `--allow-net` and nothing else (a unix socket: `--allow-read` and
 * `--allow-write` of its path).
 *
 * TLS always goes over a TCP connection of our own: only there can Nagle's algorithm be turned off (40 ms a message otherwise), the name differ from
 * the host dialled, and a signal end the attempt. A client certificate is the exception, since `Deno.startTls` takes none.
 *
 * Every handshake is a whole one: Deno (2.9) neither shares what TLS costs to begin nor resumes a session.
 *
 * A handshake that is given up ends for the caller at once, but Deno (2.9) keeps its TCP connection until the peer or the process ends.
 *
 * @module
 */
import { SmtpConnectionError, SmtpSecurityError, SmtpUnsupportedError } from "../errors.ts";
import { socketOn } from "./direct.ts";
import type { DenoConn, DenoRuntime, DenoTcpConn, DenoTlsConn } from "./runtime_types.ts";
import { type DialOptions, messageOf, type Socket, type SocketInfo, type StartTlsOptions } from "./socket.ts";

/** Octets of one read at the most: a reply is far smaller, and the buffer lives as long as the connection. */
const READ_BUFFER = 16_384;

/**
 * Dials with Deno's own sockets: Happy Eyeballs (RFC 8305), TCP_NODELAY, Mozilla's or the system's authorities and `caCerts`.
 *
 * Source: RFC 8305, RFC 8314 section 3.
 *
 * @param options Where to, and how.
 * @returns A socket that stands, TLS included where it was asked for.
 * @throws {SmtpConnectionError} `connect`: nobody answered. {SmtpSecurityError} `tls`: the handshake or the certificate failed.
 * {SmtpUnsupportedError} A client certificate with STARTTLS, which `Deno.startTls` cannot present: pass `dialNode`.
 *
 * @example
 * ```ts
 * import { connect } from "@posthorn/smtp";
 * import { dialDeno } from "@posthorn/smtp/transport/deno";
 *
 * const open = () => connect({ hostname: "mail.example.com", dial: dialDeno });
 * ```
 */
export async function dialDeno(options: DialOptions): Promise<Socket> {
  const deno = runtime();
  if (options.path !== undefined) {
    refuseTls(options);
    return socketOf(await connected(options, deno.connect({ transport: "unix", path: options.path })));
  }
  if (options.tls.cert !== undefined || options.tls.key !== undefined) return await dialWithCertificate(deno, options);
  const { hostname, port, signal } = options;
  const conn = await connected(options, deno.connect({ hostname, port, signal }));
  conn.setNoDelay(true);
  if (options.secureTransport !== "on") return tcpSocket(deno, conn, options.secureTransport);
  return await startTls(deno, conn, { ...options.tls, serverName: options.tls.serverName ?? hostname, signal });
}

function runtime(): DenoRuntime {
  const deno: DenoRuntime | undefined = Reflect.get(globalThis, "Deno");
  if (deno === undefined) throw new SmtpUnsupportedError("unsupported", "Deno's sockets need Deno", { phase: "connect" });
  return deno;
}

async function dialWithCertificate(deno: DenoRuntime, options: DialOptions): Promise<Socket> {
  const { hostname, port, tls, signal } = options;
  const { cert, key, caCerts, serverName } = tls;
  if (cert === undefined || key === undefined) throw new TypeError("Cannot use a client certificate as it must come with its key: one is missing");
  if (options.secureTransport !== "on" || (serverName !== undefined && serverName !== hostname)) {
    throw new SmtpUnsupportedError("unsupported", "Deno presents a client certificate only with implicit TLS and the host's own name", {
      phase: "connect",
      hint: 'use tls: "implicit", or the dialer dialNode of "@posthorn/smtp/transport/node"',
    });
  }
  const opening = deno.connectTls({ hostname, port, cert, key, ...(caCerts && { caCerts: [...caCerts] }) });
  const conn = await connected(options, opening);
  await shaken(conn, hostname, signal);
  return socketOf(conn, { secureTransport: "on" });
}

/** Awaits a connection; one that comes after the abort is closed. */
async function connected<C extends DenoConn>(options: DialOptions, opening: Promise<C>): Promise<C> {
  const { signal } = options;
  const place = options.path ?? `${options.hostname}:${options.port}`;
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => onAbort = () => reject(signal.reason));
  signal.addEventListener("abort", onAbort);
  try {
    signal.throwIfAborted();
    return await Promise.race([opening, aborted]);
  } catch (cause) {
    opening.then((conn) => conn.close(), () => {});
    signal.throwIfAborted();
    throw new SmtpConnectionError("connect", `Cannot connect to ${place}: ${messageOf(cause)}`, { phase: "connect", cause });
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function refuseTls(options: DialOptions): void {
  if (options.secureTransport === "off") return;
  throw new SmtpUnsupportedError("unsupported", "Deno speaks no TLS over a unix socket", {
    phase: "connect",
    hint: 'a unix socket leaves the machine by no network: use tls: "none"',
  });
}

function tcpSocket(deno: DenoRuntime, conn: DenoTcpConn, secureTransport: "off" | "starttls"): Socket {
  return socketOf(conn, {
    secureTransport,
    ...(secureTransport === "starttls" && { startTls: (options: StartTlsOptions) => startTls(deno, conn, options) }),
  });
}

async function startTls(deno: DenoRuntime, conn: DenoTcpConn, options: StartTlsOptions): Promise<Socket> {
  if (options.cert !== undefined) {
    throw new SmtpUnsupportedError("unsupported", "Deno cannot present a client certificate after STARTTLS", {
      phase: "starttls",
      hint: 'use tls: "implicit", or the dialer dialNode of "@posthorn/smtp/transport/node"',
    });
  }
  const hostname = options.serverName;
  let secure: DenoTlsConn;
  try {
    secure = await deno.startTls(conn, { hostname, ...(options.caCerts && { caCerts: [...options.caCerts] }) });
  } catch (cause) {
    closeQuietly(conn);
    throw tlsError(hostname, cause);
  }
  await shaken(secure, hostname, options.signal);
  return socketOf(secure, { secureTransport: "on" });
}

/** `Deno.startTls` resolves before the certificate is checked; only `handshake()` tells. */
async function shaken(conn: DenoTlsConn, serverName: string, signal: AbortSignal | undefined): Promise<void> {
  const onAbort = () => closeQuietly(conn);
  signal?.addEventListener("abort", onAbort);
  try {
    signal?.throwIfAborted();
    await conn.handshake();
  } catch (cause) {
    closeQuietly(conn);
    signal?.throwIfAborted();
    throw tlsError(serverName, cause);
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

function socketOf(conn: DenoConn, more: Pick<Socket, "secureTransport" | "startTls"> = { secureTransport: "off" }): Socket {
  const buffer = new Uint8Array(READ_BUFFER);
  return socketOn({
    async read(): Promise<Uint8Array | undefined> {
      const length = await conn.read(buffer);
      return length === null ? undefined : buffer.subarray(0, length);
    },
    async write(octets): Promise<void> {
      // Of octets that are gone meanwhile no view can be had, so the rest of them is not taken for written.
      const { length } = octets;
      for (let written = 0; written < length;) written += await conn.write(written === 0 ? octets : octets.subarray(written));
    },
  }, {
    ...more,
    opened: Promise.resolve<SocketInfo>({ localAddress: addressOf(conn.localAddr), remoteAddress: addressOf(conn.remoteAddr) }),
    close: () => closeQuietly(conn),
  });
}

function addressOf(address: DenoConn["localAddr"]): string | undefined {
  const { hostname, port } = address;
  if (hostname === undefined) return undefined;
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

function closeQuietly(conn: DenoConn): void {
  try {
    conn.close();
  } catch {
    // Deno throws BadResource for what is closed already, or was taken over by startTls.
  }
}

function tlsError(serverName: string, cause: unknown): SmtpSecurityError {
  // A connection that was lost may stand the next time; a certificate stays what it is.
  const transient = cause instanceof Error && LOSSES.includes(cause.name);
  return new SmtpSecurityError("tls", `TLS with ${serverName} failed: ${messageOf(cause)}`, { phase: "connect", transient, cause });
}

/** The names of the errors of Deno's that say that the peer is gone. */
const LOSSES: readonly string[] = ["ConnectionReset", "ConnectionAborted", "BrokenPipe", "UnexpectedEof"];
