/**
 * The dialer of Cloudflare Workers, on `cloudflare:sockets`. TLS is the platform's: its authorities, its versions. What it cannot do is refused by name
 * before anything is dialled.
 *
 * A handshake that is given up ends for the caller at once, but the platform (workerd 2026-11-17) keeps its TCP connection until the peer or the request
 * ends.
 *
 * @module
 */
import { SmtpConnectionError, SmtpSecurityError, SmtpUnsupportedError } from "../errors.ts";
import type { CloudflareSocket, CloudflareSockets } from "./runtime_types.ts";
import { type DialOptions, messageOf, type Socket, type StartTlsOptions, type TlsOptions } from "./socket.ts";

/** In a constant, so that bundlers for other platforms do not try to find it. */
const SOCKETS: string = "cloudflare:sockets";

/**
 * Dials with the sockets of Cloudflare Workers. The platform lets no one connect to port 25.
 *
 * Source: WinterTC Sockets API, RFC 8314 section 3.
 *
 * @param options Where to, and how.
 * @returns A socket that stands, TLS included where it was asked for.
 * @throws {SmtpUnsupportedError} An authority or a certificate of one's own, another `serverName` than the host's, or a unix socket. {SmtpConnectionError} `connect`: nobody answered.
 * {SmtpSecurityError} `tls`: the handshake or the certificate failed.
 *
 * @example
 * ```ts
 * import { connect } from "@posthorn/smtp";
 * import { dialCloudflare } from "@posthorn/smtp/transport/cloudflare";
 *
 * const open = (password: string) => connect({ hostname: "mail.example.com", dial: dialCloudflare, auth: { username: "alice", password } });
 * ```
 */
export async function dialCloudflare(options: DialOptions): Promise<Socket> {
  const { hostname, port, secureTransport, signal } = options;
  refuse(options);
  const { connect }: CloudflareSockets = await import(/* @vite-ignore */ /* webpackIgnore: true */ SOCKETS);
  // Implicit TLS is started by us too: then a failed handshake can be told from a host that does not answer.
  const raw = connect({ hostname, port }, { secureTransport: secureTransport === "off" ? "off" : "starttls", allowHalfOpen: false });
  await opened(raw, signal, (cause) => {
    return new SmtpConnectionError("connect", `Cannot connect to ${hostname}:${port}: ${messageOf(cause)}`, { phase: "connect", cause });
  });
  if (secureTransport === "on") return await startTls(raw, hostname, { ...options.tls, serverName: hostname, signal });
  return socketOf(raw, { secureTransport, ...(secureTransport === "starttls" && { startTls: (options) => startTls(raw, hostname, options) }) });
}

async function startTls(raw: CloudflareSocket, hostname: string, options: StartTlsOptions): Promise<Socket> {
  refuseTls(hostname, options);
  const { serverName, signal } = options;
  const errorOf = (cause: unknown) => new SmtpSecurityError("tls", `TLS with ${serverName} failed: ${messageOf(cause)}`, { phase: "connect", cause });
  let secure: CloudflareSocket;
  try {
    // The certificate is checked against the host that was dialled. There is an option for another name (expectedServerHostname), and workerd by itself
    // heeds it, but the platform does not (cloudflare/workerd issue 6903): behind a proxy it would take the proxy's certificate for the server's.
    secure = raw.startTls();
  } catch (cause) {
    closeIgnoring(raw);
    throw errorOf(cause);
  }
  await opened(secure, signal, errorOf);
  return { ...socketOf(secure, { secureTransport: "on" }), ...guarded(secure, () => errorOf(new Error(SILENT_END))) };
}

/** What can be said of a connection that ended before TLS was seen to stand. */
const SILENT_END = "the certificate is not trusted, or the server hung up; Workers do not tell which";

/**
 * Not every version of the platform waits for the handshake before it says that TLS stands (workerd 2026-04-26 does not, 2026-11-17 does). Where it does
 * not, a handshake that fails looks like a server that hangs up: the stream just ends. So an end before any octet has crossed is taken for that. Nothing
 * is ever sent to a peer that is not trusted, since a write waits for the handshake.
 */
function guarded({ readable, writable }: CloudflareSocket, errorOf: () => SmtpSecurityError): Pick<Socket, "readable" | "writable"> {
  const reader = readable.getReader();
  const writer = writable.getWriter();
  // Every write is awaited; that the stream as a whole has failed is no news then.
  writer.closed.catch(() => {});
  let hasCrossed = false;
  return {
    readable: new ReadableStream<Uint8Array>({
      async pull(controller): Promise<void> {
        try {
          const { done, value } = await reader.read();
          if (done && !hasCrossed) throw errorOf();
          if (done) return controller.close();
          hasCrossed = true;
          controller.enqueue(value);
        } catch (cause) {
          throw hasCrossed ? cause : errorOf();
        }
      },
      cancel: (reason) => reader.cancel(reason),
    }, { highWaterMark: 0 }),
    writable: new WritableStream<Uint8Array>({
      async write(octets): Promise<void> {
        await writer.write(octets);
        hasCrossed = true;
      },
      abort: (reason) => writer.abort(reason),
    }),
  };
}

function refuse({ hostname, path, tls }: DialOptions): void {
  if (path !== undefined) throw unsupported("a unix socket");
  refuseTls(hostname, tls);
}

function refuseTls(hostname: string, { caCerts, cert, key, serverName = hostname }: TlsOptions): void {
  if (serverName !== hostname) {
    const hint = "through a proxy they would take its certificate for the server's: only what needs no TLS can go that way";
    throw unsupported("another name for the server than that of the host (serverName)", hint);
  }
  if (caCerts !== undefined) throw unsupported("authorities of one's own (caCerts)");
  if (cert !== undefined || key !== undefined) throw unsupported("a client certificate");
}

function unsupported(what: string, hint?: string): SmtpUnsupportedError {
  return new SmtpUnsupportedError("unsupported", `Cloudflare Workers do not know ${what}`, { phase: "connect", hint });
}

/** Waits until `socket` stands. */
async function opened(socket: CloudflareSocket, signal: AbortSignal | undefined, errorOf: (cause: unknown) => Error): Promise<void> {
  socket.closed.catch(() => {});
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => onAbort = () => reject(signal?.reason));
  aborted.catch(() => {});
  if (signal?.aborted) onAbort();
  signal?.addEventListener("abort", onAbort);
  try {
    await Promise.race([aborted, socket.opened]);
  } catch (cause) {
    closeIgnoring(socket);
    throw signal?.aborted ? signal.reason : errorOf(cause);
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

function socketOf(socket: CloudflareSocket, more: Pick<Socket, "secureTransport" | "startTls">): Socket {
  const { readable, writable, opened } = socket;
  return { ...more, readable, writable, opened, close: () => socket.close() };
}

function closeIgnoring(socket: CloudflareSocket): void {
  socket.close().catch(() => {});
}
