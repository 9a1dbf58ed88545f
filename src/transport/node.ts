/**
 * The dialer of Node and Bun, on `node:net` and `node:tls`; it also runs on Deno, where it can do what Deno's own sockets cannot: present a client
 * certificate after STARTTLS.
 *
 * The modules are asked of the process rather than imported, so that no bundler for another platform ever sees them.
 *
 * @module
 */
import { SmtpConnectionError, SmtpProtocolError, SmtpSecurityError, SmtpUnsupportedError } from "../errors.ts";
import type { NodeNet, NodeProcess, NodeSocket, NodeTls } from "./runtime_types.ts";
import { type DialOptions, messageOf, type Socket, type StartTlsOptions, type TlsOptions } from "./socket.ts";

/**
 * Dials with Node's sockets: Happy Eyeballs (RFC 8305), TCP_NODELAY, TLS 1.2 at least, the runtime's authorities and `caCerts`, client certificates.
 *
 * Source: RFC 8305, RFC 8314 section 3.
 *
 * @param options Where to, and how.
 * @returns A socket that stands, TLS included where it was asked for.
 * @throws {SmtpConnectionError} `connect`: nobody answered. {SmtpSecurityError} `tls`: the handshake or the certificate failed.
 *
 * @example
 * ```ts
 * import { connect } from "@posthorn/smtp";
 * import { dialNode } from "@posthorn/smtp/transport/node";
 *
 * const withCertificate = (cert: string, key: string) => connect({ hostname: "mail.example.com", dial: dialNode, tlsOptions: { cert, key } });
 * ```
 */
export async function dialNode(options: DialOptions): Promise<Socket> {
  const { net, tls } = modules();
  const { hostname, port, path, secureTransport, signal } = options;
  const place = path ?? `${hostname}:${port}`;
  const raw = net.connect(path === undefined ? { host: hostname, port, noDelay: true, autoSelectFamily: true } : { path });
  await ready(raw, "connect", signal, (cause) => {
    return new SmtpConnectionError("connect", `Cannot connect to ${place}: ${messageOf(cause)}`, { phase: "connect", cause });
  });
  const startTls = (options: StartTlsOptions) => handshake({ net, tls }, raw, options);
  if (secureTransport === "on") return await startTls({ ...options.tls, serverName: options.tls.serverName ?? hostname, signal });
  if (secureTransport === "off") return socketOf(raw, { secureTransport });
  const plain = socketOf(raw, { secureTransport });
  return { ...plain, startTls: (options) => plain.release(() => startTls(options)) };
}

interface Modules {
  readonly net: NodeNet;
  readonly tls: NodeTls;
}

function modules(): Modules {
  const process: NodeProcess | undefined = Reflect.get(globalThis, "process");
  if (typeof process?.getBuiltinModule !== "function") {
    throw new SmtpUnsupportedError("unsupported", "Node's sockets need Node 20.16 or later, Bun or Deno", { phase: "connect" });
  }
  return { net: process.getBuiltinModule("node:net"), tls: process.getBuiltinModule("node:tls") };
}

async function handshake({ net, tls }: Modules, raw: NodeSocket, options: StartTlsOptions): Promise<Socket> {
  const { serverName, signal } = options;
  const isAddress = net.isIP(serverName) !== 0;
  const secure = tls.connect({
    socket: raw,
    host: serverName,
    // RFC 6066 section 3: an address is no server name.
    ...(!isAddress && { servername: serverName }),
    ...authorities(tls, options),
    ...(options.cert !== undefined && { cert: options.cert }),
    ...(options.key !== undefined && { key: options.key }),
    minVersion: "TLSv1.2",
  });
  await ready(secure, "secureConnect", signal, (cause) => {
    raw.destroy();
    return new SmtpSecurityError("tls", `TLS with ${serverName} failed: ${messageOf(cause)}`, { phase: "connect", cause });
  });
  const socket = socketOf(secure, { secureTransport: "on" });
  const channelBinding = async () => await (await import("./channel_binding.ts")).channelBindingOf(secure);
  // TLS can be nested: a proxy that speaks it leads to a server that does.
  return { ...socket, channelBinding, startTls: (options) => socket.release(() => handshake({ net, tls }, secure, options)) };
}

