/** Every case of the catalogue that needs no socket, in the order of the catalogue's parts. */
import { credentials } from "./cases/credentials.ts";
import { content } from "./cases/content.ts";
import { scram } from "./cases/scram.ts";
import { secretOptions } from "./cases/secret_options.ts";
import { secrets } from "./cases/secrets.ts";
import { starttls } from "./cases/starttls.ts";
import type { Fault } from "./fault.ts";

export const faults: readonly Fault[] = [
  ...content,
  ...starttls,
  ...credentials,
  ...scram,
  ...secrets,
  ...secretOptions,
];
