/**
 * Runs the behaviour suite in every runtime, against servers in this process: `deno run -A --import-map=tests/npm_only.json tests/runtimes/run.ts`.
 * `--library FILE` takes the library from a built package instead of the source, `--runtime NAME` runs one runtime only, `--write` puts the matrix into the
 * README.
 */
import { parseArgs } from "node:util";
import { startEnvironment } from "./environment.ts";
import { runIn } from "./host.ts";
import { matrix, shownMatrix } from "./matrix.ts";
import { bundle, installRuntimes, runtimes } from "./runtimes.ts";
import { cases } from "./suite.ts";

/** What came of one case in one runtime. */
export interface Outcome {
  readonly runtime: string;
  readonly case: string;
  /** What went wrong; `undefined` when nothing did. */
  readonly fault: string | undefined;
}

/** What to run. */
export interface RunOptions {
  /** The library's main file; default the source. */
  readonly library?: string | undefined;
  /** The name of the only runtime to run; default all. */
  readonly runtime?: string | undefined;
}

const SOURCE = new URL("../../mod.ts", import.meta.url).pathname;
const names = cases.map(({ name }) => name);

/** Runs the suite; resolves with one outcome for each case and runtime. */
export async function runSuite({ library = SOURCE, runtime: only }: RunOptions = {}): Promise<Outcome[]> {
  const folder = await installRuntimes();
  const work = await Deno.makeTempDir();
  await using servers = await startEnvironment();
  try {
    const bundled = { process: `${work}/shell.mjs`, workerd: `${work}/worker.mjs` };
    await bundle(folder, new URL("shell.ts", import.meta.url), library, bundled.process);
    await bundle(folder, new URL("worker_shell.ts", import.meta.url), library, bundled.workerd);
    const outcomes: Outcome[] = [];
    for (const [index, runtime] of runtimes.entries()) {
      if (only !== undefined && runtime.name !== only) continue;
      const environment = { ...servers.environment, lacks: runtime.lacks, run: `run${index}` };
      const shell = runtime.command === undefined ? bundled.workerd : bundled.process;
      const faults = await runIn({ runtime, folder, shell, names, environment, authorities: [environment.authority] });
      for (const [name, fault] of faults) outcomes.push({ runtime: runtime.name, case: name, fault });
    }
    return outcomes;
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

if (import.meta.main) {
  const string = { type: "string" } as const;
  const { values } = parseArgs({ args: Deno.args, options: { library: string, runtime: string, write: { type: "boolean" } } });
  const outcomes = await runSuite(values);
  for (const { runtime, case: name, fault } of outcomes) {
    console.log(`${fault === undefined ? "ok  " : "FAIL"} ${runtime}: ${name}${fault === undefined ? "" : `\n     ${fault}`}`);
  }
  const failed = outcomes.filter(({ fault }) => fault !== undefined).length;
  console.log(`${outcomes.length - failed} passed, ${failed} failed`);
  if (values.write === true) {
    const readme = new URL("../../README.md", import.meta.url);
    await Deno.writeTextFile(readme, shownMatrix.writtenTo(await Deno.readTextFile(readme), matrix(outcomes)));
  }
  Deno.exitCode = failed === 0 ? 0 : 1;
}