/** The `ca` of Node stands in the place of its own authorities, so those are named too. */
function authorities(tls: NodeTls, { caCerts }: TlsOptions): { readonly ca?: readonly string[] } {
  if (caCerts === undefined) return {};
  return { ca: [...(tls.getCACertificates?.("default") ?? tls.rootCertificates), ...caCerts] };
}

/** Waits for `event`; whatever comes before it is the end of the socket. */
async function ready(
  socket: NodeSocket,
  event: "connect" | "secureConnect",
  signal: AbortSignal | undefined,
  errorOf: (cause: unknown) => Error,
): Promise<void> {
  let forget = () => {};
  try {
    await new Promise<void>((resolve, reject) => {
      const onAbort = () => reject(signal?.reason);
      const onClose = () => reject(errorOf(new Error("the connection was closed")));
      const onError = (cause: unknown) => reject(errorOf(cause));
      const onReady = () => resolve();
      if (signal?.aborted) onAbort();
      signal?.addEventListener("abort", onAbort);
      socket.on(event, onReady);
      socket.on("close", onClose);
      socket.on("error", onError);
      forget = () => {
        signal?.removeEventListener("abort", onAbort);
        socket.off(event, onReady);
        socket.off("close", onClose);
        socket.off("error", onError);
        // An error that nobody listens to ends the process.
        socket.on("error", () => {});
      };
    });
  } catch (error) {
    forget();
    socket.destroy();
    throw error;
  }
  forget();
}

/** A socket whose listeners can be taken off it, to hand the connection on. */
interface ReleasableSocket extends Socket {
  release(next: () => Promise<Socket>): Promise<Socket>;
}

function socketOf(socket: NodeSocket, more: Pick<Socket, "secureTransport">): ReleasableSocket {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  let isWanted: (() => void) | undefined;
  let hasEnded = false;
  const settle = () => {
    isWanted?.();
    isWanted = undefined;
  };
  const onData = (chunk: Uint8Array) => {
    // One chunk for one pull: nothing is read ahead of what is asked for, so that TLS can begin at any octet.
    socket.pause();
    if (!hasEnded) controller?.enqueue(chunk);
    settle();
  };
  const onEnd = () => {
    if (hasEnded) return;
    hasEnded = true;
    controller?.close();
    settle();
  };
  const onError = (error: unknown) => {
    if (hasEnded) return;
    hasEnded = true;
    controller?.error(error);
    settle();
  };
  const onClose = () => onError(new Error("the socket was closed"));
  socket.pause();
  socket.on("data", onData);
  socket.on("end", onEnd);
  socket.on("error", onError);
  socket.on("close", onClose);
  const { localAddress, localPort, remoteAddress, remotePort } = socket;
  return {
    ...more,
    opened: Promise.resolve({ localAddress: addressOf(localAddress, localPort), remoteAddress: addressOf(remoteAddress, remotePort) }),
    readable: new ReadableStream<Uint8Array>({
      start: (given) => void (controller = given),
      pull: () => {
        if (hasEnded) return;
        return new Promise<void>((resolve) => {
          isWanted = resolve;
          socket.resume();
        });
      },
      cancel: () => {
        // The stream takes nothing more, whatever the socket still has to tell.
        hasEnded = true;
        settle();
        socket.destroy();
      },
    }, { highWaterMark: 0 }),
    writable: new WritableStream<Uint8Array>({
      write: (chunk) => {
        return new Promise<void>((resolve, reject) => void socket.write(chunk, (error) => error ? reject(error) : resolve()));
      },
      abort: () => void socket.destroy(),
    }),
    close: () => void socket.destroy(),
    release: async (next) => {
      const early = socket.readableLength;
      socket.off("data", onData);
      socket.off("end", onEnd);
      socket.off("error", onError);
      socket.off("close", onClose);
      if (hasEnded || socket.destroyed) {
        throw new SmtpConnectionError("disconnected", "The server closed the connection before TLS was started", { phase: "starttls" });
      }
      if (early > 0) {
        socket.destroy();
        throw new SmtpProtocolError("The server sent octets in the clear behind its reply to STARTTLS", { phase: "starttls" });
      }
      return await next();
    },
  };
}

function addressOf(address: string | undefined, port: number | undefined): string | undefined {
  if (address === undefined) return undefined;
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
