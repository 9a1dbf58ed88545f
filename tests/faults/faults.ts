/** Every case of the catalogue that needs no socket, in the order of the catalogue's parts. */
import { callers } from "./cases/callers.ts";
import { cancellation } from "./cases/cancellation.ts";
import { content } from "./cases/content.ts";
import { early } from "./cases/early.ts";
import { pool } from "./cases/pool.ts";
import { refusals } from "./cases/refusals.ts";
import { sources } from "./cases/sources.ts";
import { transaction } from "./cases/transaction.ts";
import type { Fault } from "./fault.ts";

export const faults: readonly Fault[] = [
  ...content,
  ...early,
  ...transaction,
  ...refusals,
  ...pool,
  ...cancellation,
  ...callers,
  ...sources,
];
