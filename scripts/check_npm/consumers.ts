/** Projects that use the package: in TypeScript with each way of resolving it, and in CommonJS. */
import { metadata, PROJECT } from "../npm_metadata.ts";
import type { NpmProject } from "./project.ts";

/** What a project takes its globals from: browsers' declarations, Node's or Workers'. */
const GLOBALS: readonly { readonly lib: readonly string[]; readonly types: readonly string[] }[] = [
  { lib: ["es2022", "dom"], types: [] },
  { lib: ["esnext", "dom"], types: [] },
  { lib: ["es2022"], types: ["node"] },
  { lib: ["es2022"], types: ["@cloudflare/workers-types"] },
];

/** `tsc --strict` on `inside/consumer.ts`, the package's own declarations checked too. */
export async function checkTypes(project: NpmProject, moduleResolution: "nodenext" | "bundler"): Promise<void> {
  for (const { lib, types } of GLOBALS) {
    const compilerOptions = {
      module: moduleResolution === "bundler" ? "esnext" : "nodenext",
      moduleResolution,
      target: "es2022",
      lib,
      types,
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: false,
      noEmit: true,
    };
    await Deno.writeTextFile(`${project.folder}/tsconfig.json`, JSON.stringify({ compilerOptions, files: ["consumer.ts"] }));
    try {
      await project.tool("tsc", "--project", "tsconfig.json");
    } catch (cause) {
      throw new Error(`with lib ${lib} and types ${types}:\n${cause instanceof Error ? cause.message : cause}`, { cause });
    }
  }
}

/** A program in CommonJS requires the package and sends a message with it, on a Node that can require modules. */
export async function checkRequire(project: NpmProject, version: string): Promise<void> {
  await project.script(["require.cjs"], await project.node(version));
}

/** The oldest Node that package.json promises imports the package and sends a message with it. */
export async function checkOldestNode(project: NpmProject): Promise<void> {
  const oldest = metadata(PROJECT).engines.node.replace(">=", "");
  await project.script(["send.js", "sender.js", "node"], await project.node(oldest));
}
