import { assertEquals, assertRejects } from "@std/assert";
import { toText } from "@std/streams";
import { DotStuffingStream, LineDecoderStream, type Reply, ReplyDecoderStream, SmtpProtocolError } from "@posthorn/smtp";
import { bytes, splits } from "../support/splits.ts";

function streamOf(chunks: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  return ReadableStream.from(chunks);
}

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of stream) all.push(item);
  return all;
}

Deno.test("LineDecoderStream is a stream of lines, however the bytes are split", async () => {
  for (const chunks of splits(bytes("ä\r\nb\n\r\nc\rd"))) {
    assertEquals(await collect(new LineDecoderStream(streamOf(chunks))), ["ä", "b", "", "c\rd"]);
  }
});

Deno.test("LineDecoderStream errors at a line beyond the limit, and cancels its source", async () => {
  let cancelled: unknown;
  const source = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(bytes("a\nxxxxx")),
    cancel: (reason) => void (cancelled = reason),
  });
  const lines: string[] = [];
  const error = await assertRejects(async () => {
    for await (const line of new LineDecoderStream(source, { maxLineLength: 4 })) lines.push(line);
  }, SmtpProtocolError);
  assertEquals([lines, cancelled], [["a"], error]);
});

Deno.test("LineDecoderStream cancels its source when it is cancelled", async () => {
  let cancelled: unknown;
  const source = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(bytes("a\n")),
    cancel: (reason) => void (cancelled = reason),
  });
  const reader = new LineDecoderStream(source).getReader();
  assertEquals((await reader.read()).value, "a");
  await reader.cancel("enough");
  assertEquals(cancelled, "enough");
});

Deno.test("ReplyDecoderStream transforms bytes to replies", async () => {
  for (const chunks of splits(bytes("220 mx\r\n250-a\r\n250 b\r\n"))) {
    const replies = await collect<Reply>(streamOf(chunks).pipeThrough(new ReplyDecoderStream()));
    assertEquals(replies.map(({ code, lines }) => [code, ...lines]), [[220, "mx"], [250, "a", "b"]]);
  }
});

Deno.test("ReplyDecoderStream errors when the bytes end inside a reply, and at what is none", async () => {
  for (const text of ["250-a\r\n", "250 a", "hello\r\n"]) {
    await assertRejects(() => collect(streamOf([bytes(text)]).pipeThrough(new ReplyDecoderStream())), SmtpProtocolError);
  }
});

Deno.test("LineDecoderStream and ReplyDecoderStream lose nothing of what came before a fault in the same chunk", async () => {
  const until = async (stream: ReadableStream<unknown>) => {
    const values: string[] = [];
    await assertRejects(async () => {
      for await (const value of stream) values.push(String(value));
    }, SmtpProtocolError);
    return values;
  };
  for (const chunks of splits(bytes("250 a\n250 b\n250 cc\n"))) {
    assertEquals(await until(new LineDecoderStream(streamOf(chunks), { maxLineLength: 5 })), ["250 a", "250 b"]);
    assertEquals(await until(streamOf(chunks).pipeThrough(new ReplyDecoderStream({ maxLineLength: 5 }))), ["250 a", "250 b"]);
  }
});

Deno.test("DotStuffingStream transforms content to what goes behind DATA", async () => {
  assertEquals(await toText(streamOf([bytes(".a\n"), bytes(".")]).pipeThrough(new DotStuffingStream())), "..a\r\n..\r\n.\r\n");
  assertEquals(await toText(streamOf([]).pipeThrough(new DotStuffingStream())), ".\r\n");
  await assertRejects(() => toText(streamOf([bytes("\n")]).pipeThrough(new DotStuffingStream({ lineEndings: "reject" }))), TypeError);
});
