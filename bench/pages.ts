/** The files that the benchmarks write: the results, the table in docs/performance.md, and the chart. */
import { chart } from "./chart.ts";
import type { Results } from "./results.ts";
import { writtenTo } from "./table.ts";
import { output } from "./tools.ts";

const ROOT = new URL("../", import.meta.url).pathname;
/** Where the results are kept. */
export const RESULTS: string = `${ROOT}bench/results.json`;
/** The page that shows them. */
export const PAGE: string = `${ROOT}docs/performance.md`;
/** The chart that the README shows. */
export const CHART: string = `${ROOT}docs/performance.svg`;

/** The results of the last run that was written. */
export async function readResults(): Promise<Results> {
  return JSON.parse(await Deno.readTextFile(RESULTS));
}

/** Writes all three. */
export async function writeEverything(results: Results): Promise<void> {
  await Deno.writeTextFile(RESULTS, shown(results));
  // From the file, so that what is rounded there is rounded here.
  const kept = await readResults();
  await Deno.writeTextFile(PAGE, writtenTo(await Deno.readTextFile(PAGE), kept));
  await Deno.writeTextFile(CHART, chart(kept));
  await output(Deno.execPath(), ["fmt", "--quiet", PAGE], ROOT);
}

/** JSON with a line for each figure, and no more digits than there is truth in. */
function shown({ figures, weights, ...facts }: Results): string {
  const line = (value: unknown) => JSON.stringify(value, (_key, inner) => typeof inner === "number" ? Number(inner.toPrecision(5)) : inner);
  const list = (values: readonly unknown[]) => `[\n${values.map((value) => `    ${line(value)}`).join(",\n")}\n  ]`;
  const head = Object.entries(facts).map(([name, value]) => `  ${line(name)}: ${line(value)},\n`).join("");
  return `{\n${head}  "figures": ${list(figures)},\n  "weights": ${list(weights)}\n}\n`;
}
