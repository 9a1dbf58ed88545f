/**
 * What the library weighs: bundles by esbuild, minified and gzipped, and what a cold import costs. `deno task size` prints it; a test keeps the README's
 * figures true. The ratio is taken in one run, alternating, as medians.
 */
import { installRuntimes } from "../tests/runtimes/runtimes.ts";

const ROOT = new URL("../", import.meta.url).pathname;

/** The adapters of the runtimes: chunks of their own, loaded when they are first needed. */
const ADAPTERS: readonly string[] = ["deno", "node", "cloudflare"];
const CORE = `export { connect } from "${ROOT}mod.ts";`;

/** Octets of a bundle. */
export interface Size {
  readonly minified: number;
  readonly gzipped: number;
}

/** What a program carries, by its parts. */
export interface Sizes {
  /** What `connect` and `send` need, without the adapters. */
  readonly core: Size;
  /** Every export of the main entry point, without the adapters. */
  readonly everything: Size;
  /** The largest of the adapters. */
  readonly adapter: Size;
  /** What the proxies add to the core. */
  readonly proxies: Size;
}

/** Measures {@linkcode Sizes}. */
export async function sizes(): Promise<Sizes> {
  const measured = await Promise.all(ADAPTERS.map(async (name) => sizeOf(await bundled(`export * from "${ROOT}src/transport/${name}.ts";`))));
  const core = await sizeOf(await bundledCore());
  const both = await sizeOf(await bundled(`${CORE} export * from "${ROOT}src/proxy/mod.ts";`, ADAPTERS));
  return {
    core,
    everything: await sizeOf(await bundled(`export * from "${ROOT}mod.ts";`, ADAPTERS)),
    adapter: measured.reduce((largest, size) => size.gzipped > largest.gzipped ? size : largest),
    proxies: { minified: both.minified - core.minified, gzipped: both.gzipped - core.gzipped },
  };
}

/** The bundle of a program that imports `connect` and nothing else. */
export async function bundledCore(): Promise<Uint8Array<ArrayBuffer>> {
  return await bundled(CORE, ADAPTERS);
}

async function bundled(source: string, without: readonly string[] = []): Promise<Uint8Array<ArrayBuffer>> {
  const folder = await installRuntimes();
  const child = new Deno.Command(`${folder}/node_modules/@esbuild/linux-x64/bin/esbuild`, {
    args: ["--bundle", "--minify", "--format=esm", "--target=es2022", "--loader=ts", ...without.map((name) => `--external:*/${name}.ts`)],
    cwd: ROOT,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(source));
  await writer.close();
  const { success, stdout } = await child.output();
  if (!success) throw new Error("esbuild failed");
  return stdout;
}

async function sizeOf(bundle: Uint8Array<ArrayBuffer>): Promise<Size> {
  const zipped = await new Response(new Blob([bundle]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer();
  return { minified: bundle.length, gzipped: zipped.byteLength };
}

/** A size as it is printed: kB of 1000 octets. */
export function kilobytes(octets: number): string {
  return `${(octets / 1000).toFixed(1)} kB`;
}

/** How much longer a process takes that imports the library besides `node:net` and `node:tls`, as a ratio of medians. */
async function coldImport(rounds = 15): Promise<number> {
  const folder = await installRuntimes();
  const work = await Deno.makeTempDir();
  try {
    const bundle = `${work}/library.mjs`;
    await new Deno.Command(`${folder}/node_modules/@esbuild/linux-x64/bin/esbuild`, {
      args: [`${ROOT}mod.ts`, "--bundle", "--format=esm", "--target=es2022", "--log-level=error", `--outfile=${bundle}`],
    }).output();
    await Deno.writeTextFile(`${work}/empty.mjs`, "export {};\n");
    const builtins = 'import "node:net"; import "node:tls";';
    await Deno.writeTextFile(`${work}/with.mjs`, `${builtins} import "./library.mjs";\n`);
    await Deno.writeTextFile(`${work}/without.mjs`, `${builtins} import "./empty.mjs";\n`);
    const times: Record<string, number[]> = { "with.mjs": [], "without.mjs": [] };
    for (let round = 0; round < rounds; round++) {
      for (const [file, list] of Object.entries(times)) {
        const begin = performance.now();
        await new Deno.Command(`${folder}/node_modules/node24/bin/node`, { args: [`${work}/${file}`] }).output();
        list.push(performance.now() - begin);
      }
    }
    return median(times["with.mjs"]!) / median(times["without.mjs"]!);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

function median(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[times.length >> 1] ?? NaN;
}

if (import.meta.main) {
  const { core, everything, adapter, proxies } = await sizes();
  const parts = { "connect and send": core, everything, "the largest adapter": adapter, "what the proxies add": proxies };
  for (const [name, { minified, gzipped }] of Object.entries(parts)) {
    console.log(`${name}: ${kilobytes(minified)} minified, ${kilobytes(gzipped)} gzipped`);
  }
  console.log(`cold import on Node 24: ${(await coldImport()).toFixed(2)} times a program with node:net and node:tls alone`);
}
