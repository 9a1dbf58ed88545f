/** Whole sessions by chance with an {@linkcode OddServer}: STARTTLS and AUTH in front, messages, verbs among them, transactions by hand, aborts. */
import { setImmediate } from "node:timers";
import { assert, assertEquals } from "@std/assert";
import {
  connect,
  type ConnectOptions,
  type Message,
  type SendResult,
  type SmtpClient,
  type SmtpConnection,
  SmtpError,
  SmtpProtocolError,
} from "@posthorn/smtp";
import { Chance } from "../support/chance.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { inTime } from "../support/model_mail.ts";
import { withCrlf } from "./content_reference.ts";
import { type OddOptions, OddServer } from "./odd_server.ts";

/** What was reported of one message. */
interface Report {
  readonly number: number;
  readonly content: string;
  readonly result?: SendResult;
  readonly error?: unknown;
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}

function optionsOf(chance: Chance, isLiar: boolean): OddOptions {
  const keywords = ["PIPELINING", "8BITMIME", "CHUNKING", "STARTTLS", "AUTH PLAIN LOGIN", "ENHANCEDSTATUSCODES", "SIZE 100000"];
  return {
    keywords: [...keywords.filter(() => chance.is(0.7)), "HELP"],
    protocol: chance.is(0.2) ? "lmtp" : "smtp",
    trouble: chance.one([0, 0.01, 0.03, 0.1]),
    isLiar,
    delivery: chance.one(["whole", "line", "byte"] as const),
  };
}

function contentOf(chance: Chance, number: number): string {
  const line = chance.one([
    `.${number}\r\n`,
    `${number}\n`,
    `${number}\r\n..\r\nQUIT\r\n`,
    `${number}`,
    `Subject: ${number}\r\n\r\nx\r\n.\r\nRSET\r\n`,
  ]);
  return chance.is(0.1) ? line.repeat(chance.from(500, 6_000)) : line;
}

function messageOf(chance: Chance, number: number, content: string): Message {
  const octets = new TextEncoder().encode(content);
  const stream = () => ReadableStream.from([octets.slice(0, 7), octets.slice(7)]);
  return {
    from: `m${number}@x.test`,
    to: Array.from({ length: chance.from(1, 4) }, (_, index) => `r${number}-${index}@y.test`),
    body: chance.one([content, octets, stream, stream()]),
    requireAllRecipients: chance.is(0.15),
    transfer: chance.is(0.3) ? "data" : "auto",
  };
}

/** A transaction by hand. What it reports is what the high level would. */
async function byHand(connection: SmtpConnection, number: number, content: string): Promise<"taken" | "not" | "unknown"> {
  let isHanded = false;
  try {
    const [mail, rcpt] = await Promise.all([connection.mail(`m${number}@x.test`), connection.rcpt(`r${number}-0@y.test`)]);
    if (!mail.isPositive || !rcpt.isPositive || (await connection.data()).code !== 354) {
      if (connection.state !== "ready") await connection.rset();
      return "not";
    }
    isHanded = true;
    const reply = await connection.dotStuff(content);
    return reply.isPositive ? "taken" : reply.isIntermediate ? "unknown" : "not";
  } catch (error) {
    assert(error instanceof SmtpError, `${error}`);
    return isHanded ? "unknown" : "not";
  }
}

/** Asks this and that, while others send. */
async function ask(connection: SmtpConnection, chance: Chance): Promise<void> {
  for (let count = chance.from(0, 5); count > 0; count--) {
    await turns(chance.from(0, 4));
    const verb = chance.one([() => connection.noop(), () => connection.vrfy("a"), () => connection.help(), () => connection.command("X-ODD", "a b")]);
    await verb().catch((error: unknown) => assert(error instanceof SmtpError, `${error}`));
  }
}

