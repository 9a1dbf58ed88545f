/** Many messages: where they come from, when they are read, and what becomes of the rest. */
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { connect, type Message, type SendOutcome, SmtpConnectionError } from "@posthorn/smtp";
import { settled } from "../support/fake_clock.ts";
import { assertExact, assertUsable, collected, inShort, mail, mails } from "../support/model_mail.ts";
import { ModelServer } from "../support/model_server.ts";

const BDAT = ["PIPELINING", "CHUNKING"];

function* generated(count: number, onRead: (number: number) => void = () => {}): Generator<Message> {
  for (const [index, message] of mails(count).entries()) {
    onRead(index + 1);
    yield message;
  }
}

async function* slow(count: number): AsyncGenerator<Message> {
  for (const message of mails(count)) {
    await settled();
    yield message;
  }
}

/** Gives `count` messages and then nothing, for ever. */
function stuck(count: number, onReturn: () => void = () => {}): AsyncIterable<Message> {
  const messages = generated(count);
  const next = (): Promise<IteratorResult<Message>> => {
    const result = messages.next();
    return result.done ? new Promise(() => {}) : Promise.resolve(result);
  };
  const leave = (): Promise<IteratorResult<Message>> => {
    onReturn();
    // As a generator does, which cannot be left while it waits.
    return new Promise(() => {});
  };
  return { [Symbol.asyncIterator]: () => ({ next, return: leave }) };
}

/** Promises that are none of this realm's class. */
function foreign(count: number): AsyncIterable<Message> {
  const messages = generated(count);
  const then = (resolve: (result: IteratorResult<Message>) => void) => resolve(messages.next());
  const iterator: AsyncIterator<Message> = Object.assign(Object.create(null), { next: () => ({ then }) });
  return { [Symbol.asyncIterator]: () => iterator };
}

const sources: Readonly<Record<string, (count: number) => Iterable<Message> | AsyncIterable<Message>>> = {
  "a list": mails,
  "a set": (count) => new Set(mails(count)),
  "a generator": generated,
  "a generator that waits": slow,
  "a stream": (count) => ReadableStream.from(generated(count)),
  "an iterator of foreign promises": foreign,
};

for (const [name, source] of Object.entries(sources)) {
  for (const window of [1, 8]) {
    Deno.test(`SmtpClient.sendAll sends all that ${name} gives, in order (window ${window})`, async () => {
      for (const keywords of [["PIPELINING"], BDAT, []]) {
        const server = new ModelServer({ keywords });
        await using client = await connect(server.reached());
        const outcomes = await collected(client.sendAll(source(20), { window }));
        assertEquals(outcomes.map(inShort), Array.from({ length: 20 }, () => "sent"));
        assertEquals(server.taken.map(({ number }) => number), Array.from({ length: 20 }, (_, index) => index + 1));
        assertEquals(outcomes.map(({ message }) => message.from), server.taken.map(({ from }) => from));
      }
    });
  }
}

Deno.test("SmtpClient.sendAll has nothing to say of nothing", async () => {
  const server = new ModelServer();
  await using client = await connect(server.reached());
  assertEquals(await collected(client.sendAll([])), []);
});

Deno.test("SmtpClient.sendAll refuses what is no source and what is no window before anything is sent", async () => {
  const server = new ModelServer();
  await using client = await connect(server.reached());
  for (const window of [0, -1, 1.5, 65, Infinity, NaN, "8"]) {
    let thrown: unknown;
    try {
      Reflect.apply(client.sendAll, client, [mails(1), { window }]);
    } catch (error) {
      thrown = error;
    }
    assertInstanceOf(thrown, RangeError);
  }
  for (const source of [undefined, null, 7, "a@x.test", {}]) {
    await assertRejects(() => collected(Reflect.apply(client.sendAll, client, [source])), TypeError, "Cannot use messages");
  }
  assertEquals(server.taken, []);
});

