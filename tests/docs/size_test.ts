import { assert, assertEquals } from "@std/assert";
import { filesOfCore, kilobytes, sizes } from "../../scripts/size.ts";

Deno.test("the README tells the size of the library as it is, and it stays within its budget", async () => {
  const readme = await Deno.readTextFile(new URL("../../README.md", import.meta.url));
  const { core, withLogin, everything, adapter, mechanism, proxies, pool } = await sizes();
  for (const { gzipped } of [core, withLogin, everything, adapter, mechanism, proxies, pool]) {
    assert(readme.includes(kilobytes(gzipped)), `${kilobytes(gzipped)}: run deno task size`);
  }
  assert(core.gzipped < 27_900 && everything.gzipped < 33_800, `${core.gzipped} ${everything.gzipped}`);
});

Deno.test("a program that imports connect carries no pool, no proxy, no mechanism and no rare extension", async () => {
  const files = await filesOfCore();
  assert(files.includes("src/client.ts"));
  const rare = files.filter((path) => /^src\/((sasl|proxy|extensions|pool)\/|pool\.ts)/.test(path));
  // What is checked of credentials before any I/O.
  assertEquals(rare, ["src/sasl/credentials.ts"]);
});
