import type { DirectAccess, Socket } from "./socket.ts";

/** The socket that `direct` makes, streams included. They are thin: nothing is read ahead, so that TLS can begin at any octet. */
export function socketOn(direct: DirectAccess, more: Omit<Socket, "readable" | "writable" | "direct" | "close"> & { close(): void }): Socket {
  return withDirect({
    ...more,
    readable: new ReadableStream<Uint8Array>({
      async pull(controller): Promise<void> {
        const octets = await direct.read();
        if (octets === undefined) controller.close();
        // A copy, since a stream may hold several chunks.
        else controller.enqueue(octets.slice());
      },
      cancel: more.close,
    }, { highWaterMark: 0 }),
    writable: new WritableStream<Uint8Array>({ write: (octets) => direct.write(octets), abort: more.close }),
  }, direct);
}

/** `socket` with direct access, which it does not enumerate: whoever copies it to put a stream of their own in it must not be passed by. */
export function withDirect(socket: Socket, direct: DirectAccess | undefined): Socket {
  return direct === undefined ? socket : Object.defineProperty(socket, "direct", { value: direct });
}
