/** The load generator of Postfix, in C: lockstep, and as fast as lockstep can be. */
import { command } from "./processes.ts";
import type { Program, Run, Task } from "./program.ts";
import { output } from "./tools.ts";
import { FROM, MESSAGE } from "./programs/job.ts";

const ROOT = new URL("../", import.meta.url).pathname;
/** Where the interoperability tests have it, with its libraries. */
const INTEROP = `${ROOT}.cache/interop`;
const UNPACKED = `${INTEROP}/postfix/upper`;

let found: Promise<readonly string[]> | undefined;

/** The command that runs it: the machine's own, or the one that the interoperability tests unpack. */
export function smtpSource(): Promise<readonly string[]> {
  return found ??= find();
}

async function find(): Promise<readonly string[]> {
  const own = await output("sh", ["-c", "command -v smtp-source || ls /usr/sbin/smtp-source"], ROOT);
  if (own.code === 0) return [own.printed.trim()];
  const built = await output("sh", [`${ROOT}tests/interop/servers/postfix_dovecot.sh`, "build", INTEROP], ROOT);
  if (built.code !== 0) throw new Error(`smtp-source is not there: ${built.complained.trim().split("\n")[0]}`);
  const libraries = ["usr/lib/postfix", "usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu"].map((path) => `${UNPACKED}/${path}`);
  return ["env", `LD_LIBRARY_PATH=${libraries.join(":")}`, `${UNPACKED}/usr/sbin/smtp-source`];
}

/** smtp-source as one that takes part. Its start is part of its time: a few milliseconds a run. */
export class SmtpSource implements Program {
  readonly #argv: readonly string[];
  #messages = 0;

  private constructor(argv: readonly string[]) {
    this.#argv = argv;
  }

  static async start({ port, connections = 1 }: Task, core: number): Promise<SmtpSource> {
    const found = await smtpSource();
    const options = ["-d", "-s", `${connections}`, "-l", `${MESSAGE.length}`, "-f", FROM, "-t", "bob@example.net", `127.0.0.1:${port}`];
    return new SmtpSource(command([...found, ...options], core));
  }

  prepare(messages: number): Promise<void> {
    this.#messages = messages;
    return Promise.resolve();
  }

  async run(): Promise<Run> {
    const [name = "", ...args] = this.#argv;
    const target = args.pop() ?? "";
    const begin = performance.now();
    const { code, complained } = await output(name, [...args, "-m", `${this.#messages}`, target], ROOT);
    if (code !== 0) throw new Error(`smtp-source: ${complained.trim()}`);
    return { seconds: (performance.now() - begin) / 1000 };
  }

  finish(): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}
