/** Every case of the catalogue that needs no socket, in the order of the catalogue's parts. */
import { addresses } from "./cases/addresses.ts";
import { callers } from "./cases/callers.ts";
import { cancellation } from "./cases/cancellation.ts";
import { content } from "./cases/content.ts";
import { credentialFields } from "./cases/credential_fields.ts";
import { credentials } from "./cases/credentials.ts";
import { cuts } from "./cases/cuts.ts";
import { early } from "./cases/early.ts";
import { ehlo } from "./cases/ehlo.ts";
import { hooks } from "./cases/hooks.ts";
import { injection } from "./cases/injection.ts";
import { limits } from "./cases/limits.ts";
import { messageSources } from "./cases/message_sources.ts";
import { options } from "./cases/options.ts";
import { parameters } from "./cases/parameters.ts";
import { pool } from "./cases/pool.ts";
import { refusals } from "./cases/refusals.ts";
import { replies } from "./cases/replies.ts";
import { scram } from "./cases/scram.ts";
import { secretOptions } from "./cases/secret_options.ts";
import { secrets } from "./cases/secrets.ts";
import { sources } from "./cases/sources.ts";
import { starttls } from "./cases/starttls.ts";
import { transaction } from "./cases/transaction.ts";
import { unaskedReplies } from "./cases/unasked.ts";
import type { Fault } from "./fault.ts";

export const faults: readonly Fault[] = [
  ...injection,
  ...credentialFields,
  ...parameters,
  ...addresses,
  ...callers,
  ...options,
  ...content,
  ...sources,
  ...limits,
  ...starttls,
  ...credentials,
  ...scram,
  ...secrets,
  ...secretOptions,
  ...replies,
  ...ehlo,
  ...unaskedReplies,
  ...cuts,
  ...transaction,
  ...early,
  ...refusals,
  ...pool,
  ...cancellation,
  ...hooks,
  ...messageSources,
];
