import { assertEquals } from "@std/assert";
import { DotStuffer } from "@posthorn/smtp";
import { contentFacts } from "../../src/wire/content.ts";
import { OctetScan } from "../../src/wire/octet_scan.ts";
import { bytes, join, splits, text } from "../support/splits.ts";

/** Numbers from 0 to 1, the same in every run. */
function* numbers(): Generator<number, never> {
  for (let seed = 1;; seed = (seed * 48_271) % 2_147_483_647) yield seed / 2_147_483_647;
}

/** Texts of up to `length` characters, most of them longer than what is looked at octet by octet, with many or few ends of lines and dots. */
function* texts(count: number, length: number): Generator<string> {
  const random = numbers();
  const next = (below: number) => Math.floor(random.next().value * below);
  for (let index = 0; index < count; index++) {
    const alphabet = ["\r\n.x", "\r\n..abcdefghij", "\r\n\t\x00\x0c\x0e.klmnopqrstuvwxyzklmnopqrstuvwxyz"][index % 3]!;
    yield Array.from({ length: next(length + 1) }, () => alphabet[next(alphabet.length)]!).join("").replace(/x{2}/g, "\r\n");
  }
}

/** The same octets at each place that memory knows. */
function* views(octets: Uint8Array): Generator<Uint8Array> {
  for (let offset = 0; offset < 5; offset++) {
    const room = new Uint8Array(offset + octets.length + 3).fill(10);
    room.set(octets, offset);
    yield room.subarray(offset, offset + octets.length);
  }
}

Deno.test("OctetScan finds every CR and LF, from any index, wherever the octets lie in memory", () => {
  for (const content of texts(60, 100)) {
    const ends = [...content].flatMap((character, index) => /[\r\n]/.test(character) ? [index] : []);
    for (const view of views(bytes(content))) {
      const scan = new OctetScan(view);
      for (let from = 0; from <= view.length; from++) {
        assertEquals(scan.lineEnd(from), ends.find((end) => end >= from) ?? view.length, JSON.stringify([content, from]));
      }
    }
  }
});

Deno.test("OctetScan takes octets above 127 for text", () => {
  const content = bytes(`${"ä€".repeat(20)}\r\n${"\u{1f4ef}".repeat(20)}\n`);
  for (const view of views(content)) {
    const scan = new OctetScan(view);
    assertEquals([scan.lineEnd(0), scan.lineEnd(102), scan.isEightBit()], [100, 182, true]);
  }
});

/** What goes behind DATA, written from RFC 5321 section 4.5.2 line by line. */
function stuffed(content: string): string {
  const lines = content.split(/\r\n|\r|\n/);
  if (lines.at(-1) === "") lines.pop();
  return [...lines.map((line) => line.replace(/^\./, "..")), "."].map((line) => `${line}\r\n`).join("");
}

Deno.test("DotStuffer makes of random content what a reading line by line makes, at every split and wherever the chunks lie in memory", () => {
  for (const content of texts(150, 120)) {
    const octets = bytes(content);
    for (const [what, whole] of [["data", stuffed(content)], ["bdat", unstuffed(content)]] as const) {
      for (const chunks of [...splits(octets), ...[...views(octets)].map((view) => [view])]) {
        const stuffer = new DotStuffer({ dots: what === "data" });
        const parts = chunks.map((chunk) => stuffer.push(chunk));
        assertEquals(text(join([...parts, stuffer.finish()])), whole, JSON.stringify(content));
      }
    }
  }
});

function unstuffed(content: string): string {
  return stuffed(content).slice(0, -3).replace(/(^|\n)\.\./g, "$1.");
}

Deno.test("contentFacts reads off random content what a reading line by line tells", () => {
  for (const content of texts(300, 120)) {
    for (const view of views(bytes(content))) {
      const facts = {
        octets: unstuffed(content).length,
        isEightBit: false,
        isHeaderEightBit: false,
        hasLoneLineEnd: /\r(?!\n)|(?<!\r)\n/.test(content),
      };
      assertEquals(contentFacts(view), facts, JSON.stringify(content));
    }
  }
});
