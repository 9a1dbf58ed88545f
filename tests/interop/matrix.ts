/** What was proven, as `docs/interop.md` shows it. */
import { MarkedTable } from "../support/marked_table.ts";
import { applies, type Cell, type Feature } from "./feature.ts";
import { features } from "./features.ts";
import { keywordsOf, type Offers } from "./offers.ts";
import { type Service, services } from "./servers.ts";

/** The page. */
export const PAGE: URL = new URL("../../docs/interop.md", import.meta.url);
/** Features by services. */
export const shownMatrix: MarkedTable = new MarkedTable("matrix: deno task interop", "end of matrix");
/** The servers and their versions. */
export const shownVersions: MarkedTable = new MarkedTable("versions: deno task interop", "end of versions");
/** The keywords of EHLO. */
export const shownKeywords: MarkedTable = new MarkedTable("keywords: deno task interop", "end of keywords");

/** A feature that has nothing to do with a service. */
const NOT_FOR_IT: Cell = "-";
/** A feature whose keyword a service does not offer. */
export const NOT_OFFERED: Cell = "not offered";

/** What is known of a cell without a proof: a feature that is not offered, or not for the service. */
export function unprovenCell(row: string, service: Service, offers: Offers): Cell | undefined {
  const feature = features.find(({ name }) => name === row);
  if (feature === undefined || !applies(feature, service)) return NOT_FOR_IT;
  return isOffered(feature, offers) ? undefined : NOT_OFFERED;
}

/** Whether a service with `offers` has what `feature` needs. */
export function isOffered({ needs }: Feature, offers: Offers): boolean {
  return needs === undefined || keywordsOf(offers).has(needs);
}

/** The rows of the matrix, the head first. */
export function matrix(cellOf: (row: string, service: Service) => Cell): string[][] {
  const rows = features.map(({ name }) => [name, ...services.map((service) => cellOf(name, service))]);
  return [["feature", ...services.map(({ name }) => name)], ...rows];
}

/** The cell that the page shows. */
export async function shownCell(row: string, service: Service): Promise<Cell | undefined> {
  const [head = [], ...rows] = shownMatrix.shownIn(await Deno.readTextFile(PAGE));
  const column = head.indexOf(service.name);
  return rows.find(([name]) => name === row)?.[column];
}
