/** What holds the project together: the layers, the import maps, and the two small files that stand in for JSR's packages. */
import { assert, assertEquals } from "@std/assert";
import { installRuntimes } from "../runtimes/runtimes.ts";
import { layerFault } from "../../scripts/lint_layers.ts";

const root = new URL("../../", import.meta.url);

async function json(path: string): Promise<Record<string, Record<string, string>>> {
  return JSON.parse(await Deno.readTextFile(new URL(path, root)));
}

Deno.test("layerFault lets imports point down, and in no other direction", () => {
  const good = [
    ["mod.ts", "src/client.ts"],
    ["src/client.ts", "src/wire/path.ts"],
    ["src/session/session.ts", "src/session/pipeline.ts"],
    ["src/wire/reply_decoder.ts", "src/errors.ts"],
    ["src/proxy/passage.ts", "src/transport/socket.ts"],
    ["tests/x.ts", "npm:anything"],
  ];
  const bad = [
    ["src/wire/reply.ts", "src/session/clock.ts"],
    ["src/transport/deno.ts", "src/sasl/plain.ts"],
    ["src/sasl/plain.ts", "src/transport/socket.ts"],
    ["src/session/session.ts", "src/connection.ts"],
    ["src/proxy/socks5.ts", "src/session/clock.ts"],
    ["src/proxy/socks5.ts", "src/options.ts"],
    ["src/transport/dial.ts", "src/proxy/socks5.ts"],
    ["src/client.ts", "mod.ts"],
    ["src/client.ts", "npm:nodemailer"],
    ["src/client.ts", "scripts/demo.ts"],
  ];
  for (const [from, to] of good) assertEquals(layerFault(from!, to!), undefined);
  for (const [from, to] of bad) assert(layerFault(from!, to!) !== undefined, `${from} -> ${to}`);
});

Deno.test("deno lint enforces the layers, the purity of the wire, and that no function is written where a property is set", async () => {
  const lint = async (path: string, source: string) => {
    const file = new URL(path, root);
    await Deno.writeTextFile(file, source);
    try {
      const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args: ["lint", "--json", path], cwd: root }).output();
      const { diagnostics } = JSON.parse(new TextDecoder().decode(stdout)) as { diagnostics: { code: string }[] };
      assertEquals(diagnostics.length > 0, true, new TextDecoder().decode(stderr));
      return diagnostics.map(({ code }) => code);
    } finally {
      await Deno.remove(file);
    }
  };
  assertEquals(await lint("src/wire/lint_probe.ts", 'export { connect } from "../client.ts";\n'), ["posthorn/layers"]);
  assertEquals(await lint("src/wire/lint_probe.ts", "export async function f(p: Promise<void>): Promise<void> {\n  await p;\n}\n"), [
    "posthorn/pure-wire",
  ]);
  assertEquals(await lint("src/wire/mod.ts", "export const version: number = 1;\n"), ["posthorn/mod-only-lists"]);
  assertEquals(await lint("src/session/lint_probe.ts", "export const version: string = Deno.version.deno;\n"), ["posthorn/runtimes-in-transport"]);
  assertEquals(await lint("src/session/lint_probe.ts", "export function f(o: { g?: () => void }): void {\n  o.g = () => {};\n}\n"), [
    "posthorn/no-function-into-property",
  ]);
});

Deno.test("tests/npm_only.json maps what deno.json imports, JSR's packages apart", async () => {
  const { imports = {} } = await json("deno.json");
  const { imports: npmOnly = {} } = await json("tests/npm_only.json");
  const tests = Object.entries(imports).filter(([name]) => name !== "@deno/dnt");
  assertEquals(Object.keys(npmOnly).sort(), tests.map(([name]) => name).sort());
  for (const [name, target] of tests) {
    if (target.startsWith("jsr:")) assert(npmOnly[name]?.startsWith("./support/"), name);
    else if (target.startsWith("npm:")) assertEquals(npmOnly[name], target);
  }
});

Deno.test("the tasks test and test:jsr are the same but for the import map", async () => {
  const { tasks = {} } = await json("deno.json");
  const command = (name: string) => Reflect.get(Object(tasks[name]), "command");
  assertEquals(command("test").replace(" --import-map=tests/npm_only.json", ""), command("test:jsr"));
  for (const flag of ["--sanitize-ops", "--sanitize-resources"]) assert(command("test").includes(flag), flag);
});

Deno.test("every public class, function and constant has an example and names its source", async () => {
  const { exports = {} } = await json("deno.json");
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["doc", "--json", ...Object.values(exports)], cwd: root }).output();
  const { nodes } = JSON.parse(new TextDecoder().decode(stdout));
  const modules = Object.values<{ symbols: Declared[] }>(nodes);
  assertEquals(modules.length, Object.keys(exports).length);
  const values = modules.flatMap(({ symbols }) => symbols).filter(({ declarations }) =>
    declarations.some(({ kind }) => ["class", "function", "variable"].includes(kind))
  );
  assert(values.length > 30, `${values.length}`);
  for (const { name, declarations } of values) {
    const { doc = "", tags = [] } = declarations[0]?.jsDoc ?? {};
    assert(tags.some(({ kind }) => kind === "example"), `${name} has no example`);
    assert(/Source: (RFC|draft|WinterTC|HAProxy)/.test(doc), `${name} names no source`);
  }
});

Deno.test("the source checks under plain tsc with the platform's types alone: no runtime's ambient ones", async () => {
  const folder = await installRuntimes();
  const config = await Deno.makeTempFile({ suffix: ".json" });
  const compilerOptions = {
    noEmit: true,
    strict: true,
    target: "es2022",
    module: "esnext",
    moduleResolution: "bundler",
    allowImportingTsExtensions: true,
    lib: ["esnext", "dom", "dom.iterable"],
    types: [],
  };
  await Deno.writeTextFile(
    config,
    JSON.stringify({ compilerOptions, files: ["mod.ts", "src/proxy/mod.ts", "src/sasl/mod.ts"].map((path) => new URL(path, root).pathname) }),
  );
  const { code, stdout } = await new Deno.Command(`${folder}/node_modules/node24/bin/node`, {
    args: [`${folder}/node_modules/typescript/bin/tsc`, "--project", config],
  }).output();
  await Deno.remove(config);
  assertEquals([code, new TextDecoder().decode(stdout)], [0, ""]);
});

Deno.test("the source has no any and silences no checker", async () => {
  const { code, stdout } = await new Deno.Command("grep", {
    args: ["-rnE", ": any\\b|<any>|as any\\b|as unknown as|@ts-ignore|@ts-expect-error|@ts-nocheck", "mod.ts", "src"],
    cwd: root,
  }).output();
  // 1 says that nothing was found, 2 that nothing was searched.
  assertEquals([code, new TextDecoder().decode(stdout)], [1, ""]);
});

interface Declared {
  readonly name: string;
  readonly declarations: readonly {
    readonly kind: string;
    readonly jsDoc?: { readonly doc?: string; readonly tags?: readonly { kind: string; doc?: string }[] };
  }[];
}
