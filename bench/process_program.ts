/** A program in a process of its own, that is told on its input what to do. */
import { installRuntimes, runtimes } from "../tests/runtimes/runtimes.ts";
import { command, kill } from "./processes.ts";
import { SteppingProgram, type Task } from "./program.ts";
import type { Answer, Step } from "./programs/steps.ts";
import { bundleProgram } from "./tools.ts";

const ROOT = new URL("../", import.meta.url).pathname;

/** A program on a runtime that has processes. */
export class ProcessProgram extends SteppingProgram {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: ReadableStreamDefaultReader<string>;
  readonly #complaints: Promise<string>;
  #said = "";

  private constructor(argv: readonly string[], core: number) {
    super();
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

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close().catch(() => {});
    // A peer may hold on to something; nobody is interested any more.
    kill(this.#child);
    await Promise.all([this.#child.status, this.#output.cancel(), this.#complaints]);
  }

  protected async ask(step: Step): Promise<Answer> {
    await this.#input.write(new TextEncoder().encode(`${JSON.stringify(step)}\n`));
    while (!this.#said.includes("\n")) {
      const { value, done } = await this.#output.read();
      if (done) throw new Error(`it ended: ${(await this.#complaints).trim()}`);
      this.#said += value;
    }
    const end = this.#said.indexOf("\n");
    const line = this.#said.slice(0, end);
    this.#said = this.#said.slice(end + 1);
    return JSON.parse(line);
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
  if (found === undefined) throw new Error(`there is no runtime ${runtime} that has processes`);
  return found;
}