/** Runs the session of `seed`, and throws where something is not as it must be. */
export async function runOddSession(seed: number, isLiar: boolean, trace?: ConnectOptions["trace"]): Promise<void> {
  const chance = new Chance(seed);
  const server = new OddServer(chance, optionsOf(chance, isLiar));
  const clock = new FakeClock();
  const isLmtp = server.options.protocol === "lmtp";
  const tls = chance.one(["none", "starttls", "opportunistic"] as const);
  const opening = new AbortController();
  if (chance.is(0.05)) turns(chance.from(0, 10)).then(() => opening.abort());
  const client = await inTime(
    connect(server.reached({
      clock,
      tls,
      signal: opening.signal,
      ...(chance.is(0.5) && { auth: { username: "alice", password: "s3cret" }, allowCleartextAuth: true }),
      ...(chance.is(0.1) && { pipelining: false }),
      ...(trace && { trace }),
    })).catch((error) => assert(error instanceof SmtpError, `${error}`)),
    clock,
  );
  if (client !== undefined) {
    assert(tls !== "starttls" || client.isSecure, "TLS was asked for");
    const reports = await inTime(work(client, chance, isLmtp), clock);
    await inTime(client.quit(), clock);
    for (const report of reports) isLiar ? assertPlausible(server, report) : assertTrue(server, report);
  }
  // What the client was told by the server's writes alone is told now.
  await inTime(turns(3), clock);
  assertEquals([clock.pending, server.isClosed], [0, true], "nothing is left");
  for (const line of server.commands) {
    assert(
      /^(EHLO|HELO|LHLO|STARTTLS|AUTH|MAIL|RCPT|DATA|BDAT|RSET|NOOP|VRFY|HELP|X-ODD|QUIT|\*$|(?:[A-Za-z0-9+/=]{4}){2,}$)/.test(line),
      `no command: ${line}`,
    );
  }
  for (const { content, number } of server.ends) {
    assert(content === "" || content.startsWith(".") || content.includes(`${number}`), "content of another");
  }
}

async function work(client: SmtpClient, chance: Chance, isLmtp: boolean): Promise<Report[]> {
  const reports: Report[] = [];
  const asking = chance.is(0.4) ? ask(client.connection, new Chance(chance.from(0, 1e9))) : undefined;
  if (chance.is(0.05)) turns(chance.from(0, 30)).then(() => client.close());
  const sending: Promise<unknown>[] = [];
  for (let number = 1, last = chance.from(1, 6); number <= last; number++) {
    const content = contentOf(chance, number);
    if (chance.is(0.2) && !isLmtp) {
      await Promise.all(sending);
      const fate = await byHand(client.connection, number, content);
      reports.push({ number, content, error: { delivery: fate === "unknown" ? "unknown" : "not-sent", isByHand: true, isTaken: fate === "taken" } });
      continue;
    }
    const abort = new AbortController();
    if (chance.is(0.1)) turns(chance.from(0, 12)).then(() => abort.abort());
    const sent = client.send(messageOf(chance, number, content), { signal: abort.signal, quit: number === last && chance.is(0.2) });
    sending.push(sent.then((result) => reports.push({ number, content, result }), (error) => reports.push({ number, content, error })));
    if (chance.is(0.6)) await sending.at(-1);
  }
  await Promise.all([...sending, asking]);
  return reports;
}

/** That a report is what the server saw. */
function assertTrue(server: OddServer, { number, content, result, error }: Report): void {
  const ends = server.ends.filter((end) => end.number === number);
  const taken = ends.flatMap(({ taken }) => taken);
  const label = `message ${number}`;
  assertEquals(new Set(taken).size, taken.length, `${label}: nobody gets it twice`);
  for (const end of ends) if (end.taken.length > 0) assert(end.content === withCrlf(content), `${label}: its content is its own`);
  if (result !== undefined) {
    assertEquals(result.accepted.map(({ address }) => address).sort(), taken.sort(), `${label}: it is where it says`);
    for (const { address, reply } of [...result.rejected, ...result.accepted]) assertSaid(server, number, reply.code, `${label}: ${address}`);
    return;
  }
  if (Reflect.get(Object(error), "isTaken")) return assertEquals(taken.length, 1, `${label}: by hand, taken`);
  assert(error instanceof SmtpError || Reflect.get(Object(error), "isByHand"), `${label}: ${error}`);
  const code: unknown = Reflect.get(Object(error), "code");
  // A breach of the protocol is nobody's in particular, and what broke it is told to all who wait.
  if (typeof code === "number" && !(error instanceof SmtpProtocolError)) assertSaid(server, number, code, label);
  const delivery: unknown = Reflect.get(Object(error), "delivery");
  if (delivery === "not-sent") return assertEquals(taken, [], `${label}: nobody has it`);
  assertEquals(delivery, "unknown");
  // Only where an end of it left: it was not answered, or the answer was no answer, or nobody waited for it any more.
  assert(ends.length > 0 || server.isGone || server.isClosed, `${label}: there is no doubt`);
}

/** That the server has said `code` of the message, or to a command that is nobody's. */
function assertSaid(server: OddServer, number: number, code: number, label: string): void {
  assert(server.said.some(([of, said]) => (of === number || said === 421) && said === code), `${label}: ${code} was never said`);
}

/** What can be asked where replies are told apart by nothing but their number, and the number is a lie. */
function assertPlausible(server: OddServer, { number, result, error }: Report): void {
  if (result !== undefined) return assert(server.ends.some((end) => end.number === number), `message ${number}: its end never came`);
  assert(error instanceof SmtpError || Reflect.get(Object(error), "isByHand"), `${error}`);
}
