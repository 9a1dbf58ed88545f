/** Servers that cannot take a window, as real ones cannot: the window falls to one, and what was not sent is sent again. */
import { assert, assertEquals } from "@std/assert";
import { connect, SmtpClient, SmtpConnection } from "@posthorn/smtp";
import { FakeClock } from "../support/fake_clock.ts";
import { assertExact, assertUsable, collected, inShort, inTime, mail, mails } from "../support/model_mail.ts";
import { type ModelOptions, ModelServer } from "../support/model_server.ts";

const COUNT = 12;
const SENT = Array.from({ length: COUNT }, () => "sent");
const deliveries = ["whole", "line", "byte"] as const;
const BDAT = ["PIPELINING", "CHUNKING"];

/** Sends `COUNT` messages with a window, and as many again; resolves with the outcomes in short. */
async function run(server: ModelServer, clock: FakeClock): Promise<string[]> {
  const client = await connect(server.reached({ clock }));
  const messages = mails(COUNT);
  const outcomes = await inTime(collected(client.sendAll(messages, { window: 8 })), clock);
  assertExact(server, messages, outcomes);
  const rode = server.riding.length;
  const more = Array.from({ length: COUNT }, (_, index) => mail(101 + index));
  const later = await inTime(collected(client.sendAll(more, { window: 8 })), clock);
  assertEquals([later.map(inShort), server.riding.length], [SENT, rode], "from then on nothing rides");
  assertExact(server, [...messages, ...more], [...outcomes, ...later]);
  await assertUsable(client, server, 200);
  await inTime(client.quit(), clock);
  return outcomes.map(inShort);
}

for (const delivery of deliveries) {
  Deno.test(`SmtpClient.sendAll with a window sends all to a server that drops what comes behind the dot, as Courier does (replies ${delivery})`, async () => {
    const server = new ModelServer({ temper: "Courier", delivery });
    const clock = new FakeClock();
    assertEquals(await run(server, clock), SENT);
    assertEquals([server.connections.length, server.riding], [2, [2]]);
    assert(clock.now() <= 20_000, "it was given ten seconds, and not five minutes");
  });

  Deno.test(`SmtpClient.sendAll with a window sends all to a server that answers 503 to what comes behind the dot, as Haraka does (replies ${delivery})`, async () => {
    const server = new ModelServer({ temper: "Haraka", delivery });
    assertEquals(await run(server, new FakeClock()), SENT);
    assertEquals([server.connections.length, server.riding], [1, [2]]);
  });

  Deno.test(`SmtpClient.sendAll with a window leaves one message in doubt with a server that crashes, as Dovecot's submission does (replies ${delivery})`, async () => {
    for (const keywords of [["PIPELINING"], BDAT]) {
      for (const resets of [false, true]) {
        const server = new ModelServer({ temper: "Dovecot", delivery, keywords, resets });
        assertEquals(await run(server, new FakeClock()), ["failed disconnected unknown", ...SENT.slice(1)]);
        assertEquals([server.connections.length, server.riding], [2, []]);
        assertEquals(server.taken[0]?.number, 1, "it was taken all the same");
      }
    }
  });

  for (const code of [500, 502, 503]) {
    Deno.test(`SmtpClient.sendAll with a window takes a ${code} to a MAIL that rides for the end of the window (replies ${delivery})`, async () => {
      for (const keywords of [["PIPELINING"], BDAT]) {
        for (let message = 2; message <= COUNT; message++) {
          const fault = { message, at: "mail", says: `${code} 5.5.1 not now` } as const;
          const server = new ModelServer({ delivery, keywords, faults: [fault], pace: "round trip" });
          const client = await connect(server.reached());
          const messages = mails(COUNT);
          const outcomes = await collected(client.sendAll(messages, { window: 8 }));
          assertEquals(outcomes.map(inShort), SENT, `message ${message}`);
          assertExact(server, messages, outcomes);
          const rode = server.riding.length;
          assertEquals((await collected(client.sendAll([mail(20), mail(21)], { window: 8 }))).map(inShort), ["sent", "sent"]);
          assertEquals([server.connections.length, server.riding.length], [1, rode]);
          await client.quit();
        }
      }
    });
  }
}

