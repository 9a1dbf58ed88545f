import { assertEquals, assertThrows } from "@std/assert";
import { anonymous, saslPrep } from "@posthorn/smtp/sasl";
import { contextOf, text } from "../support/sasl.ts";

Deno.test("saslPrep prepares the examples of RFC 4013 section 3", () => {
  assertEquals(saslPrep("I\u00adX"), "IX");
  assertEquals(saslPrep("user"), "user");
  assertEquals(saslPrep("USER"), "USER");
  assertEquals(saslPrep("\u00aa"), "a");
  assertEquals(saslPrep("\u2168"), "IX");
  for (const bad of ["\u0007", "\u0627\u0031"]) assertThrows(() => saslPrep(bad), TypeError, "not shown");
});

Deno.test("saslPrep maps other spaces to a space, drops what is invisible, and normalizes what RFC 5802 section 2.2 names", () => {
  const spaces = "\u00a0\u1680\u2000\u200b\u202f\u205f\u3000";
  assertEquals(saslPrep(`a${spaces}b`), `a${" ".repeat(spaces.length)}b`);
  assertEquals(saslPrep("a\u00ad\u034f\u1806\u180b\u200c\u200d\u2060\ufe0f\ufeffb"), "ab");
  assertEquals(saslPrep("\u00bd"), "1\u20442");
  assertEquals(saslPrep("\u00b4"), " \u0301");
  assertEquals(saslPrep("pa\u0308sswo\u0308rd"), "pässwörd");
});

Deno.test("saslPrep refuses what RFC 4013 section 2.3 prohibits, one of each table, and what is empty", () => {
  const prohibited = [
    "\0",
    "\u007f",
    "\u0080",
    "\u06dd",
    "\u2028",
    "\u206a",
    "\ufff9",
    "\u{1d173}",
    "\ue000",
    "\u{f0000}",
    "\u{10fffd}",
    "\ufdd0",
    "\uffff",
  ];
  const more = ["\u{1ffff}", "\ud800", "\udc00", "\ufffd", "\u2ff0", "\u200e", "\u202e", "\u{e0001}", "\u{e0041}", "", "\u00ad"];
  for (const bad of [...prohibited, ...more]) {
    const password = bad === "" || bad === "\u00ad" ? bad : `s3cret${bad}`;
    const error = assertThrows(() => saslPrep(password), TypeError, "not shown");
    assertEquals(error.message.includes("s3cret"), false, escape(bad));
  }
  for (const character of ["\u0340", "\u0341"]) assertEquals(saslPrep(character), character.normalize("NFKC"));
});

Deno.test("saslPrep lets text of one direction pass, and refuses a mix (RFC 3454 section 6)", () => {
  for (const good of ["\u0627", "\u0627\u0031\u0628", "\u05d0\u05d1 \u05d2", "\u0671.\u0628", "abc1", "1"]) assertEquals(saslPrep(good), good);
  for (const bad of ["\u0627\u0031", "\u0031\u0627", "\u0627a\u0628", "a\u0628", "\u05d0\u0915\u05d1", "\u05d0!"]) {
    assertThrows(() => saslPrep(bad), TypeError, "left-to-right");
  }
});

Deno.test("saslPrep lets characters pass that were assigned after Unicode 3.2, as RFC 8265 does", () => {
  assertEquals(saslPrep("\u{1f600}\u0220\u20bf"), "\u{1f600}\u0220\u20bf");
});

Deno.test("anonymous takes traces of RFC 4505 section 2 as they are, and refuses others", async () => {
  for (const good of ["sirhc", "alice@example.com", "\u2168", "x".repeat(255), "\u{1f600}".repeat(255)]) {
    const { initialResponse } = await anonymous({ trace: good }).start(contextOf());
    assertEquals(text(initialResponse), good);
  }
  for (const bad of ["", "x".repeat(256), "a\r\nb", "a@b@c", "@", "a\u0007", "\ue000", "\u200b\u200c", "\u0627\u0031"]) {
    assertThrows(() => anonymous({ trace: bad }), TypeError, "trace");
  }
});
