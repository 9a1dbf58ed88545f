import { assertEquals, assertThrows } from "@std/assert";
import { DotStuffer, type DotStufferOptions } from "@posthorn/smtp";
import { bytes, join, splits, splitsInThree, text } from "../support/splits.ts";

function stuff(chunks: Iterable<Uint8Array>, options?: DotStufferOptions): string {
  const stuffer = new DotStuffer(options);
  const parts = [...chunks].map((chunk) => stuffer.push(chunk));
  return text(join([...parts, stuffer.finish()]));
}

/** What a server does, written from RFC 5321 section 4.5.2 and from nothing else: the lines up to the lone dot, and what is left behind it. */
function received(wire: string): { content: string; rest: string } {
  let content = "";
  for (let rest = wire;;) {
    const end = rest.indexOf("\r\n");
    if (end < 0) throw new Error(`no final dot: ${JSON.stringify(wire)}`);
    const line = rest.slice(0, end);
    rest = rest.slice(end + 2);
    if (line === ".") return { content, rest };
    content += `${line.replace(/^\./, "")}\r\n`;
  }
}

/** Every text of up to `length` of these characters. */
function* texts(alphabet: string, length: number): Generator<string> {
  yield "";
  if (length > 0) { for (const head of texts(alphabet, length - 1)) for (const character of alphabet) yield head + character; }
}

const WIRE: [content: string, wire: string][] = [
  ["", ".\r\n"],
  [".", "..\r\n.\r\n"],
  ["..", "...\r\n.\r\n"],
  ["a", "a\r\n.\r\n"],
  ["a\r\n", "a\r\n.\r\n"],
  ["a\n", "a\r\n.\r\n"],
  ["a\r", "a\r\n.\r\n"],
  ["\n", "\r\n.\r\n"],
  ["a\r\n.\r\nb", "a\r\n..\r\nb\r\n.\r\n"],
  ["a\n.\nb", "a\r\n..\r\nb\r\n.\r\n"],
  ["a\r.\rb", "a\r\n..\r\nb\r\n.\r\n"],
  ["a\n\rb", "a\r\n\r\nb\r\n.\r\n"],
  ["a\r\r\nb", "a\r\n\r\nb\r\n.\r\n"],
  ["a.\r\n.b.c\r\n", "a.\r\n..b.c\r\n.\r\n"],
  ["a\r\n\r\n", "a\r\n\r\n.\r\n"],
];

for (const [content, wire] of WIRE) {
  Deno.test(`DotStuffer makes ${JSON.stringify(wire)} of ${JSON.stringify(content)} however it is split`, () => {
    for (const chunks of splits(bytes(content))) assertEquals(stuff(chunks), wire);
    for (const chunks of splitsInThree(bytes(content))) assertEquals(stuff(chunks), wire);
  });
}

Deno.test("DotStuffer makes one message, with the lines of the content, of every text of up to six CRs, LFs, dots and letters", () => {
  let count = 0;
  for (const content of texts("\r\n.x", 6)) {
    const whole = stuff([bytes(content)]);
    const { content: lines, rest } = received(whole);
    assertEquals(rest, "", JSON.stringify(content));
    const normal = content.replace(/\r\n|\r|\n/g, "\r\n");
    assertEquals(lines, normal === "" || normal.endsWith("\r\n") ? normal : `${normal}\r\n`, JSON.stringify(content));
    assertEquals(/[^\r]\n|\r[^\n]/.test(whole), false, JSON.stringify(content));
    assertEquals(stuff(Array.from(bytes(content), (octet) => Uint8Array.of(octet))), whole, JSON.stringify(content));
    count++;
  }
  assertEquals(count, 5461);
});

Deno.test("DotStuffer lets no smuggled end of data through (CVE-2023-51764)", () => {
  for (const end of ["\n.\n", "\n.\r\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\r\n.\n", "\n.\r", "\r\n.\r\n"]) {
    const content = `Subject: a\r\n\r\nhello${end}MAIL FROM:<evil@x.test>\r\n`;
    for (const chunks of splits(bytes(content))) {
      const { content: lines, rest } = received(stuff(chunks));
      assertEquals([lines.includes("MAIL FROM:<evil@x.test>"), rest], [true, ""]);
    }
  }
});

Deno.test("DotStuffer rejects a CR or LF that stands alone when asked, wherever the chunks end", () => {
  for (const content of ["a\nb", "a\rb", "\n", "\r", "a\r\n\nb", "a\r\r\nb", "a\r", "a\n"]) {
    for (const chunks of splits(bytes(content))) assertThrows(() => stuff(chunks, { lineEndings: "reject" }), TypeError, "stands alone");
  }
  for (const content of ["", "a", "a\r\n", "a\r\n.b\r\n\r\n"]) {
    for (const chunks of splits(bytes(content))) assertEquals(stuff(chunks, { lineEndings: "reject" }), stuff([bytes(content)]));
  }
});

Deno.test("DotStuffer hands on a chunk that needs no change as it is", () => {
  const chunk = bytes("a\r\nb.\r\nc");
  assertEquals(new DotStuffer().push(chunk) === chunk, true);
});

Deno.test("DotStuffer takes empty chunks anywhere", () => {
  const empty = new Uint8Array(0);
  assertEquals(stuff([empty, bytes("a\r"), empty, bytes("\n"), empty, bytes(".b"), empty]), "a\r\n..b\r\n.\r\n");
});
