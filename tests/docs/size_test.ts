import { assert } from "@std/assert";
import { kilobytes, sizes } from "../../scripts/size.ts";

Deno.test("the README tells the size of the library as it is, and it stays within its budget", async () => {
  const readme = await Deno.readTextFile(new URL("../../README.md", import.meta.url));
  const { core, everything, adapter, mechanism } = await sizes();
  for (const { gzipped } of [core, everything, adapter, mechanism]) {
    assert(readme.includes(kilobytes(gzipped)), `${kilobytes(gzipped)}: run deno task size`);
  }
  assert(core.gzipped < 18_500 && everything.gzipped < 25_000, `${core.gzipped} ${everything.gzipped}`);
});
