import type { Socket } from "@posthorn/smtp";

/** Octets of the buffer that the sockets of {@linkcode directly} read into. */
const BUFFER = 5;

/** `socket` with direct access and without streams that could be used; what was read is spoilt by the next read, what was written when it is done. */
export function directly(socket: Socket): Socket {
  const reader = socket.readable.getReader();
  const writer = socket.writable.getWriter();
  writer.closed.catch(() => {});
  const buffer = new Uint8Array(BUFFER);
  let rest: Uint8Array = new Uint8Array(0);
  return {
    ...socket,
    direct: {
      async read(): Promise<Uint8Array | undefined> {
        buffer.fill(0x58);
        if (rest.length === 0) {
          const { done, value } = await reader.read();
          if (done) return undefined;
          rest = value;
        }
        const length = Math.min(BUFFER, rest.length);
        buffer.set(rest.subarray(0, length));
        rest = rest.subarray(length);
        return buffer.subarray(0, length);
      },
      write: (octets) => writer.write(octets.slice()),
    },
    startTls: async (options) => {
      reader.releaseLock();
      writer.releaseLock();
      return directly(await socket.startTls!(options));
    },
  };
}
