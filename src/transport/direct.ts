import type { Socket } from "./socket.ts";

/** A socket's own methods, of which its streams are made. One call of each is under way at most. */
export interface Direct {
  /** See `Socket.read`. */
  readonly read: () => Promise<Uint8Array | undefined>;
  /** See `Socket.write`. */
  readonly write: (octets: Uint8Array) => Promise<void>;
  /** Closes the socket at once, as often as it likes. */
  readonly close: () => void;
}

/** The socket that `direct` makes, streams included. They are thin: nothing is read ahead, so that TLS can begin at any octet. */
export function socketOn({ read, write, close }: Direct, more: Omit<Socket, "readable" | "writable" | "read" | "write" | "close">): Socket {
  const socket: Socket = {
    ...more,
    readable: new ReadableStream<Uint8Array>({
      async pull(controller): Promise<void> {
        const octets = await read();
        if (octets === undefined) controller.close();
        // A copy, since a stream may hold several chunks.
        else controller.enqueue(octets.slice());
      },
      cancel: close,
    }, { highWaterMark: 0 }),
    writable: new WritableStream<Uint8Array>({ write, abort: close }),
    close,
  };
  // Not enumerable: whoever copies the socket to put a stream of their own in it must not be passed by.
  return Object.defineProperties(socket, { read: { value: read }, write: { value: write } });
}
