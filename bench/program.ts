/** A measured program: started once, and then asked to prepare, to send and to clean up as often as the driver likes. */
import { installRuntimes, runtimes } from "../tests/runtimes/runtimes.ts";
import type { Answer } from "./programs/harness.ts";
import type { Job } from "./programs/job.ts";
import { command } from "./pinning.ts";
import { bundleProgram, CACHE } from "./tools.ts";

const ROOT = new URL("../", import.meta.url).pathname;

/** What came of one run. */
export interface Run {
  readonly seconds: number;
  /** Octets of memory before the run and at most during it; `undefined` where nothing is known of it. */
  readonly memory?: { readonly base: number; readonly peak: number } | undefined;
}

/** What a program is started for, all but the number of messages. */
export type Task = Omit<Job, "messages">;

/** What can be measured. A fault is thrown, and concerns only this program. */
export interface Program extends AsyncDisposable {
  /** Connects, and does whatever else is not to be measured. */
  prepare(messages: number): Promise<void>;
  run(): Promise<Run>;
  /** Disconnects. */
  finish(): Promise<void>;
}

/** A program in a process of its own, that is told on its input what to do. */
export class ProcessProgram implements Program {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: ReadableStreamDefaultReader<string>;
  readonly #complaints: Promise<string>;
  #said = "";

  private constructor(argv: readonly string[], core: number) {
    const [name, ...args] = command(argv, core);
    this.#child = new Deno.Command(name, { args, cwd: ROOT, stdin: "piped", stdout: "piped", stderr: "piped", env: { NO_COLOR: "1" } }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#output = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#complaints = new Response(this.#child.stderr).text();
  }

  /** Starts the program `name` on `runtime` and the processor `core`. */
  static async start(name: string, runtime: string, task: Task, core: number): Promise<ProcessProgram> {
    return new ProcessProgram([...await argvOf(name, runtime), JSON.stringify(task)], core);
  }

  async prepare(messages: number): Promise<void> {
    await this.#ask("prepare", messages);
  }

  async run(): Promise<Run> {
    const { seconds = NaN, memory } = await this.#ask("run");
    return { seconds, memory };
  }

  async finish(): Promise<void> {
    await this.#ask("finish");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close().catch(() => {});
    // A peer may hold on to something; nobody is interested any more.
    this.#child.kill("SIGKILL");
    await Promise.all([this.#child.status, this.#output.cancel(), this.#complaints]);
  }

  async #ask(step: string, messages = 0): Promise<Answer> {
    await this.#input.write(new TextEncoder().encode(`${JSON.stringify({ step, messages })}\n`));
    while (!this.#said.includes("\n")) {
      const { value, done } = await this.#output.read();
      if (done) throw new Error(`it ended: ${(await this.#complaints).trim()}`);
      this.#said += value;
    }
    const end = this.#said.indexOf("\n");
    const answer: Answer = JSON.parse(this.#said.slice(0, end));
    this.#said = this.#said.slice(end + 1);
    if (answer.fault !== undefined) throw new Error(answer.fault);
    return answer;
  }
}

/** The command that runs a program. On Deno the library is run from its source, elsewhere from a bundle. */
async function argvOf(name: string, runtime: string): Promise<readonly string[]> {
  if (runtime === "Deno" && name === "posthorn") {
    return [Deno.execPath(), "run", "--quiet", "--allow-all", `--import-map=${ROOT}tests/npm_only.json`, `${ROOT}bench/programs/posthorn.ts`];
  }
  const folder = await installRuntimes();
  const file = await bundleProgram(name);
  if (runtime === "Deno") {
    // The peers are found in the folder above, as on every other runtime.
    return [Deno.execPath(), "run", "--quiet", "--allow-all", "--no-lock", "--node-modules-dir=manual", file];
  }
  const found = runtimes.find((known) => known.name === runtime)?.command?.(folder, file);
  if (found === undefined) throw new Error(`there is no runtime ${runtime} with a process in ${CACHE}`);
  return found;
}
