/**
 * An npm project in a temporary folder, with the library in it as a user of npm would have it: packed as for a release, installed by `npm install`,
 * beside whatever tools a test names.
 */
import { packNpm } from "../../scripts/pack_npm.ts";

const root = new URL("../../", import.meta.url);

/** What a command printed, and how it ended. */
export interface Outcome {
  readonly code: number;
  readonly printed: string;
  readonly complained: string;
}

export class NpmProject implements AsyncDisposable {
  /** The folder, without a slash at its end. */
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Makes a project with the library and `packages`, written `name@version`. */
  static async create(packages: readonly string[]): Promise<NpmProject> {
    const project = new NpmProject(await Deno.makeTempDir());
    try {
      await project.write("package.json", JSON.stringify({ private: true, type: "module" }));
      const tarball = await packNpm(project.folder);
      // No package's own scripts: what the tests need of them lies in the packages ready to run.
      const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"];
      succeeded(await project.run("npm", ["install", ...flags, tarball, ...packages]));
      return project;
    } catch (error) {
      await project[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Runs `command` in the folder. */
  async run(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
    return await output(command, { args: [...args], cwd: this.folder, env: { NO_COLOR: "1", ...env } });
  }

  /** Runs `command` in the folder, and throws with all that it printed unless it succeeds. */
  async mustRun(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
    return succeeded(await this.run(command, args, env));
  }

  /** Checks the types of `files` the way a user of TypeScript would, with the ambient types of `types`. */
  async checkTypes(files: readonly string[], types: readonly string[], more: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const compilerOptions = {
      ...{ strict: true, noEmit: true, target: "es2022", lib: ["esnext"], types, allowImportingTsExtensions: true, skipLibCheck: false },
      ...{ module: "nodenext", moduleResolution: "nodenext", noUncheckedIndexedAccess: true, allowJs: true, checkJs: true },
      ...more,
    };
    await this.write("tsconfig.json", JSON.stringify({ compilerOptions, files }));
    await this.mustRun("node", ["node_modules/typescript/bin/tsc", "--project", "tsconfig.json"]);
  }

  /** Copies `path` of this repository to the same path of the project. */
  async copy(path: string): Promise<void> {
    await this.write(path, await Deno.readTextFile(new URL(path, root)));
  }

  async write(path: string, text: string): Promise<void> {
    const file = `${this.folder}/${path}`;
    await Deno.mkdir(file.slice(0, file.lastIndexOf("/")), { recursive: true });
    await Deno.writeTextFile(file, text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** Runs `command` to its end. */
export async function output(command: string, options: Deno.CommandOptions): Promise<Outcome> {
  const { code, stdout, stderr } = await new Deno.Command(command, options).output();
  return { code, printed: new TextDecoder().decode(stdout), complained: new TextDecoder().decode(stderr) };
}

function succeeded({ code, printed, complained }: Outcome): string {
  if (code !== 0) throw new Error(`ended with ${code}:\n${printed}${complained}`);
  return printed;
}
