/**
 * What a caller is told when a session goes wrong: each fault in each phase, played against the client, and the table of it in docs/errors.md, which
 * `deno task faults` writes.
 */
import { connect, type SmtpClient } from "@posthorn/smtp";
import { facts } from "../support/client.ts";
import { FakeClock, settled } from "../support/fake_clock.ts";
import { MarkedTable } from "../support/marked_table.ts";
import { ScriptedServer } from "../support/script.ts";

export const PAGE: URL = new URL("../../docs/errors.md", import.meta.url);

/** The table in {@linkcode PAGE}. */
export const deliveryTable: MarkedTable = new MarkedTable("phase x fault -> delivery", "end of phase x fault -> delivery");

const BETWEEN = "nothing, between two messages";

/** What the client waits for, and all that was said until then since the row before. */
const PHASES: readonly (readonly [name: string, said: string])[] = [
  ["the greeting", ""],
  ["EHLO", "S: 220 mx\nC: EHLO client.test"],
  ["STARTTLS", "S: 250-mx\nS: 250 STARTTLS\nC: STARTTLS"],
  ["EHLO behind TLS", "S: 220 go\nC: {tls}\nC: EHLO client.test"],
  ["AUTH", "S: 250-mx\nS: 250 AUTH PLAIN\nC: AUTH PLAIN AGFsaWNlAHMzY3JldA=="],
  ["MAIL", "S: 235 ok\nC: MAIL FROM:<a@x.test>"],
  ["RCPT", "S: 250 ok\nC: RCPT TO:<b@y.test>"],
  ["DATA", "S: 250 ok\nC: DATA"],
  ["the end of the content", "S: 354 go\nC: Subject: a\nC:\nC: ."],
  [BETWEEN, "S: 250 taken"],
  ["QUIT", "C: QUIT"],
];

/** The same while the content is written: the source has given some of it, and gives no more. */
const WRITING = "the content, half of it written";
const LINE = "x".repeat(76);
const LINES = 2_000;

/** What happens then; an empty script is a deed of ours. */
const FAULTS: readonly (readonly [name: string, says: string])[] = [
  ["hangs up", "S: {close}"],
  ["resets", "S: {reset}"],
  ["is silent", ""],
  ["we abort", ""],
  ["421", "S: 421 4.3.2 going down\nS: {close}"],
  ["450", "S: 450 4.2.1 later"],
  ["550", "S: 550 5.7.1 no"],
  ["does not fit", "S: 354 what"],
  ["is no reply", "S: hello?"],
];

const MISFIT = "S: 250 what";
/** Longer than any deadline. */
const LONG = 3_600_000;

/** The head, and a row for each phase: what came of each fault. */
export async function deliveries(): Promise<string[][]> {
  const rows = [["waiting for", ...FAULTS.map(([name]) => name)]];
  const behindData = PHASES.findIndex(([phase]) => phase === "DATA") + 1;
  const conversation = (end: number) => PHASES.slice(0, end).map(([, said]) => said).join("\n");
  // The server has read most of what was written, and listens no more.
  const half = `${conversation(behindData)}\nS: 354 go\n${`C: ${LINE}\n`.repeat(LINES / 2)}`;
  const places = PHASES.map(([phase], index) => [phase, conversation(index + 1)] as const);
  for (const [phase, said] of places.toSpliced(behindData, 0, [WRITING, half])) {
    const cells: string[] = [];
    for (const [fault, says] of FAULTS) cells.push(await outcome(said, phase, fault, fault === "does not fit" && phase === "DATA" ? MISFIT : says));
    rows.push([phase, ...cells]);
  }
  return rows;
}

/** What the caller is told, in words. */
async function outcome(said: string, phase: string, fault: string, says: string): Promise<string> {
  const controller = new AbortController();
  const clock = new FakeClock();
  const server = new ScriptedServer(`${said}\n${says}\nS: {silence}`);
  let told: string | undefined;
  const ended = session(server, clock, controller.signal, phase).then(() => told = "sent", (error: unknown) => {
    const { kind, delivery } = facts(error);
    told = `${kind}, ${delivery}`;
  });
  await until(() => told !== undefined || server.rest === "S: {silence}");
  for (let turn = 0; turn < 20; turn++) await settled();
  if (fault === "we abort") controller.abort();
  // Where the server has spoken, only the QUIT of a `connect` that failed waits for this.
  await clock.advance(LONG);
  await until(() => told !== undefined);
  await ended;
  return told ?? "";
}

/** Waits in turns of the event loop, not by the clock. */
async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; !condition(); turn++) {
    if (turn === 10_000) throw new Error("it hangs");
    await settled();
  }
}

/** A message, and where the fault comes behind it another. */
async function session(server: ScriptedServer, clock: FakeClock, signal: AbortSignal, phase: string): Promise<void> {
  const { dial } = server;
  const auth = { username: "alice", password: "s3cret" };
  const client = await connect({ hostname: "mx.example", name: "client.test", dial, clock, signal, auth });
  try {
    await client.send({ from: "a@x.test", to: "b@y.test", body: phase === WRITING ? endless() : "Subject: a\r\n\r\n" }, { signal });
    await (phase === "QUIT" ? client.quit({ signal }) : again(client, signal, phase));
  } finally {
    client.close();
  }
}

async function again(client: SmtpClient, signal: AbortSignal, phase: string): Promise<void> {
  if (phase !== BETWEEN) return;
  await settled();
  await client.send({ from: "a@x.test", to: "b@y.test", body: "Subject: b\r\n\r\n" }, { signal });
}

function endless(): ReadableStream<Uint8Array> {
  return new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode(`${LINE}\r\n`.repeat(LINES))) });
}