Deno.test("SmtpClient.sendAll with a window refuses a message whose MAIL is answered 503 when nothing is under way either", async () => {
  const server = new ModelServer({ faults: [{ message: 5, at: "mail", says: "503 5.5.1 no", times: 2 }] });
  await using client = await connect(server.reached());
  const outcomes = await collected(client.sendAll(mails(COUNT), { window: 8 }));
  assertEquals(outcomes.map(inShort), SENT.map((sent, index) => index === 4 ? "refused 503 not-sent" : sent));
});

Deno.test("SmtpClient of a connection that was opened by hand dials no other when a window has cost it", async () => {
  const server = new ModelServer({ temper: "Dovecot" });
  const connection = await SmtpConnection.open(server.reached());
  await using client = new SmtpClient(connection, { name: "client.test" });
  await client.hello();
  const messages = mails(3);
  const outcomes = await collected(client.sendAll(messages, { window: 8 }));
  assertEquals(outcomes.map(inShort), ["failed disconnected unknown", "failed disconnected not-sent", "failed disconnected not-sent"]);
  assertExact(server, messages, outcomes);
  assertEquals(server.connections.length, 1);
});

Deno.test("SmtpClient.sendAll with a window dials one connection more, and no third", async () => {
  const server = new ModelServer({ temper: "Dovecot", faults: [{ message: 4, at: "content", hangsUp: "before" }] });
  await using client = await connect(server.reached());
  const messages = mails(6);
  const outcomes = await collected(client.sendAll(messages, { window: 8 }));
  const lost = "failed disconnected unknown";
  assertEquals(outcomes.map(inShort), [lost, "sent", "sent", lost, "failed disconnected not-sent", "failed disconnected not-sent"]);
  assertExact(server, messages, outcomes);
  assertEquals(server.connections.length, 2);
});

Deno.test("SmtpClient.sendAll with a window tells all that is left that no other connection could be dialled", async () => {
  const server = new ModelServer({ temper: "Dovecot" });
  let dialled = 0;
  const dial = (options: Parameters<typeof server.dial>[0]) => dialled++ === 0 ? server.dial(options) : Promise.reject(new Error("nobody is there"));
  await using client = await connect(server.reached({ dial }));
  const messages = mails(4);
  const outcomes = await collected(client.sendAll(messages, { window: 8 }));
  const [first, second, ...rest] = outcomes.map(inShort);
  assertEquals([first, second], ["failed disconnected unknown", "failed connect not-sent"]);
  assertEquals(new Set(rest), new Set(["failed disconnected not-sent"]));
  assertEquals(dialled, 2);
});

const lockstep: Readonly<Record<string, ModelOptions>> = {
  "a server of LMTP": { protocol: "lmtp", keywords: ["PIPELINING", "CHUNKING"] },
  "a server without PIPELINING": { keywords: ["CHUNKING"] },
};
for (const [name, options] of Object.entries(lockstep)) {
  Deno.test(`SmtpClient.sendAll with a window sends to ${name} one message at a time`, async () => {
    const server = new ModelServer({ ...options, pace: "round trip" });
    await using client = await connect(server.reached());
    const messages = mails(COUNT);
    const outcomes = await collected(client.sendAll(messages, { window: 8 }));
    assertEquals([outcomes.map(inShort), server.riding], [SENT, []]);
    assertExact(server, messages, outcomes);
    assert(!server.connections[0]!.session.commands.includes("RSET"), "and nothing is reset in vain");
  });
}

Deno.test("SmtpClient.sendAll with a window is as patient as ever with a server that does not pipeline", async () => {
  const server = new ModelServer({ keywords: ["8BITMIME"], faults: [{ message: 2, at: "mail", isSilent: true }] });
  const clock = new FakeClock();
  const client = await connect(server.reached({ clock }));
  const outcomes = await inTime(collected(client.sendAll(mails(2), { window: 8 })), clock);
  assertEquals(outcomes.map(inShort), ["sent", "failed timeout not-sent"]);
  assertEquals([clock.now(), server.connections.length], [300_000, 1]);
});
