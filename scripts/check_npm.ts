/**
 * Proves a built npm package: `deno run -A scripts/check_npm.ts PACKAGE`, a tarball or a folder. It is installed in an empty project beside the tools
 * that judge it, so it needs the npm registry, and Node. Every step runs, whatever became of the others; the exit code says whether all went well.
 */
import { BUNDLERS, checkBundle } from "./check_npm/bundles.ts";
import { checkOldestNode, checkRequire, checkTypes } from "./check_npm/consumers.ts";
import { checkContents, checkPackageJson } from "./check_npm/contents.ts";
import { checkDeclarations, checkValues } from "./check_npm/exports.ts";
import { NpmProject } from "./check_npm/project.ts";
import { run } from "./check_npm/shell.ts";

type Step = readonly [name: string, check: (project: NpmProject) => Promise<unknown>];

/** The suite that every runtime passes, run on the installed package once there is one. */
const SUITE = "tests/runtimes/run.ts";

const STEPS: readonly Step[] = [
  ["the package holds code, types and documents, and names no place of this machine", checkContents],
  ["package.json says what it should", checkPackageJson],
  ["the values exported are those of the sources", checkValues],
  ["the declarations have every symbol of the sources, comments included", checkDeclarations],
  ["publint finds nothing", checkWithPublint],
  ["attw finds nothing", (project) => project.tool("attw", "--profile", "esm-only", project.tarball)],
  ["tsc --strict, resolution nodenext", (project) => checkTypes(project, "nodenext")],
  ["tsc --strict, resolution bundler", (project) => checkTypes(project, "bundler")],
  ["the oldest Node of package.json imports it, and sends", checkOldestNode],
  ...["22", "24"].map((version): Step => [`CommonJS requires it on Node ${version}, and sends`, (project) => checkRequire(project, version)]),
  ...BUNDLERS.flatMap((bundler) =>
    (["node", "workers"] as const).map((platform): Step => {
      return [`${bundler} bundles it for ${platform}, and the bundle sends`, (project) => checkBundle(project, bundler, platform)];
    })
  ),
];

/** Runs every step on `source` and resolves with the number of those that failed. */
async function checkNpm(source: string): Promise<number> {
  await using project = await NpmProject.create(source);
  let failures = 0;
  for (const [name, check] of [...STEPS, ...await suite()]) {
    const start = performance.now();
    try {
      await check(project);
      console.log(`ok    ${name} (${seconds(start)})`);
    } catch (error) {
      failures++;
      console.log(`FAIL  ${name} (${seconds(start)})\n${error instanceof Error ? error.message : error}`);
    }
  }
  return failures;
}

/** Strict makes its warnings errors; a suggestion shows only in that all is not good. */
async function checkWithPublint(project: NpmProject): Promise<void> {
  const { stdout } = await project.tool("publint", "run", "--strict", project.tarball);
  if (!stdout.includes("All good!")) throw new Error(stdout);
}

async function suite(): Promise<Step[]> {
  const isThere = await Deno.stat(SUITE).then(() => true, () => false);
  if (!isThere) return [];
  return [["the runtime suite passes on it", async (project) => {
    const packageJson = JSON.parse(await Deno.readTextFile(`${project.installed}/package.json`));
    const main = `${project.installed}/${packageJson.exports["."].default}`;
    await run(Deno.execPath(), ["run", "-A", "--import-map=tests/npm_only.json", SUITE, "--library", await Deno.realPath(main)]);
  }]];
}

function seconds(start: number): string {
  return `${((performance.now() - start) / 1000).toFixed(1)} s`;
}

if (import.meta.main) {
  const [source] = Deno.args;
  if (source === undefined) throw new TypeError("say what to check: a tarball or a folder");
  const path = await Deno.realPath(source);
  Deno.chdir(new URL("../", import.meta.url));
  const start = performance.now();
  const failures = await checkNpm(path);
  console.log(`\n${failures === 0 ? "the package is sound" : `${failures} of the steps failed`} (${seconds(start)})`);
  Deno.exitCode = failures === 0 ? 0 : 1;
}
