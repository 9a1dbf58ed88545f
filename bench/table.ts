/** The table of docs/performance.md, made of the results alone. */
import { type Claim, claims, type Goal, isMet, subjectOf } from "./claims.ts";
import type { Placement } from "./processes.ts";
import { type Figure, median, memory, rate, ratio, type Results, throughput } from "./results.ts";
import { RUNTIMES } from "./workloads.ts";

const BEGIN = "<!-- performance begin: written by `deno task bench` -->";
const END = "<!-- performance end -->";
const MIB = 1_048_576;

/** What stands between the marks of the page. */
export function shownIn(page: string): string {
  const [begin, end] = marksOf(page);
  return page.slice(begin, end);
}

/** The page with the results between its marks. */
export function writtenTo(page: string, results: Results): string {
  const [begin, end] = marksOf(page);
  return `${page.slice(0, begin)}\n\n${rendered(results)}\n${page.slice(end)}`;
}

/** Where the space between the marks begins and ends. */
function marksOf(page: string): [number, number] {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error("the page has no marks");
  return [begin + BEGIN.length, end];
}

/** Everything that is shown of the results, in Markdown. */
export function rendered(results: Results): string {
  const { date, machine, versions, isPinned, isQuick } = results;
  return [
    `Measured on ${date} with \`deno task bench${isQuick ? " --quick" : ""}\`: ${machine}. ${
      Object.entries(versions).map((part) => part.join(" ")).join(", ")
    }.`,
    isPinned
      ? "Client and server are pinned to one processor."
      : "Nothing could be pinned to a processor, so that these figures may be off by several times.",
    "A cell holds how many times as fast Posthorn is, the median of the rounds of one run, and Posthorn's own figure; ✓ and ✗ say whether the goal is met. The bare loop is no client: it writes octets that are known beforehand over the same sockets and counts the lines that come back, so nothing that looks at what it does can be faster.",
    "",
    ...rowsOf(results, "same", () => true),
    "",
    "With client and server on a processor each, for which no goals are set: waking the other one takes most of the time.",
    "",
    ...rowsOf(results, "split", ({ measure }) => measure.kind === "ratio"),
    "",
    "What a library weighs as a bundle by esbuild, minified and gzipped, and what its import costs beside `node:net` and `node:tls`:",
    "",
    ...weightRows(results),
    "",
  ].join("\n");
}

function rowsOf(results: Results, placement: Placement, isShown: (claim: Claim) => boolean): string[] {
  const rows: string[][] = [];
  let last = "";
  for (const known of claims.filter(isShown)) {
    const claim = placement === "same" ? known : withoutGoal(known);
    const cells = RUNTIMES.map((runtime) => cell(claim, results, runtime, placement));
    if (cells.every((text) => text === "")) continue;
    const { workload } = subjectOf(claim);
    const work = `${workload.name.split(" ")[0]}: ${workload.title}`;
    // Said once for all the rows below.
    rows.push([work === last ? "" : work, claim.ours, subject(claim), aim(claim.goal), ...cells]);
    last = work;
  }
  if (rows.length === 0) return ["Nothing was measured."];
  return table(["Work", "Posthorn", "Against", "Goal", ...RUNTIMES], rows);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
}

function subject({ measure }: Claim): string {
  switch (measure.kind) {
    case "ratio":
      return measure.against;
    case "seconds":
      return `seconds for ${measure.messages.toLocaleString("en")}`;
    case "memory":
      return "MiB above base";
    case "round trips":
      return "round trips a message";
  }
}

function withoutGoal({ goal: _, ...claim }: Claim): Claim {
  return claim;
}

function aim(goal: Goal | undefined): string {
  return goal === undefined ? "" : `${{ "at least": "≥", "at most": "≤", "below": "<" }[goal.bound]} ${goal.value}`;
}

/** A cell: empty where nothing was measured, else the value, the verdict and, beside a ratio, our own figure. */
function cell(claim: Claim, results: Results, runtime: string, placement: Placement): string {
  const figureOf = (contender: string) =>
    results.figures.find((figure) =>
      figure.workload === claim.workload && figure.contender === contender && figure.runtime === runtime && figure.placement === placement
    );
  const ours = figureOf(claim.ours);
  if (ours === undefined) return "";
  if (ours.fault !== undefined) return ours.fault === "not there" ? "not there" : "failed";
  const { measure, goal } = claim;
  const theirs = measure.kind === "ratio" ? figureOf(measure.against) : undefined;
  if (measure.kind === "ratio" && theirs === undefined) return "";
  if (theirs?.fault !== undefined) return "they failed";
  const value = valueOf(claim, ours, theirs);
  const verdict = goal === undefined || !goal.on.includes(runtime) ? "" : isMet(goal, value) ? " ✓" : " ✗";
  return `${digits(value)}${verdict}${measure.kind === "ratio" ? `, ${ownFigure(claim, ours)}` : ""}`;
}

/** What a claim comes to. */
export function valueOf({ measure }: Claim, ours: Figure, theirs: Figure | undefined): number {
  switch (measure.kind) {
    case "ratio":
      return theirs === undefined ? NaN : ratio(ours, theirs);
    case "round trips":
      return median(ours.rounds.map(({ roundTrips }) => roundTrips));
    case "seconds":
      return measure.messages / rate(ours);
    case "memory":
      return memory(ours);
  }
}

function ownFigure(claim: Claim, ours: Figure): string {
  const isStream = subjectOf(claim).contender.task.octets !== undefined;
  return isStream ? `${Math.round(throughput(ours)).toLocaleString("en")} MiB/s` : `${Math.round(rate(ours)).toLocaleString("en")}/s`;
}

function digits(value: number): string {
  return value.toFixed(value < 0.1 ? 3 : value < 100 ? 2 : 0);
}

function weightRows({ weights }: Results): string[] {
  if (weights.length === 0) return ["Nothing was weighed."];
  const runtimes = [...new Set(weights.flatMap(({ imports }) => Object.keys(imports)))];
  const head = ["", "kB", ...runtimes.flatMap((runtime) => [`${runtime}: import, ms`, `${runtime}: memory, MiB`])];
  return table(
    head,
    weights.map(({ library, gzipped, imports }) => [
      library,
      (gzipped / 1000).toFixed(1),
      ...runtimes.flatMap((runtime) => {
        const cost = imports[runtime];
        return cost === undefined ? ["", ""] : [cost.milliseconds.toFixed(1), (cost.memory / MIB).toFixed(1)];
      }),
    ]),
  );
}
