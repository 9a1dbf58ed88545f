import { DotStuffer, type DotStufferOptions } from "./dot_stuffer.ts";

/**
 * A TransformStream from content to what goes behind DATA, the final dot included: {@linkcode DotStuffer} for those who compose streams.
 *
 * Source: RFC 5321 section 4.5.2.
 *
 * @example
 * ```ts
 * import { DotStuffingStream } from "@posthorn/smtp";
 *
 * const stuffed = new Blob([".\n"]).stream().pipeThrough(new DotStuffingStream());
 * await new Response(stuffed).text(); // "..\r\n.\r\n"
 * ```
 */
export class DotStuffingStream implements TransformStream<Uint8Array, Uint8Array> {
  /** What goes behind DATA. */
  readonly readable: ReadableStream<Uint8Array>;
  /** Where the content goes. */
  readonly writable: WritableStream<Uint8Array>;

  /** A stream at the start of a message. */
  constructor(options: DotStufferOptions = {}) {
    const stuffer = new DotStuffer(options);
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, controller) => controller.enqueue(stuffer.push(chunk)),
      flush: (controller) => controller.enqueue(stuffer.finish()),
    });
    this.readable = readable;
    this.writable = writable;
  }
}
