import { assertEquals } from "@std/assert";
import { contentFacts, isEightBit } from "../../src/wire/content.ts";
import { decodeBase64, encodeBase64 } from "../../src/wire/base64.ts";
import { queueId } from "../../src/wire/queue_id.ts";
import { bytes } from "../support/splits.ts";

Deno.test("contentFacts counts what SIZE counts: every line ended by CRLF, no dot doubled", () => {
  for (const content of ["", "a", "a\r\n", "a\nb", "\r", "\n\r", "a\r\r\n.\n", "a\r\n\r\nb\r", ".\r\n..\r\n", "\n\n\n", "\r\r"]) {
    const normal = content.replace(/\r\n|\r|\n/g, "\r\n");
    const whole = normal === "" || normal.endsWith("\r\n") ? normal : `${normal}\r\n`;
    assertEquals(
      contentFacts(bytes(content)),
      { octets: whole.length, isEightBit: false, isHeaderEightBit: false, hasLoneLineEnd: /\r(?!\n)|(?<!\r)\n/.test(content) },
      JSON.stringify(content),
    );
  }
});

Deno.test("contentFacts tells the headers from the body, whatever ends their lines", () => {
  for (const end of ["\r\n", "\n", "\r"]) {
    const isHeaderEightBit = (...lines: string[]) => contentFacts(bytes(lines.join(end))).isHeaderEightBit;
    assertEquals(isHeaderEightBit("Subject: a", "", "ä"), false, JSON.stringify(end));
    assertEquals(isHeaderEightBit("Subject: a", " ä", "", "b"), true, JSON.stringify(end));
    assertEquals(isHeaderEightBit("", "ä"), false, JSON.stringify(end));
    assertEquals(isHeaderEightBit("ä"), true, JSON.stringify(end));
  }
  assertEquals(contentFacts(bytes("A: a\r\n\rä\n")).isHeaderEightBit, false);
});

Deno.test("isEightBit finds an octet above 127 at any place of any view", () => {
  const octets = new Uint8Array(40).fill(127);
  for (let from = 0; from < 9; from++) {
    for (let to = from; to <= 40; to++) {
      const view = octets.subarray(from, to);
      assertEquals(isEightBit(view), false);
      for (let at = 0; at < view.length; at++) {
        view[at] = 128;
        assertEquals(isEightBit(view), true, `${from} ${to} ${at}`);
        view[at] = 127;
      }
    }
  }
});

Deno.test("base64 goes there and back over every octet, and refuses what is none", () => {
  const octets = Uint8Array.from({ length: 256 }, (_, index) => index);
  for (const length of [0, 1, 2, 3, 255, 256]) assertEquals(decodeBase64(encodeBase64(octets.slice(0, length))), octets.slice(0, length));
  for (const text of ["a", "ab=", "abc", "ab c", "====", "abcd=", "ab\n=", "Username:"]) assertEquals(decodeBase64(text), undefined, text);
});

Deno.test("queueId reads the forms of Postfix and Exim, and guesses at no other", () => {
  assertEquals(queueId("Ok: queued as 4XyzAB1cdE"), "4XyzAB1cdE");
  assertEquals(queueId("OK id=1tAbCd-000000001Xy-2Z3a"), "1tAbCd-000000001Xy-2Z3a");
  assertEquals(queueId("Message accepted"), undefined);
});
