/** Which tests an entry of the catalogue has, and the table of `docs/faults.md`. */
import { MarkedTable } from "../support/marked_table.ts";
import { catalogue, type Entry } from "./catalogue.ts";
import { faults } from "./faults.ts";
import { socketFaults } from "./socket_faults.ts";

/** The page. */
export const PAGE: URL = new URL("../../docs/faults.md", import.meta.url);
/** The entries and their tests. */
export const shownFaults: MarkedTable = new MarkedTable("table: deno task faults", "end of table");

/** The tests of one entry, by their names. */
export interface TestsOf {
  readonly entry: Entry;
  readonly inMemory: readonly string[];
  readonly onSockets: readonly string[];
}

/** The tests of every entry: the cases that run in every runtime, and the tests elsewhere whose names begin with the id. */
export async function testsOf(): Promise<readonly TestsOf[]> {
  const elsewhere = await namesIn(new URL("../", import.meta.url));
  const namesOf = (id: string, names: readonly string[]) => names.filter((name) => name.startsWith(`${id} `));
  return catalogue.map((entry) => ({
    entry,
    inMemory: namesOf(entry.id, [...faults.map(({ name }) => name), ...elsewhere]),
    onSockets: namesOf(entry.id, socketFaults.map(({ name }) => name)),
  }));
}

/** What an entry lacks; `undefined` where it has all that it needs. */
export function lackOf({ entry, inMemory, onSockets }: TestsOf): string | undefined {
  if (entry.exempt !== undefined) return undefined;
  if (entry.isOfSockets && onSockets.length === 0) return "no test on sockets";
  return inMemory.length + onSockets.length === 0 ? "no test" : undefined;
}

/** The rows of the table, the head first. */
export function table(all: readonly TestsOf[]): string[][] {
  const rows = all.map(({ entry, inMemory, onSockets }) => {
    const { id, threat, exempt } = entry;
    return [id, threat, exempt === undefined ? cell(inMemory) : `does not apply: ${exempt}`, exempt === undefined ? cell(onSockets) : ""];
  });
  return [["id", "what is done to the client", "tests in memory", "tests on sockets, in every runtime"], ...rows];
}

/** What the names say, without what tells variants of one test apart. */
function cell(names: readonly string[]): string {
  const sentences = names.map((name) =>
    name.slice(4).replace(/ \((none|implicit|starttls)\)$/, "").replace(/:? ["`'].*$/, "").replace(/[|*_<>[\]]/g, "")
  );
  const counts = new Map<string, number>();
  for (const sentence of sentences) counts.set(sentence, (counts.get(sentence) ?? 0) + 1);
  return [...counts].map(([sentence, count]) => count === 1 ? sentence : `${sentence} (${count})`).join("; ");
}

/** The names that begin with an id in the source of the tests in `folder`. */
async function namesIn(folder: URL): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) names.push(...await namesIn(new URL(`${name}/`, folder)));
    else if (name.endsWith("_test.ts")) {
      const source = await Deno.readTextFile(new URL(name, folder));
      for (const [, found = ""] of source.matchAll(/["`](F\d\d [^"`]+)["`]/g)) names.push(found.replaceAll(/\$\{[^}]*\}/g, "…"));
    }
  }
  return names.sort();
}
