/** F: what a server does not offer, and how much it takes. */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { type MessageBody, type MessageExtension, SmtpError, SmtpSecurityError, SmtpUnsupportedError } from "@posthorn/smtp";
import { deliverBy, dsn, futureRelease, ifOffered, priority, requireTls, rrvs, solicit, submitter } from "@posthorn/smtp/extensions";
import { clientOf, OctetServer } from "../../support/octet_server.ts";
import { bytes } from "../../support/splits.ts";
import type { Fault } from "../fault.ts";
import { assertUsable, errorOf } from "../refusals.ts";

const TO = { from: "a@x.test", to: "b@y.test" };

/** A stream whose length nobody knows beforehand. */
function stream(octets: Uint8Array, size = 100): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream<Uint8Array>({
    pull(controller): void {
      if (at >= octets.length) controller.close();
      else controller.enqueue(octets.slice(at, at += size));
    },
  }, { highWaterMark: 0 });
}

/** What the server of `keywords` hears of a message with `body`, and its error. */
async function sent(
  keywords: readonly string[],
  body: MessageBody,
  more: { readonly transfer?: "data" | "bdat"; readonly extensions?: readonly MessageExtension[]; readonly binary?: boolean } = {},
): Promise<{ readonly server: OctetServer; readonly error: unknown; readonly isClosed: boolean; readonly mail: string | undefined }> {
  const server = new OctetServer(keywords);
  await using client = await clientOf(server);
  const error = await errorOf(() => client.send({ ...TO, body, ...more }));
  const { isClosed } = client;
  const mail = server.commands.find((line) => line.startsWith("MAIL"));
  if (!isClosed) await assertUsable(server, client);
  return { server, error, isClosed, mail };
}

/** That `error` tells what is not offered before anything was written. */
function assertUnsupported(error: unknown, kind: "unsupported" | "too-large", server: OctetServer, mail: string | undefined): void {
  assertInstanceOf(error, SmtpUnsupportedError, `${error}`);
  assertEquals([error.kind, error.phase, error.delivery], [kind, "local", "not-sent"]);
  assertEquals([mail, server.messages], [undefined, []]);
}

