/** Content: whatever it is and however it is cut, the server takes that and nothing else, and sees one end. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { connect, DotStuffer, DotStuffingStream, type MessageBody, SmtpUnsupportedError, type Transfer } from "@posthorn/smtp";
import { contentFacts } from "../../src/wire/content.ts";
import { OctetScan } from "../../src/wire/octet_scan.ts";
import { cutAt, cuts, holds, holdsInTime, latin1, octetsOf, oneByOne } from "../support/fuzz.ts";
import { hasLone, headerLength, undotted, withCrlf } from "./content_reference.ts";
import { ContentServer } from "./content_server.ts";

const piece = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      "\r\n",
      "\r",
      "\n",
      ".",
      "..",
      "\r\n.\r\n",
      "\n.\n",
      "\r\n.\n",
      "\n.\r\n",
      "\r.\r",
      "\r\n.",
      ".\r\n",
      "\0",
      "\xff",
      "\x0c",
      "\x0e",
    ),
  },
  { weight: 3, arbitrary: fc.constantFrom("a", "Subject: x\r\n\r\n", "x".repeat(35), "MAIL FROM:<evil@x.test>\r\n", "\xc3\xa9") },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 70 }).map(latin1) },
);
const content = fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join(""));
/** The same octets at another place in memory, so that what is read four at a time begins elsewhere. */
const moved = (octets: Uint8Array, by: number): Uint8Array => {
  const room = new Uint8Array(octets.length + by + 5).fill(13);
  room.set(octets, by);
  return room.subarray(by, by + octets.length);
};

/** What a stuffer writes, or the error with which it refuses. */
function stuffed(chunks: readonly Uint8Array[], stuffer: DotStuffer): string | TypeError {
  let wire = "";
  try {
    for (const chunk of chunks) {
      const before = latin1(chunk);
      wire += latin1(stuffer.push(chunk));
      assertEquals(latin1(chunk), before);
    }
    return wire + latin1(stuffer.finish());
  } catch (error) {
    if (error instanceof TypeError) return error;
    throw error;
  }
}

Deno.test("DotStuffer writes any octets, in any split, so that a strict server takes them back with its line ends in order, up to one final dot", () => {
  holds(fc.tuple(content, cuts, fc.nat(4)), 80_000, ([text, places, place]) => {
    const octets = octetsOf(text);
    const wanted = withCrlf(text);
    const splits = [[moved(octets, place)], cutAt(octets, places).map((chunk) => moved(chunk, place)), oneByOne(octets)];
    for (const chunks of splits) {
      const wire = stuffed(chunks, new DotStuffer());
      if (typeof wire !== "string") throw wire;
      const { content, rest } = undotted(wire);
      if (content !== wanted || rest !== "") assertEquals([content, rest], [wanted, ""]);
      assert(stuffed(chunks, new DotStuffer({ dots: false })) === wanted);
      const strict = stuffed(chunks, new DotStuffer({ lineEndings: "reject" }));
      assert(hasLone(text) ? strict instanceof TypeError : strict === wire);
    }
  });
});

Deno.test("contentFacts and OctetScan see what a look at each octet sees", () => {
  holds(fc.tuple(content, fc.nat(4), fc.nat()), 100_000, ([text, place, from]) => {
    const octets = moved(octetsOf(text), place);
    const isEightBit = (part: string) => /[^\0-\x7f]/.test(part);
    const { octets: length, ...facts } = contentFacts(octets);
    assertEquals(length, withCrlf(text).length);
    assertEquals(facts, {
      isEightBit: isEightBit(text),
      isHeaderEightBit: isEightBit(text.slice(0, headerLength(text))),
      hasLoneLineEnd: hasLone(text),
    });
    const at = from % (text.length + 1);
    const next = text.slice(at).search(/[\r\n]/);
    assertEquals(new OctetScan(octets).lineEnd(at), next < 0 ? text.length : at + next);
  });
});

Deno.test("DotStuffingStream writes what DotStuffer does", async () => {
  await holdsInTime(fc.tuple(content, cuts), 2_000, async ([text, places]) => {
    const stream = ReadableStream.from(cutAt(octetsOf(text), places)).pipeThrough(new DotStuffingStream());
    const chunks: string[] = [];
    for await (const chunk of stream) chunks.push(latin1(chunk));
    assertEquals(undotted(chunks.join("")), { content: withCrlf(text), rest: "" });
  });
});

/** A body of `octets`, in one of the forms that a message may have. */
function bodyOf(octets: Uint8Array<ArrayBuffer>, form: string, chunks: readonly Uint8Array[]): MessageBody {
  if (form === "array") return octets;
  if (form === "blob") return new Blob([octets]);
  return form === "stream" ? ReadableStream.from(chunks) : () => ReadableStream.from(chunks);
}

Deno.test("SmtpClient.send brings any content to the server as it is, by DATA, by BDAT and as binary, or not at all", async () => {
  // Long enough for several blocks, and for several chunks of BDAT.
  const long = fc.oneof({ weight: 12, arbitrary: content }, {
    weight: 1,
    arbitrary: fc.tuple(content, fc.integer({ min: 1, max: 9_000 })).map(([text, n]) => text.repeat(n).slice(0, 1_500_000)),
  });
  const session = fc.record({
    text: long,
    places: cuts,
    form: fc.constantFrom("array", "blob", "stream", "function"),
    transfer: fc.constantFrom<Transfer>("auto", "data", "bdat"),
    keywords: fc.subarray(["PIPELINING", "8BITMIME", "CHUNKING", "BINARYMIME", "SIZE 1000000"]),
    wish: fc.constantFrom("normalize", "reject", "binary"),
  });
  await holdsInTime(session, 4_000, async ({ text, places, form, transfer, keywords, wish }) => {
    const binary = wish === "binary" && transfer !== "data";
    const server = new ContentServer(["SMTPUTF8", ...keywords]);
    await using client = await connect(server.options());
    const octets = new Uint8Array(octetsOf(text));
    const body = bodyOf(octets, form, cutAt(octets, places));
    const message = {
      from: "a@x.test",
      to: "b@y.test",
      body,
      transfer,
      binary,
      lineEndings: wish === "reject" ? "reject" as const : "normalize" as const,
    };
    const error = await client.send(message).then(() => undefined, (cause) => cause);
    const offers = (keyword: string) => keywords.some((one) => one.startsWith(keyword));
    const isEightBit = /[^\0-\x7f]/.test(text);
    const wanted = binary ? text : withCrlf(text);
    if (error === undefined) {
      assertEquals(server.messages.length, 1);
      assert(server.messages[0] === wanted);
      const sent = server.commands.find((line) => line.startsWith("MAIL")) ?? "";
      const size = /SIZE=(\d+)/.exec(sent)?.[1];
      assert(size === undefined || Number(size) === wanted.length, sent);
      assert(!isEightBit || binary || offers("8BITMIME"), "8-bit content went to a server that takes none");
      return;
    }
    assertEquals([server.messages, error.delivery ?? "not-sent"], [[], "not-sent"]);
    const isUnsupported = (isEightBit && !offers("8BITMIME")) || (transfer === "bdat" && !offers("CHUNKING")) ||
      (binary && !(offers("CHUNKING") && offers("BINARYMIME"))) ||
      (offers("SIZE") && Math.max(text.length, wanted.length) > 1_000_000);
    const isRejected = wish === "reject" && hasLone(text);
    assert(isRejected || (isUnsupported && error instanceof SmtpUnsupportedError), `${error}`);
  });
});
