/**
 * Builds the npm package with dnt into `npm/`: `deno task npm`. It needs JSR, where dnt lives; `pack_npm.ts` builds the same package without it.
 *
 * dnt is loaded by the last lines and nowhere else, and its options are typed here: so the rest is checked and tested on machines that JSR does not
 * reach.
 */
import { DOCUMENTS, exportTargets, metadata, PROJECT, type ProjectConfig } from "./npm_metadata.ts";
import { finishTypes } from "./npm_types.ts";

/** As much of dnt's `BuildOptions` as is used. */
export interface BuildOptions {
  readonly entryPoints: { readonly name: string; readonly path: string }[];
  readonly outDir: string;
  readonly shims: Readonly<Record<string, never>>;
  readonly scriptModule: false;
  readonly test: false;
  readonly typeCheck: "single";
  readonly declaration: "inline";
  readonly declarationMap: false;
  readonly skipSourceOutput: true;
  readonly skipNpmInstall: true;
  readonly compilerOptions: { readonly target: "ES2022"; readonly lib: ("ESNext" | "DOM")[]; readonly noUncheckedIndexedAccess: true };
  readonly package: { readonly name: string; readonly version: string; readonly [property: string]: unknown };
}

/** What is used of dnt. */
interface Dnt {
  build(options: BuildOptions): Promise<void>;
  emptyDir(path: string): Promise<void>;
}

const OUT_DIR = "npm";
/** In a variable of type string, so that type checking does not ask JSR for it. */
const DNT: string = "@deno/dnt";

/** What dnt is told about the project that `config` describes. */
export function buildOptions(config: ProjectConfig): BuildOptions {
  const targets = exportTargets(config, "./esm");
  return {
    entryPoints: Object.entries(config.exports).map(([name, path]) => ({ name, path })),
    outDir: OUT_DIR,
    // The sources name no global of Deno by type, so there is nothing to stand in for.
    shims: {},
    // Modules only: every supported Node either imports or requires them.
    scriptModule: false,
    test: false,
    typeCheck: "single",
    declaration: "inline",
    declarationMap: false,
    skipSourceOutput: true,
    skipNpmInstall: true,
    compilerOptions: { target: "ES2022", lib: ["ESNext", "DOM"], noUncheckedIndexedAccess: true },
    package: { ...metadata(config), main: targets["."]?.default, types: targets["."]?.types, exports: targets },
  };
}

if (import.meta.main) {
  Deno.chdir(new URL("../", import.meta.url));
  const { build, emptyDir }: Dnt = await import(DNT);
  await emptyDir(OUT_DIR);
  await build(buildOptions(PROJECT));
  await finishTypes(OUT_DIR);
  for (const name of DOCUMENTS) await Deno.copyFile(name, `${OUT_DIR}/${name}`);
}
