/** What a message may cost, in counts that are the same on every machine: round trips, writes, timers. */
import { assert, assertEquals } from "@std/assert";
import { connect, type ConnectOptions, type SmtpClient } from "@posthorn/smtp";
import { Authority } from "../support/certificates.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { MailServer, USER } from "../support/mail_server.ts";
import { collected, inShort, mail, mails } from "../support/model_mail.ts";
import { ModelServer } from "../support/model_server.ts";
import { type Crossing, roundTrips, spyDialer } from "../support/spy_socket.ts";

const COUNT = 1_000;
const DATA = ["PIPELINING"];
const BDAT = ["PIPELINING", "CHUNKING"];

/** What a message cost, in the mean: waits for the server, and writes. */
interface Cost {
  readonly roundTrips: number;
  readonly writes: number;
}

/** What each of `COUNT` messages costs that `send` sends, to a server whose replies leave when the client has nothing more to write by itself. */
async function costOf(keywords: readonly string[], send: (client: SmtpClient) => Promise<unknown>, options: ConnectOptions = {}): Promise<Cost> {
  const server = new ModelServer({ keywords, pace: "round trip" });
  await using client = await connect(server.reached(options));
  // By BDAT the first waits, until the server is known to take mail.
  await client.send(mail(0));
  const { roundTrips, writes } = server;
  await send(client);
  assertEquals(server.taken.length, COUNT + 1);
  return { roundTrips: (server.roundTrips - roundTrips) / COUNT, writes: (server.writes - writes) / COUNT };
}

const oneByOne = async (client: SmtpClient): Promise<void> => {
  for (const message of mails(COUNT)) await client.send(message);
};
const together = (client: SmtpClient): Promise<unknown> => Promise.all(mails(COUNT).map((message) => client.send(message)));
const inWindow = (window: number) => async (client: SmtpClient): Promise<void> => {
  const outcomes = await collected(client.sendAll(mails(COUNT), { window }));
  assert(outcomes.every((outcome) => inShort(outcome) === "sent"));
};

const ways = { "send, one by one": oneByOne, "send, not awaited": together, sendAll: inWindow(1) };
for (const [name, send] of Object.entries(ways)) {
  Deno.test(`A message by DATA costs two round trips and two writes (${name})`, async () => {
    assertEquals(await costOf(DATA, send), { roundTrips: 2, writes: 2 });
  });

  Deno.test(`A small message by BDAT costs one round trip and one write (${name})`, async () => {
    assertEquals(await costOf(BDAT, send), { roundTrips: 1, writes: 1 });
  });
}

Deno.test("A message by DATA costs one round trip and one write in a window", async () => {
  const cost = await costOf(DATA, inWindow(8));
  assert(cost.roundTrips <= 1.001 && cost.writes <= 1.001, JSON.stringify(cost));
});

Deno.test("A small message by BDAT costs less than a fifth of a round trip, and of a write three tenths at most, in a window of eight", async () => {
  const cost = await costOf(BDAT, inWindow(8));
  assert(cost.roundTrips < 0.2 && cost.writes <= 0.3, JSON.stringify(cost));
});

Deno.test("A message to 100 recipients costs no round trip and no write more than one to a single recipient", async () => {
  for (const [keywords, cost] of [[DATA, 2], [BDAT, 1]] as const) {
    const server = new ModelServer({ keywords, pace: "round trip" });
    await using client = await connect(server.reached());
    await client.send(mail(1));
    const before = [server.roundTrips, server.writes];
    const { accepted } = await client.send(mail(2, {}, 100));
    assertEquals([accepted.length, server.roundTrips - before[0]!, server.writes - before[1]!], [100, cost, cost]);
  }
});

Deno.test("A client without PIPELINING waits for each reply, and for nothing else", async () => {
  const { roundTrips, writes } = await costOf(["8BITMIME"], inWindow(8));
  // MAIL, two RCPT, DATA, the content.
  assertEquals([roundTrips, writes], [5, 5]);
});

Deno.test("A client has one timer at most while it is idle and while it sends, and none when it is closed", async () => {
  for (const keywords of [DATA, BDAT]) {
    for (const window of [1, 8]) {
      const clock = new FakeClock();
      const server = new ModelServer({ keywords });
      const client = await connect(server.reached({ clock }));
      assert(clock.pending <= 1, `${clock.pending} timers behind connect`);
      for await (const _ of client.sendAll(mails(100), { window })) assert(clock.pending <= 1, `${clock.pending} timers while it sends`);
      assert(clock.pending <= 1, `${clock.pending} timers when all is sent`);
      await client.quit();
      assertEquals(clock.pending, 0);
    }
  }
});

Deno.test("A message costs the same over a socket with TLS: two writes by DATA, and one in a window", async () => {
  const authority = await Authority.create();
  await using server = await MailServer.start(await authority.leaf(["localhost"]));
  for (const [window, cost] of [[1, 2], [8, 1]] as const) {
    const crossings: Crossing[] = [];
    const options = { hostname: "localhost", port: server.port, tlsOptions: { caCerts: [authority.cert] }, auth: USER, dial: spyDialer(crossings) };
    await using client = await connect(options);
    const before = crossings.length;
    const outcomes = await collected(client.sendAll(mails(100), { window }));
    assertEquals(new Set(outcomes.map(inShort)), new Set(["sent"]));
    const behind = crossings.slice(before);
    const writes = behind.filter(({ direction }) => direction === ">").length;
    // The first envelope rides behind nothing.
    assertEquals(writes, window === 1 ? 100 * cost : 100 * cost + 1);
    assert(roundTrips(behind) <= writes);
  }
});
