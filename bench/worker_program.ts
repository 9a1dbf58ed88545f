/** A program in workerd, that is told over a WebSocket what to do. */
import { installRuntimes } from "../tests/runtimes/runtimes.ts";
import { command, kill } from "./processes.ts";
import { type Run, SteppingProgram, type Task } from "./program.ts";
import type { Answer, Step } from "./programs/steps.ts";
import { bundleProgram, CACHE } from "./tools.ts";

/** A Worker in a workerd of its own, as the runtime comes: no Miniflare stands between it and the driver. */
export class WorkerProgram extends SteppingProgram {
  readonly #child: Deno.ChildProcess;
  readonly #socket: WebSocket;

  private constructor(child: Deno.ChildProcess, socket: WebSocket) {
    super();
    this.#child = child;
    this.#socket = socket;
  }

  /** Starts the program `name` on the processor `core`. */
  static async start(name: string, task: Task, core: number): Promise<WorkerProgram> {
    const config = await configured(name);
    const [workerd, ...args] = command([`${await installRuntimes()}/node_modules/@cloudflare/workerd-linux-64/bin/workerd`, ...SERVE, config], core);
    const child = new Deno.Command(workerd, { args, stdin: "null", stdout: "piped", stderr: "inherit" }).spawn();
    const socket = new WebSocket(`ws://127.0.0.1:${await portOf(child)}/?task=${encodeURIComponent(JSON.stringify(task))}`);
    await new Promise<void>((resolve, reject) => {
      socket.onopen = () => resolve();
      socket.onerror = () => reject(new Error("workerd takes no WebSocket"));
    });
    return new WorkerProgram(child, socket);
  }

  override async run(): Promise<Run> {
    const status = `/proc/${this.#child.pid}/status`;
    // Sets the peak back to what is used now; see proc(5).
    await Deno.writeTextFile(`/proc/${this.#child.pid}/clear_refs`, "5");
    const base = octets(await Deno.readTextFile(status), "VmRSS");
    const { seconds } = await super.run();
    return { seconds, memory: { base, peak: octets(await Deno.readTextFile(status), "VmHWM") } };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#socket.onclose = resolve);
    kill(this.#child);
    await Promise.all([this.#child.status, closed]);
  }

  protected ask(step: Step): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#socket.onmessage = ({ data }) => resolve(JSON.parse(data));
      this.#socket.onclose = () => reject(new Error("workerd ended"));
      this.#socket.send(JSON.stringify(step));
    });
  }
}

/** The address is chosen by the system, and told on the standard output. */
const SERVE: readonly string[] = ["serve", "--socket-addr=http=127.0.0.1:0", "--control-fd=1"];

async function portOf({ stdout }: Deno.ChildProcess): Promise<number> {
  let said = "";
  for await (const text of stdout.pipeThrough(new TextDecoderStream())) {
    said += text;
    const [, port] = /"port":(\d+)/.exec(said) ?? [];
    if (port !== undefined) return Number(port);
  }
  throw new Error(`workerd did not start: ${said}`);
}

/** Writes what workerd has to know of a program, and resolves with the path. */
async function configured(name: string): Promise<string> {
  const bundle = await bundleProgram(`${name}_worker`);
  const config = `${CACHE}/programs/${name}.capnp`;
  const peer = name === "worker_mailer" ? `(name = "worker-mailer", esModule = embed "../node_modules/worker-mailer/dist/index.mjs"),` : "";
  await Deno.writeTextFile(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [(name = "worker", esModule = embed "${bundle.replace(/.*\//, "")}"), ${peer}],
      compatibilityDate = "2026-06-01", compatibilityFlags = ["no_nodejs_compat_v2"], globalOutbound = "network",
    )),
    (name = "network", network = (allow = ["private"])),
  ],
  sockets = [(name = "http", http = (), service = "main")],
);
`,
  );
  return config;
}

/** A figure of the kernel's about a process. */
function octets(status: string, name: string): number {
  const [, kilobytes] = new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status) ?? [];
  return Number(kilobytes) * 1024;
}
