import { closeQuietly, type Dialer, type DialOptions, type Socket, type SocketInfo } from "../transport/socket.ts";
import { Exchange, noTlsInside } from "./exchange.ts";

/** How to come to a server by way of something else. */
export interface Passage {
  readonly dial: Dialer;
  /** Where the socket leads. */
  readonly first: DialOptions;
  /** Where it leads in the end. */
  readonly final: DialOptions;
  /** See {@linkcode Exchange.peer}. */
  readonly peer: string;
  /** What is said before the socket is handed on; it resolves with what is then known of the connection, if that is not what the socket says. */
  readonly talk: (exchange: Exchange) => Promise<SocketInfo | undefined>;
}

/**
 * Dials `first`, talks, and hands on the socket, with TLS inside where `final` wants it from the first byte: the certificate is the final host's.
 *
 * It resolves and rejects as a {@linkcode Dialer} does: aborted or failed, it leaves nothing open.
 */
export async function dialThrough({ dial, first, final, peer, talk }: Passage): Promise<Socket> {
  const { hostname, secureTransport, tls, signal } = final;
  const socket = await dial(first);
  const exchange = new Exchange(socket, peer);
  try {
    return await unlessAborted(signal, async () => {
      if (secureTransport === "on" && (socket.startTls === undefined || socket.secureTransport === "off")) throw noTlsInside(peer);
      const tunnel = exchange.release(await talk(exchange));
      if (secureTransport !== "on" || tunnel.startTls === undefined) return tunnel;
      const secure = await tunnel.startTls({ ...tls, serverName: tls.serverName ?? hostname, signal });
      // Nobody waits for it any more.
      if (signal.aborted) closeQuietly(secure);
      return secure;
    });
  } catch (cause) {
    exchange.close();
    throw signal.aborted ? signal.reason : cause;
  }
}

/**
 * How a socket is dialled in which TLS shall begin later, if at all: in the clear, and told of the TLS to come, so that a runtime which cannot give it
 * may say so at once.
 */
export function inTheClear({ secureTransport, tls, hostname }: DialOptions): Pick<DialOptions, "secureTransport" | "tls"> {
  if (secureTransport !== "on") return { secureTransport, tls };
  return { secureTransport: "starttls", tls: { ...tls, serverName: tls.serverName ?? hostname } };
}

async function unlessAborted<T>(signal: AbortSignal, step: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => onAbort = () => reject(signal.reason));
  signal.addEventListener("abort", onAbort);
  try {
    return await Promise.race([aborted, step()]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
