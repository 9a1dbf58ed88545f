import { decoding } from "./decoding_stream.ts";
import { LineDecoder, type LineDecoderOptions } from "./line_decoder.ts";
import { decodeText } from "./text.ts";

/**
 * A ReadableStream of lines out of a ReadableStream of bytes: {@linkcode LineDecoder} for those who compose streams. A line is text (UTF-8, or
 * ISO 8859-1 where it is no UTF-8), without its end; what stands behind the last end is a line too. It pulls from the source only when a line is
 * asked for, and a cancel goes through to the source.
 *
 * Source: RFC 5321 section 2.3.8.
 *
 * @example
 * ```ts
 * import { LineDecoderStream } from "@posthorn/smtp";
 *
 * const bytes = new Blob(["250-mx.example\r\n250 PIPELINING\r\n"]).stream();
 * for await (const line of new LineDecoderStream(bytes)) console.log(line);
 * ```
 */
export class LineDecoderStream extends ReadableStream<string> {
  /**
   * Takes the lock of `source`. The stream errors with an {@linkcode SmtpProtocolError} when a line is longer than the limit, and with the source's
   * own error when the source fails.
   */
  constructor(source: ReadableStream<Uint8Array>, options: LineDecoderOptions = {}) {
    const decoder = new LineDecoder(options);
    super(
      decoding(source, {
        get fault() {
          return decoder.fault;
        },
        push: (chunk) => decoder.push(chunk).map(decodeText),
        finish: () => [decoder.finish()].filter((rest) => rest !== undefined).map(decodeText),
      }),
      { highWaterMark: 0 },
    );
  }
}
