/** The outcomes as the README shows them. */
import { MarkedTable } from "../support/marked_table.ts";
import type { Outcome } from "./run.ts";
import { runtimes } from "./runtimes.ts";
import { cases } from "./suite.ts";

/** The table in the README. */
export const shownMatrix: MarkedTable = new MarkedTable("matrix: deno task runtimes", "end of matrix");

/** The rows of cases by runtimes: "yes", "no" where the runtime lacks it and says so with the documented error, "FAILS" where neither is so. */
export function matrix(outcomes: readonly Outcome[]): string[][] {
  const rows = cases.map(({ name, needs }) => {
    const cells = runtimes.map(({ name: runtime, lacks }) => {
      const outcome = outcomes.find((one) => one.runtime === runtime && one.case === name);
      if (outcome === undefined || outcome.fault !== undefined) return "FAILS";
      return needs !== undefined && lacks.includes(needs) ? "no" : "yes";
    });
    return [name, ...cells];
  });
  return [["case", ...runtimes.map(({ name }) => name)], ...rows];
}
