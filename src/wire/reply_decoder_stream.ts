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
export class ReplyDecoderStream extends TransformStream<Uint8Array, Reply> {
  /** A stream with a decoder of its own. */
  constructor(options: ReplyDecoderOptions = {}) {
    const decoder = new ReplyDecoder(options);
    super({
      transform(chunk, controller): void {
        for (const reply of decoder.push(chunk)) controller.enqueue(reply);
        if (decoder.fault !== undefined) throw decoder.fault;
      },
      flush: () => decoder.finish(),
    });
  }
}
