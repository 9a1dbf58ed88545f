/** What docs/performance.md and the chart show is what bench/results.json holds; nothing is measured here. */
import { assert, assertEquals } from "@std/assert";
import { chart } from "../../bench/chart.ts";
import { claims, isMet, subjectOf } from "../../bench/claims.ts";
import { CHART, PAGE, readResults } from "../../bench/pages.ts";
import { type Figure, median, ratio, type Results } from "../../bench/results.ts";
import { rendered, shownIn, writtenTo } from "../../bench/table.ts";

/** Text without its layout, which `deno fmt` changes. */
function plain(text: string): string {
  return text.replaceAll(/-{3,}/g, "---").replaceAll(/\s+/g, " ").trim();
}

function figure(contender: string, runtime: string, seconds: readonly number[]): Figure {
  const rounds = seconds.map((seconds) => ({ messages: 1_000, seconds, octets: 1_024_000, roundTrips: 2, writes: 2 }));
  return { workload: "W1", contender, runtime, placement: "same", rounds };
}

function results(figures: readonly Figure[]): Results {
  return { date: "2026-01-01", machine: "a machine", versions: { Deno: "2.9.6" }, isPinned: true, isQuick: false, figures, weights: [] };
}

Deno.test("docs/performance.md shows what bench/results.json holds", async () => {
  assertEquals(plain(shownIn(await Deno.readTextFile(PAGE))), plain(rendered(await readResults())));
});

Deno.test("the chart shows what bench/results.json holds", async () => {
  assertEquals(await Deno.readTextFile(CHART), chart(await readResults()));
});

Deno.test("bench/results.json tells the machine without its name, and a round for each of at least five", async () => {
  const { machine, figures } = await readResults();
  assert(!machine.includes(Deno.hostname()), machine);
  assert(figures.length > 0);
  for (const { workload, contender, rounds, fault } of figures) assert(fault !== undefined || rounds.length >= 5, `${workload} ${contender}`);
});

Deno.test("every claim is about contenders that take part in its workload", () => {
  for (const claim of claims) {
    const { workload } = subjectOf(claim);
    const { measure } = claim;
    if (measure.kind === "ratio") assert(workload.contenders.some(({ name }) => name === measure.against), measure.against);
  }
});

Deno.test("a ratio compares the runs of one round, so that what slows down both changes nothing", () => {
  const ours = figure("send, DATA", "Deno", [1, 1, 10, 1, 1]);
  const theirs = figure("nodemailer, connection", "Deno", [2, 2, 20, 2, 2]);
  assertEquals([ratio(ours, theirs), median([3, 1, 2])], [2, 2]);
});

Deno.test("the table says beside each ratio whether its goal is met", () => {
  const table = rendered(results([
    figure("send, DATA", "Deno", [1, 1, 1]),
    figure("nodemailer, connection", "Deno", [2, 2, 2]),
    figure("send, DATA", "Bun", [1, 1, 1]),
    figure("nodemailer, connection", "Bun", [1.5, 1.5, 1.5]),
    figure("send, DATA", "Node 20", [1, 1, 1]),
    figure("nodemailer, connection", "Node 20", [1, 1, 1]),
  ]));
  assert(
    table.includes(
      "| W1: 1 KiB, one connection | send, DATA | nodemailer, connection | ≥ 1.7 | 2.00 ✓, 1,000/s | 1.00, 1,000/s |  | 1.50 ✗, 1,000/s |  |",
    ),
    table,
  );
});

Deno.test("the table says who failed, and what is not there", () => {
  const fault = (contender: string, fault: string): Figure => ({ ...figure(contender, "Deno", []), fault });
  const peer = figure("nodemailer, connection", "Deno", [1]);
  const row = (own: Figure, their: Figure) =>
    rendered(results([own, their])).split("\n").find((line) => line.includes("| send, DATA | nodemailer, connection |"));
  assert(row(fault("send, DATA", "not there"), peer)?.includes("| not there |"));
  assert(row(fault("send, DATA", "it ended"), peer)?.includes("| failed |"));
  assert(row(figure("send, DATA", "Deno", [1]), fault("nodemailer, connection", "it ended"))?.includes("| they failed |"));
});

Deno.test("isMet tells at least, at most and below apart", () => {
  const on: readonly string[] = [];
  assertEquals([1.9, 2, 2.1].map((value) => isMet({ bound: "at least", value: 2, on }, value)), [false, true, true]);
  assertEquals([1.9, 2, 2.1].map((value) => isMet({ bound: "at most", value: 2, on }, value)), [true, true, false]);
  assertEquals([1.9, 2, 2.1].map((value) => isMet({ bound: "below", value: 2, on }, value)), [true, false, false]);
});

Deno.test("writtenTo changes nothing outside of the marks", async () => {
  const page = await Deno.readTextFile(PAGE);
  const written = writtenTo(`${page}\nBehind.\n`, results([]));
  assert(written.startsWith("# ") && written.endsWith("\nBehind.\n") && written.includes("a machine"), written);
});
