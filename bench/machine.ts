/** On what it was measured, without a name by which the machine could be known. */
import { smtpSource } from "./smtp_source.ts";
import { output, PEERS } from "./tools.ts";
import { installRuntimes, runtimes } from "../tests/runtimes/runtimes.ts";
import { RUNTIMES } from "./workloads.ts";

const ROOT = new URL("../", import.meta.url).pathname;
const GIB = 1_073_741_824;

/** Processor, memory and kernel. */
export async function machine(): Promise<string> {
  const [, model = "a processor"] = /^model name\s*: (.*)$/m.exec(await Deno.readTextFile("/proc/cpuinfo")) ?? [];
  const [release = ""] = Deno.osRelease().split("-");
  const { total } = Deno.systemMemoryInfo();
  return `${model.trim()}, ${navigator.hardwareConcurrency} processors, ${Math.round(total / GIB)} GiB, Linux ${release}`;
}

/** The versions of all that was measured. */
export async function versions(): Promise<Record<string, string>> {
  const folder = await installRuntimes();
  const known: Record<string, string> = {};
  for (const name of RUNTIMES) {
    const argv = runtimes.find((runtime) => runtime.name === name)?.command?.(folder, "");
    const program = argv?.[0] ?? `${folder}/node_modules/@cloudflare/workerd-linux-64/bin/workerd`;
    const { printed } = await output(program, ["--version"], ROOT);
    known[name] = /\d[\d.-]+\d/.exec(printed)?.[0] ?? "?";
  }
  return { ...known, ...PEERS, ...await postfix() };
}

/** The version of the Postfix whose smtp-source it is, where it tells. */
async function postfix(): Promise<Record<string, string>> {
  try {
    const [program = "", ...args] = (await smtpSource()).map((part) => part.replace(/smtp-source$/, "postconf"));
    const { printed } = await output(program, [...args, "-d", "mail_version"], ROOT);
    const [, version] = /= (.*)/.exec(printed) ?? [];
    return version === undefined ? {} : { "smtp-source": version };
  } catch {
    return {};
  }
}
