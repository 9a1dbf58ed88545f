/**
 * What each service says that it can do, on record: the lines of its EHLO (LHLO for LMTP) behind the greeting line, at each stage of a session.
 * `deno task interop` writes the record, and a test holds each server to it.
 */
import { connect, Extensions, SmtpConnection } from "@posthorn/smtp";
import type { Bench } from "./bench.ts";
import { features, nothingToDo } from "./features.ts";
import { services, USER } from "./servers.ts";

/** Where a session stands when it asks. */
export type Stage = "in the clear" | "behind TLS" | "behind login" | "with a certificate";

/** The lines of a service by stage, as they came. */
export type Offers = Readonly<Partial<Record<Stage, readonly string[]>>>;

const RECORD = new URL("offers.json", import.meta.url);

/** The record, by the names of the services. */
export const onRecord: Readonly<Record<string, Offers>> = JSON.parse(await Deno.readTextFile(RECORD));

/** Writes the record. */
export async function putOnRecord(offers: Readonly<Record<string, Offers>>): Promise<void> {
  await Deno.writeTextFile(RECORD, `${JSON.stringify(offers, undefined, 2)}\n`);
}

/** Asks a service at every stage. */
export async function askedOf(bench: Bench): Promise<Offers> {
  const { auth: _, ...options } = bench.options();
  const { identity } = bench.server;
  if (bench.service.protocol === "lmtp") {
    await using connection = await SmtpConnection.open({ ...options, tls: "none" });
    return { "in the clear": (await connection.command("LHLO", "client.test")).lines.slice(1) };
  }
  const certified = { ...bench.options({ tls: "implicit" }), tlsOptions: { ...options.tlsOptions, ...identity } };
  await using connection = await SmtpConnection.open({ ...options, tls: "none" });
  await using secure = await connect(options);
  await using known = await connect({ ...options, auth: USER });
  await using certain = await SmtpConnection.open(certified);
  const ask = async (connection: SmtpConnection) => (await connection.ehlo("client.test")).lines.slice(1);
  return {
    "in the clear": await ask(connection),
    "behind TLS": await ask(secure.connection),
    "behind login": await ask(known.connection),
    "with a certificate": await ask(certain),
  };
}

/** Every keyword in `offers`, at whatever stage, with AUTH once for each mechanism: `"SIZE"`, `"AUTH"`, `"AUTH PLAIN"`. */
export function keywordsOf(offers: Offers): ReadonlySet<string> {
  const keywords = new Set<string>();
  for (const lines of Object.values(offers)) {
    const extensions = new Extensions(lines);
    for (const [keyword] of extensions) keywords.add(keyword);
    for (const mechanism of extensions.authMechanisms) keywords.add(`AUTH ${mechanism}`);
  }
  return keywords;
}

/** Who speaks for `keyword`: a feature, or the reason why nobody has to; `undefined` when it has been overlooked. */
export function spokenFor(keyword: string): string | undefined {
  const feature = features.find(({ needs, covers = [] }) => needs === keyword || covers.includes(keyword));
  if (feature !== undefined) return `proven: ${feature.name}`;
  return nothingToDo[keyword];
}

/** The rows of the table of keywords, the head first. */
export function keywordTable(offers: Readonly<Record<string, Offers>>): string[][] {
  const all = new Set(Object.values(offers).flatMap((offers) => [...keywordsOf(offers)]));
  const rows = [...all].sort().map((keyword) => {
    const by = services.filter(({ name }) => keywordsOf(offers[name] ?? {}).has(keyword)).map(({ name }) => name);
    return [keyword, by.join(", "), spokenFor(keyword) ?? "OVERLOOKED"];
  });
  return [["keyword", "offered by", "here"], ...rows];
}
