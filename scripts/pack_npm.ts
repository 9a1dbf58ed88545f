/**
 * Builds the npm package with `deno pack` into `npm/`: `deno task npm:pack`. It needs no registry at all. What `deno pack` leaves out of package.json
 * is added here, from the same place as dnt's.
 */
import { DOCUMENTS, metadata, PROJECT, strangers } from "./npm_metadata.ts";
import { finishTypes } from "./npm_types.ts";
import { filesBelow, run } from "./check_npm/shell.ts";

/** Builds the package and resolves with the path of the tarball. */
export async function packNpm(outDir: string): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "posthorn-pack-" });
  try {
    // --allow-dirty: what is packed is what is here, so that a change can be proved before it is committed.
    await run(Deno.execPath(), ["pack", "--allow-dirty", "--no-source-maps", "--output", `${folder}/raw.tgz`]);
    await run("tar", ["-xzf", "raw.tgz"], { cwd: folder });
    const unpacked = `${folder}/package`;
    const packageJson = JSON.parse(await Deno.readTextFile(`${unpacked}/package.json`));
    await Deno.writeTextFile(`${unpacked}/package.json`, JSON.stringify({ ...metadata(PROJECT), ...packageJson }, undefined, 2) + "\n");
    await finishTypes(unpacked);
    for (const name of DOCUMENTS) await Deno.copyFile(name, `${unpacked}/${name}`);
    const extra = strangers(await filesBelow(unpacked));
    if (extra.length > 0) throw new Error(`the package must hold code, types and documents, not ${extra.join(", ")}`);
    await Deno.mkdir(outDir, { recursive: true });
    // Those of other versions go, so that whoever takes the tarball of the folder takes this one.
    for (const name of await filesBelow(outDir)) if (/^[^/]+\.tgz$/.test(name)) await Deno.remove(`${outDir}/${name}`);
    const { stdout } = await run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", await Deno.realPath(outDir)], { cwd: unpacked });
    const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
    return `${outDir}/${filename}`;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) {
  Deno.chdir(new URL("../", import.meta.url));
  console.log(await packNpm("npm"));
}
