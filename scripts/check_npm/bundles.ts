/** A small sender in one bundle: it is built without a warning, asks for nothing its platform lacks, and sends. */
import type { NpmProject } from "./project.ts";

/** The bundlers tried. */
export const BUNDLERS: readonly string[] = ["esbuild", "vite", "webpack", "rollup"];

interface Bundle {
  readonly warnings: readonly string[];
  readonly entry: string;
  /** `specifier` is absent where it is not a literal. */
  readonly imports: readonly { readonly specifier?: string; readonly isStatic: boolean }[];
}

/** Bundles `inside/sender.js` for a platform, and sends a message with the result. */
export async function checkBundle(project: NpmProject, bundler: string, platform: "node" | "workers"): Promise<void> {
  const out = `bundles/${bundler}-${platform}`;
  const { stdout } = await project.script(["bundle.js", bundler, platform, out]);
  const { warnings, entry, imports }: Bundle = JSON.parse(stdout);
  if (warnings.length > 0) throw new Error(`${bundler} warns:\n${warnings.join("\n")}`);
  for (const { specifier = "", isStatic } of imports) {
    const isForeign = platform === "workers" && (specifier.startsWith("node:") || isStatic && specifier.startsWith("cloudflare:"));
    if (isForeign) throw new Error(`the bundle of ${bundler} imports ${specifier}`);
    if (/^[^.]/.test(specifier) && !/^(node|cloudflare):/.test(specifier)) throw new Error(`${bundler} left ${specifier} out of the bundle`);
  }
  await project.script(["send.js", `${out}/${entry}`, platform]);
}
