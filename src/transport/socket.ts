import { wrong } from "../wire/wrong.ts";

/**
 * What the library needs of a connection: the WinterTC sockets API, cut down. A Workers `connect()` socket, a tunnel through a proxy, a `Deno.Conn`
 * and a pair of streams in memory all have this shape and can be adopted.
 *
 * Source: WinterTC Sockets API (connect, Socket, SocketInfo).
 *
 * @example
 * ```ts
 * import type { Socket } from "@posthorn/smtp";
 *
 * const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
 * const echo: Socket = { readable, writable, close: () => {} }; // the streams are cancelled and aborted too
 * ```
 */
export interface Socket {
  /** What the peer sends. Read only while something is expected, and not at all during {@linkcode startTls}. */
  readonly readable: ReadableStream<Uint8Array>;
  /** What goes to the peer; a write is done when the runtime has taken it. */
  readonly writable: WritableStream<Uint8Array>;
  /**
   * The octets without the streams around them, which cost by the item. Where it is there it is used, and the streams are not.
   *
   * The sockets of this library do not enumerate it, so that `{ ...socket, readable }` is without it and nothing passes the new stream by.
   */
  readonly direct?: DirectAccess;
  /** `"on"` once TLS stands; `"starttls"` while it can be started, `"off"` when it cannot. Absent: not known, and TLS is taken as not there. */
  readonly secureTransport?: "on" | "off" | "starttls";
  /** Resolves when the connection stands, with what is known of it; absent where it stood from the beginning. */
  readonly opened?: Promise<SocketInfo>;
  /** Starts TLS as the client and resolves when the peer's certificate has been checked; the socket itself is of no use afterwards. */
  startTls?(options: StartTlsOptions): Socket | Promise<Socket>;
  /**
   * What is true of this TLS connection and of no other, so that a login can be tied to it (RFC 5056). Absent, or resolves with `undefined`: not known,
   * and the mechanisms that need it are not used.
   */
  channelBinding?(): Promise<ChannelBinding | undefined>;
  /** Closes the connection at once: pending reads and writes end. May be called more than once. */
  close(): void | Promise<void>;
}

/** The octets of a socket without the streams around them. They take from the same source, so neither reads ahead of what it is asked for. */
export interface DirectAccess {
  /** The octets that come next, `undefined` at the end. They are of use until the next call, which may overwrite them; one call is under way at most. */
  read(): Promise<Uint8Array | undefined>;
  /** Writes all of `octets`; they may be reused when it resolves. One call is under way at most. */
  write(octets: Uint8Array): Promise<void>;
}

/** What ties a login to one TLS connection: whoever stands between client and server has another. */
export interface ChannelBinding {
  /** Its registered name: `"tls-exporter"` (RFC 9266) with TLS 1.3, `"tls-server-end-point"` (RFC 5929 section 4) otherwise. */
  readonly type: string;
  /** The data that both ends have in common. */
  readonly data: Uint8Array;
}

/** What is known of a connection. */
export interface SocketInfo {
  /** The peer's address: `"192.0.2.1:587"`, `"[2001:db8::1]:587"`. */
  readonly remoteAddress?: string | undefined;
  /** Our own address, in the same form. */
  readonly localAddress?: string | undefined;
}

/** How TLS is spoken. There is no option that turns the verification off. */
export interface TlsOptions {
  /** The name the certificate must bear, also sent as SNI unless it is an IP address; default: the host's name. */
  readonly serverName?: string;
  /** Certificates of authorities, PEM, trusted besides those of the runtime. */
  readonly caCerts?: readonly string[];
  /** The client's certificate chain, PEM. */
  readonly cert?: string;
  /** The private key of {@linkcode cert}, PEM. */
  readonly key?: string;
}

/** {@linkcode TlsOptions} for a socket that is open. */
export interface StartTlsOptions extends TlsOptions {
  /** The name the certificate must bear. */
  readonly serverName: string;
  /** Ends the handshake, and the connection with it. */
  readonly signal?: AbortSignal;
}

/** Where to, and how. */
export interface DialOptions {
  /** Name or IP address of the host, IPv6 without brackets. */
  readonly hostname: string;
  /** TCP port, 1 to 65535. */
  readonly port: number;
  /** Path of a unix socket; `hostname` and `port` then only name the server. */
  readonly path?: string;
  /** `"on"`: TLS from the first byte. `"starttls"`: in the clear now, TLS may be started later. `"off"`: in the clear. */
  readonly secureTransport: "on" | "off" | "starttls";
  /** How TLS is spoken, now or later. */
  readonly tls: TlsOptions;
  /** Ends the attempt. */
  readonly signal: AbortSignal;
}

/**
 * Opens a connection. It resolves with a socket that stands, TLS included where `secureTransport` is `"on"`, and leaves nothing open when it
 * rejects: with an `SmtpError` of its own, or with any error, which becomes the `cause` of one.
 */
export type Dialer = (options: DialOptions) => Promise<Socket>;

/** Closes `socket`, and asks no questions: what cannot be closed is gone already. Resolves when it has closed, and never rejects. */
export async function closeQuietly(socket: Socket): Promise<void> {
  try {
    await socket.close();
  } catch {
    // A socket of the caller's own may throw.
  }
}

/** What `cause` says, for the message of the error it becomes the cause of. */
export function messageOf(cause: unknown): string {
  try {
    return cause instanceof Error && cause.message !== "" ? cause.message : String(cause);
  } catch {
    // Anything can be thrown, and not all of it can be put in words.
    return "no reason that could be put in words";
  }
}

/** `socket`, of which nobody but its maker knows whether it is one: it is closed when it is none. */
export function checkSocket(name: string, socket: Socket): Socket {
  if (isUsable(socket)) return socket;
  closeQuietly(socket);
  throw wrong(`${name} to connect`, "an object with close(), a readable and a writable, both unlocked", socket);
}

function isUsable(socket: Socket): boolean {
  if (typeof socket?.close !== "function") return false;
  if (socket.direct !== undefined) return typeof socket.direct.read === "function" && typeof socket.direct.write === "function";
  return socket.readable?.locked === false && socket.writable?.locked === false;
}
