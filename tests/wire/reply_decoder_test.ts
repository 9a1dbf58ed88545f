import { Buffer } from "node:buffer";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { LineDecoder, Reply, ReplyDecoder, type ReplyDecoderOptions, SmtpProtocolError } from "@posthorn/smtp";
import { bytes, splits, text } from "../support/splits.ts";

type Plain = [code: number, ...lines: string[]];

function decode(chunks: Iterable<Uint8Array>, options: ReplyDecoderOptions = {}): Plain[] {
  const decoder = new ReplyDecoder(options);
  const replies = [...chunks].flatMap((chunk) => decoder.push(chunk));
  decoder.finish();
  return replies.map(({ code, lines }) => [code, ...lines]);
}

const GOOD: [octets: string, ...replies: Plain[]][] = [
  ["220 mx.example ESMTP\r\n", [220, "mx.example ESMTP"]],
  ["250-mx.example\r\n250-SIZE 1000\r\n250 HELP\r\n", [250, "mx.example", "SIZE 1000", "HELP"]],
  ["250\r\n", [250, ""]],
  ["250 \r\n", [250, ""]],
  ["250-\r\n250\r\n", [250, "", ""]],
  ["250 ok\n", [250, "ok"]],
  ["250-a\n250 b\r\n", [250, "a", "b"]],
  ["250 a\rb\r\n", [250, "a\rb"]],
  ["250 a\r\r\n", [250, "a\r"]],
  ["250 one\r\n354 two\r\n599 three\r\n", [250, "one"], [354, "two"], [599, "three"]],
  ["250 ok\r\n250-ok\r\n250 ok\r\n250 ok\r\n251 ok\r\n", [250, "ok"], [250, "ok", "ok"], [250, "ok"], [251, "ok"]],
  ["250 ok\r\n250 on\r\n250 ok\r\n250 ok \r\n250 o\r\n", [250, "ok"], [250, "on"], [250, "ok"], [250, "ok "], [250, "o"]],
  ["250  two spaces \r\n", [250, " two spaces "]],
  ["250 -x\r\n", [250, "-x"]],
  ["550 Empfänger ✗ \u{1f4ef}\r\n", [550, "Empfänger ✗ \u{1f4ef}"]],
  ["550 \ufeffmark\0\r\n", [550, "\ufeffmark\0"]],
];

for (const [octets, ...replies] of GOOD) {
  Deno.test(`ReplyDecoder reads ${JSON.stringify(octets)} however it is split`, () => {
    for (const chunks of splits(bytes(octets))) assertEquals(decode(chunks), replies);
  });
}

Deno.test("ReplyDecoder reads text that is no UTF-8 one character an octet, so that nothing is lost", () => {
  const octets = Uint8Array.of(...bytes("550 "), ...Array.from({ length: 246 }, (_, index) => index + 10).filter((octet) => octet !== 10), 13, 10);
  for (const chunks of [[octets], Array.from(octets, (octet) => Uint8Array.of(octet))]) {
    const [[, line = ""] = [0, ""]] = decode(chunks);
    assertEquals(Array.from(line, (character) => character.charCodeAt(0)), [...octets.slice(4, -2)]);
  }
});

Deno.test("ReplyDecoder reads text of every length alike, in ASCII, in UTF-8 and in neither", () => {
  const latin = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
  for (let length = 0; length < 200; length++) {
    const ascii = Array.from({ length }, (_, index) => String.fromCharCode(32 + index % 95)).join("");
    for (const [octets, line] of [[bytes(ascii), ascii], [bytes(`${ascii}é`), `${ascii}é`], [latin(`é${ascii}`), `é${ascii}`]] as const) {
      const whole = Uint8Array.of(...bytes("250-"), ...octets, ...bytes("\r\n250 "), ...octets, 13, 10);
      for (const chunks of [[whole], [whole.subarray(0, 7), whole.subarray(7)]]) assertEquals(decode(chunks), [[250, line, line]]);
    }
  }
});

