/** The npm package before it is built: what dnt is told, and what package.json will say. `deno task npm:pack` proves a built one. */
import { assert, assertEquals } from "@std/assert";
import { buildOptions } from "../../scripts/build_npm.ts";
import { DOCUMENTS, exportTargets, metadata, PROJECT, strangers } from "../../scripts/npm_metadata.ts";
import { withDisposable } from "../../scripts/npm_types.ts";

const root = new URL("../../", import.meta.url);

Deno.test("buildOptions gives dnt an entry point for each of deno.json's exports, and no other", () => {
  const { entryPoints } = buildOptions(PROJECT);
  assertEquals(Object.fromEntries(entryPoints.map(({ name, path }) => [name, path])), { ...PROJECT.exports });
  assertEquals(entryPoints.length, Object.keys(PROJECT.exports).length);
});

Deno.test("buildOptions asks for modules with types, and for no shim, script or test", () => {
  const { shims, scriptModule, test, declaration, skipSourceOutput } = buildOptions(PROJECT);
  assertEquals({ shims, scriptModule, test, declaration, skipSourceOutput }, {
    shims: {},
    scriptModule: false,
    test: false,
    declaration: "inline",
    skipSourceOutput: true,
  });
});

Deno.test("buildOptions writes the subpaths of deno.json into package.json, types first", () => {
  const { package: { exports, main, types } } = buildOptions(PROJECT);
  assertEquals(Object.keys(Object(exports)), Object.keys(PROJECT.exports));
  for (const target of Object.values(Object(exports))) assertEquals(Object.keys(Object(target)), ["types", "default"]);
  assertEquals([main, types], ["./esm/mod.js", "./esm/mod.d.ts"]);
});

Deno.test("exportTargets keeps the place of each source below the folder", () => {
  const project = { name: "a", version: "1.0.0", license: "MIT", exports: { ".": "./mod.ts", "./x": "./src/x/y.ts" } };
  assertEquals(exportTargets(project, "./esm"), {
    ".": { types: "./esm/mod.d.ts", default: "./esm/mod.js" },
    "./x": { types: "./esm/src/x/y.d.ts", default: "./esm/src/x/y.js" },
  });
});

Deno.test("metadata takes name, version and license from deno.json and leaves nothing empty", () => {
  const head = metadata(PROJECT);
  const { name, version, license } = PROJECT;
  assertEquals({ name: head.name, version: head.version, license: head.license }, { name, version, license });
  for (const [key, value] of Object.entries(head)) assert(value !== "" && value !== undefined, key);
  assert(head.keywords.length > 4 && new Set(head.keywords).size === head.keywords.length);
  assertEquals({ type: head.type, engines: head.engines, sideEffects: head.sideEffects }, {
    type: "module",
    engines: { node: ">=20.16" },
    sideEffects: false,
  });
});

Deno.test("every document of the package is there, and deno.json publishes it too", async () => {
  const config = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
  for (const name of DOCUMENTS) {
    assert((await Deno.stat(new URL(name, root))).isFile, name);
    assert(config.publish.include.includes(name), name);
  }
});

Deno.test("strangers lets code, types and documents pass, and nothing else", () => {
  assertEquals(strangers(["mod.js", "src/a.d.ts", "package.json", "esm/package.json", "README.md", "LICENSE", "CHANGELOG.md"]), []);
  const bad = ["mod.ts", "src/a.js.map", "src/a.d.ts.map", "src/a_test.js", "src/a.test.js", "deno.json", "src/README.md", ".npmignore"];
  assertEquals(strangers(bad), bad);
});

Deno.test("withDisposable brings the library that AsyncDisposable is declared in, where it is spoken of", () => {
  const uses = "export declare class A implements AsyncDisposable {}\n";
  assertEquals(withDisposable(uses), `/// <reference lib="esnext.disposable" />\n${uses}`);
  assertEquals(withDisposable("export declare class A {}\n"), "export declare class A {}\n");
});
