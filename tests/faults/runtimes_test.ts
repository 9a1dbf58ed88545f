/** The catalogue of faults in every other runtime that has the modules of the assertions; each runs once, before the first test. */
import { assertEquals } from "@std/assert";
import { runIn } from "../runtimes/host.ts";
import { bundle, installRuntimes, runtimes } from "../runtimes/runtimes.ts";
import { faults } from "./faults.ts";

const LIBRARY = new URL("../../mod.ts", import.meta.url).pathname;

const folder = await installRuntimes();
const work = await Deno.makeTempDir();
try {
  await bundle(folder, new URL("shell.ts", import.meta.url), LIBRARY, `${work}/shell.mjs`);
  await bundle(folder, new URL("worker_shell.ts", import.meta.url), LIBRARY, `${work}/worker.mjs`);
  const names = faults.map(({ name }) => name);
  for (const runtime of runtimes) {
    // This runtime has tests of its own, and the assertions need Node's.
    if (runtime.name === "Deno" || runtime.name === "workerd") continue;
    const shell = `${work}/${runtime.command === undefined ? "worker" : "shell"}.mjs`;
    for (const [name, fault] of await runIn({ runtime, folder, shell, names, environment: {} })) {
      Deno.test(`${runtime.name}: ${name}`, () => assertEquals(fault, undefined));
    }
  }
} finally {
  await Deno.remove(work, { recursive: true });
}