for (const window of [1, 3, 8]) {
  Deno.test(`SmtpClient.sendAll reads its source no further ahead than twice the window (window ${window})`, async () => {
    for (const keywords of [["PIPELINING"], BDAT]) {
      const server = new ModelServer({ keywords });
      await using client = await connect(server.reached());
      let read = 0;
      let seen = 0;
      for await (const _ of client.sendAll(generated(50, (number) => read = number), { window })) {
        seen++;
        // The one that is looked at is no longer waited for.
        assert(read <= seen + 2 * window, `${read} are read and ${seen} seen`);
        await settled();
        assert(read <= seen + 2 * window, `${read} are read and ${seen} seen, and nobody asks for more`);
      }
      assertEquals(seen, 50);
    }
  });

  Deno.test(`SmtpClient.sendAll yields the outcomes of all that a source gave before it failed (window ${window})`, async () => {
    const fault = new Error("the list is gone");
    const failing = [
      function* () {
        yield* generated(5);
        throw fault;
      },
      async function* () {
        yield* slow(5);
        throw fault;
      },
    ];
    for (const source of failing) {
      const server = new ModelServer({ keywords: BDAT });
      await using client = await connect(server.reached());
      const outcomes: SendOutcome[] = [];
      const error = await assertRejects(async () => {
        for await (const outcome of client.sendAll(source(), { window })) outcomes.push(outcome);
      }, Error);
      assertEquals(error, fault);
      assertEquals(outcomes.map(inShort), Array.from({ length: 5 }, () => "sent"));
      await assertUsable(client, server, 50);
    }
  });

  Deno.test(`SmtpClient.sendAll gives a wrong message an outcome of its own, at its place (window ${window})`, async () => {
    for (const keywords of [["PIPELINING"], BDAT]) {
      for (let wrong = 0; wrong < 12; wrong++) {
        const server = new ModelServer({ keywords });
        await using client = await connect(server.reached());
        const messages = mails(12).map((message, index) => index === wrong ? { ...message, to: "b@y.test>\r\nRCPT TO:<c@z.test" } : message);
        const outcomes = await collected(client.sendAll(messages, { window }));
        assertEquals(outcomes.map(inShort), messages.map((_, index) => index === wrong ? "failed TypeError not-sent" : "sent"));
        assertExact(server, messages, outcomes);
      }
    }
  });

  Deno.test(`SmtpClient.sendAll that is left early sends nothing more and leaves the connection as it was (window ${window})`, async () => {
    for (const keywords of [["PIPELINING"], BDAT]) {
      for (let seen = 1; seen <= 12; seen++) {
        const server = new ModelServer({ keywords, pace: "round trip" });
        await using client = await connect(server.reached());
        let hasEnded = false;
        const source = (function* () {
          try {
            yield* generated(100);
          } finally {
            hasEnded = true;
          }
        })();
        let left = seen;
        for await (const _ of client.sendAll(source, { window })) if (--left === 0) break;
        assert(hasEnded, "the source is told");
        const { length } = server.taken;
        // What had begun is ended: those whose replies came together have let as many more begin.
        assert(length <= seen + 2 * window, `${length} were sent, and ${seen} seen`);
        await settled();
        assertEquals(server.taken.length, length);
        await assertUsable(client, server, 200);
        assertEquals(server.connections.length, 1);
      }
    }
  });

  Deno.test(`SmtpClient.sendAll can be left while its source gives nothing (window ${window})`, async () => {
    const server = new ModelServer();
    await using client = await connect(server.reached());
    let wasTold = false;
    let seen = 0;
    for await (const _ of client.sendAll(stuck(3, () => wasTold = true), { window })) if (++seen === 3) break;
    assert(wasTold);
    await assertUsable(client, server, 50);
  });

  Deno.test(`SmtpClient.sendAll is ended at once by its signal while its source gives nothing (window ${window})`, async () => {
    const server = new ModelServer();
    await using client = await connect(server.reached());
    const controller = new AbortController();
    const outcomes: SendOutcome[] = [];
    const reason = new Error("enough");
    const sending = assertRejects(async () => {
      for await (const outcome of client.sendAll(stuck(3), { window, signal: controller.signal })) {
        if (outcomes.push(outcome) === 3) setTimeout(() => controller.abort(reason));
      }
    }, SmtpConnectionError);
    const error = await sending;
    assertEquals([error.kind, error.delivery, error.cause], ["aborted", "not-sent", reason]);
    assertEquals(outcomes.map(inShort), ["sent", "sent", "sent"]);
    await assertUsable(client, server, 50);
  });

  Deno.test(`SmtpClient.sendAll that is left and then aborted lets whoever comes next have the connection (window ${window})`, async () => {
    const server = new ModelServer({ pace: "round trip" });
    await using client = await connect(server.reached());
    const controller = new AbortController();
    for await (const _ of client.sendAll(generated(50), { window, signal: controller.signal })) break;
    controller.abort();
    await assertUsable(client, server, 100);
  });

  Deno.test(`SmtpClient.sendAll that is aborted says of each message what became of it, at once (window ${window})`, async () => {
    for (const keywords of [["PIPELINING"], BDAT, []]) {
      for (let round = 1; round < 12; round++) {
        const server = new ModelServer({ keywords, pace: "held" });
        const connecting = connect(server.reached());
        for (let flushes = 0; flushes < 4; flushes++) await settled().then(() => server.flush());
        const client = await connecting;
        const controller = new AbortController();
        const messages = Array.from({ length: 200 }, (_, index) => mail(index + 1, {}, 4));
        const outcomes: SendOutcome[] = [];
        const ended = assertRejects(async () => {
          for await (const outcome of client.sendAll(messages, { window, signal: controller.signal })) outcomes.push(outcome);
        }, SmtpConnectionError);
        for (let flushes = 0; flushes < round; flushes++) await settled().then(() => server.flush());
        controller.abort();
        const error = await ended;
        assertEquals([error.kind, error.delivery], ["aborted", "not-sent"]);
        assert(outcomes.filter(({ status }) => status !== "sent").every((outcome) => /^failed aborted/.test(inShort(outcome))));
        assertExact(server, messages, outcomes, true);
        assert(client.isClosed);
        client.close();
      }
    }
  });
}

Deno.test("SmtpClient.sendAll sends nothing when its signal has fired before", async () => {
  const server = new ModelServer();
  await using client = await connect(server.reached());
  let read = 0;
  const sending = client.sendAll(generated(3, () => read++), { signal: AbortSignal.abort() });
  assertEquals((await assertRejects(() => collected(sending), SmtpConnectionError)).kind, "aborted");
  assertEquals([read, server.taken], [0, []]);
  await assertUsable(client, server, 50);
});

Deno.test("SmtpClient.sendAll with a window takes turns with messages and commands that are sent beside it", async () => {
  for (const keywords of [["PIPELINING"], BDAT]) {
    const server = new ModelServer({ keywords, pace: "round trip" });
    await using client = await connect(server.reached());
    const [first, , second] = await Promise.all([
      collected(client.sendAll(mails(20), { window: 8 })),
      client.verify(),
      collected(client.sendAll(Array.from({ length: 20 }, (_, index) => mail(101 + index)), { window: 4 })),
      client.send(mail(50)),
      client.send(mail(51)),
    ]);
    assertEquals([...first, ...second].map(inShort), Array.from({ length: 40 }, () => "sent"));
    assertEquals(server.taken.length, 42);
    assertEquals(new Set(server.taken.map(({ number }) => number)).size, 42);
  }
});
