/** The decoders of replies and of lines, at octets that nobody thought of. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { LineDecoder, LineDecoderStream, type Reply, ReplyDecoder, ReplyDecoderStream, SmtpProtocolError } from "@posthorn/smtp";
import { cutAt, cuts, holds, holdsInTime, latin1, octetsOf, oneByOne, times } from "../support/fuzz.ts";
import { type Bounds, meaningOf, textOf } from "./reply_reference.ts";

const INPUTS = 1_000_000;

const DEFAULTS: Bounds = { maxLineLength: 16_384, maxReplyLength: 262_144, maxReplyLines: 1_000 };
const bounds: fc.Arbitrary<Bounds> = fc.oneof(
  fc.constant(DEFAULTS),
  fc.record({
    maxLineLength: fc.integer({ min: 3, max: 24 }),
    maxReplyLength: fc.integer({ min: 3, max: 60 }),
    maxReplyLines: fc.integer({ min: 1, max: 5 }),
  }),
);

const LINES = [
  "250 ok\r\n",
  "250-mx\r\n",
  "250-\r\n",
  "250\r\n",
  "354 go\n",
  "550-5.1.1 no\r\n",
  "550 5.1.1 no\r\n",
  "421 4.3.2 bye\r\n",
  "220 mx\r\n",
];
/** Lines that are no reply by one character. */
const NEAR = [
  "600 ok\r\n",
  "199 ok\r\n",
  "2x0 ok\r\n",
  "25 ok\r\n",
  "250:ok\r\n",
  "2500 ok\r\n",
  " 250 ok\r\n",
  "25\r\n",
  "/50 ok\r\n",
  "2:0 ok\r\n",
  "25: ok\r\n",
  "250\tok\r\n",
];
const PARTS = [
  "250",
  "25",
  "2",
  "5",
  "550",
  "199",
  "600",
  "2500",
  "٢٥٠",
  " ",
  "-",
  "\r\n",
  "\n",
  "\r",
  "\r\r\n",
  "\n\r",
  "\t",
  ":",
  "\0",
  "2.1.0 ",
  "4.2.2",
];
const TEXTS = [
  "ok",
  "é",
  "\xe9",
  "\xff",
  "\xc3",
  "\xa9",
  "\xe2\x9c",
  "\x97",
  "\xed\xa0\x80",
  "\xc0\xaf",
  "\xf4\x90\x80\x80",
  "\x1b[31m",
  "\x85",
  "\u2028",
  "\x7f",
];
const ARABIC = (text: string): string => unescape(encodeURIComponent(text));
const piece: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...LINES) },
  { weight: 1, arbitrary: fc.constantFrom(...NEAR) },
  { weight: 4, arbitrary: fc.constantFrom(...PARTS.map((part) => part.charCodeAt(0) > 255 ? ARABIC(part) : part)) },
  { weight: 2, arbitrary: fc.constantFrom(...TEXTS.map((part) => part.charCodeAt(0) > 255 ? ARABIC(part) : part)) },
  { weight: 1, arbitrary: fc.nat(255).map((octet) => String.fromCharCode(octet)) },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constantFrom("x", "\xc3\xa9", "250-a\r\n", "\r"), fc.integer({ min: 1, max: 12 })).map(([text, n]) => text.repeat(n)),
  },
);
const input = fc.tuple(fc.array(piece, { maxLength: 8 }), cuts, bounds);

/** What a decoder makes of `chunks`, in one text, with the words of its error; a chunk is overwritten as soon as it was taken. */
function outcome(chunks: readonly Uint8Array[], options: Bounds): string {
  const decoder = new ReplyDecoder(options);
  let said = "";
  try {
    for (const chunk of chunks) {
      const replies = decoder.push(chunk);
      chunk.fill(0x58);
      for (const { code, lines } of replies) said += `${JSON.stringify([code, ...lines])} `;
    }
    const { isIdle, fault } = decoder;
    if (isIdle || fault !== undefined) decoder.finish();
    return `${said}${isIdle ? "between" : "inside"}`;
  } catch (error) {
    if (!(error instanceof SmtpProtocolError)) throw error;
    assertEquals(decoder.fault, error);
    return `${said}fault ${error.message}`;
  }
}

function expected(octets: Uint8Array, options: Bounds): string {
  const { replies, end } = meaningOf(latin1(octets), options);
  return `${replies.map((reply) => `${JSON.stringify(reply)} `).join("")}${end}`;
}