Deno.test("ReplyDecoder takes a line of its limit, whichever way it ends and however it is split", () => {
  for (const octets of ["250 ab\n", "250 ab\r\n"]) {
    for (const chunks of splits(bytes(octets))) assertEquals(decode(chunks, { maxLineLength: 6 }), [[250, "ab"]]);
  }
  for (const octets of ["250 abc\n", "250 abc\r\n", "250 ab\r\r\n"]) {
    for (const chunks of splits(bytes(octets))) assertThrows(() => decode(chunks, { maxLineLength: 6 }), SmtpProtocolError, "more than 6 octets");
  }
});

const BAD = [
  "hello\r\n",
  "2500 ok\r\n",
  "25 ok\r\n",
  "2\r\n",
  "\r\n",
  "700 x\r\n",
  "150 x\r\n",
  "250:ok\r\n",
  "250\tok\r\n",
  "250_ok\r\n",
  " 250 ok\r\n",
  "-50 ok\r\n",
  "2 0 ok\r\n",
  "2٥0 ok\r\n",
  "\ufeff250 ok\r\n",
  "250-a\r\n550 b\r\n",
  "550-a\r\n250 b\r\n",
  "250-a\r\n251-b\r\n",
  "250-a\r\nb\r\n",
];

for (const octets of BAD) {
  Deno.test(`ReplyDecoder refuses ${JSON.stringify(octets)} however it is split`, () => {
    for (const chunks of splits(bytes(octets))) assertThrows(() => decode(chunks), SmtpProtocolError);
  });
}

Deno.test("ReplyDecoder gives the replies before a fault, then the fault", () => {
  const decoder = new ReplyDecoder();
  assertEquals(decoder.push(bytes("250 a\r\n251 b\r\nfault\r\n252 c\r\n")).map(({ code }) => code), [250, 251]);
  assert(decoder.fault !== undefined);
  assertThrows(() => decoder.push(bytes("252 c\r\n")), SmtpProtocolError, "fault");
  assertThrows(() => decoder.finish(), SmtpProtocolError, "fault");
});

Deno.test("ReplyDecoder throws at once where a line is too long and no reply came before it", () => {
  const decoder = new ReplyDecoder({ maxLineLength: 6 });
  assertThrows(() => decoder.push(bytes("250-a\r\n250 abc\r\n")), SmtpProtocolError, "more than 6 octets");
  assert(decoder.fault !== undefined);
  const other = new ReplyDecoder({ maxLineLength: 6 });
  assertEquals(other.push(bytes("250 a\r\n250 abc\r\n")).map(({ text }) => text), ["a"]);
  assert(other.fault !== undefined);
});

Deno.test("LineDecoder gives the lines before one that is too long, then the fault", () => {
  const decoder = new LineDecoder({ maxLineLength: 3 });
  assertEquals(decoder.push(bytes("a\nb\r\nabcd\nc\n")).map(text), ["a", "b"]);
  assertThrows(() => decoder.push(bytes("d\n")), SmtpProtocolError, "more than 3 octets");
});

Deno.test("ReplyDecoder tells whether it stands between two replies", () => {
  const decoder = new ReplyDecoder();
  assert(decoder.isIdle);
  for (const part of ["2", "50-a\r\n", "250"]) {
    assertEquals(decoder.push(bytes(part)), []);
    assert(!decoder.isIdle);
    assertThrows(() => decoder.finish(), SmtpProtocolError);
  }
  assertEquals(decoder.push(bytes("\r\n")).length, 1);
  assert(decoder.isIdle);
});

Deno.test("ReplyDecoder takes a line of 16 KiB and refuses a longer one, in one chunk and in many", () => {
  for (const size of [1, 1000, 1_000_000]) {
    const feed = (octets: string) => {
      const all = bytes(octets);
      return decode(Array.from({ length: Math.ceil(all.length / size) }, (_, index) => all.slice(index * size, (index + 1) * size)));
    };
    assertEquals(feed(`250 ${"x".repeat(16_380)}\r\n`)[0]?.[1]?.length, 16_380);
    assertThrows(() => feed(`250 ${"x".repeat(16_381)}\r\n`), SmtpProtocolError, "16384");
    assertThrows(() => feed("x".repeat(16_386)), SmtpProtocolError, "16384");
  }
});

