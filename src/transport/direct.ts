import type { DirectAccess, Socket } from "./socket.ts";

/** The socket that `direct` makes, streams included: made when somebody asks for them, and thin, so that nothing is read before it is asked for. */
export function socketOn(direct: DirectAccess, more: Omit<Socket, "readable" | "writable" | "direct" | "close"> & { close(): void }): Socket {
  let readable: ReadableStream<Uint8Array> | undefined;
  let writable: WritableStream<Uint8Array> | undefined;
  const socket = {
    ...more,
    get readable(): ReadableStream<Uint8Array> {
      return readable ??= readableOf(direct, more.close);
    },
    get writable(): WritableStream<Uint8Array> {
      return writable ??= new WritableStream({ write: (octets) => direct.write(octets), abort: more.close });
    },
  };
  return withDirect(socket, direct);
}

function readableOf(direct: DirectAccess, cancel: () => void): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller): Promise<void> {
      const octets = await direct.read();
      if (octets === undefined) controller.close();
      // A copy, since a stream may hold several chunks.
      else controller.enqueue(octets.slice());
    },
    cancel,
  }, { highWaterMark: 0 });
}

/** `socket` with direct access, which it does not enumerate: whoever copies it to put a stream of their own in it must not be passed by. */
export function withDirect(socket: Socket, direct: DirectAccess | undefined): Socket {
  return direct === undefined ? socket : Object.defineProperty(socket, "direct", { value: direct });
}
