/**
 * Installs the servers into `.cache/interop`, once: `deno task interop:build`. What cannot be installed is named with the reason, and its tests are
 * skipped; with `INTEROP=required` in the environment that is a failure.
 */
import { type Server, servers } from "./servers.ts";

/** Where the servers are installed. */
export const CACHE: string = new URL("../../.cache/interop", import.meta.url).pathname;
/** How long one server may take to install, in milliseconds. */
const PATIENCE = 180_000;

/** What came of an installation: the versions by the names of the parts, or the reason why there is nothing. */
export type Built = { readonly versions: Readonly<Record<string, string>> } | { readonly reason: string };

/** Whether a server that is not there is a failure, rather than a reason to skip its tests. */
export function isRequired(): boolean {
  return Deno.env.get("INTEROP") === "required";
}

/** What the last `deno task interop:build` came to for `server`. */
export async function built({ script }: Server): Promise<Built> {
  const text = await Deno.readTextFile(`${CACHE}/${script}.json`).catch(() => undefined);
  return text === undefined ? { reason: "it is not installed: deno task interop:build" } : JSON.parse(text);
}

/** The path of a script. */
export function scriptOf({ script }: Server): string {
  return new URL(`servers/${script}.sh`, import.meta.url).pathname;
}

async function build(server: Server): Promise<Built> {
  const command = new Deno.Command("sh", { args: [scriptOf(server), "build", CACHE], stdin: "null", signal: AbortSignal.timeout(PATIENCE) });
  const { success, stdout, stderr } = await command.output();
  const [printed, complained] = [stdout, stderr].map((octets) => new TextDecoder().decode(octets).trim());
  if (!success) return { reason: complained?.split("\n")[0] || `its installation took longer than ${PATIENCE / 1000} s` };
  return { versions: Object.fromEntries(printed!.split("\n").map((line) => [line.replace(/ \S+$/, ""), line.replace(/^.* /, "")])) };
}

if (import.meta.main) {
  await Deno.mkdir(CACHE, { recursive: true });
  // One by script: two servers may share one.
  const scripts = new Map(Object.values(servers).map((server) => [server.script, server]));
  await Promise.all(Array.from(scripts.values(), async (server) => {
    const result = await build(server);
    await Deno.writeTextFile(`${CACHE}/${server.script}.json`, JSON.stringify(result));
    if ("versions" in result) console.log(Object.entries(result.versions).map((part) => part.join(" ")).join(", "));
    else console.log(`${server.script} is not there: ${result.reason}`);
    if ("reason" in result && isRequired()) Deno.exitCode = 1;
  }));
}
