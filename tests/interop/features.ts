/** Every feature that is proven with the real servers, those to come, and what a server may offer that no client has to do anything about. */
import type { Coming, Feature } from "./feature.ts";
import { content } from "./features/content.ts";
import { envelope } from "./features/envelope.ts";
import { security } from "./features/security.ts";
import { verbs } from "./features/verbs.ts";

/** The rows of the matrix. A new feature is a new entry in one of these lists. */
export const features: readonly Feature[] = [...security, ...envelope, ...content, ...verbs];

/** What the library is to have; a feature that is built moves to the lists above, with its proof. */
export const coming: readonly Coming[] = [
  { name: "AUTH CRAM-MD5", covers: ["AUTH CRAM-MD5"] },
  { name: "AUTH SCRAM-SHA-1", covers: ["AUTH SCRAM-SHA-1"] },
  { name: "AUTH SCRAM-SHA-256", covers: ["AUTH SCRAM-SHA-256"] },
  { name: "AUTH XOAUTH2", covers: ["AUTH XOAUTH2"] },
  { name: "AUTH OAUTHBEARER", covers: ["AUTH OAUTHBEARER"] },
  { name: "AUTH EXTERNAL", covers: ["AUTH EXTERNAL"] },
  { name: "CHUNKING", covers: ["CHUNKING"] },
  { name: "BINARYMIME", covers: ["BINARYMIME"] },
  { name: "REQUIRETLS", covers: ["REQUIRETLS"] },
  { name: "DELIVERBY", covers: ["DELIVERBY"] },
  { name: "FUTURERELEASE", covers: ["FUTURERELEASE"] },
  { name: "MT-PRIORITY", covers: ["MT-PRIORITY"] },
  { name: "XCLIENT", covers: ["XCLIENT"] },
  { name: "XFORWARD", covers: ["XFORWARD"] },
];

/** What a server may offer that is nothing to a client, or nothing to this one, with the reason. */
export const nothingToDo: Readonly<Record<string, string>> = {
  "AUTH DIGEST-MD5": "historic (RFC 6331); every server that has it has SCRAM too",
  "PIPECONNECT": "Exim's own: it takes a client that remembers what was offered on an earlier connection",
  "PRDR": "Exim's own draft: asked for with a parameter of MAIL, and without it the server answers the content once, as ever",
};
