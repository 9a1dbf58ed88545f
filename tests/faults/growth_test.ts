/**
 * What hostile size costs: time grows with it and not faster, and memory does not grow at all beyond bounds that have a name. It is the one place where a
 * test looks at the time, and it compares times with each other only.
 */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  connect,
  Extensions,
  type Message,
  parseMailbox,
  type Reply,
  ReplyDecoder,
  SmtpConnection,
  SmtpReplyError,
  SmtpUnsupportedError,
} from "@posthorn/smtp";
import { MAX_COMMAND_LINE } from "../../src/wire/command.ts";
import { Secrets } from "../../src/wire/secrets.ts";
import { BYE, connectTo, HELLO } from "../support/client.ts";
import { settled } from "../support/fake_clock.ts";
import { assertLinear } from "../support/growth.ts";
import { ManualServer } from "../support/manual.ts";
import { ScriptedServer } from "../support/script.ts";
import { bytes } from "../support/splits.ts";

const UNLIMITED = { maxLineLength: Infinity, maxReplyLength: Infinity, maxReplyLines: Infinity };

/** Pushes `octets` in segments of `size`. */
function decodeIn(octets: Uint8Array, size: number): readonly Reply[] {
  const decoder = new ReplyDecoder(UNLIMITED);
  const replies: Reply[] = [];
  for (let start = 0; start < octets.length; start += size) replies.push(...decoder.push(octets.subarray(start, start + size)));
  return replies;
}

for (const [how, segment] of [["whole", Infinity], ["in segments of 100 octets", 100], ["octet by octet", 1]] as const) {
  Deno.test(`Reading one long line costs time in proportion to its length (${how})`, async () => {
    await assertLinear(segment === 1 ? 8_000 : 64_000, (size) => {
      const [reply] = decodeIn(bytes(`250 ${"x".repeat(size)}\r\n`), segment);
      assertEquals(`${reply}`.length, size + 4);
    });
  });

  Deno.test(`Reading one reply of many lines costs time in proportion to their number (${how})`, async () => {
    await assertLinear(segment === 1 ? 500 : 2_000, (count) => {
      const [reply] = decodeIn(bytes(`${"250-some line\r\n".repeat(count)}250 the last one\r\n`), segment);
      assertEquals([reply?.lines.length, `${reply}`.length > count, reply?.text.length], [count + 1, true, count * 10 + 12]);
    });
  });

  Deno.test(`Reading many replies costs time in proportion to their number (${how})`, async () => {
    await assertLinear(segment === 1 ? 500 : 2_000, (count) => {
      assertEquals(decodeIn(bytes("250 2.1.5 ok\r\n".repeat(count)), segment).length, count);
    });
  });
}

const LISTS: Readonly<Record<string, (count: number) => readonly string[]>> = {
  "many keywords": (count) => Array.from({ length: count }, (_, index) => `X${index} y`),
  "many parameters of one": (count) => [`AUTH ${Array.from({ length: count }, (_, index) => `M${index}`).join(" ")}`],
  "many lines of one": (count) => Array.from({ length: count }, (_, index) => `AUTH M${index}`),
  "the same line again and again": (count) => Array.from({ length: count }, () => "AUTH=PLAIN PLAIN"),
  "many limits": (count) => [`LIMITS ${Array.from({ length: count }, (_, index) => `L${index}=5`).join(" ")}`],
  "many spaces": (count) => [`SIZE${" ".repeat(count * 4)}5${"\t ".repeat(count * 4)}x`],
  "many digits": (count) => [`SIZE ${"1".repeat(count * 8)}`, `LIMITS RCPTMAX=${"1".repeat(count * 8)}`],
  "many signs of equality": (count) => ["=".repeat(count * 8), `AUTH${"=".repeat(count * 8)}`, `LIMITS ${"=".repeat(count * 8)}`],
};

for (const [what, list] of Object.entries(LISTS)) {
  Deno.test(`Reading what EHLO offers costs time in proportion to it (${what})`, async () => {
    await assertLinear(1_000, (count) => {
      const extensions = new Extensions(list(count));
      assert(extensions.size > 0 && [...extensions].length === extensions.size && extensions.authMechanisms.length <= count);
    });
  });
}

