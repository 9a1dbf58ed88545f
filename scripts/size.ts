/**
 * What the library weighs: bundles by esbuild, minified and gzipped, and what a cold import costs. `deno task size` prints it; a test keeps the README's
 * figures true. The ratio is taken in one run, alternating, as medians.
 */
import { installRuntimes } from "../tests/runtimes/runtimes.ts";

const ROOT = new URL("../", import.meta.url).pathname;

/** Octets of a bundle. */
export interface Size {
  readonly minified: number;
  readonly gzipped: number;
}

/** What is read of esbuild's account of a bundle. */
interface Metafile {
  readonly outputs: Readonly<Record<string, { readonly inputs: Readonly<Record<string, { readonly bytesInOutput: number }>> }>>;
}

const CORE = `export { connect } from "${ROOT}mod.ts";`;
/** What is loaded when it is first needed, as chunks of their own: an adapter, the login with a mechanism, and what they in turn load. */
const ADAPTERS: readonly string[] = ["transport/deno", "transport/node", "transport/cloudflare"];
const MECHANISMS: readonly string[] = ["sasl/scram", "sasl/cram_md5", "sasl/oauth_bearer", "sasl/xoauth2"];
const LAZY: readonly string[] = [...ADAPTERS, ...MECHANISMS, "authenticate", "transport/channel_binding", "transport/node_crypto"];

/**
 * Sizes of what a program carries: `connect` and `send` alone, the same with the login, and every export of the main module, each without what is lazy;
 * the largest adapter, the largest mechanism, and what the proxies and the pool add to the first.
 */
export async function sizes(): Promise<Record<"core" | "withLogin" | "everything" | "adapter" | "mechanism" | "proxies" | "pool", Size>> {
  const folder = await installRuntimes();
  const without = (...names: readonly string[]) => LAZY.filter((name) => !names.includes(name));
  const largest = async (names: readonly string[]) => {
    const measured = await Promise.all(names.map((name) => bundled(folder, `export * from "${ROOT}src/${name}.ts";`, without(name))));
    return measured.reduce((largest, size) => size.gzipped > largest.gzipped ? size : largest);
  };
  const core = await bundled(folder, CORE);
  const withProxies = await bundled(folder, `${CORE} export * from "${ROOT}src/proxy/mod.ts";`);
  const withPool = await bundled(folder, `${CORE} export { SmtpPool } from "${ROOT}mod.ts";`);
  return {
    core,
    withLogin: await bundled(folder, CORE, without("authenticate")),
    everything: await bundled(folder, `export * from "${ROOT}mod.ts";`),
    adapter: await largest(ADAPTERS),
    mechanism: await largest(MECHANISMS),
    proxies: { minified: withProxies.minified - core.minified, gzipped: withProxies.gzipped - core.gzipped },
    pool: { minified: withPool.minified - core.minified, gzipped: withPool.gzipped - core.gzipped },
  };
}

/** The files of `src/` of which a program carries something from the beginning that imports `connect` alone. */
export async function filesOfCore(): Promise<readonly string[]> {
  const work = await Deno.makeTempDir();
  try {
    await bundled(await installRuntimes(), CORE, LAZY, [`--metafile=${work}/meta.json`, `--outfile=${work}/bundle.js`]);
    const { outputs }: Metafile = JSON.parse(await Deno.readTextFile(`${work}/meta.json`));
    const carried = Object.values(outputs).flatMap(({ inputs }) => Object.entries(inputs)).filter(([, { bytesInOutput }]) => bytesInOutput > 0);
    return carried.map(([path]) => path).filter((path) => path.startsWith("src/"));
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

async function bundled(folder: string, source: string, without: readonly string[] = LAZY, more: readonly string[] = []): Promise<Size> {
  const child = new Deno.Command(`${folder}/node_modules/@esbuild/linux-x64/bin/esbuild`, {
    args: [
      "--bundle",
      "--minify",
      "--format=esm",
      "--target=es2022",
      "--loader=ts",
      "--log-level=warning",
      ...more,
      ...without.map((name) => `--external:*/${name.replace(/.*\//, "")}.ts`),
    ],
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
  const zipped = await new Response(new Blob([stdout]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer();
  return { minified: stdout.length, gzipped: zipped.byteLength };
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
  const { core, withLogin, everything, adapter, mechanism, proxies, pool } = await sizes();
  const shown = {
    "connect and send": core,
    "with the login": withLogin,
    everything,
    "the largest adapter": adapter,
    "the largest mechanism": mechanism,
    "what the proxies add": proxies,
    "what the pool adds": pool,
  };
  for (const [name, { minified, gzipped }] of Object.entries(shown)) {
    console.log(`${name}: ${kilobytes(minified)} minified, ${kilobytes(gzipped)} gzipped`);
  }
  console.log(`cold import on Node 24: ${(await coldImport()).toFixed(2)} times a program with node:net and node:tls alone`);
}
