/** Proves every feature with every server, and writes what came of it: `deno task interop`. */
import { Bench } from "./bench.ts";
import { built } from "./build.ts";
import { features } from "./features.ts";
import { matrix, PAGE, shownKeywords, shownMatrix, shownVersions, unprovenCell } from "./matrix.ts";
import { askedOf, keywordTable, type Offers, putOnRecord } from "./offers.ts";
import { PROTOCOL, withProof } from "./protocol.ts";
import { RunningServer } from "./running_server.ts";
import { servers } from "./servers.ts";

const offers: Record<string, Offers> = {};
const versions: string[][] = [];
const cells = new Map<string, string>();
let failed = 0;

for (const server of Object.values(servers)) {
  const state = await built(server);
  if ("reason" in state) throw new Error(`${server.script}: ${state.reason}`);
  for (const part of server.parts) versions.push([part, state.versions[part] ?? ""]);
  await using running = await RunningServer.start(server);
  for (const service of server.services) {
    const bench = new Bench(service, running);
    const offered = offers[service.name] = await askedOf(bench);
    for (const feature of features) {
      if (unprovenCell(feature.name, service, offered) !== undefined) continue;
      const started = performance.now();
      const cell = await feature.prove(bench).then((cell) => cell ?? "yes", (error) => {
        console.error(error);
        failed++;
        return "FAILS";
      });
      cells.set(`${service.name}: ${feature.name}`, cell);
      console.log(`${service.name}: ${feature.name}: ${cell} (${Math.round(performance.now() - started)} ms)`);
    }
  }
}

await putOnRecord(offers);
let page = await Deno.readTextFile(PAGE);
page = shownVersions.writtenTo(page, [["server", "version"], ...versions]);
page = shownMatrix.writtenTo(
  page,
  matrix((row, service) => unprovenCell(row, service, offers[service.name] ?? {}) ?? cells.get(`${service.name}: ${row}`) ?? "FAILS"),
);
page = shownKeywords.writtenTo(page, keywordTable(offers));
await Deno.writeTextFile(PAGE, page);
await Deno.writeTextFile(PROTOCOL, withProof(await Deno.readTextFile(PROTOCOL), page));
console.log(`${cells.size - failed} proven, ${failed} failed`);
Deno.exitCode = failed === 0 ? 0 : 1;
