/**
 * `node bundle.js BUNDLER PLATFORM OUT`: bundles `sender.js` and prints, as JSON, the warnings, the file to start with, and every import that any file
 * of the result still makes.
 */
import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import process from "node:process";
import { init, parse } from "es-module-lexer";

const ENTRY = resolve("sender.js");
const [bundler, platform, out] = process.argv.slice(2);
const outdir = resolve(out);
const isNode = platform === "node";
/** What the platform's own tools ask of a package's exports. */
const conditions = isNode ? ["node"] : ["workerd", "worker", "browser"];

const BUNDLERS = {
  async esbuild() {
    const { build } = await import("esbuild");
    const platform = isNode ? "node" : "browser";
    const { warnings } = await build({ entryPoints: [ENTRY], outdir, platform, conditions, bundle: true, format: "esm", logLevel: "silent" });
    return warnings.map(({ text }) => text);
  },
  async vite() {
    const { build, createLogger } = await import("vite");
    const warnings = [];
    const customLogger = { ...createLogger("silent"), warn: (text) => warnings.push(text), warnOnce: (text) => warnings.push(text) };
    const ssr = { noExternal: true, target: isNode ? "node" : "webworker", resolve: { conditions } };
    // Two of its ways: the server build for Node, the library build for Workers.
    const shape = isNode ? { ssr: ENTRY } : { lib: { entry: ENTRY, formats: ["es"], fileName: "sender" } };
    await build({
      configFile: false,
      logLevel: "warn",
      customLogger,
      ssr,
      resolve: { conditions },
      build: { ...shape, outDir: outdir, minify: false },
    });
    return warnings;
  },
  async webpack() {
    const { default: webpack } = await import("webpack");
    const compiler = webpack({
      mode: "production",
      entry: { sender: ENTRY },
      target: isNode ? "node20" : "webworker",
      experiments: { outputModule: true },
      output: { path: outdir, module: true, library: { type: "module" }, chunkFormat: "module" },
      resolve: { conditionNames: [...conditions, "import", "default"] },
    });
    const stats = await new Promise((resolve, reject) => compiler.run((error, stats) => error ? reject(error) : resolve(stats)));
    if (stats.hasErrors()) throw new Error(stats.toString("errors-only"));
    return stats.toJson({ all: false, warnings: true }).warnings.map(({ message }) => message);
  },
  async rollup() {
    const { rollup } = await import("rollup");
    const { nodeResolve } = await import("@rollup/plugin-node-resolve");
    const warnings = [];
    const build = await rollup({
      input: ENTRY,
      plugins: [nodeResolve({ exportConditions: conditions, browser: !isNode })],
      onwarn: ({ message }) => warnings.push(message),
    });
    await build.write({ dir: outdir, format: "es" });
    return warnings;
  },
};

const warnings = await BUNDLERS[bundler]();
await init;
const files = readdirSync(outdir, { recursive: true }).filter((name) => /\.m?js$/.test(name));
const imports = files.flatMap((name) => {
  const code = readFileSync(resolve(outdir, name), "utf8");
  const required = [...code.matchAll(/\brequire\(\s*["']([^"']+)["']\s*\)/g)].map(([, specifier]) => ({ specifier, isStatic: true }));
  // d is -1 for a static import, where the import() begins for a dynamic one, -2 for import.meta.
  return parse(code)[0].filter(({ d }) => d !== -2).map(({ n, d }) => ({ specifier: n, isStatic: d === -1 })).concat(required);
});
console.log(JSON.stringify({ warnings, entry: files.find((name) => /^sender\.m?js$/.test(name)), imports }));
