/**
 * Runs the benchmarks: `deno task bench`. `--quick` takes under two minutes; `--only W1 --runtime deno` measures one workload on one runtime and only
 * prints what came of it; so do `--who "^send|connection"`, which names contenders, `--placement split` and `--rounds 9`.
 */
import { parseArgs } from "node:util";
import { type Effort, measure } from "./measure.ts";
import type { Placement } from "./pinning.ts";
import { type Figure, rate, ratio, throughput } from "./results.ts";
import { Servers } from "./servers.ts";
import { buildTools, installPeers } from "./tools.ts";
import { RUNTIMES, type Workload, workloads } from "./workloads.ts";

const FULL: Effort = { rounds: 5, seconds: 0.4, maxMessages: 20_000 };

/** The runtime that somebody means: `deno`, `node24`, `Node 24`. */
function named(runtime: string): string {
  const plain = (name: string) => name.toLowerCase().replaceAll(" ", "");
  const found = RUNTIMES.find((known) => plain(known) === plain(runtime));
  if (found === undefined) throw new Error(`There is no runtime ${runtime}: ${RUNTIMES.join(", ")}`);
  return found;
}

/** Prints one workload on one runtime: every contender, and how many times as fast ours are as each of the others. */
function print(workload: Workload, figures: readonly Figure[]): void {
  const ours = workload.contenders.filter(({ program }) => program === "posthorn").map(({ name }) => name);
  const [mine, theirs] = [true, false].map((isOurs) => figures.filter(({ contender }) => ours.includes(contender) === isOurs));
  const [{ runtime, placement } = {}] = figures;
  console.log(`\n${workload.name} ${workload.title}; ${runtime}, ${placement}`);
  for (const figure of figures) {
    const { contender, fault, rounds } = figure;
    const shown = rounds[0] !== undefined && rounds[0].octets / rounds[0].messages > 1e6
      ? `${throughput(figure).toFixed(0)} MiB/s`
      : `${rate(figure).toFixed(0)}/s  ${rounds[0]?.roundTrips.toFixed(2)} round trips`;
    console.log(`  ${contender.padEnd(36)} ${fault ?? shown}`);
  }
  for (const their of theirs ?? []) {
    if (their.fault !== undefined) continue;
    const ratios = (mine ?? []).filter(({ fault }) => fault === undefined).map((own) => `${own.contender}: ${ratio(own, their).toFixed(2)}`);
    console.log(`  against ${their.contender}: ${ratios.join("; ")}`);
  }
}

if (import.meta.main) {
  const string = { type: "string" } as const;
  const { values } = parseArgs({
    args: Deno.args,
    options: { only: string, who: string, runtime: string, rounds: string, placement: string, quick: { type: "boolean" } },
  });
  await buildTools();
  await installPeers();
  await using servers = new Servers();
  const effort = { ...FULL, ...(values.rounds !== undefined && { rounds: Number(values.rounds) }) };
  const placement: Placement = values.placement === "split" ? "split" : "same";
  const who = new RegExp(values.who ?? "", "i");
  for (const known of workloads.filter(({ name }) => values.only === undefined || name.startsWith(values.only))) {
    const workload = { ...known, contenders: known.contenders.filter(({ name }) => who.test(name)) };
    for (const runtime of values.runtime === undefined ? RUNTIMES : [named(values.runtime)]) {
      print(workload, await measure(workload, runtime, placement, servers, effort));
    }
  }
}
