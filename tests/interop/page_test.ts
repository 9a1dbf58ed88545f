/** `docs/interop.md` and the record agree with the list of features, also on a machine without servers. */
import { assert, assertEquals } from "@std/assert";
import { features, nothingToDo } from "./features.ts";
import { matrix, PAGE, shownKeywords, shownMatrix, shownVersions, unprovenCell } from "./matrix.ts";
import { keywordsOf, keywordTable, onRecord, spokenFor } from "./offers.ts";
import { PROTOCOL, proven, tables } from "./protocol.ts";
import { servers, services } from "./servers.ts";

const page = await Deno.readTextFile(PAGE);
const WRITE = "run: deno task interop";

Deno.test("docs/interop.md has a row for each feature and a column for each service, and knows what is not offered", () => {
  const [head = [], ...rows] = shownMatrix.shownIn(page);
  const shown = (row: string, column: string) => rows.find(([name]) => name === row)?.[head.indexOf(column)] ?? "";
  const expected = matrix((row, service) => unprovenCell(row, service, onRecord[service.name] ?? {}) ?? shown(row, service.name));
  assertEquals([head, ...rows], expected, WRITE);
});

Deno.test("docs/interop.md shows no feature as failing", () => {
  assertEquals(shownMatrix.shownIn(page).filter((cells) => cells.includes("FAILS") || cells.includes("")), []);
});

Deno.test("docs/interop.md lists every keyword that is on record", () => {
  assertEquals(shownKeywords.shownIn(page), keywordTable(onRecord), WRITE);
});

Deno.test("docs/interop.md names the version of every server", () => {
  const [, ...rows] = shownVersions.shownIn(page);
  assertEquals(rows.map(([name]) => name), Object.values(servers).flatMap(({ parts }) => parts), WRITE);
});

Deno.test("every keyword on record is spoken for, by one entry only", () => {
  assertEquals(Object.keys(onRecord), services.map(({ name }) => name));
  const keywords = new Set(Object.values(onRecord).flatMap((offers) => [...keywordsOf(offers)]));
  assertEquals([...keywords].filter((keyword) => spokenFor(keyword) === undefined), []);
  assertEquals(Object.keys(nothingToDo).filter((keyword) => !keywords.has(keyword)), [], "nobody offers it");
});

Deno.test("every feature has a name and a sentence of its own", () => {
  for (const words of [features.map(({ name }) => name), features.map(({ sentence }) => sentence)]) {
    assertEquals(words.filter((word, index) => words.indexOf(word) !== index), []);
  }
});

Deno.test("docs/protocol.md names the servers that proved each extension and mechanism, and those that only a script has", async () => {
  const text = await Deno.readTextFile(PROTOCOL);
  for (const table of tables) {
    const shown = table.shownIn(text);
    assert(shown.length > 5);
    assertEquals(shown, proven(shown, page), WRITE);
  }
});
