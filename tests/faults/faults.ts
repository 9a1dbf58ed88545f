/** Every case of the catalogue that needs no socket, in the order of the catalogue's parts. */
import { content } from "./cases/content.ts";
import { secretOptions } from "./cases/secret_options.ts";
import { secrets } from "./cases/secrets.ts";
import { cuts } from "./cases/cuts.ts";
import type { Fault } from "./fault.ts";

export const faults: readonly Fault[] = [
  ...content,
  ...secrets,
  ...secretOptions,
  ...cuts,
];
