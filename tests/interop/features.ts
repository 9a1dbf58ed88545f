/** Every feature that is proven with the real servers, and what a server may offer that no client has to do anything about. */
import type { Feature } from "./feature.ts";
import { chunking } from "./features/chunking.ts";
import { content } from "./features/content.ts";
import { envelope } from "./features/envelope.ts";
import { lmtp } from "./features/lmtp.ts";
import { privileges } from "./features/privileges.ts";
import { security } from "./features/security.ts";
import { verbs } from "./features/verbs.ts";
import { window } from "./features/window.ts";

/** The rows of the matrix. A new feature is a new entry in one of these lists. */
export const features: readonly Feature[] = [...security, ...envelope, ...content, ...chunking, ...lmtp, ...window, ...privileges, ...verbs];

/** What a server may offer that is nothing to a client, or nothing to this one, with the reason. */
export const nothingToDo: Readonly<Record<string, string>> = {
  "AUTH DIGEST-MD5": "historic (RFC 6331); every server that has it has SCRAM too",
  "PIPECONNECT": "Exim's own: it takes a client that remembers what was offered on an earlier connection",
  "PRDR": "Exim's own draft: asked for with a parameter of MAIL, and without it the server answers the content once, as ever",
};
