/** The tests of one server: one for each feature and service. The server runs from before the first to behind the last. */
import { assert, assertEquals } from "@std/assert";
import { Bench } from "./bench.ts";
import { type Built, built, isRequired } from "./build.ts";
import type { Feature } from "./feature.ts";
import { features } from "./features.ts";
import { isOffered, NOT_OFFERED, PAGE, shownCell, shownVersions, unprovenCell } from "./matrix.ts";
import { askedOf, keywordsOf, onRecord, spokenFor } from "./offers.ts";
import { RunningServer } from "./running_server.ts";
import { type Server, type ServerName, servers } from "./servers.ts";

const WRITE = "run: deno task interop";

/** Registers the tests of `name`; those of one that is not installed are skipped with the reason in their names, or fail where it is required. */
export async function testServer(name: ServerName): Promise<void> {
  const server = servers[name];
  const state = await built(server);
  if ("reason" in state) return registerAbsent(server, state.reason);
  const running = await RunningServer.start(server);
  Deno.test.afterAll(() => running[Symbol.asyncDispose]());
  for (const service of server.services) registerService(new Bench(service, running));
  registerVersions(server, state);
}

function registerAbsent({ parts, services }: Server, reason: string): void {
  if (isRequired()) return Deno.test(`${parts.join(" and ")} can be tested`, () => assertEquals(reason, "", "and INTEROP=required"));
  // Not every machine can run Debian's servers: the reason stands in the name, the count shows it, and with INTEROP=required it is a failure (above).
  const skip = (name: string) => Deno.test({ name: `${name}: skipped, ${reason}`, ignore: true, fn: () => {} });
  for (const service of services) {
    skip(`${service.name} offers what is on record`);
    for (const feature of features) {
      const cell = unprovenCell(feature.name, service, onRecord[service.name] ?? {});
      if (cell === undefined) skip(`${service.name} ${feature.sentence}`);
    }
  }
}

function registerService(bench: Bench): void {
  const { service } = bench;
  const recorded = onRecord[service.name] ?? {};
  Deno.test(`${service.name} offers what is on record, and nothing that is not spoken for`, async () => {
    const offers = await askedOf(bench);
    assertEquals(offers, recorded, WRITE);
    assertEquals([...keywordsOf(offers)].filter((keyword) => spokenFor(keyword) === undefined), []);
  });
  for (const feature of features) {
    const cell = unprovenCell(feature.name, service, recorded);
    if (cell === NOT_OFFERED) registerAbsence(bench, feature);
    else if (cell === undefined) registerProof(bench, feature);
  }
}

function registerProof(bench: Bench, feature: Feature): void {
  const { service } = bench;
  Deno.test(`${service.name} ${feature.sentence}`, async () => {
    const cell = await feature.prove(bench) ?? "yes";
    assertEquals(await shownCell(feature.name, service), cell, WRITE);
  });
}

function registerAbsence(bench: Bench, feature: Feature): void {
  const { service } = bench;
  Deno.test(`${service.name} has nothing to show for ${feature.name}: it does not offer ${feature.needs}`, async () => {
    assert(!isOffered(feature, await askedOf(bench)));
    assertEquals(await shownCell(feature.name, service), NOT_OFFERED, WRITE);
  });
}

function registerVersions({ parts }: Server, { versions }: Extract<Built, { versions: unknown }>): void {
  for (const part of parts) {
    Deno.test(`${part} is of the version that docs/interop.md names, but for the last number`, async () => {
      const [, shown] = shownVersions.shownIn(await Deno.readTextFile(PAGE)).find(([name]) => name === part) ?? [];
      const kept = (version: string | undefined) => version?.split(".").slice(0, 2).join(".");
      assertEquals(kept(shown), kept(versions[part]), WRITE);
    });
  }
}
