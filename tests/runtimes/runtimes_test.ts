/** Every case in every runtime is a test of its own; the runtimes run once, before the first. */
import { assertEquals } from "@std/assert";
import { matrix, shownMatrix } from "./matrix.ts";
import { runSuite } from "./run.ts";

const outcomes = await runSuite();

for (const { runtime, case: name, fault } of outcomes) {
  Deno.test(`${runtime}: ${name}`, () => assertEquals(fault, undefined));
}

Deno.test("the README shows the matrix of cases and runtimes as it is", async () => {
  const readme = await Deno.readTextFile(new URL("../../README.md", import.meta.url));
  assertEquals(shownMatrix.shownIn(readme), matrix(outcomes), "run: deno task runtimes");
});
