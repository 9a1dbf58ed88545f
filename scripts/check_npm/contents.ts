/** What is in the package: code, types, documents, and nothing that tells where it was built. */
import { DOCUMENTS, metadata, PROJECT, strangers } from "../npm_metadata.ts";
import { withDisposable } from "../npm_types.ts";
import type { NpmProject } from "./project.ts";
import { assertSame } from "./same.ts";
import { filesBelow } from "./shell.ts";

/** Fails on a file that has no business in the package, on a missing one, and on a path of this machine in any. */
export async function checkContents({ installed }: NpmProject): Promise<void> {
  const paths = await filesBelow(installed);
  assertSame(strangers(paths), [], "files that do not belong in the package");
  assertSame(DOCUMENTS.filter((name) => !paths.includes(name)), [], "missing documents");
  const homes = [Deno.env.get("HOME"), Deno.env.get("USERPROFILE")].filter((home) => home !== undefined && home.length > 1);
  const places = [Deno.realPathSync("."), ...homes.flatMap((home) => [`${home}/`, `${home}\\`]), "file://"];
  for (const path of paths) {
    const text = await Deno.readTextFile(`${installed}/${path}`);
    for (const place of places) if (text.includes(place)) throw new Error(`${path} names a place of this machine: ${place}`);
    if (/^\/\/[#@] source(Mapping)?URL=/m.test(text)) throw new Error(`${path} refers to a source map`);
    if (!path.endsWith(".d.ts")) continue;
    const isFinished = text.startsWith("/// <reference lib=") || withDisposable(text) === text;
    if (!isFinished) throw new Error(`${path} speaks of AsyncDisposable and does not bring it`);
    for (const [, target = ""] of text.matchAll(/(?:from|import)\s*\(?"(\.[^"]+)\.js"/g)) {
      const declaration = new URL(`${target}.d.ts`, `file:///${path}`).pathname.slice(1);
      if (!paths.includes(declaration)) throw new Error(`${path} takes types from ${declaration}, which is not there`);
    }
  }
}

/** Fails unless package.json says what it should, with no dependency and no script. */
export async function checkPackageJson({ installed }: NpmProject): Promise<void> {
  const packageJson: Record<string, unknown> = JSON.parse(await Deno.readTextFile(`${installed}/package.json`));
  for (const [key, value] of Object.entries(metadata(PROJECT))) assertSame(packageJson[key], value, `package.json's ${key}`);
  for (const key of ["dependencies", "devDependencies", "peerDependencies", "optionalDependencies", "scripts", "bin"]) {
    assertSame(packageJson[key], undefined, `package.json's ${key}`);
  }
  assertSame(Object.keys(Object(packageJson["exports"])), Object.keys(PROJECT.exports), "the subpaths of package.json and of deno.json");
}
