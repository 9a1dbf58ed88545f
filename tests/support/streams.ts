/** The functions of `@std/streams` that the tests use, by the same names and signatures, for machines that JSR does not reach. */
import { arrayBuffer, text } from "node:stream/consumers";

export async function toArrayBuffer(stream: ReadableStream<Uint8Array>): Promise<ArrayBuffer> {
  return await arrayBuffer(stream);
}

export async function toText(stream: ReadableStream): Promise<string> {
  return await text(stream);
}
