/** Messages that are not small and simple in the middle of a window. */
import { assert, assertEquals } from "@std/assert";
import { connect, type Message, type SendOutcome, SmtpConnectionError } from "@posthorn/smtp";
import { FakeClock, settled } from "../support/fake_clock.ts";
import { assertExact, assertUsable, collected, contentOf, inShort, inTime, mail, mails } from "../support/model_mail.ts";
import { ModelServer } from "../support/model_server.ts";

const COUNT = 12;
const ALL = Array.from({ length: COUNT }, (_, index) => index + 1);
const DATA = ["PIPELINING"];
const BDAT = ["PIPELINING", "CHUNKING"];

/** Sends messages 1 to 12, the one at each place being the one that `special` makes, and checks what comes of it. */
async function atEveryPlace(
  keywords: readonly string[],
  special: (number: number) => Message,
  check: (server: ModelServer, outcomes: readonly SendOutcome[], number: number) => void,
  options: ConstructorParameters<typeof ModelServer>[0] = {},
): Promise<void> {
  for (const pace of ["at once", "round trip"] as const) {
    for (const number of ALL) {
      const server = new ModelServer({ keywords, pace, ...options });
      await using client = await connect(server.reached());
      const messages = ALL.map((each) => each === number ? special(each) : mail(each));
      const outcomes = await collected(client.sendAll(messages, { window: 8 }));
      assertExact(server, messages, outcomes);
      check(server, outcomes, number);
      await assertUsable(client, server, 100);
      assertEquals(server.connections.length, 1);
    }
  }
}

const allSent = (_: ModelServer, outcomes: readonly SendOutcome[]): void => assertEquals(outcomes.map(inShort), ALL.map(() => "sent"));

function streamOf(text: string): ReadableStream<Uint8Array> {
  return new Blob([text]).stream();
}

for (const [name, keywords] of Object.entries({ DATA, BDAT })) {
  Deno.test(`SmtpClient.sendAll with a window sends a message in several transactions at every place, by the server's limit (${name})`, async () => {
    await atEveryPlace([...keywords, "LIMITS RCPTMAX=3"], (number) => mail(number, {}, 8), (server, outcomes, number) => {
      allSent(server, outcomes);
      assertEquals(server.taken.filter((taken) => taken.number === number).map(({ to }) => to.length), [3, 3, 2]);
    }, { maxRecipients: 3 });
  });

  Deno.test(`SmtpClient.sendAll with a window sends a message in several transactions at every place, by 452 4.5.3 (${name})`, async () => {
    await atEveryPlace(keywords, (number) => mail(number, {}, 8), (server, outcomes, number) => {
      allSent(server, outcomes);
      assertEquals(server.taken.filter((taken) => taken.number === number).map(({ to }) => to.length), [3, 3, 2]);
    }, { maxRecipients: 3 });
  });

  Deno.test(`SmtpClient.sendAll with a window sends messages that all take several transactions (${name})`, async () => {
    for (const pace of ["at once", "round trip"] as const) {
      const server = new ModelServer({ keywords, pace, maxRecipients: 3 });
      await using client = await connect(server.reached());
      const messages = ALL.map((number) => mail(number, {}, 7));
      const outcomes = await collected(client.sendAll(messages, { window: 8 }));
      allSent(server, outcomes);
      assertExact(server, messages, outcomes);
      await assertUsable(client, server, 100);
    }
  });

  Deno.test(`SmtpClient.sendAll with a window asks for every recipient where a message wants them all (${name})`, async () => {
    for (const refused of [0, 1]) {
      const options = (number: number) => ({ faults: refused === 0 ? [] : [{ message: number, at: "rcpt", says: "550 5.1.1 no" } as const] });
      for (const number of ALL) {
        const server = new ModelServer({ keywords, ...options(number) });
        await using client = await connect(server.reached());
        const messages = ALL.map((each) => mail(each, { requireAllRecipients: each === number }));
        const outcomes = await collected(client.sendAll(messages, { window: 8 }));
        assertEquals(outcomes.map(inShort), ALL.map((each) => each === number && refused > 0 ? "refused 550 not-sent" : "sent"));
        assertExact(server, messages, outcomes);
        await assertUsable(client, server, 100);
      }
    }
  });

  Deno.test(`SmtpClient.sendAll with a window sends a stream, a large message, an empty one and one of the other kind at every place (${name})`, async () => {
    const large = `Subject: large\r\n\r\n${".large\r\n".repeat(50_000)}`;
    const specials: readonly ((number: number) => Message)[] = [
      (number) => mail(number, { body: large }),
      (number) => mail(number, { body: "" }),
      (number) => mail(number, { body: streamOf(contentOf(number)) }),
      (number) => mail(number, { body: () => streamOf(large) }),
      (number) => mail(number, { transfer: "data" }),
      (number) => mail(number, { body: () => streamOf(contentOf(number)), transfer: "data" }),
    ];
    for (const special of specials) await atEveryPlace(keywords, special, allSent);
  });

  Deno.test(`SmtpClient.sendAll with a window loses a message whose stream fails, and what DATA takes with it (${name})`, async () => {
    for (const number of ALL) {
      const server = new ModelServer({ keywords });
      await using client = await connect(server.reached());
      const body = () => new ReadableStream<Uint8Array>({ pull: (controller) => controller.error(new Error("the disk is gone")) });
      const messages = ALL.map((each) => mail(each, each === number ? { body } : {}));
      const outcomes = await collected(client.sendAll(messages, { window: 8 }));
      const rest = name === "DATA" ? "failed closed not-sent" : "sent";
      assertEquals(outcomes.map(inShort), ALL.map((each) => each === number ? "failed body not-sent" : each < number ? "sent" : rest));
      assertExact(server, messages, outcomes);
    }
  });

  Deno.test(`SmtpClient.sendAll with a window sends as many messages as the server takes on one connection, and no more (${name})`, async () => {
    for (const pace of ["at once", "round trip"] as const) {
      const server = new ModelServer({ keywords: [...keywords, "LIMITS MAILMAX=5"], pace });
      await using client = await connect(server.reached());
      const messages = mails(COUNT);
      const outcomes = await collected(client.sendAll(messages, { window: 8 }));
      assertEquals(outcomes.map(inShort), ALL.map((number) => number <= 5 ? "sent" : "failed unsupported not-sent"));
      assertExact(server, messages, outcomes);
      assertEquals(server.connections[0]!.session.commands.filter((line) => line.startsWith("MAIL")).length, 5);
    }
  });
}

