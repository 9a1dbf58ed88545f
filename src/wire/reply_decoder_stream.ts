import { decoding } from "./decoding_stream.ts";
import type { Reply } from "./reply.ts";
import { ReplyDecoder, type ReplyDecoderOptions } from "./reply_decoder.ts";

/**
 * A TransformStream from bytes to replies: {@linkcode ReplyDecoder} for those who compose streams. It errors with an {@linkcode SmtpProtocolError} at
 * the first line that is none of a reply, and when the bytes end inside one.
 *
 * Source: RFC 5321 section 4.2.
 *
 * @example
 * ```ts
 * import { ReplyDecoderStream } from "@posthorn/smtp";
 *
 * const bytes = new Blob(["220 mx.example\r\n250 ok\r\n"]).stream();
 * for await (const reply of bytes.pipeThrough(new ReplyDecoderStream())) console.log(reply.code);
 * ```
 */
export class ReplyDecoderStream implements TransformStream<Uint8Array, Reply> {
  /** The replies. */
  readonly readable: ReadableStream<Reply>;
  /** Where the bytes go. */
  readonly writable: WritableStream<Uint8Array>;

  /** A stream with a decoder of its own. */
  constructor(options: ReplyDecoderOptions = {}) {
    const decoder = new ReplyDecoder(options);
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    this.writable = writable;
    const replies = decoding<Reply>(readable, {
      get fault() {
        return decoder.fault;
      },
      push: (chunk) => decoder.push(chunk),
      finish: () => {
        decoder.finish();
        return [];
      },
    });
    this.readable = new ReadableStream<Reply>(replies, { highWaterMark: 0 });
  }
}