Deno.test("ReplyDecoder holds no more of an endless line than its limit", () => {
  const decoder = new LineDecoder();
  const chunk = new Uint8Array(1000).fill(120);
  let taken = 0;
  assertThrows(() => {
    for (; taken < 1_000_000; taken += chunk.length) assertEquals(decoder.push(chunk), []);
  }, SmtpProtocolError);
  assert(taken < 17_000 && decoder.pending < 17_000);
});

Deno.test("ReplyDecoder refuses a reply of more than 1000 lines or 256 KiB", () => {
  assertEquals(decode([bytes(`${"250-x\r\n".repeat(999)}250 x\r\n`)])[0]?.length, 1001);
  assertThrows(() => decode([bytes("250-x\r\n".repeat(1001))]), SmtpProtocolError, "1000 lines");
  assertThrows(() => decode([bytes(`250-${"x".repeat(10_000)}\r\n`.repeat(27))]), SmtpProtocolError, "262144 octets");
});

Deno.test("ReplyDecoder keeps its replies when the chunk is used again", () => {
  const decoder = new ReplyDecoder();
  const chunk = bytes("250 first\r\n25");
  const [reply] = decoder.push(chunk);
  chunk.set(bytes("0 second\r\n"));
  const [next] = decoder.push(chunk.subarray(0, 10));
  assertEquals([reply?.text, next?.text], ["first", "second"]);
});

Deno.test("ReplyDecoder keeps its replies when the chunk is a Buffer that is used again", () => {
  const decoder = new ReplyDecoder();
  for (const text of ["first", "second".repeat(8), "third".repeat(100)]) {
    const chunk = Buffer.from(`250 ${text}\r\n`);
    const [reply] = decoder.push(chunk);
    chunk.fill(0);
    assertEquals(reply?.text, text);
  }
});

Deno.test("LineDecoder gives the rest that no line end closed", () => {
  const decoder = new LineDecoder();
  assertEquals(decoder.push(bytes("a\r\nb\nc\rd")).map(text), ["a", "b"]);
  assertEquals(decoder.pending, 3);
  assertEquals(text(decoder.finish() ?? new Uint8Array()), "c\rd");
  assertEquals(decoder.finish(), undefined);
});

Deno.test("Reply parses enhanced status codes, and only those that fit the code", () => {
  const reply = Reply.of(550, "5.1.1 no such", "5.1.1 user");
  assertEquals([reply.enhancedCode, reply.text], ["5.1.1", "no such\nuser"]);
  assertEquals(Reply.of(250, "2.0.0").text, "");
  assertEquals(Reply.of(550, "4.1.1 odd").enhancedCode, undefined);
  assertEquals(Reply.of(550, "4.1.1 odd").text, "4.1.1 odd");
  for (const line of ["5.1 no", "5.1.1234 no", "5.1.1no", "3.1.1 no", "05.1.1 no", " 5.1.1 no", ""]) {
    assertEquals(Reply.of(550, line).enhancedCode, undefined, line);
  }
  assertEquals(Reply.of(354, "5.1.1 no").enhancedCode, undefined);
});

Deno.test("Reply takes lines as octets and as text", () => {
  assertEquals(new Reply(250, [bytes("2.0.0 é"), "2.0.0 ok", "2.0.0", "2.0.0  ok"]).text, "é\nok\n\n ok");
});

Deno.test("Reply tests its code, and prints in one line without control characters", () => {
  const tests = (code: number) => {
    const { isPositive, isIntermediate, isTransient, isPermanent } = Reply.of(code);
    return [isPositive, isIntermediate, isTransient, isPermanent];
  };
  assertEquals(tests(250), [true, false, false, false]);
  assertEquals(tests(354), [false, true, false, false]);
  assertEquals(tests(421), [false, false, true, false]);
  assertEquals(tests(599), [false, false, false, true]);
  assertEquals(`${Reply.of(550, "5.1.1 \x1b]0;pwned\x07", "bye")}`, "550 5.1.1 \\x1b]0;pwned\\x07 / bye");
  assertEquals(`${Reply.of(250)}`, "250");
  assertEquals(JSON.stringify(Reply.of(250, "2.0.0 ok")), '{"code":250,"enhancedCode":"2.0.0","lines":["2.0.0 ok"]}');
});
