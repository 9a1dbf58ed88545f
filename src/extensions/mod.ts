/**
 * Extensions of SMTP that few people need, to be put into the `extensions` of a message or of one of its recipients. Each is refused before anything
 * is written where the server does not offer it, unless {@linkcode ifOffered} says that the message may go without.
 *
 * ```ts
 * import type { SmtpClient } from "@posthorn/smtp";
 * import { dsn, ifOffered, requireTls } from "@posthorn/smtp/extensions";
 *
 * async function send(client: SmtpClient, body: string): Promise<void> {
 *   const extensions = [requireTls(), ifOffered(dsn({ return: "headers", notify: ["failure"] }))];
 *   await client.send({ from: "alice@example.com", to: "bob@example.com", body, extensions });
 * }
 * ```
 *
 * @module
 */
export { deliverBy, type DeliverByOptions } from "./deliver_by.ts";
export { dsn, type DsnOptions, type NotifyEvent } from "./dsn.ts";
export type { MessageExtension, Offer } from "./extension.ts";
export { futureRelease, type FutureReleaseOptions } from "./future_release.ts";
export { ifOffered } from "./if_offered.ts";
export { priority } from "./priority.ts";
export { requireTls } from "./require_tls.ts";
export { rrvs } from "./rrvs.ts";
export { solicit } from "./solicit.ts";
export { submitter } from "./submitter.ts";
