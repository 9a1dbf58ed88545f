/** The outcomes as the README shows them. */
import type { Outcome } from "./run.ts";
import { runtimes } from "./runtimes.ts";
import { cases } from "./suite.ts";

const BEGIN = "<!-- matrix: deno task runtimes -->\n";
const END = "<!-- end of matrix -->\n";

/** A table of cases by runtimes: "yes", "no" where the runtime lacks it and says so with the documented error, "FAILS" where neither is so. */
export function matrix(outcomes: readonly Outcome[]): string {
  const rows = cases.map(({ name, needs }) => {
    const cells = runtimes.map(({ name: runtime, lacks }) => {
      const outcome = outcomes.find((one) => one.runtime === runtime && one.case === name);
      if (outcome === undefined || outcome.fault !== undefined) return "FAILS";
      return needs !== undefined && lacks.includes(needs) ? "no" : "yes";
    });
    return [name, ...cells];
  });
  const head = ["case", ...runtimes.map(({ name }) => name)];
  const lines = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  return `${lines.join("\n")}\n`;
}

/** The cells of the table in `text`, between its marks, however it is laid out. */
export function shownIn(text: string): string[][] {
  return cells(text.slice(text.indexOf(BEGIN) + BEGIN.length, text.indexOf(END)));
}

/** The cells of a table. */
export function cells(table: string): string[][] {
  const rows = table.split("\n").filter((line) => line.startsWith("|") && !/^\|[ |:-]+$/.test(line));
  return rows.map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
}

/** `text` with the table between its marks replaced. */
export function withMatrix(text: string, table: string): string {
  const [before = "", rest = ""] = text.split(BEGIN);
  return `${before}${BEGIN}\n${table}\n${END}${rest.split(END)[1] ?? ""}`;
}
