/** What the benchmarks need besides the library: the tools in C, the peers from npm, and the load generator of Postfix. All of it goes to `.cache/bench`. */
import { installRuntimes } from "../tests/runtimes/runtimes.ts";

const ROOT = new URL("../", import.meta.url).pathname;
/** Where everything is put that is built or installed. */
export const CACHE: string = `${ROOT}.cache/bench`;

/** The peers; upyo's core must be of the same version. */
export const PEERS: Readonly<Record<string, string>> = {
  "nodemailer": "10.6.0",
  "emailjs": "5.0.3",
  "@upyo/core": "0.4.0",
  "@upyo/smtp": "0.4.0",
  "worker-mailer": "1.2.1",
};

const SOURCES: Readonly<Record<string, readonly string[]>> = {
  sink: ["sink.c", "link.c", "session.c", "-lssl", "-lcrypto"],
  delay_proxy: ["delay_proxy.c"],
};

/** Builds the tools in C. */
export async function buildTools(): Promise<void> {
  await Deno.mkdir(CACHE, { recursive: true });
  for (const [name, args] of Object.entries(SOURCES)) {
    const said = await output("gcc", ["-O2", "-Wall", "-Wextra", "-std=gnu11", "-o", `${CACHE}/${name}`, ...args], `${ROOT}bench/c`).catch(explained);
    if (said.code !== 0) throw explained(new Error(said.complained));
  }
}

/** The error of a build, with what is likely to help. */
function explained(error: unknown): never {
  throw new Error(
    `The tools of the benchmarks cannot be built: gcc and the headers of OpenSSL are needed (apt-get install gcc libc6-dev libssl-dev)`,
    {
      cause: error,
    },
  );
}

/** Installs the peers, once for a checkout. */
export async function installPeers(): Promise<void> {
  const packages = Object.entries(PEERS).map((part) => part.join("@"));
  const stamp = `${CACHE}/installed`;
  if (await Deno.readTextFile(stamp).catch(() => "") === packages.join("\n")) return;
  await Deno.mkdir(CACHE, { recursive: true });
  await Deno.writeTextFile(`${CACHE}/package.json`, JSON.stringify({ private: true, type: "module" }));
  const { code, complained } = await output(
    "npm",
    ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", ...packages],
    CACHE,
  );
  if (code !== 0) throw new Error(`the peers could not be installed: ${complained}`);
  await Deno.writeTextFile(stamp, packages.join("\n"));
}

/** Bundles a program, with the library from its source and everything else left where it is, and resolves with the path of the bundle. */
export async function bundleProgram(name: string): Promise<string> {
  const outfile = `${CACHE}/programs/${name}.mjs`;
  const { code, complained } = await output(await esbuild(), [
    `${ROOT}bench/programs/${name}.ts`,
    "--bundle",
    "--format=esm",
    "--target=es2022",
    "--log-level=error",
    `--alias:@posthorn/smtp=${ROOT}mod.ts`,
    "--external:node:*",
    `--outfile=${outfile}`,
  ], ROOT);
  if (code !== 0) throw new Error(`esbuild: ${complained}`);
  return outfile;
}

/** The path of esbuild. */
export async function esbuild(): Promise<string> {
  return `${await installRuntimes()}/node_modules/@esbuild/linux-x64/bin/esbuild`;
}

/** What a command printed, and how it ended. */
export async function output(command: string, args: readonly string[], cwd: string): Promise<{ code: number; printed: string; complained: string }> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args: [...args], cwd, stdin: "null" }).output();
  const [printed = "", complained = ""] = [stdout, stderr].map((octets) => new TextDecoder().decode(octets));
  return { code, printed, complained };
}
