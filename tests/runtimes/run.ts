/**
 * Runs the behaviour suite in every runtime, against servers in this process: `deno run -A --import-map=tests/npm_only.json tests/runtimes/run.ts`.
 * `--library FILE` takes the library from a built package instead of the source, `--runtime NAME` runs one runtime only, `--write` puts the matrix into the
 * README.
 */
import { parseArgs } from "node:util";
import type { Environment } from "./case.ts";
import { startEnvironment } from "./environment.ts";
import { matrix, shownMatrix } from "./matrix.ts";
import { bundle, installRuntimes, type Runtime, runtimes } from "./runtimes.ts";
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
/** How long a runtime may take over the whole suite, in milliseconds. */
const PATIENCE = 120_000;

/** Runs the suite; resolves with one outcome for each case and runtime. */
export async function runSuite({ library = SOURCE, runtime: only }: RunOptions = {}): Promise<Outcome[]> {
  const folder = await installRuntimes();
  const work = await Deno.makeTempDir();
  await using servers = await startEnvironment();
  try {
    await bundle(folder, "shell.ts", library, `${work}/shell.mjs`);
    await bundle(folder, "worker_shell.ts", library, `${work}/worker.mjs`);
    const outcomes: Outcome[] = [];
    for (const [index, runtime] of runtimes.entries()) {
      if (only !== undefined && runtime.name !== only) continue;
      const environment = { ...servers.environment, lacks: runtime.lacks, run: `run${index}` };
      const faults = await (runtime.command === undefined ? inWorkerd : inProcess)(runtime, folder, work, environment);
      for (const { name } of cases) {
        outcomes.push({ runtime: runtime.name, case: name, fault: faults.has(name) ? faults.get(name) : "the runtime ended before this case" });
      }
    }
    return outcomes;
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

type Faults = Map<string, string | undefined>;

async function inProcess(runtime: Runtime, folder: string, work: string, environment: Environment): Promise<Faults> {
  const [command = "", ...args] = runtime.command?.(folder, `${work}/shell.mjs`) ?? [];
  const child = new Deno.Command(command, { args, env: { POSTHORN_ENVIRONMENT: JSON.stringify(environment) }, stdout: "piped", stderr: "piped" })
    .spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE);
  const { code, stdout, stderr } = await child.output();
  clearTimeout(timer);
  const faults: Faults = new Map();
  for (const line of new TextDecoder().decode(stdout).split("\n").filter((line) => line.startsWith("{"))) {
    const { case: name, fault } = JSON.parse(line);
    faults.set(name, fault);
  }
  const last = cases.at(-1)?.name ?? "";
  // A run that did not end well has failed, even where every case passed: something was left, or thrown, behind its back.
  if (code !== 0) faults.set(last, `the process ended with ${code}: ${new TextDecoder().decode(stderr)}`);
  return faults;
}

async function inWorkerd(runtime: Runtime, folder: string, work: string, environment: Environment): Promise<Faults> {
  const port = freePort();
  const list = (items: readonly string[]) => `[${items.map((item) => JSON.stringify(item)).join(", ")}]`;
  const config = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [(name = "worker", esModule = embed "worker.mjs")],
      compatibilityDate = "2026-06-01", compatibilityFlags = ${list(runtime.flags ?? ["no_nodejs_compat_v2"])}, globalOutbound = "network",
    )),
    (name = "network", network = (allow = ["public", "private"], tlsOptions = (trustedCertificates = ${list([environment.authority])}))),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
`;
  await Deno.writeTextFile(`${work}/config.capnp`, config);
  const child = new Deno.Command(`${folder}/node_modules/@cloudflare/workerd-linux-64/bin/workerd`, {
    args: ["serve", `${work}/config.capnp`],
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const faults: Faults = new Map();
  const said = new Response(child.stderr).text();
  try {
    await listening(port);
    for (const { name } of cases) {
      const signal = AbortSignal.timeout(PATIENCE);
      const response = await fetch(`http://127.0.0.1:${port}/`, { method: "POST", body: JSON.stringify({ name, env: environment }), signal });
      faults.set(name, response.ok ? (await response.json()).fault : await response.text());
    }
  } catch (error) {
    faults.set(cases.find(({ name }) => !faults.has(name))?.name ?? "", `${error}`);
  } finally {
    child.kill("SIGTERM");
    await child.status;
  }
  const complaints = (await said).trim();
  if (faults.size < cases.length && complaints !== "") console.error(complaints);
  return faults;
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

async function listening(port: number): Promise<void> {
  for (let tries = 0;; tries++) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch (error) {
      if (tries === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
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
