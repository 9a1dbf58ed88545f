/** `docs/faults.md` and the catalogue agree with the tests. */
import { assertEquals } from "@std/assert";
import { catalogue } from "./catalogue.ts";
import { faults } from "./faults.ts";
import { socketFaults } from "./socket_faults.ts";
import { PAGE, shownFaults, table, testsOf } from "./tests_of.ts";

Deno.test("docs/faults.md shows every entry of the catalogue and its tests", async () => {
  assertEquals(shownFaults.shownIn(await Deno.readTextFile(PAGE)), table(await testsOf()), "run: deno task faults");
});

Deno.test("every case of the catalogue has a name of its own, which begins with the id of an entry that applies", () => {
  const ids = catalogue.filter(({ exempt }) => exempt === undefined).map(({ id }) => id);
  const names = [...faults, ...socketFaults].map(({ name }) => name);
  assertEquals(names.filter((name) => !ids.includes(name.slice(0, 3)) || name[3] !== " "), []);
  assertEquals(names.filter((name, index) => names.indexOf(name) !== index), []);
});