Deno.test("Looking for a secret costs time in proportion to what the server says, and to the secret", async () => {
  const secrets = new Secrets();
  secrets.hear(`AUTH PLAIN ${btoa("\0alice\0s3cret-s3cret")}`);
  await assertLinear(4_000, (size) => secrets.hide(["x s3cret ".repeat(size / 10)]));
  await assertLinear(100, (count) => secrets.hide(Array.from({ length: count }, () => "some line of a reply, s3cre")));
  for (const mechanism of ["PLAIN", "CRAM-MD5", "SCRAM-SHA-1", "XOAUTH2", "X-ANY"]) {
    await assertLinear((MAX_COMMAND_LINE - 1_000) / 32, (size) => {
      const each = new Secrets();
      each.hear(`AUTH ${mechanism} ${btoa(`\0${"a ,".repeat(size / 2)}\0 ,p=${"x".repeat(size / 2)}`)}`);
      return each.hide(["no"]);
    });
  }
});

Deno.test("Judging an address costs time in proportion to its length", async () => {
  const forms = [
    (size: number) => `${"a".repeat(size)}@x.test`,
    (size: number) => `"${"\\ ".repeat(size)}"@x`,
    (size: number) => `a@${"b.".repeat(size)}`,
  ];
  for (
    const form of [
      ...forms,
      (size: number) => "(".repeat(size),
      (size: number) => `<${"@a,".repeat(size)}`,
      (size: number) => `a@[${":".repeat(size)}]`,
    ]
  ) {
    await assertLinear(20_000, (size) => {
      const text = form(size);
      try {
        assert(parseMailbox(text) !== undefined);
      } catch (error) {
        assert(error instanceof Error);
      }
    });
  }
});

/** A server that answers each line at once, as `answer` says, or as one does that takes everything; content is over at the dot. */
function quickServer(keywords: readonly string[], answer: (line: string) => string | undefined = () => undefined): ManualServer {
  let isContent = false;
  let unread = "";
  return new ManualServer((text, server) => {
    unread += text;
    const lines = unread.split("\r\n");
    unread = lines.pop() ?? "";
    let replies = "";
    for (const line of lines) {
      if (isContent && line !== ".") continue;
      const usual = line === "DATA"
        ? "354 go"
        : line.startsWith("EHLO")
        ? ["250-mx", ...keywords.map((word) => `250-${word}`), "250 HELP"].join("\r\n")
        : "250 ok";
      const reply = isContent ? "250 taken" : line === "QUIT" ? "221 bye" : answer(line) ?? usual;
      isContent = reply.startsWith("354");
      replies += `${reply}\r\n`;
    }
    if (replies !== "") server.say(replies);
  });
}

function addresses(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `user${index}@y.test`);
}

const SERVERS: readonly (readonly [what: string, keywords: readonly string[], answer?: (line: string) => string | undefined])[] = [
  ["that pipelines", ["PIPELINING"]],
  ["in lockstep", []],
  ["that refuses every second of them", ["PIPELINING"], (line) => /^RCPT.*[02468]@/.test(line) ? "550 5.1.1 no" : undefined],
  ["that refuses them all", ["PIPELINING"], (line) => line.startsWith("RCPT") ? "550 5.1.1 no" : line === "DATA" ? "503 nobody" : undefined],
  ["that has no room for more than a hundred at once", ["PIPELINING", "LIMITS RCPTMAX=100"]],
];

for (const [what, keywords, answer] of SERVERS) {
  Deno.test(`Sending to many recipients costs time in proportion to their number (a server ${what})`, async () => {
    await assertLinear(200, async (count) => {
      const server = quickServer(keywords, answer);
      const client = await connect(server.options());
      const outcome = await client.send({ from: "a@x.test", to: addresses(count), body: () => new Blob(["hi\r\n"]).stream() }).catch((
        error: unknown,
      ) => error);
      const { accepted, rejected } = outcome as { accepted: readonly unknown[]; rejected: readonly unknown[] };
      assertEquals(accepted.length + rejected.length, count);
      client.close();
    });
  });
}

for (const limits of ["RCPTDOMAINMAX=1", "RCPTDOMAINMAX=2 RCPTMAX=5"]) {
  Deno.test(`Grouping recipients of as many domains costs time in proportion to their number (${limits})`, async () => {
    const server = quickServer([`LIMITS ${limits} MAILMAX=1`]);
    const client = await connect(server.options());
    await assertLinear(1_000, async (count) => {
      const to = Array.from({ length: count }, (_, index) => `user@y${index}.test`);
      const error = await client.send({ from: "a@x.test", to, body: "hi" }).catch((error: unknown) => error);
      assertInstanceOf(error, SmtpUnsupportedError);
    });
    client.close();
  });
}