Deno.test(`ReplyDecoder makes the same of ${INPUTS} inputs, in any split, as a plain reading of the RFC`, () => {
  let inputs = 0;
  holds(input, INPUTS, ([pieces, places, options]) => {
    inputs++;
    const octets = octetsOf(...pieces);
    const whole = outcome([octets.slice()], options);
    const wanted = expected(octets, options);
    if (!(wanted.endsWith("fault") ? whole.startsWith(`${wanted} `) : whole === wanted)) assertEquals(whole, wanted);
    for (const chunks of [cutAt(octets, places), oneByOne(octets)]) {
      const cut = outcome(chunks, options);
      if (cut !== whole) assertEquals(cut, whole);
    }
  });
  assert(inputs >= times(INPUTS));
});

Deno.test("ReplyDecoder gives back every reply that is well formed, its text printable and its codes those of the RFC", () => {
  const text = fc.array(fc.constantFrom("ok ", "5.1.1 ", "2.0.0", "4.4.1000", "é", "\xe9", "\r", "\0", "-", "250 "), { maxLength: 6 }).map((parts) =>
    parts.join("")
  );
  const reply = fc.record({
    code: fc.integer({ min: 200, max: 599 }),
    lines: fc.array(text, { minLength: 1, maxLength: 5 }),
    isBare: fc.boolean(),
    lf: fc.boolean(),
  });
  holds(fc.tuple(fc.array(reply, { maxLength: 5 }), cuts), 30_000, ([replies, places]) => {
    const wire = replies.map(({ code, lines, isBare, lf }) => {
      const ends = lf ? "\n" : "\r\n";
      return lines.map((line, index) => {
        const separator = index < lines.length - 1 ? "-" : isBare && line === "" ? "" : " ";
        // A CR at the end of the text would be one of the line's end.
        return `${code}${separator}${line.replace(/\r+$/, "")}${ends}`;
      }).join("");
    }).join("");
    const decoder = new ReplyDecoder();
    const octets = new TextEncoder().encode(wire);
    const decoded = cutAt(octets, places).flatMap((chunk) => decoder.push(chunk));
    decoder.finish();
    assertEquals(
      decoded.map(({ code, lines }) => [code, ...lines]),
      replies.map(({ code, lines }) => [code, ...lines.map((line) => line.replace(/\r+$/, ""))]),
    );
    for (const { code, lines, enhancedCode, text, ...rest } of decoded.map(facts)) {
      assert(!/\p{Cc}/u.test(rest.shown), rest.shown);
      const [, wanted] = new RegExp(`^(${Math.floor(code / 100)}\\.[0-9]{1,3}\\.[0-9]{1,3})( |$)`).exec(lines[0] ?? "") ?? [];
      assertEquals(enhancedCode, wanted === undefined || code < 400 && code >= 300 ? undefined : wanted.split(".").map(Number).join("."));
      assert(text.length <= lines.join("\n").length);
    }
  });
});

function facts(reply: Reply) {
  const { code, lines, enhancedCode, text } = reply;
  return { code, lines, enhancedCode, text, shown: `${reply}` };
}

Deno.test("LineDecoder gives the lines that a split at LF gives, holds no more than one line, and leaves the chunk to its owner", () => {
  const pieces = fc.array(fc.constantFrom("\r", "\n", "\r\n", "a", "bc", "\0", "\xff", "0123456789"), { maxLength: 20 });
  holds(fc.tuple(pieces, cuts, fc.constantFrom(1, 2, 5, 11, 16_384)), 60_000, ([parts, places, maxLineLength]) => {
    const octets = octetsOf(...parts);
    const lines = latin1(octets).split("\n");
    const rest = lines.pop() ?? "";
    const whole = lines.map((line) => line.replace(/\r$/, ""));
    const long = whole.findIndex((line) => line.length > maxLineLength);
    const wanted = long < 0 ? whole : whole.slice(0, long);
    const isFault = long >= 0 || rest.length > maxLineLength + 1;
    for (const chunks of [[octets.slice()], cutAt(octets, places), oneByOne(octets)]) {
      const decoder = new LineDecoder({ maxLineLength });
      const given: string[] = [];
      try {
        for (const chunk of chunks) {
          given.push(...decoder.push(chunk).map(latin1));
          chunk.fill(0x58);
          assert(decoder.pending <= maxLineLength + 1);
        }
        if (decoder.fault !== undefined) throw decoder.fault;
        assert(!isFault);
        assertEquals(latin1(decoder.finish() ?? new Uint8Array(0)), rest);
      } catch (error) {
        if (!(error instanceof SmtpProtocolError)) throw error;
        assert(isFault, error.message);
      }
      assertEquals(given, wanted);
    }
  });
});

