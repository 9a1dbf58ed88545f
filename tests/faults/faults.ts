/** Every case of the catalogue that needs no socket, in the order of the catalogue's parts. */
import { credentials } from "./cases/credentials.ts";
import { content } from "./cases/content.ts";
import { ehlo } from "./cases/ehlo.ts";
import { replies } from "./cases/replies.ts";
import { scram } from "./cases/scram.ts";
import { secretOptions } from "./cases/secret_options.ts";
import { secrets } from "./cases/secrets.ts";
import { cuts } from "./cases/cuts.ts";
import { starttls } from "./cases/starttls.ts";
import { unaskedReplies } from "./cases/unasked.ts";
import { cancellation } from "./cases/cancellation.ts";
import { early } from "./cases/early.ts";
import { refusals } from "./cases/refusals.ts";
import { transaction } from "./cases/transaction.ts";
import type { Fault } from "./fault.ts";

export const faults: readonly Fault[] = [
  ...content,
  ...starttls,
  ...credentials,
  ...scram,
  ...replies,
  ...unaskedReplies,
  ...ehlo,
  ...secrets,
  ...secretOptions,
  ...cuts,
  ...early,
  ...transaction,
  ...refusals,
  ...cancellation,
];
