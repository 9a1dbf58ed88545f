/** W8: what the libraries weigh, and what their import costs. */
import { sizes } from "../scripts/size.ts";
import { installRuntimes, runtimes } from "../tests/runtimes/runtimes.ts";
import { command } from "./processes.ts";
import { median, type Weight } from "./results.ts";
import { CACHE, esbuild, output } from "./tools.ts";

const ROOT = new URL("../", import.meta.url).pathname;
const FOLDER = `${CACHE}/weights`;
const IMPORTED_ON = ["Deno", "Node 20", "Node 24", "Bun"];

/**
 * What is bundled for each. What a runtime brings is not, but adapters, the login and its mechanisms are, which Posthorn loads when they are needed. Only
 * the whole of nodemailer can be had: it is CommonJS, and its parts know each other.
 */
const LIBRARIES: Readonly<Record<string, string>> = {
  "Posthorn, connect": `export { connect } from "${ROOT}mod.ts";`,
  "Posthorn, every export": `export * from "${ROOT}mod.ts";`,
  "nodemailer": 'export { default } from "nodemailer";',
  "emailjs": 'export { SMTPClient } from "emailjs";',
  "upyo": 'export { SmtpTransport } from "@upyo/smtp"; export { createMessage } from "@upyo/core";',
  "worker-mailer": 'export { WorkerMailer } from "worker-mailer";',
};

/** Weighs every library. */
export async function weigh(rounds: number, core: number): Promise<Weight[]> {
  await Deno.mkdir(FOLDER, { recursive: true });
  const weights: Weight[] = [];
  const builtins = 'import "node:net"; import "node:tls"; import { readFileSync } from "node:fs";';
  const tell = 'console.log(/^VmRSS:\\s+(\\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))[1]);';
  await Deno.writeTextFile(`${FOLDER}/nothing.mjs`, `${builtins}\n${tell}\n`);
  for (const [library, source] of Object.entries(LIBRARIES)) {
    const file = library.replaceAll(/\W+/g, "_");
    const gzipped = await bundled(source, `${FOLDER}/${file}_small.mjs`, ["--minify"]);
    await bundled(source, `${FOLDER}/${file}_library.mjs`, []);
    await Deno.writeTextFile(`${FOLDER}/${file}.mjs`, `${builtins}\nimport * as library from "./${file}_library.mjs";\nvoid library;\n${tell}\n`);
    // It imports what only workerd has.
    const isImported = library !== "worker-mailer";
    const imports: Record<string, { milliseconds: number; memory: number }> = {};
    for (const runtime of isImported ? IMPORTED_ON : []) imports[runtime] = await imported(runtime, file, rounds, core);
    weights.push({ library, gzipped, imports });
  }
  // What the README says it weighs: what is loaded at once, and no more.
  const small = (await sizes()).core;
  return [{ library: "Posthorn, connect, what is loaded at once", gzipped: small.gzipped, imports: {} }, ...weights];
}

/** Bundles `source`, and resolves with the octets of it once it is gzipped. */
async function bundled(source: string, outfile: string, more: readonly string[]): Promise<number> {
  const entry = `${FOLDER}/entry.ts`;
  await Deno.writeTextFile(entry, source);
  const args = ["--bundle", "--platform=node", "--format=esm", "--target=es2022", "--log-level=error", "--external:cloudflare:*", REQUIRE, ...more];
  const { code, complained } = await output(await esbuild(), [entry, ...args, `--outfile=${outfile}`], CACHE);
  if (code !== 0) throw new Error(`esbuild: ${complained}`);
  const file = await Deno.open(outfile);
  return (await new Response(file.readable.pipeThrough(new CompressionStream("gzip"))).arrayBuffer()).byteLength;
}

/** What is CommonJS inside asks for the modules of the runtime by `require`. */
const REQUIRE = '--banner:js=import{createRequire as r}from"node:module";const require=r(import.meta.url);';

/** What an import costs: the difference to a process that imports nothing, the median of rounds of both in turn. */
async function imported(runtime: string, file: string, rounds: number, core: number): Promise<{ milliseconds: number; memory: number }> {
  const once = async (name: string) => {
    const [program, ...args] = command(await argvOf(runtime, `${FOLDER}/${name}.mjs`), core);
    const begin = performance.now();
    const { code, printed, complained } = await output(program, args, CACHE);
    if (code !== 0) throw new Error(`${file} on ${runtime}: ${complained}`);
    return { milliseconds: performance.now() - begin, memory: Number(printed) * 1024 };
  };
  const differences: { milliseconds: number; memory: number }[] = [];
  for (let round = 0; round < rounds; round++) {
    const [nothing, something] = [await once("nothing"), await once(file)];
    differences.push({ milliseconds: something.milliseconds - nothing.milliseconds, memory: something.memory - nothing.memory });
  }
  return {
    milliseconds: median(differences.map(({ milliseconds }) => milliseconds)),
    memory: median(differences.map(({ memory }) => memory)),
  };
}

async function argvOf(runtime: string, file: string): Promise<readonly string[]> {
  const found = runtimes.find(({ name }) => name === runtime)?.command?.(await installRuntimes(), file);
  if (found === undefined) throw new Error(`there is no runtime ${runtime} that has processes`);
  return found;
}
