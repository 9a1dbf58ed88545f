/**
 * The same over real TLS: a session of two messages with a real server, cut in the ciphertext by a relay that understands none of it. What is told is
 * held against what the server has stored.
 */
import { assert, assertEquals } from "@std/assert";
import { connect, type ConnectOptions, type SendResult, SmtpError, SmtpPool } from "@posthorn/smtp";
import { dialDeno } from "@posthorn/smtp/transport/deno";
import { dialNode } from "@posthorn/smtp/transport/node";
import { Authority } from "../../support/certificates.ts";
import { CutRelay, type RelayCut } from "../../support/cut_relay.ts";
import { MailServer, USER } from "../../support/mail_server.ts";

/** Cuts of each direction and ending, evenly over all that crosses: with a client, and with a pool, which makes pauses. */
const CUTS = 40;
const POOL_CUTS = 20;

/** The sockets of Deno, and those of Node; TLS behind STARTTLS, and from the first octet. */
const WAYS: readonly (readonly [name: string, options: ConnectOptions])[] = [
  ["dialDeno", { dial: dialDeno }],
  ["dialNode", { dial: dialNode }],
  ["dialDeno, implicit TLS", { dial: dialDeno, tls: "implicit" }],
];
/** Sessions at once: this server takes its time to say its first word. */
const LANES = 16;

const MESSAGES = [1, 2].map((number) => ({
  from: `a${number}@x.test`,
  to: ["b@y.test", "reject@y.test", "c@y.test"],
  body: `Subject: ${number}\r\n\r\n${"content\r\n".repeat(100)}`,
}));

/** What became of each message; the same error for all where there was no connection. */
type Outcomes = readonly (SendResult | SmtpError)[];

/** A session that sends {@linkcode MESSAGES}. */
type Session = (options: ConnectOptions) => Promise<Outcomes>;

async function outcomeOf<T>(promise: Promise<T>): Promise<T | SmtpError> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof SmtpError) return error;
    throw error;
  }
}

async function byClient(options: ConnectOptions): Promise<Outcomes> {
  const client = await outcomeOf(connect(options));
  if (client instanceof SmtpError) return MESSAGES.map(() => client);
  const outcomes = [];
  for (const message of MESSAGES) outcomes.push(await outcomeOf(client.send(message)));
  await client.quit();
  return outcomes;
}

async function byPool(options: ConnectOptions): Promise<Outcomes> {
  await using pool = new SmtpPool(options, { maxConnections: 1, random: () => 0 });
  return await Promise.all(MESSAGES.map((message) => outcomeOf(pool.send(message))));
}

/** What is told of a session, and how often the server has stored each of its messages. */
type Check = (outcomes: Outcomes, stored: readonly number[], cut: RelayCut) => void;

/** A server and a relay to it, on which sessions run one after the other. */
class Lane implements AsyncDisposable {
  readonly #server: MailServer;
  readonly #relay: CutRelay;
  readonly #options: ConnectOptions;

  private constructor(server: MailServer, relay: CutRelay, options: ConnectOptions) {
    this.#server = server;
    this.#relay = relay;
    this.#options = { hostname: "localhost", port: relay.port, auth: USER, ...options };
  }

  static async open(options: ConnectOptions): Promise<Lane> {
    const authority = await Authority.create();
    const server = await MailServer.start(await authority.leaf(["localhost"]), { secure: options.tls === "implicit" });
    return new Lane(server, await CutRelay.start(server.port), { ...options, tlsOptions: { caCerts: [authority.cert] } });
  }

  /** The octets that were carried in the last session. */
  get carried(): CutRelay["carried"] {
    return this.#relay.carried;
  }

  async run(session: Session, cut: RelayCut | undefined): Promise<{ readonly outcomes: Outcomes; readonly stored: readonly number[] }> {
    this.#relay.prepare(cut);
    this.#server.messages.length = 0;
    const outcomes = await session(this.#options);
    // The server has read all that it will ever read.
    await this.#relay.idle();
    return { outcomes, stored: MESSAGES.map(({ from }) => this.#server.messages.filter((message) => message.from === from).length) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#relay[Symbol.asyncDispose]();
    await this.#server[Symbol.asyncDispose]();
  }
}

/** Runs `session` with each cut, and has `check` look at what came of it; resolves with the number of cuts. */
async function cutAll(session: Session, options: ConnectOptions, count: number, check: Check): Promise<number> {
  await using first = await Lane.open(options);
  const { outcomes, stored } = await first.run(session, undefined);
  assertEquals([outcomes.filter((outcome) => outcome instanceof SmtpError), stored], [[], [1, 1]]);
  const total = first.carried;
  const cuts: RelayCut[] = [];
  for (const side of ["server", "client"] as const) {
    for (const by of ["close", "reset"] as const) {
      for (let index = 0; index < count; index++) cuts.push({ of: side, at: Math.floor(index * total[side] / count), by });
    }
  }
  const { length } = cuts;
  const work = async () => {
    await using lane = await Lane.open(options);
    for (let cut = cuts.shift(); cut !== undefined; cut = cuts.shift()) {
      const { outcomes, stored } = await lane.run(session, cut);
      check(outcomes, stored, cut);
    }
    // The server's first word waits for a timer, which outlives a connection that ends before.
    await lane.run(session, undefined);
  };
  await Promise.all(Array.from({ length: LANES }, work));
  return length;
}

for (const [name, options] of WAYS) {
  Deno.test(`SmtpClient tells the truth of every message, wherever the ciphertext of its connection is cut (${name}, ${4 * CUTS} cuts)`, async () => {
    const seen = new Set<string>();
    const tried = await cutAll(byClient, options, CUTS, (outcomes, stored, { of, at, by }) => {
      const where = `the ${of}'s octets cut behind ${at} (${by})`;
      for (const [index, outcome] of outcomes.entries()) {
        if (outcome instanceof SmtpError) {
          assert(["connect", "disconnected", "tls"].includes(outcome.kind), `${where}: ${outcome.kind} ${outcome.message}`);
          assert(outcome.delivery === "unknown" || stored[index] === 0, `${where}: stored, and told to be not sent`);
          seen.add(`${outcome.phase} ${outcome.kind} ${outcome.delivery}`);
        } else assertEquals([outcome.accepted.length, outcome.rejected.length, stored[index]], [2, 1, 1], where);
      }
    });
    assertEquals(tried, 4 * CUTS);
    const phases = [options.tls === "implicit" ? "connect" : "starttls", "greeting", "ehlo", "auth", "mail", "data"];
    for (const phase of phases) assert([...seen].some((one) => one.startsWith(phase)), `${phase} was not seen among ${[...seen]}`);
  });

  Deno.test(`SmtpPool delivers every message once, or says that it may have, wherever the ciphertext is cut (${name}, ${4 * POOL_CUTS} cuts)`, async () => {
    const tried = await cutAll(byPool, options, POOL_CUTS, (outcomes, stored, { of, at, by }) => {
      const where = `the ${of}'s octets cut behind ${at} (${by})`;
      for (const [index, outcome] of outcomes.entries()) {
        if (outcome instanceof SmtpError) assertEquals([outcome.delivery, stored[index]! <= 1], ["unknown", true], `${where}: ${outcome.message}`);
        else assertEquals(stored[index], 1, where);
      }
    });
    assertEquals(tried, 4 * POOL_CUTS);
  });
}
