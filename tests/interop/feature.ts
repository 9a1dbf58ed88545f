/** What a feature is: a row of the matrix, and for each service that has it a test. */
import { assert } from "@std/assert";
import type { Reply } from "@posthorn/smtp";
import type { Bench } from "./bench.ts";
import type { Service } from "./servers.ts";

/** A cell of the matrix: `yes`, or a word about how. */
export type Cell = string;

/** A behaviour of the library that a service can prove. */
export interface Feature {
  /** Its row. */
  readonly name: string;
  /** What the library does with the service, to stand behind its name: the test's own. */
  readonly sentence: string;
  /** The keyword of EHLO without which there is nothing to prove, with a mechanism behind AUTH: `"AUTH PLAIN"`. Absent: nothing has to be offered. */
  readonly needs?: string;
  /** Keywords of EHLO that are spoken for by this feature, besides the one it needs. */
  readonly covers?: readonly string[];
  /** Whether there is something to prove with the service, besides the keyword; default: every one that speaks SMTP. */
  readonly isFor?: (service: Service) => boolean;
  /** Proves it, or throws; resolves with its cell, or with nothing for `yes`. */
  readonly prove: (bench: Bench) => Promise<Cell | void>;
}

/** Whether `feature` has something to prove with `service`, as far as its nature goes. */
export function applies({ isFor = ({ protocol }) => protocol === "smtp" }: Feature, service: Service): boolean {
  return isFor(service);
}

/** The cell of a reply that is the server's own choice: yes with its code, or a refusal with its code. */
export function cellOf(reply: Reply): Cell {
  assert(reply.isPositive || reply.isPermanent, `${reply}`);
  return `${reply.isPositive ? "yes" : "refused"}: ${reply.code}`;
}
