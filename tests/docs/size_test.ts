import { assert, assertEquals } from "@std/assert";
import { bundledCore, kilobytes, sizes } from "../../scripts/size.ts";

Deno.test("the README tells the size of the library as it is, and it stays within its budget", async () => {
  const readme = await Deno.readTextFile(new URL("../../README.md", import.meta.url));
  const { core, everything, adapter, proxies } = await sizes();
  for (const { gzipped } of [core, everything, adapter, proxies]) {
    assert(readme.includes(kilobytes(gzipped)), `${kilobytes(gzipped)}: run deno task size`);
  }
  assert(core.gzipped < 18_000 && everything.gzipped < 25_000, `${core.gzipped} ${everything.gzipped}`);
});

Deno.test("a program that imports no proxy carries none", async () => {
  const text = new TextDecoder().decode(await bundledCore());
  assertEquals([text.includes("EHLO"), /SOCKS|CONNECT \$|PROXY TCP/.test(text)], [true, false]);
});
