import type { SmtpProtocolError } from "../errors.ts";

/** What is pushed octets and gives values; see `LineDecoder` and `ReplyDecoder`. */
export interface Decoder<T> {
  readonly fault: SmtpProtocolError | undefined;
  push(chunk: Uint8Array): readonly T[];
  /** What the end of the octets gives. */
  finish(): readonly T[];
}

/**
 * The source of a stream of what `decoder` makes of the octets of `source`, to be made with a high water mark of 0.
 *
 * A stream that errors forgets what nobody has read of it, so a fault waits until what came before it in the same chunk was asked for: what is read
 * does not depend on how the octets were cut.
 */
export function decoding<T>(source: ReadableStream<Uint8Array>, decoder: Decoder<T>): {
  pull(controller: ReadableStreamDefaultController<T>): Promise<void>;
  cancel(reason: unknown): Promise<void>;
} {
  const reader = source.getReader();
  const next = async (controller: ReadableStreamDefaultController<T>): Promise<void> => {
    for (let values: readonly T[] = []; values.length === 0;) {
      if (decoder.fault !== undefined) throw decoder.fault;
      const { done, value } = await reader.read();
      values = done ? decoder.finish() : decoder.push(value);
      for (const one of values) controller.enqueue(one);
      if (done) return controller.close();
    }
  };
  return {
    pull: async (controller) => {
      try {
        await next(controller);
      } catch (error) {
        // It has failed already where the error is its own.
        await reader.cancel(error).catch(() => {});
        throw error;
      }
    },
    cancel: (reason) => reader.cancel(reason),
  };
}