export const limits: readonly Fault[] = [
  {
    name: "F67 8-bit content goes to no server without 8BITMIME, and where it is offered MAIL says so only where there is some",
    run: async () => {
      for (const text of ["h\u00e9llo", `${"x".repeat(70_000)}\u00e9`, "\u00e9", `Subject: x\r\n\r\n${"x".repeat(31)}\u00e9`]) {
        for (const body of [`\r\n${text}`, bytes(`\r\n${text}`)]) {
          for (const keywords of [["PIPELINING"], ["CHUNKING"]]) {
            const { server, error, mail } = await sent(keywords, body);
            assertUnsupported(error, "unsupported", server, mail);
          }
          assertEquals((await sent(["8BITMIME"], body)).mail, "MAIL FROM:<a@x.test> BODY=8BITMIME");
        }
      }
      for (const body of ["hello", bytes("hello"), "x".repeat(70_000)]) {
        assertEquals((await sent(["8BITMIME"], body)).mail, "MAIL FROM:<a@x.test>");
        assertEquals((await sent(["PIPELINING"], body)).error, undefined);
      }
    },
  },
  {
    name: "F67 An 8-bit octet that a stream gives to a server without 8BITMIME ends the message before its end, wherever it stands",
    run: async () => {
      for (const before of [0, 1, 99, 100, 20_000, 70_000]) {
        const octets = bytes(`${"x".repeat(before)}\u00e9`);
        for (const transfer of ["data", "bdat"] as const) {
          const { server, error, isClosed } = await sent(["CHUNKING"], stream(octets), { transfer });
          assertInstanceOf(error, SmtpUnsupportedError, `${before} ${transfer}: ${error}`);
          assertEquals([error.delivery, error.phase, server.messages], ["not-sent", "data", []]);
          assertEquals(isClosed, transfer === "data");
          assertEquals(/[\x80-\xff]/.test(server.received), false, `${before} ${transfer}`);
        }
      }
      // Where it is offered nobody can know beforehand, so MAIL says that there may be some.
      assertEquals((await sent(["8BITMIME"], stream(bytes("h\u00e9llo")))).mail, "MAIL FROM:<a@x.test> BODY=8BITMIME");
    },
  },
  {
    name: "F69 SIZE is declared where the length is known, as the octets that go out, dots not doubled, and only where it is offered",
    run: async () => {
      const cases: readonly (readonly [string, number])[] = [
        ["", 0],
        ["a", 3],
        ["a\n", 3],
        ["a\r", 3],
        ["a\r\n", 3],
        [".\n.\r\n", 6],
        ["\u00e9", 4],
        ["\n\n\n", 6],
        ["a\r\rb", 8],
        ["x".repeat(70_000), 70_002],
      ];
      for (const [text, octets] of cases) {
        for (const body of [text, bytes(text)]) {
          const is8 = text === "\u00e9";
          // What stands at the beginning stands in the headers.
          const utf8 = is8 ? " BODY=8BITMIME SMTPUTF8" : "";
          assertEquals((await sent(["SIZE", "8BITMIME", "SMTPUTF8"], body)).mail, `MAIL FROM:<a@x.test> SIZE=${octets}${utf8}`);
          if (!is8) assertEquals((await sent(["PIPELINING"], body)).mail, "MAIL FROM:<a@x.test>");
        }
      }
      assertEquals((await sent(["SIZE"], stream(bytes("a")))).mail, "MAIL FROM:<a@x.test>");
      assertEquals((await sent(["SIZE", "CHUNKING", "BINARYMIME"], "a\n", { binary: true })).mail, "MAIL FROM:<a@x.test> SIZE=2 BODY=BINARYMIME");
    },
  },
  {
    name: "F69 A message larger than the server takes is not begun where its length is known, and broken off where it is not",
    run: async () => {
      const text = `${"x".repeat(98)}\r\n`.repeat(500);
      for (const body of [text, bytes(text), `${"x".repeat(9_999)}`]) {
        for (const keywords of [["SIZE 10000"], ["SIZE 10000", "CHUNKING"]]) {
          const { server, error, mail } = await sent(keywords, body);
          assertUnsupported(error, "too-large", server, mail);
        }
      }
      for (const size of [100, 40_000]) {
        for (const transfer of ["data", "bdat"] as const) {
          const { server, error, isClosed } = await sent(["SIZE 10000", "CHUNKING"], stream(bytes(text), size), { transfer });
          assertInstanceOf(error, SmtpUnsupportedError, `${error}`);
          assertEquals([error.kind, error.delivery, server.messages, isClosed], ["too-large", "not-sent", [], transfer === "data"]);
        }
      }
      // Exactly as much as it takes, and a server that names no limit, or none that is one.
      for (const keywords of [["SIZE 10000"], ["SIZE 0"], ["SIZE"], ["SIZE -1"], ["SIZE 1e3"], ["SIZE 99999999999999999999999"], ["SIZE 0x10"]]) {
        for (const body of [`${"x".repeat(9_998)}\r\n`, stream(bytes(`${"x".repeat(9_998)}\r\n`))]) {
          assertEquals((await sent(keywords, body)).error, undefined, `${keywords}`);
        }
      }
    },
  },
  {
    name: "F71 What a server does not offer is an error before anything is written, and the parameter is never sent",
    run: async () => {
      const wishes: readonly MessageExtension[] = [
        dsn({ notify: "never" }),
        dsn({ return: "full", envelopeId: "x" }),
        deliverBy({ seconds: 5, onExpiry: "return" }),
        futureRelease({ seconds: 5 }),
        futureRelease({ until: new Date(0) }),
        priority(1),
        rrvs(new Date(0)),
        solicit(["net.example:ADV"]),
        submitter("a@x.test"),
        { keyword: "X-EVIL", mail: () => ({ X: "1" }) },
      ];
      for (const wish of wishes) {
        // A keyword that is part of another's, or that stands among its parameters, is none.
        for (const keywords of [["PIPELINING"], [`X${wish.keyword}`, `${wish.keyword}X`, `X ${wish.keyword}`]]) {
          const { server, error, mail } = await sent(keywords, "hello", { extensions: [wish] });
          assertUnsupported(error, "unsupported", server, mail);
          assert(error instanceof Error && error.message.includes(wish.keyword), `${error}`);
          const without = await sent(keywords, "hello", { extensions: [ifOffered(wish)] });
          assertEquals([without.error, without.mail], [undefined, "MAIL FROM:<a@x.test>"]);
          assertEquals(without.server.commands[2], "RCPT TO:<b@y.test>");
        }
        // Keywords know no case (RFC 5321 section 4.1.1.1).
        const { error, mail } = await sent([wish.keyword.toLowerCase()], "hello", { extensions: [wish] });
        assertEquals(error, undefined, `${wish.keyword}: ${mail}`);
      }
    },
  },
  {
    name: "F71 An extension of the caller's own puts no control character into an error by its keyword",
    run: async () => {
      const { error, server } = await sent(["PIPELINING"], "hello", { extensions: [{ keyword: "X\r\n250 ok\x1b[2J" }] });
      assertInstanceOf(error, SmtpUnsupportedError);
      // deno-lint-ignore no-control-regex -- they are what is looked for
      assertEquals([/[\x00-\x1f\x7f]/.test(error.message), server.messages], [false, []]);
    },
  },
  {
    name: "F71 REQUIRETLS goes to no server without TLS, whatever it offers, and cannot be done without by accident",
    run: async () => {
      for (const keywords of [["REQUIRETLS"], ["PIPELINING"]]) {
        const { error, mail, server } = await sent(keywords, "hello", { extensions: [requireTls()] });
        assertInstanceOf(error, SmtpError);
        assert(error instanceof (keywords[0] === "REQUIRETLS" ? SmtpSecurityError : SmtpUnsupportedError), `${error}`);
        assertEquals([error.delivery, mail, server.messages], ["not-sent", undefined, []]);
      }
      // A wish that is optional by its prototype alone is not optional.
      const inherited: MessageExtension = Object.assign(Object.create({ isOptional: true }), { keyword: "REQUIRETLS" });
      assertInstanceOf((await sent(["PIPELINING"], "hello", { extensions: [inherited] })).error, SmtpUnsupportedError);
    },
  },
  {
    name: "F71 A wish of one recipient that the server does not offer stops the message for all, unless it may go without",
    run: async () => {
      const server = new OctetServer(["PIPELINING"]);
      await using client = await clientOf(server);
      const before = server.received;
      const to = (wish: MessageExtension) => ["b@y.test", { address: "c@y.test", extensions: [wish] }];
      const error = await errorOf(() => client.send({ from: "a@x.test", to: to(dsn({ notify: "never" })), body: "hello" }));
      assertInstanceOf(error, SmtpUnsupportedError);
      assertEquals(server.received, before);
      await client.send({ from: "a@x.test", to: to(ifOffered(dsn({ notify: "never" }))), body: "hello" });
      assertEquals(server.commands.slice(1, 4), ["MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>", "RCPT TO:<c@y.test>"]);
    },
  },
];
