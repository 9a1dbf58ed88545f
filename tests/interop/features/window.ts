/** What a window across transactions comes to: where it stands, where it falls, and that no message is sent twice or lost. */
import { assert, assertEquals } from "@std/assert";
import { connect, type Dialer, type Message, type SendOutcome } from "@posthorn/smtp";
import { type Crossing, spyDialer } from "../../support/spy_socket.ts";
import { type Bench, type Letter, letter } from "../bench.ts";
import type { Cell, Feature } from "../feature.ts";

/** As many as Exim delivers at once of one connection. */
const COUNT = 10;
const WINDOW = 8;
const ENVELOPE = { from: "alice@x.test", to: "alice@x.test" } as const;
/** How long a letter that is in doubt may take to the disk, in milliseconds. */
const PATIENCE = 2_000;

type Transfer = NonNullable<Message["transfer"]>;

/** Sends the letters, and checks of each that it is stored once, or in doubt. */
async function prove(bench: Bench, transfer: Transfer, keywords?: readonly string[]): Promise<Cell> {
  const letters = Array.from({ length: COUNT }, (_, index) => letter(`${index}\r\n.\r\n`));
  const crossings: Crossing[] = [];
  const spied = spyDialer(crossings);
  let connections = 0;
  const dial: Dialer = (options) => {
    connections++;
    return spied(options);
  };
  await using client = await connect(bench.options({ dial }));
  if (keywords !== undefined) client.connection.setExtensions(keywords);
  const messages = letters.map(({ text }) => ({ ...ENVELOPE, body: text, transfer }));
  const outcomes: SendOutcome[] = [];
  for await (const outcome of client.sendAll(messages, { window: WINDOW })) outcomes.push(outcome);
  for (const [index, sent] of letters.entries()) await assertOnce(bench, sent, outcomes[index]);
  const inDoubt = outcomes.filter(({ status }) => status !== "sent").length;
  const rode = ridden(crossings);
  if (inDoubt > 0) return `falls to 1, ${inDoubt} in doubt`;
  if (rode === 0) return "one at a time";
  return connections === 1 && rode >= COUNT / 2 ? "yes" : "falls to 1, all sent";
}

/** Envelopes that left in the same write as the end of another message. */
function ridden(crossings: readonly Crossing[]): number {
  const writes = crossings.filter(({ direction }) => direction === ">").map(({ octets }) => new TextDecoder().decode(octets));
  return writes.reduce((sum, text) => sum + [...text.replace(/^RSET\r\n/, "").matchAll(/\nMAIL FROM:/g)].length, 0);
}

async function assertOnce(bench: Bench, sent: Letter, outcome: SendOutcome | undefined): Promise<void> {
  assert(outcome !== undefined);
  if (outcome.status === "sent") await bench.assertStored(sent, "alice");
  else {
    assertEquals([outcome.status, outcome.delivery], ["failed", "unknown"], `${outcome.error}`);
    await new Promise((resolve) => setTimeout(resolve, PATIENCE));
  }
  const { length } = await bench.server.find(sent.token);
  assert(length === 1 || (length === 0 && outcome.status !== "sent"), `stored ${length} times`);
}

export const window: readonly Feature[] = [
  {
    name: "a window of 8, DATA",
    sentence: "stores each of ten messages once, or leaves it in doubt, that came by DATA in a window of eight",
    isFor: () => true,
    prove: (bench) => prove(bench, "data"),
  },
  {
    // Where CHUNKING is offered, what rides begins with RSET, which Dovecot's submission takes, though it crashes at MAIL.
    name: "a window of 8, no RSET",
    sentence: "stores each of ten messages once, or leaves it in doubt, that came by DATA in a window of eight without RSET between them",
    needs: "CHUNKING",
    prove: (bench) => prove(bench, "data", ["PIPELINING", "8BITMIME"]),
  },
  {
    name: "a window of 8, BDAT",
    sentence: "stores each of ten messages once, or leaves it in doubt, that came by BDAT in a window of eight",
    needs: "CHUNKING",
    isFor: () => true,
    prove: (bench) => prove(bench, "bdat"),
  },
];
