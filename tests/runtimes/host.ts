/** Runs the cases of a bundled shell in one runtime, and tells what came of each. */
import type { Runtime } from "./runtimes.ts";

/** What to run, and where. */
export interface Run {
  readonly runtime: Runtime;
  /** Where {@linkcode installRuntimes} put the packages. */
  readonly folder: string;
  /** The bundled shell: for workerd, which is asked for a case at a time, another than for a process, which runs all. */
  readonly shell: string;
  /** The names of the cases, in their order. */
  readonly names: readonly string[];
  /** What every case is given; it must survive JSON. */
  readonly environment: unknown;
  /** Certificates of the authorities that workerd trusts, PEM: a Worker cannot tell it. */
  readonly authorities?: readonly string[];
  /** How long all cases together may take, in milliseconds; workerd: each. */
  readonly patience?: number;
}

/** What went wrong in the case of that name; `undefined` when nothing did. */
export type Faults = ReadonlyMap<string, string | undefined>;

const PATIENCE = 120_000;

/** Runs every case; resolves with an entry for each, also where the runtime ended before it. */
export async function runIn(run: Run): Promise<Faults> {
  const faults = await (run.runtime.command === undefined ? inWorkerd(run) : inProcess(run));
  return new Map(run.names.map((name) => [name, faults.has(name) ? faults.get(name) : "the runtime ended before this case"]));
}

async function inProcess({ runtime, folder, shell, names, environment, patience = PATIENCE }: Run): Promise<Faults> {
  const [command = "", ...args] = runtime.command?.(folder, shell) ?? [];
  const child = new Deno.Command(command, {
    args,
    // Nothing in the environment may turn off what the certificate cases prove.
    env: { POSTHORN_ENVIRONMENT: JSON.stringify(environment), NODE_TLS_REJECT_UNAUTHORIZED: "0" },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), patience);
  const { code, stdout, stderr } = await child.output();
  clearTimeout(timer);
  const faults = new Map<string, string | undefined>();
  for (const line of new TextDecoder().decode(stdout).split("\n").filter((line) => line.startsWith("{"))) {
    const { case: name, fault } = JSON.parse(line);
    faults.set(name, fault);
  }
  // A run that did not end well has failed, even where every case passed: something was left, or thrown, behind its back.
  const last = names.find((name) => !faults.has(name)) ?? names.at(-1) ?? "";
  if (code !== 0) faults.set(last, `${faults.get(last) ?? ""} the process ended with ${code}: ${new TextDecoder().decode(stderr)}`.trim());
  return faults;
}

async function inWorkerd(run: Run): Promise<Faults> {
  const { runtime, folder, shell, names, environment, authorities = [], patience = PATIENCE } = run;
  const port = freePort();
  const list = (items: readonly string[]) => `[${items.map((item) => JSON.stringify(item)).join(", ")}]`;
  const config = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [(name = "worker", esModule = embed ${JSON.stringify(shell.slice(shell.lastIndexOf("/") + 1))})],
      compatibilityDate = "2026-06-01", compatibilityFlags = ${list(runtime.flags ?? ["no_nodejs_compat_v2"])}, globalOutbound = "network",
    )),
    (name = "network", network = (allow = ["public", "private"], tlsOptions = (trustedCertificates = ${list(authorities)}))),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
`;
  const file = `${shell}.capnp`;
  await Deno.writeTextFile(file, config);
  const child = new Deno.Command(`${folder}/node_modules/@cloudflare/workerd-linux-64/bin/workerd`, {
    args: ["serve", file],
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const faults = new Map<string, string | undefined>();
  const said = new Response(child.stderr).text();
  try {
    await listening(port);
    for (const name of names) {
      const signal = AbortSignal.timeout(patience);
      const response = await fetch(`http://127.0.0.1:${port}/`, { method: "POST", body: JSON.stringify({ name, env: environment }), signal });
      faults.set(name, response.ok ? (await response.json()).fault : await response.text());
    }
  } catch (error) {
    faults.set(names.find((name) => !faults.has(name)) ?? "", `${error}`);
  } finally {
    child.kill("SIGTERM");
    await child.status;
  }
  const complaints = (await said).trim();
  if (faults.size < names.length && complaints !== "") console.error(complaints);
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
