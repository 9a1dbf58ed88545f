/** What a refusal does to a window: to the message it is about, and to those in front of it and behind it. */
import { assert, assertEquals } from "@std/assert";
import { connect } from "@posthorn/smtp";
import { assertExact, assertUsable, collected, inShort, mail, mails } from "../support/model_mail.ts";
import { type Fault, type ModelOptions, ModelServer } from "../support/model_server.ts";

const COUNT = 12;
const WINDOW = 8;
const ALL = Array.from({ length: COUNT }, (_, index) => index + 1);

interface Case {
  readonly name: string;
  /** What goes wrong with message `message`. */
  readonly fault: Omit<Fault, "message">;
  /** Its outcome. */
  readonly outcome: string;
  readonly transfers?: readonly Transfer[];
  readonly options?: ModelOptions;
}

type Transfer = "data" | "bdat";
const BOTH: readonly Transfer[] = ["data", "bdat"];

const KEYWORDS: Readonly<Record<Transfer, readonly string[]>> = { data: ["PIPELINING"], bdat: ["PIPELINING", "CHUNKING"] };

const cases: readonly Case[] = [
  { name: "a refused MAIL", fault: { at: "mail", says: "550 5.7.1 no" }, outcome: "refused 550 not-sent" },
  { name: "a deferred MAIL", fault: { at: "mail", says: "452 4.3.1 full" }, outcome: "refused 452 not-sent" },
  { name: "one refused recipient", fault: { at: "rcpt", says: "550 5.1.1 nobody" }, outcome: "sent" },
  { name: "two refused recipients", fault: { at: "rcpt", says: "550 5.1.1 nobody", times: 2 }, outcome: "refused 550 not-sent" },
  {
    name: "two refused recipients and a 354",
    fault: { at: "rcpt", says: "450 4.2.0 later", times: 2 },
    outcome: "refused 450 not-sent",
    options: { isLax: true },
    transfers: ["data"],
  },
  { name: "a 451 to DATA", fault: { at: "data", says: "451 4.3.0 later" }, outcome: "refused 451 not-sent", transfers: ["data"] },
  { name: "a 554 to DATA", fault: { at: "data", says: "554 5.7.1 no" }, outcome: "refused 554 not-sent", transfers: ["data"] },
  { name: "a 451 to the content", fault: { at: "content", says: "451 4.3.0 later" }, outcome: "refused 451 not-sent" },
  { name: "a 554 to the content", fault: { at: "content", says: "554 5.7.1 spam" }, outcome: "refused 554 not-sent" },
  {
    name: "a 451 to a chunk that leaves its transaction open",
    fault: { at: "content", says: "451 4.3.0 later", staysOpen: true },
    outcome: "refused 451 not-sent",
    transfers: ["bdat"],
  },
  {
    name: "a 554 to a chunk that leaves its transaction open",
    fault: { at: "content", says: "554 5.7.1 spam", staysOpen: true },
    outcome: "refused 554 not-sent",
    transfers: ["bdat"],
  },
];

for (const { name, fault, outcome, transfers = BOTH, options } of cases) {
  for (const transfer of transfers) {
    Deno.test(`SmtpClient.sendAll with a window loses nothing but its own message by ${name} (${transfer})`, async () => {
      for (const delivery of ["whole", "line", "byte"] as const) {
        for (const message of ALL) {
          const server = new ModelServer({ keywords: KEYWORDS[transfer], faults: [{ ...fault, message }], delivery, ...options });
          await using client = await connect(server.reached());
          const messages = mails(COUNT);
          const outcomes = await collected(client.sendAll(messages, { window: WINDOW }));
          assertEquals(outcomes.map(inShort), ALL.map((number) => number === message ? outcome : "sent"), `${delivery}, message ${message}`);
          assertExact(server, messages, outcomes);
          assertEquals(server.connections.length, 1);
          const rode = server.riding.length;
          const more = [20, 21, 22].map((number) => mail(number));
          assertEquals((await collected(client.sendAll(more, { window: WINDOW }))).map(inShort), ["sent", "sent", "sent"]);
          assert(server.riding.length > rode, `${delivery}, message ${message}: the window is still open`);
          await assertUsable(client, server, COUNT + 1);
        }
      }
    });
  }
}
