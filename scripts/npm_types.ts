/** What the declarations of the npm package need and the sources may not say. */
import { filesBelow } from "./check_npm/shell.ts";

/** JSR allows no such line in a source, since it reaches beyond the file; in a declaration on npm it is how a library brings what it is built on. */
const DISPOSABLE = '/// <reference lib="esnext.disposable" />\n';

/** Makes a declaration that speaks of `AsyncDisposable` stand in projects whose `lib` is older than that. Any other is as it was. */
export function withDisposable(declaration: string): string {
  return /\bAsyncDisposable\b|\bSymbol\.asyncDispose\b/.test(declaration) ? DISPOSABLE + declaration : declaration;
}

/** {@linkcode withDisposable} for all the declarations below `folder`. */
export async function finishTypes(folder: string): Promise<void> {
  for (const path of await filesBelow(folder)) {
    if (!path.endsWith(".d.ts")) continue;
    const declaration = await Deno.readTextFile(`${folder}/${path}`);
    await Deno.writeTextFile(`${folder}/${path}`, withDisposable(declaration));
  }
}
