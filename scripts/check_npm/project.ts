/** An empty project in a temporary folder, with the package installed beside the tools that judge it. */
import { PROJECT } from "../npm_metadata.ts";
import { type Output, run } from "./shell.ts";

/** Each held to a line of versions: a new one is taken when somebody changes this list, and not in the middle of a release. */
const TOOLS: readonly string[] = [
  "publint@0.3",
  "@arethetypeswrong/cli@0.18",
  "typescript@5.9",
  "@types/node@20",
  "@cloudflare/workers-types@5",
  "esbuild@0.28",
  "vite@8",
  "webpack@5",
  "rollup@4",
  "@rollup/plugin-node-resolve@16",
  "es-module-lexer@2",
];

const QUIET: readonly string[] = ["--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"];

/** The project, and what is proved in it. Disposing of it deletes it. */
export class NpmProject implements AsyncDisposable {
  /** Where it is. */
  readonly folder: string;
  /** The tarball that is installed. */
  readonly tarball: string;

  private constructor(folder: string, tarball: string) {
    this.folder = folder;
    this.tarball = tarball;
  }

  /** Installs `source`, a tarball or a folder to pack first, and the tools. */
  static async create(source: string): Promise<NpmProject> {
    const folder = await Deno.makeTempDir({ prefix: "posthorn-check-" });
    try {
      const path = await Deno.realPath(source);
      const tarball = (await Deno.stat(path)).isDirectory ? await pack(path, folder) : path;
      await Deno.writeTextFile(`${folder}/package.json`, JSON.stringify({ private: true, type: "module" }));
      for await (const { name } of Deno.readDir(INSIDE)) await Deno.copyFile(new URL(name, INSIDE), `${folder}/${name}`);
      await run("npm", ["install", ...QUIET, tarball, ...TOOLS], { cwd: folder });
      return new NpmProject(folder, tarball);
    } catch (error) {
      await Deno.remove(folder, { recursive: true });
      throw error;
    }
  }

  /** Where the package is installed. */
  get installed(): string {
    return `${this.folder}/node_modules/${PROJECT.name}`;
  }

  /** Installs one version of Node from npm, in a folder of its own, and resolves with its binary. */
  async node(version: string): Promise<string> {
    const folder = `${this.folder}/node${version}`;
    // The packages are named for the platform as Node names it, with "win" for Windows.
    const platform = { linux: "linux", darwin: "darwin", windows: "win" }[Deno.build.os as string];
    const name = `node-${platform}-${Deno.build.arch === "aarch64" ? "arm64" : "x64"}`;
    await Deno.mkdir(folder);
    await Deno.writeTextFile(`${folder}/package.json`, JSON.stringify({ private: true }));
    await run("npm", ["install", ...QUIET, `${name}@${version}`], { cwd: folder });
    return `${folder}/node_modules/${name}/bin/node`;
  }

  /** Runs a tool that is installed in the project. */
  tool(name: string, ...args: string[]): Promise<Output> {
    return run(`${this.folder}/node_modules/.bin/${name}`, args, { cwd: this.folder });
  }

  /** Runs a program of the project on the Node of this machine, or on `node`. */
  script(args: readonly string[], node = "node"): Promise<Output> {
    return run(node, args, { cwd: this.folder });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** What is copied into the project. */
const INSIDE = new URL("./inside/", import.meta.url);

async function pack(folder: string, outDir: string): Promise<string> {
  const { stdout } = await run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", outDir], { cwd: folder });
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  return `${outDir}/${filename}`;
}