Deno.test("ReplyDecoderStream and LineDecoderStream say what the decoders say, and fail with nothing but an SmtpProtocolError", async () => {
  await holdsInTime(input, 2_000, async ([pieces, places, options]) => {
    const octets = octetsOf(...pieces);
    const source = () => ReadableStream.from(cutAt(octets, places));
    const { replies, end } = meaningOf(latin1(octets), options);
    const read = await drained(source().pipeThrough(new ReplyDecoderStream(options)));
    assertEquals(read.values.map(({ code, lines }) => [code, ...lines]), replies.map((reply) => [...reply]));
    assertEquals([read.error === undefined, read.error instanceof SmtpProtocolError], [end === "between", end !== "between"]);
    const lines = await drained(new LineDecoderStream(source(), { maxLineLength: options.maxLineLength }));
    const all = latin1(octets).split("\n").map((line, index, { length }) => index < length - 1 ? line.replace(/\r$/, "") : line);
    assert(lines.error === undefined || lines.error instanceof SmtpProtocolError);
    assertEquals(lines.values, all.slice(0, lines.values.length).map(textOf));
    if (lines.error === undefined) assertEquals(lines.values.length, all.at(-1) === "" ? all.length - 1 : all.length);
  });
});

async function drained<T>(stream: ReadableStream<T>): Promise<{ readonly values: readonly T[]; readonly error: unknown }> {
  const values: T[] = [];
  try {
    for await (const value of stream) values.push(value);
  } catch (error) {
    return { values, error };
  }
  return { values, error: undefined };
}

/** Octets that were moved or searched while `run` ran: what the decoders have done to them, however long that took. */
function work(run: () => void): number {
  const prototype: Uint8Array = Object.getPrototypeOf(Uint8Array.prototype);
  const { set, indexOf, slice } = prototype;
  let octets = 0;
  const counted: Pick<Uint8Array, "set" | "indexOf" | "slice"> = {
    set(this: Uint8Array, from: Uint8Array, at?: number): void {
      octets += from.length;
      set.call(this, from, at);
    },
    indexOf(this: Uint8Array, octet: number, from: number = 0): number {
      const index = indexOf.call(this, octet, from);
      octets += (index < 0 ? this.length : index + 1) - from;
      return index;
    },
    slice(this: Uint8Array, ...range: number[]): Uint8Array<ArrayBuffer> {
      const copy = slice.call(this, ...range);
      octets += copy.length;
      return copy;
    },
  };
  Object.assign(prototype, counted);
  try {
    run();
  } finally {
    Object.assign(prototype, { set, indexOf, slice });
  }
  return octets;
}

Deno.test("ReplyDecoder moves and searches each octet a few times at most, however the octets are cut", () => {
  const long = fc.tuple(fc.constantFrom("250-", "250 ", "", "25"), fc.integer({ min: 0, max: 3_000 }), fc.constantFrom("\r\n", "\n", "", "\r")).map((
    [code, n, end],
  ) => `${code}${"x".repeat(n)}${end}`);
  holds(fc.tuple(fc.array(fc.oneof(long, piece), { maxLength: 12 }), cuts), 1_000, ([pieces, places]) => {
    const octets = octetsOf(...pieces);
    for (const chunks of [[octets.slice()], cutAt(octets, places), oneByOne(octets)]) {
      const count = work(() => outcomeOf(chunks));
      // A search, a copy into the buffer, one more for each time that it doubles, and one out of it.
      assert(count <= 6 * octets.length + 512, `${count} for ${octets.length} octets in ${chunks.length} chunks`);
    }
  });
});

function outcomeOf(chunks: readonly Uint8Array[]): void {
  const decoder = new ReplyDecoder();
  try {
    for (const chunk of chunks) decoder.push(chunk);
  } catch (error) {
    if (!(error instanceof SmtpProtocolError)) throw error;
  }
}