Deno.test("A message to more recipients than a call takes arguments is sent, and refused, as any other is", async () => {
  const to = addresses(150_000);
  let isRefusing = false;
  const refusal = (line: string) => line.startsWith("RCPT") ? "550 5.1.1 no" : line === "DATA" ? "503 nobody" : undefined;
  const server = quickServer(["PIPELINING"], (line) => isRefusing ? refusal(line) : undefined);
  const client = await connect(server.options());
  assertEquals((await client.send({ from: "a@x.test", to, body: "hi" })).accepted.length, to.length);
  isRefusing = true;
  const error = await client.send({ from: "a@x.test", to, body: "hi" }).catch((error: unknown) => error);
  assertInstanceOf(error, SmtpReplyError);
  assertEquals([error.rejected.length, error.rejected.at(-1)?.address, error.delivery], [to.length, to.at(-1), "not-sent"]);
  client.close();
});

for (const transfer of ["data", "bdat"] as const) {
  Deno.test(`Sending content of many small chunks costs time in proportion to their number (${transfer})`, async () => {
    await assertLinear(1_000, async (count) => {
      // Octets of chunks are counted by the client; the server only has to say yes.
      const server = new ManualServer((text, server) => {
        if (text.startsWith("EHLO")) return server.say("250-mx\r\n250 CHUNKING\r\n");
        if (text.startsWith("DATA")) return server.say("354 go\r\n");
        if (/^(MAIL|RCPT|BDAT)/.test(text) || text.endsWith("\r\n.\r\n")) server.say("250 ok\r\n");
      });
      const client = await connect(server.options());
      let left = count;
      const body = new ReadableStream<Uint8Array>({ pull: (controller) => left-- > 0 ? controller.enqueue(bytes(".\r\nx")) : controller.close() });
      const result = await client.send({ from: "a@x.test", to: "b@y.test", body, transfer });
      assertEquals(result.accepted.length, 1);
      client.close();
    });
  });
}

Deno.test("Many commands that are asked for at once cost time in proportion to their number, answered, refused and lost", async () => {
  for (const reply of ["250 ok", "500 no", "421 bye"]) {
    await assertLinear(500, async (count) => {
      const server = quickServer(["PIPELINING"], (line) => line === "RSET" ? reply : undefined);
      const connection = await SmtpConnection.open(server.options());
      await connection.ehlo("client.test");
      const outcomes = await Promise.allSettled(Array.from({ length: count }, () => connection.rset()));
      assertEquals(outcomes.length, count);
      connection.close();
    });
  }
});

Deno.test("Many messages that are sent at once cost time in proportion to their number", async () => {
  await assertLinear(100, async (count) => {
    const client = await connect(quickServer(["PIPELINING"]).options());
    const results = await Promise.all(addresses(count).map((to) => client.send({ from: "a@x.test", to, body: "hi\r\n" })));
    assertEquals(results.length, count);
    client.close();
  });
});

Deno.test("Outcomes that nobody reads cost nothing: the messages behind them are neither read nor sent", async () => {
  for (const window of [1, 8]) {
    let read = 0;
    const messages = function* (): Generator<Message> {
      for (; read < 10_000; read++) yield { from: "a@x.test", to: "b@y.test", body: "hi\r\n" };
    };
    const server = quickServer(["PIPELINING"]);
    const client = await connect(server.options());
    const outcomes = client.sendAll(messages(), { window });
    assertEquals((await outcomes.next()).value?.status, "sent");
    for (let turn = 0; turn < 100; turn++) await settled();
    assert(read <= 4 * window, `${read} messages were read`);
    await outcomes.return();
    client.close();
  }
});

Deno.test("A server that answers octet by octet costs a client time in proportion to what it says", async () => {
  await assertLinear(8, async (count) => {
    const replies = "S: 250 2.1.5 ok\n".repeat(count);
    const commands = addresses(count).map((address) => `C: RCPT TO:<${address}>\n`).join("");
    const script = `${HELLO}\nC: MAIL FROM:<a@x.test>\n${commands}C: DATA\nS: 250 ok\n${replies}S: 354 go\nC: hi\nC: .\nS: 250 ok\n${BYE}`;
    const server = new ScriptedServer(script, "byte");
    await using client = await connectTo(server);
    assertEquals((await client.send({ from: "a@x.test", to: addresses(count), body: "hi\r\n" })).accepted.length, count);
  });
});
