/** What the loss of a connection does to a window: nothing is sent twice, nothing is lost, and in doubt is only what the protocol leaves in doubt. */
import { assert, assertEquals } from "@std/assert";
import { connect, type SendOutcome } from "@posthorn/smtp";
import { FakeClock } from "../support/fake_clock.ts";
import { assertExact, collected, inShort, inTime, mails } from "../support/model_mail.ts";
import { type Fault, type ModelOptions, ModelServer } from "../support/model_server.ts";

const COUNT = 12;
const WINDOW = 8;
const ALL = Array.from({ length: COUNT }, (_, index) => index + 1);
const DATA = ["PIPELINING"];
const BDAT = ["PIPELINING", "CHUNKING"];

interface Run {
  readonly server: ModelServer;
  readonly outcomes: readonly SendOutcome[];
}

async function run(options: ModelOptions): Promise<Run> {
  const server = new ModelServer(options);
  const clock = new FakeClock();
  const client = await connect(server.reached({ clock }));
  const messages = mails(COUNT);
  const outcomes = await inTime(collected(client.sendAll(messages, { window: WINDOW })), clock);
  assertEquals(outcomes.length, COUNT);
  // Replies that are on their way when the connection is reset, or closed by the client since the server speaks nonsense, are heard by nobody.
  assertExact(server, messages, outcomes, options.resets || options.faults?.some(({ says }) => says?.startsWith("3")));
  await inTime(client.quit(), clock);
  assertEquals(clock.pending, 0, "no timer is left");
  return { server, outcomes };
}

type Loss = Omit<Fault, "message">;

const ends: Readonly<Record<string, Loss>> = {
  "a 421 to MAIL": { at: "mail", says: "421 4.3.2 going down" },
  "a 421 to a recipient": { at: "rcpt", says: "421 4.3.2 going down" },
  "a 421 to DATA": { at: "data", says: "421 4.3.2 going down" },
  "a 421 to RSET": { at: "rset", says: "421 4.3.2 going down" },
  "a 421 to the content": { at: "content", says: "421 4.3.2 going down" },
  "a hang-up in the place of the reply to MAIL": { at: "mail", hangsUp: "before" },
  "a hang-up in the place of the reply to a recipient": { at: "rcpt", hangsUp: "before" },
  "a hang-up in the place of the 354": { at: "data", hangsUp: "before" },
  "a hang-up before the message is taken": { at: "content", hangsUp: "before" },
  "a hang-up behind the message, which is taken": { at: "content", hangsUp: "before", isTaken: true },
  "a hang-up behind the reply to MAIL": { at: "mail", hangsUp: "behind" },
  "a hang-up behind the reply to a recipient": { at: "rcpt", hangsUp: "behind" },
  "a hang-up behind the 354": { at: "data", hangsUp: "behind" },
  "a hang-up behind the reply to RSET": { at: "rset", hangsUp: "behind" },
  "a hang-up behind the reply to the content": { at: "content", hangsUp: "behind" },
  "silence behind MAIL": { at: "mail", isSilent: true },
  "silence behind a recipient": { at: "rcpt", isSilent: true },
  "silence behind DATA": { at: "data", isSilent: true },
  "silence behind the content": { at: "content", isSilent: true },
  "silence behind the content, which is taken": { at: "content", isSilent: true, isTaken: true },
  "a reply to the content that is neither yes nor no": { at: "content", says: "354 more" },
  "a reply to MAIL that is neither yes nor no": { at: "mail", says: "354 more" },
};

for (const [name, loss] of Object.entries(ends)) {
  for (const [transfer, keywords] of Object.entries({ data: DATA, bdat: BDAT })) {
    if (transfer === "data" ? loss.at === "rset" : loss.at === "data") continue;
    Deno.test(`SmtpClient.sendAll with a window leaves in doubt what is in doubt and no more after ${name} (${transfer})`, async () => {
      for (const pace of ["at once", "round trip"] as const) {
        // Who is silent does not end the connection at all.
        for (const resets of loss.isSilent ? [false] : [false, true]) {
          for (const delivery of ["whole", "byte"] as const) {
            for (const message of ALL) {
              const { server, outcomes } = await run({ keywords, faults: [{ ...loss, message }], pace, resets, delivery });
              const label = `${pace}, ${resets ? "reset" : "closed"}, ${delivery}, message ${message}: ${outcomes.map(inShort).join(", ")}`;
              assert(server.connections.length <= 2, label);
              const [, second] = server.connections;
              if (second === undefined) continue;
              assertEquals(second.session.riding, [], `${label}: nothing rides any more`);
              // One whose MAIL was accepted before the nonsense was understood is not sent, and said not to be.
              const others = loss.says?.startsWith("3") ? [] : outcomes.filter((_, index) => index !== message - 1);
              assert(others.every((other) => other.status === "sent" || other.delivery === "unknown"), `${label}: the rest is sent again`);
            }
          }
        }
      }
    });
  }
}
