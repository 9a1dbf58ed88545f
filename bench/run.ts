/**
 * Runs the benchmarks: `deno task bench` measures everything and writes docs/performance.md, results.json and the chart. `--quick` measures less, in under
 * two minutes, and prints the table. `--only W1`, `--runtime deno`, `--who "^send|connection"`, `--placement split`, `--rounds 9` and `--core 1` measure a part and print what
 * came of it. With `--write` these, too, write what they measured, in the place of the same figures of before.
 */
import { parseArgs } from "node:util";
import { machine, versions } from "./machine.ts";
import { type Effort, measure } from "./measure.ts";
import { readResults, writeEverything } from "./pages.ts";
import { isPinned, type Placement } from "./processes.ts";
import { type Figure, memory, rate, ratio, type Results, throughput } from "./results.ts";
import { Servers } from "./servers.ts";
import { rendered } from "./table.ts";
import { buildTools, installPeers } from "./tools.ts";
import { weigh } from "./weights.ts";
import { RUNTIMES, runtimesOf, type Workload, workloads } from "./workloads.ts";

/** The engines of Node, Deno and Bun compile for some 30,000 messages, in which each costs up to twice as much: that is no figure of any library's. */
const FULL: Effort = { rounds: 5, seconds: 0.4, warmUp: 3, share: 1 };
const QUICK: Effort = { rounds: 5, seconds: 0.05, warmUp: 0.2, share: 0.1 };
const WEIGHINGS = 15;

/** What `--quick` measures, and where. */
const QUICKLY: Readonly<Record<string, readonly string[]>> = {
  "W1": ["Deno", "Node 24", "Bun", "workerd"],
  "W3": ["Deno"],
  "W4": ["Deno", "Node 24", "Bun"],
  "W5": ["Deno", "Node 24", "Bun"],
  "W6": ["Deno", "Node 24", "Bun"],
  "W7 20 ms": ["Deno"],
};

/** Something to be measured. */
interface Part {
  readonly workload: Workload;
  readonly runtime: string;
  readonly placement: Placement;
}

/** What was asked for on the command line. */
interface Wish {
  readonly only?: string | undefined;
  readonly runtime?: string | undefined;
  readonly who?: string | undefined;
  readonly placement?: string | undefined;
  readonly rounds?: string | undefined;
  /** The processor of the server, where something else keeps the first one busy. */
  readonly core?: string | undefined;
  readonly quick?: boolean | undefined;
  readonly write?: boolean | undefined;
}

/** The runtime that somebody means: `deno`, `node24`, `Node 24`. */
function named(runtime: string): string {
  const plain = (name: string) => name.toLowerCase().replaceAll(" ", "");
  const found = RUNTIMES.find((known) => plain(known) === plain(runtime));
  if (found === undefined) throw new Error(`There is no runtime ${runtime}: ${RUNTIMES.join(", ")}`);
  return found;
}

function isPartial({ only, runtime, who, placement }: Wish): boolean {
  return [only, runtime, who, placement].some((value) => value !== undefined);
}

function partsOf(wish: Wish): Part[] {
  const { only = "", runtime, who = "", placement, quick = false } = wish;
  const pattern = new RegExp(who, "i");
  const wanted = runtime === undefined ? undefined : named(runtime);
  return workloads.filter(({ name }) => name.startsWith(only)).flatMap((known) => {
    const workload = { ...known, contenders: known.contenders.filter(({ name }) => pattern.test(name)) };
    const on = (quick ? QUICKLY[known.name] ?? [] : runtimesOf(known)).filter((name) => wanted === undefined || name === wanted);
    const placements: readonly Placement[] = isPartial(wish) || quick || !known.isSplitToo
      ? [placement === "split" ? "split" : "same"]
      : ["same", "split"];
    return on.flatMap((runtime) => placements.map((placement) => ({ workload, runtime, placement })));
  });
}

async function run(wish: Wish): Promise<void> {
  const core = Number(wish.core ?? 0);
  const { quick = false, write = !quick && !isPartial(wish), rounds } = wish;
  await buildTools();
  await installPeers();
  if (!isPinned) console.log("There is no taskset here: nothing is pinned, and the figures will flip");
  await using servers = new Servers(core);
  const effort: Effort = { ...(quick ? QUICK : FULL), ...(rounds !== undefined && { rounds: Number(rounds) }) };
  const figures: Figure[] = [];
  for (const part of partsOf(wish)) {
    const measured = await measure(part.workload, part.runtime, part.placement, servers, effort);
    print(part, measured);
    figures.push(...measured.map((figure) => quick ? { ...figure, isQuick: quick } : figure));
  }
  const weights = isPartial(wish) && wish.only !== "W8" ? [] : await weigh(quick ? 3 : WEIGHINGS, core);
  const results: Results = {
    ...{ date: new Date().toISOString().slice(0, 10), machine: await machine(), versions: await versions() },
    ...{ isPinned, isQuick: quick, figures, weights },
  };
  if (write) await writeEverything(isPartial(wish) ? merged(await readResults(), results) : results);
  // A peer may fail; Posthorn may not.
  if (figures.some(({ fault, contender }) => fault !== undefined && fault !== "not there" && isOurs(contender))) Deno.exitCode = 1;
  if (!write && (!isPartial(wish) || wish.only === "W8")) console.log(`\n${rendered(results)}`);
}

/** `before` with what was measured anew in its place. */
function merged(before: Results, { figures, weights, ...facts }: Results): Results {
  const name = ({ workload, contender, runtime, placement }: Figure) => [workload, contender, runtime, placement].join();
  const fresh = new Set(figures.map(name));
  const all = [...before.figures.filter((figure) => !fresh.has(name(figure))), ...figures];
  return {
    ...{ ...facts, isQuick: all.some(({ isQuick }) => isQuick) },
    figures: all,
    weights: weights.length > 0 ? weights : before.weights,
  };
}

const OURS = new Set(workloads.flatMap(({ contenders }) => contenders).filter(({ program }) => program === "posthorn").map(({ name }) => name));

function isOurs(contender: string): boolean {
  return OURS.has(contender);
}

/** Prints a part: every contender, and how many times as fast ours are as each of the others. */
function print({ workload, runtime, placement }: Part, figures: readonly Figure[]): void {
  const measured = figures.filter(({ fault }) => fault === undefined);
  console.log(`\n${workload.name.split(" ")[0]}: ${workload.title}; ${runtime}, ${placement}`);
  for (const { contender, fault, rounds, ...figure } of figures) {
    const [{ octets, messages, roundTrips } = { octets: 0, messages: 1, roundTrips: NaN }] = rounds;
    const whole = { ...figure, contender, rounds };
    const shown = octets / messages > 1e6
      ? `${throughput(whole).toFixed(0)} MiB/s, ${memory(whole).toFixed(0)} MiB above base`
      : `${rate(whole).toFixed(0)}/s, ${roundTrips.toFixed(2)} round trips`;
    console.log(`  ${contender.padEnd(36)} ${fault ?? shown}`);
  }
  for (const their of measured.filter(({ contender }) => !isOurs(contender))) {
    const ours = measured.filter(({ contender }) => isOurs(contender));
    console.log(`  against ${their.contender}: ${ours.map((own) => `${own.contender} ${ratio(own, their).toFixed(2)}`).join("; ")}`);
  }
}

if (import.meta.main) {
  const [string, boolean] = [{ type: "string" }, { type: "boolean" }] as const;
  const options = { only: string, runtime: string, who: string, placement: string, rounds: string, core: string, quick: boolean, write: boolean };
  await run(parseArgs({ args: Deno.args, options }).values);
}
