import { dial, type Dialer, type Socket } from "@posthorn/smtp";

/** What crossed a socket: `>` a write of the client, `<` a chunk of the server, each with its octets. */
export type Crossing = { readonly direction: ">" | "<"; readonly octets: Uint8Array };

/** A dialer that notes all that crosses its sockets, in the clear: it stands above TLS. */
export function spyDialer(crossings: Crossing[], dialer: Dialer = dial): Dialer {
  return async (options) => spied(await dialer(options), crossings);
}

/** How often the client waited for the server: the writes that came behind a chunk of the server, or at the beginning. */
export function roundTrips(crossings: readonly Crossing[]): number {
  return crossings.filter(({ direction }, index) => direction === ">" && crossings[index - 1]?.direction !== ">").length;
}

function spied(socket: Socket, crossings: Crossing[]): Socket {
  const reader = socket.readable.getReader.bind(socket.readable);
  const writer = socket.writable.getWriter.bind(socket.writable);
  let source: ReadableStreamDefaultReader<Uint8Array> | undefined;
  let sink: WritableStreamDefaultWriter<Uint8Array> | undefined;
  const { startTls } = socket;
  return {
    ...(socket.secureTransport && { secureTransport: socket.secureTransport }),
    ...(socket.opened && { opened: socket.opened }),
    readable: new ReadableStream<Uint8Array>({
      async pull(controller): Promise<void> {
        source ??= reader();
        const { done, value } = await source.read();
        if (done) return controller.close();
        crossings.push({ direction: "<", octets: value });
        controller.enqueue(value);
      },
    }, { highWaterMark: 0 }),
    writable: new WritableStream<Uint8Array>({
      async write(octets): Promise<void> {
        crossings.push({ direction: ">", octets });
        sink ??= writer();
        await sink.write(octets);
      },
    }),
    ...(startTls && {
      startTls: async (options) => {
        source?.releaseLock();
        sink?.releaseLock();
        return spied(await startTls.call(socket, options), crossings);
      },
    }),
    close: () => socket.close(),
  };
}
