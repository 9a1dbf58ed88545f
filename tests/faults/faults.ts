/** Every case of the catalogue that needs no socket, in the order of the catalogue's parts. */
import { addresses } from "./cases/addresses.ts";
import { callers } from "./cases/callers.ts";
import { credentials } from "./cases/credentials.ts";
import { content } from "./cases/content.ts";
import { injection } from "./cases/injection.ts";
import { limits } from "./cases/limits.ts";
import { options } from "./cases/options.ts";
import { parameters } from "./cases/parameters.ts";
import { sources } from "./cases/sources.ts";
import type { Fault } from "./fault.ts";

export const faults: readonly Fault[] = [
  ...injection,
  ...credentials,
  ...parameters,
  ...addresses,
  ...callers,
  ...options,
  ...content,
  ...sources,
  ...limits,
];
