/** A socket of Node's, as the library sees it: nothing here knows how it was dialled. */
import { SmtpConnectionError, SmtpProtocolError } from "../errors.ts";
import { socketOn } from "./direct.ts";
import type { NodeSocket } from "./runtime_types.ts";
import type { Socket } from "./socket.ts";

/** Waits for `event`; whatever comes before it is the end of the socket. */
export async function ready(
  socket: NodeSocket,
  event: "connect" | "secureConnect",
  signal: AbortSignal | undefined,
  errorOf: (cause: unknown) => Error,
): Promise<void> {
  let forget = () => {};
  try {
    await new Promise<void>((resolve, reject) => {
      const onAbort = () => reject(signal?.reason);
      const onClose = () => reject(errorOf(Object.assign(new Error("the connection was closed"), { code: "ECONNRESET" })));
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

/**
 * `socket` as the library knows sockets. Once a read was asked for it flows until a chunk comes that nobody asked for: to stop and start it
 * for each costs more than to keep one chunk.
 */
export function socketOf(socket: NodeSocket, more: Pick<Socket, "secureTransport" | "startTls" | "channelBinding">): Socket {
  let early: Uint8Array | undefined;
  let end: { readonly error?: () => unknown } | undefined;
  let wanted: { readonly resolve: (octets: Uint8Array | undefined) => void; readonly reject: (error: unknown) => void } | undefined;
  let isFlowing = false;
  const pause = () => {
    isFlowing = false;
    socket.pause();
  };
  const onData = (octets: Uint8Array) => {
    if (wanted !== undefined) wanted.resolve(octets);
    else {
      early = octets;
      pause();
    }
    wanted = undefined;
  };
  const ended = (how: { readonly error?: () => unknown }) => {
    end ??= how;
    if (end.error !== undefined) wanted?.reject(end.error());
    else wanted?.resolve(undefined);
    wanted = undefined;
  };
  const onEnd = () => ended({});
  const onError = (error: unknown) => ended({ error: () => error });
  // An error is made for who reads: it costs its stack, and most sockets are closed when nobody does any more.
  const onClose = () => ended({ error: () => new Error("the socket was closed") });
  pause();
  socket.on("data", onData);
  socket.on("end", onEnd);
  socket.on("error", onError);
  socket.on("close", onClose);
  const read = () => {
    return new Promise<Uint8Array | undefined>((resolve, reject) => {
      wanted = { resolve, reject };
      if (early !== undefined) {
        const octets = early;
        early = undefined;
        onData(octets);
      } else if (end !== undefined) ended(end);
      else if (!isFlowing) {
        isFlowing = true;
        socket.resume();
      }
    });
  };
  const write = (octets: Uint8Array) => {
    return new Promise<void>((resolve, reject) => void socket.write(octets, (error) => error ? reject(error) : resolve()));
  };
  const { localAddress, localPort, remoteAddress, remotePort } = socket;
  const opened = Promise.resolve({ localAddress: addressOf(localAddress, localPort), remoteAddress: addressOf(remoteAddress, remotePort) });
  /** Takes our hands off the socket: nobody else may listen when TLS begins on it. */
  const release = () => {
    pause();
    socket.off("data", onData);
    socket.off("end", onEnd);
    socket.off("error", onError);
    socket.off("close", onClose);
    if (end !== undefined || socket.destroyed) {
      throw new SmtpConnectionError("disconnected", "The server closed the connection before TLS was started", { phase: "starttls" });
    }
    if (early !== undefined || socket.readableLength > 0) {
      socket.destroy();
      throw new SmtpProtocolError("The server sent octets in the clear behind its reply to STARTTLS", { phase: "starttls" });
    }
  };
  const { startTls } = more;
  return socketOn({ read, write }, {
    ...more,
    opened,
    close: () => void socket.destroy(),
    ...(startTls && {
      async startTls(options): Promise<Socket> {
        release();
        return await startTls(options);
      },
    }),
  });
}

function addressOf(address: string | undefined, port: number | undefined): string | undefined {
  if (address === undefined) return undefined;
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
