/** The catalogue of faults on real sockets: in this runtime under the leak checks of its test runner, in every other by a run before the first test. */
import { assertEquals } from "@std/assert";
import * as smtp from "@posthorn/smtp";
import * as extensions from "@posthorn/smtp/extensions";
import * as proxy from "@posthorn/smtp/proxy";
import * as sasl from "@posthorn/smtp/sasl";
import { runCase } from "../runtimes/case.ts";
import { runIn } from "../runtimes/host.ts";
import { bundle, installRuntimes, runtimes } from "../runtimes/runtimes.ts";
import { startBench } from "./puppet/bench.ts";
import { socketFaults } from "./socket_faults.ts";

const LIBRARY = new URL("../../mod.ts", import.meta.url).pathname;
const names = socketFaults.map(({ name }) => name);

const folder = await installRuntimes();
const work = await Deno.makeTempDir();
const bench = await startBench();
Deno.test.afterAll(async () => await bench[Symbol.asyncDispose]());

await bundle(folder, new URL("sockets_shell.ts", import.meta.url), LIBRARY, `${work}/shell.mjs`);
await bundle(folder, new URL("sockets_worker_shell.ts", import.meta.url), LIBRARY, `${work}/worker.mjs`);
const [here, ...others] = runtimes;
// They wait more than they work, so all run at once.
const outcomes = await Promise.all(others.map(async (runtime, index) => {
  const shell = `${work}/${index}.mjs`;
  await Deno.copyFile(`${work}/${runtime.command === undefined ? "worker" : "shell"}.mjs`, shell);
  const environment = { puppet: bench.puppet, authority: bench.authority, lacks: runtime.lacks };
  return { runtime, faults: await runIn({ runtime, folder, shell, names, environment, authorities: [bench.authority] }) };
}));
await Deno.remove(work, { recursive: true });

const environment = { puppet: bench.puppet, authority: bench.authority, lacks: here?.lacks ?? [] };
for (const name of names) {
  Deno.test(`${here?.name}: ${name}`, async () => {
    assertEquals(await runCase(socketFaults, name, { ...smtp, extensions, proxy, sasl }, environment), undefined);
  });
}
for (const { runtime, faults } of outcomes) {
  for (const [name, fault] of faults) Deno.test(`${runtime.name}: ${name}`, () => assertEquals(fault, undefined));
}
