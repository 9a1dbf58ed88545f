/**
 * Runs one bundled Worker under Miniflare, and with it under the runtime of Cloudflare itself. Started by worker_host.ts with Node, in a project that
 * has Miniflare: it reads its options from the first line of its input, prints the Worker's URL, and ends when its input ends.
 */
import process from "node:process";
import { createInterface } from "node:readline";

/** In a constant, since it is a package of that project and not of this repository. */
const MINIFLARE = "miniflare";
const { Miniflare } = await import(MINIFLARE);

const lines = createInterface({ input: process.stdin });
const { value: options } = await lines[Symbol.asyncIterator]().next();
const miniflare = new Miniflare(JSON.parse(options));
process.stdin.on("end", () => miniflare.dispose().then(() => process.exit()));
console.log(`${await miniflare.ready}`);