Deno.test("SmtpClient.sendAll writes nothing behind a RSET that is refused while a chunk's transaction is open, and leaves the connection", async () => {
  const body = () => new ReadableStream<Uint8Array>({ pull: (controller) => controller.error(new Error("the disk is gone")) });
  for (const window of [1, 8]) {
    const server = new ModelServer({ keywords: BDAT, faults: [{ message: 2, at: "rset", says: "500 5.5.1 what?", times: 9 }] });
    await using client = await connect(server.reached());
    const messages = [mail(1), mail(2, { body }), mail(3), mail(4)];
    const outcomes = await collected(client.sendAll(messages, { window }));
    assertEquals(outcomes.slice(0, 3).map(inShort), ["sent", "failed body not-sent", "failed closed not-sent"]);
    assertExact(server, messages, outcomes);
    assertEquals(server.connections[0]!.session.commands.at(-1), "RSET");
  }
});

Deno.test("SmtpClient.sendAll with a window has no more of it under way than a megabyte or so", async () => {
  const server = new ModelServer({ keywords: BDAT, pace: "held" });
  const connecting = connect(server.reached());
  for (let flushes = 0; flushes < 3; flushes++) await settled().then(() => server.flush());
  await using client = await connecting;
  const body = `Subject: x\r\n\r\n${"x".repeat(76)}\r\n`.padEnd(60_000, "0123456\r\n");
  const messages = mails(60, { body });
  let isDone = false;
  const sending = collected(client.sendAll(messages, { window: 64 })).finally(() => isDone = true);
  let most = 0;
  while (!isDone) {
    await settled();
    const { ends } = server.connections[0]!.session;
    most = Math.max(most, ends.size - server.connections[0]!.answers.length);
    server.flush();
  }
  assert(most > 8 && most <= 18, `${most} under way`);
  assertEquals((await sending).map(inShort), messages.map(() => "sent"));
  const quitting = client.quit();
  await settled().then(() => server.flush());
  await quitting;
});

for (const how of ["close", "abort"] as const) {
  Deno.test(`SmtpClient.sendAll with a window ends at once by ${how} while another connection is dialled`, async () => {
    const server = new ModelServer({ temper: "Dovecot" });
    const clock = new FakeClock();
    const controller = new AbortController();
    let dialled = 0;
    let isAsked = () => {};
    const asked = new Promise<void>((resolve) => isAsked = resolve);
    const dial: typeof server.dial = (options) => {
      if (dialled++ === 0) return server.dial(options);
      isAsked();
      return new Promise(() => {});
    };
    await using client = await connect(server.reached({ dial, clock }));
    const outcomes: SendOutcome[] = [];
    const sending = (async () => {
      for await (const outcome of client.sendAll(mails(COUNT), { window: 8, signal: controller.signal })) outcomes.push(outcome);
    })().catch((error) => error);
    await asked;
    if (how === "close") client.close();
    else controller.abort();
    const error = await inTime(sending, clock);
    assert(error === undefined || error instanceof SmtpConnectionError, `${error}`);
    assertEquals([clock.now(), clock.pending, dialled], [0, 0, 2]);
    const [first, ...rest] = outcomes;
    assertEquals(first && inShort(first), "failed disconnected unknown");
    assert(rest.length > 0 && rest.every((outcome) => outcome.status !== "sent" && outcome.delivery === "not-sent"));
  });
}
