/** The last column of the tables in `docs/protocol.md`: which real servers proved an extension or a mechanism, by the matrix. */
import { MarkedTable } from "../support/marked_table.ts";
import { shownMatrix } from "./matrix.ts";

/** The page. */
export const PROTOCOL: URL = new URL("../../docs/protocol.md", import.meta.url);
/** Extensions, and mechanisms. */
export const tables: readonly MarkedTable[] = [
  new MarkedTable("extensions: deno task interop", "end of extensions"),
  new MarkedTable("mechanisms: deno task interop", "end of mechanisms"),
];

/** What stands for an extension that no server has which can be installed. */
const SCRIPTED = "scripted";

/** The features that prove what a row says, where they are not called as the row is. */
const FEATURES: Readonly<Record<string, readonly string[]>> = {
  "DSN": ["DSN by send"],
  "VRFY, EXPN, HELP": ["VRFY", "EXPN", "HELP"],
  "LMTP": ["LMTP", "LMTP over a unix socket"],
  "SCRAM-SHA-512, SCRAM-SHA-256, SCRAM-SHA-1": ["AUTH SCRAM-SHA-256", "AUTH SCRAM-SHA-1"],
};

/** The rows of a table with their last cells as the matrix in `interop` has them. */
export function proven(rows: readonly (readonly string[])[], interop: string): string[][] {
  const [services = [], ...matrix] = shownMatrix.shownIn(interop);
  const [head = [], ...rest] = rows;
  return [
    [...head],
    ...rest.map((cells) => {
      const [name = ""] = cells;
      const features = FEATURES[name] ?? [name, `AUTH ${name}`];
      const found = matrix.filter(([feature = ""]) => features.includes(feature));
      const by = services.filter((_, column) => column > 0 && found.some((row) => row[column]?.startsWith("yes")));
      return [...cells.slice(0, -1), by.join(", ") || SCRIPTED];
    }),
  ];
}

/** `text` of the page with the last column as `interop` has it. */
export function withProof(text: string, interop: string): string {
  return tables.reduce((text, table) => table.writtenTo(text, proven(table.shownIn(text), interop)), text);
}
