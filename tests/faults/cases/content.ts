/** B: the end of data, and smuggling. */
import { assert, assertEquals } from "@std/assert";
import { DotStuffer, DotStuffingStream, type LineEndings, type MessageBody, SmtpBodyError, type Transfer } from "@posthorn/smtp";
import { BYE, connectTo, HELLO } from "../../support/client.ts";
import { clientOf, connectionOf, OctetServer } from "../../support/octet_server.ts";
import { bytes, splits, splitsInThree } from "../../support/splits.ts";
import { type Fault, inEachDelivery } from "../fault.ts";
import { assertBadArgument, assertRefused, assertUsable, errorOf, untyped } from "../refusals.ts";
import { assertOneEnd, dotted, normalized } from "../wire.ts";

/** What some server takes for the end of data, and what none does. */
const ENDS = [
  "\n.\n",
  "\n.\r\n",
  "\r.\r",
  "\r\n.\r",
  "\r.\r\n",
  "\r\n.\n",
  "\n.\r",
  "\r.\n",
  "\r\n.\r\n",
  "\r\r\n.\r\r\n",
  "\n\r.\n\r",
  "\r\n..\r\n",
  "\0\n.\n",
];
/** Content that would be two messages to somebody. */
const SMUGGLED: readonly string[] = [
  ...ENDS.map((end) => `a${end}MAIL FROM:<evil@x.test>\r\n`),
  ...ENDS.map((end) => end.slice(1)),
  ...ENDS,
];
/** Ways of content to the wire: how it travels, by which protocol, what MAIL has to say of it. */
const WAYS: readonly { readonly transfer: Transfer; readonly protocol: "smtp" | "lmtp" }[] = [
  { transfer: "data", protocol: "smtp" },
  { transfer: "bdat", protocol: "smtp" },
  { transfer: "data", protocol: "lmtp" },
  { transfer: "bdat", protocol: "lmtp" },
];

function streamOf(chunks: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  let index = 0;
  return new ReadableStream<Uint8Array>({
    pull(controller): void {
      const chunk = chunks[index++];
      if (chunk === undefined) controller.close();
      else controller.enqueue(chunk);
    },
  }, { highWaterMark: 0 });
}

/** `content` in every form that a body has. */
function forms(content: string): readonly (readonly [string, MessageBody])[] {
  const octets = bytes(content);
  return [
    ["text", content],
    ["octets", octets],
    ["octets in the midst of a buffer", bytes(`.\n${content}\n.`).subarray(2, 2 + octets.length)],
    ["a Blob of pieces", new Blob(Array.from(content))],
    ["a stream of octets", streamOf(Array.from(octets, (octet) => Uint8Array.of(octet)))],
    ["a stream of octets and of nothing", streamOf(Array.from(octets, (octet) => [new Uint8Array(0), Uint8Array.of(octet)]).flat())],
    ["a function", () => streamOf([octets])],
  ];
}

/** That the last message of `server` is `content`, and that nobody could take it for two. */
function assertWhole(server: OctetServer, content: string, transfer: Transfer, what: string): void {
  const raw = server.raw.at(-1) ?? "";
  assertEquals(raw, transfer === "data" ? dotted(content) : normalized(content), what);
  if (transfer === "data") assertOneEnd(raw, what);
  else assertEquals(/[^\r]\n|\r[^\n]|^\n|\r$/.test(raw), false, what);
  assertEquals(server.messages.at(-1), normalized(content), what);
}

export const content: readonly Fault[] = [
  {
    name: "F17 A lone CR or LF becomes CRLF by DATA and by BDAT, with SMTP and LMTP, whatever the form of the content",
    run: async () => {
      for (const { transfer, protocol } of WAYS) {
        const server = new OctetServer(undefined, protocol);
        await using client = await clientOf(server);
        for (const text of SMUGGLED) {
          for (const [form, body] of forms(text)) {
            const what = `${JSON.stringify(text)}, ${form}, ${transfer}, ${protocol}`;
            const count = server.messages.length;
            await client.send({ from: "a@x.test", to: ["b@y.test", "c@y.test"], body, transfer });
            assertEquals(server.messages.length, count + 1, what);
            assertWhole(server, text, transfer, what);
          }
        }
        assertEquals(server.commands.some((line) => line.includes("evil")), false);
        await assertUsable(server, client);
      }
    },
  },
  {
    name: "F17 What would smuggle is one message however it is cut into chunks: into octets, two or three",
    run: async () => {
      for (const transfer of ["data", "bdat"] as const) {
        const server = new OctetServer();
        await using client = await clientOf(server);
        for (const end of ENDS) {
          const text = `a${end}b`;
          for (const chunks of [...splits(bytes(text)), ...splitsInThree(bytes(text))]) {
            await client.send({ from: "a@x.test", to: "b@y.test", body: streamOf(chunks), transfer });
            assertWhole(server, text, transfer, `${JSON.stringify(text)} as ${chunks.map(({ length }) => length)}`);
          }
        }
        await assertUsable(server, client);
      }
    },
  },
  {
    name: "F17 The same holds across the blocks and chunks in which a large content is written",
    run: async () => {
      // The ends stand at every place around the end of a block of 64 KiB, and of a chunk of 512 KiB.
      for (const transfer of ["data", "bdat"] as const) {
        const server = new OctetServer();
        await using client = await clientOf(server);
        for (const size of [65_536, 524_288]) {
          for (const end of size === 65_536 ? ["\n.\n", "\r.\r", "\r\n.\r\n"] : ["\r\n.\n"]) {
            for (let shift = 0; shift <= end.length + 1; shift++) {
              const text = `${"x".repeat(size - shift)}${end}MAIL FROM:<evil@x.test>\n`;
              for (const body of [text, bytes(text), new Blob([text]), streamOf([bytes(text)])]) {
                await client.send({ from: "a@x.test", to: "b@y.test", body, transfer });
                assert(server.messages.at(-1) === normalized(text), `${size} ${JSON.stringify(end)} ${shift} ${transfer}`);
                if (transfer === "data") assert(server.raw.at(-1) === dotted(text), `${size} ${JSON.stringify(end)} ${shift}`);
                server.received = "";
              }
            }
          }
        }
        assertEquals(server.commands.some((line) => line.includes("evil")), false);
      }
    },
  },
  {
    name: "F17 Where a lone CR or LF is to be refused it is refused before anything is written, or the dot is not sent",
    run: async () => {
      for (const text of ["a\nb", "a\rb", "\n", "\r", "a\r\n\nb", "a\r\r\nb", "a\r", "a\n", ".\n.\n"]) {
        const server = new OctetServer();
        await using client = await clientOf(server);
        for (const body of [text, bytes(text)]) {
          await assertRefused(server, JSON.stringify(text), () => client.send({ from: "a@x.test", to: "b@y.test", body, lineEndings: "reject" }));
        }
        const error = await errorOf(() =>
          client.send({ from: "a@x.test", to: "b@y.test", body: new Blob([text]), lineEndings: "reject", transfer: "data" })
        );
        assert(error instanceof SmtpBodyError, `${error}`);
        assertEquals([error.delivery, client.isClosed, server.messages], ["not-sent", true, []]);
      }
      for (const lineEndings of ["Reject", "crlf", "", 5, null, {}]) {
        const wrong: LineEndings = untyped(lineEndings);
        const server = new OctetServer();
        await using client = await clientOf(server);
        await assertRefused(server, `${lineEndings}`, () => client.send({ from: "a@x.test", to: "b@y.test", body: "a", lineEndings: wrong }));
        await assertRefused(server, `${lineEndings}`, () => client.connection.dotStuff("a", { lineEndings: wrong }));
        assertBadArgument(await errorOf(() => new DotStuffer({ lineEndings: wrong })), `${lineEndings}`);
        await assertUsable(server, client);
      }
    },
  },
  {
    name: "F17 Binary content goes as it is, counted, and only to a server with BINARYMIME",
    run: async () => {
      const server = new OctetServer();
      await using client = await clientOf(server);
      for (const text of SMUGGLED) {
        for (const [form, body] of forms(text)) {
          await client.send({ from: "a@x.test", to: "b@y.test", body, binary: true });
          assertEquals(server.messages.at(-1), text, form);
        }
      }
      assertEquals(server.commands.filter((line) => line.startsWith("MAIL") && !line.includes("BODY=BINARYMIME")), []);
      await assertRefused(server, "by DATA", () => client.send({ from: "a@x.test", to: "b@y.test", body: "a", binary: true, transfer: "data" }));
      await assertUsable(server, client);
      for (const keywords of [["CHUNKING"], ["BINARYMIME"], ["PIPELINING"]]) {
        const lacking = new OctetServer(keywords);
        await using other = await clientOf(lacking);
        const before = lacking.received;
        const error = await errorOf(() => other.send({ from: "a@x.test", to: "b@y.test", body: "a", binary: true }));
        assertEquals([Reflect.get(Object(error), "kind"), lacking.received], ["unsupported", before]);
      }
    },
  },
  {
    name: "F18 Dots are doubled at the beginning of every line, the first too, and nowhere else, by every verb that doubles them",
    run: async () => {
      const texts = [
        ".hidden: 1\r\n\r\nbody",
        "one\r\n.\r\nMAIL FROM:<evil@x.test>\r\n..two\r\n.",
        ".",
        "..",
        ".\r\n",
        "a.\r\n.b.c\r\n...\r\n",
        ". .\r\n.\t.",
      ];
      const server = new OctetServer();
      await using connection = await connectionOf(server);
      for (const text of texts) {
        const chunked = [...splits(bytes(text)), ...splitsInThree(bytes(text))];
        for (const [form, body] of [...forms(text), ...chunked.map((chunks) => ["a stream", streamOf(chunks)] as const)]) {
          await connection.mail("a@x.test");
          await connection.rcpt("b@y.test");
          await connection.data();
          await connection.dotStuff(body);
          assertEquals(server.raw.at(-1), dotted(text), `${JSON.stringify(text)} ${form}`);
          assertEquals(server.messages.at(-1), normalized(text));
        }
        for (const chunks of chunked) {
          const stuffed = await new Response(streamOf(chunks).pipeThrough(new DotStuffingStream())).text();
          assertEquals(stuffed, dotted(text));
        }
      }
      await assertUsable(server, { connection });
    },
  },
  {
    name: "F18 A chunk that is no octets is refused by what doubles dots: it would pass as it is",
    run: async () => {
      for (
        const value of [
          "\n.\n",
          "a",
          new ArrayBuffer(3),
          new Uint16Array([10, 46, 10]),
          new Uint8ClampedArray([10, 46, 10]),
          [10, 46, 10],
          null,
          5,
          {},
        ]
      ) {
        const chunk: Uint8Array = untyped(value);
        assertBadArgument(await errorOf(() => new DotStuffer().push(chunk)), Object.prototype.toString.call(value));
        const stream = new ReadableStream<Uint8Array>({
          start(controller): void {
            controller.enqueue(chunk);
            controller.close();
          },
        });
        assertBadArgument(await errorOf(() => new Response(stream.pipeThrough(new DotStuffingStream())).text()), "a stream");
      }
    },
  },
  {
    name: "F19 A message that does not end with a line end gets exactly one",
    run: () =>
      inEachDelivery(
        `${HELLO}
        C: MAIL FROM:<a@x.test>
        C: RCPT TO:<b@y.test>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 354 go
        C: Subject: a
        C:
        C: end
        C: .
        S: 250 taken
        ${BYE}`,
        async (server) => {
          await using client = await connectTo(server);
          const { accepted } = await client.send({ from: "a@x.test", to: "b@y.test", body: "Subject: a\r\n\r\nend" });
          assertEquals(accepted.length, 1);
        },
      ),
  },
  {
    name: "F19 Content that is empty, or ends in a CR, an LF, a CRLF or a dot, ends in exactly one CRLF and the dot",
    run: async () => {
      const cases: readonly (readonly [string, wire: string, chunk: string])[] = [
        ["", ".\r\n", ""],
        ["a", "a\r\n.\r\n", "a\r\n"],
        ["a\r", "a\r\n.\r\n", "a\r\n"],
        ["a\n", "a\r\n.\r\n", "a\r\n"],
        ["a\r\n", "a\r\n.\r\n", "a\r\n"],
        ["a\r\n\r\n", "a\r\n\r\n.\r\n", "a\r\n\r\n"],
        ["a\n\r", "a\r\n\r\n.\r\n", "a\r\n\r\n"],
        ["\r\n", "\r\n.\r\n", "\r\n"],
        [".", "..\r\n.\r\n", ".\r\n"],
        ["a.", "a.\r\n.\r\n", "a.\r\n"],
        ["a\r\n.", "a\r\n..\r\n.\r\n", "a\r\n.\r\n"],
      ];
      for (const { transfer, protocol } of WAYS) {
        const server = new OctetServer(undefined, protocol);
        await using client = await clientOf(server);
        for (const [text, wire, chunk] of cases) {
          for (const [form, body] of forms(text)) {
            await client.send({ from: "a@x.test", to: "b@y.test", body, transfer });
            assertEquals(server.raw.at(-1), transfer === "data" ? wire : chunk, `${JSON.stringify(text)}, ${form}, ${transfer}, ${protocol}`);
          }
        }
        await assertUsable(server, client);
      }
    },
  },
  {
    name: "F21 A line of more than 998 octets goes out as it is: to cut it would be to change what was signed",
    run: async () => {
      const line = "x".repeat(5_000);
      const text = `Subject: a\r\n\r\n${line}\r\n.${line}\r\n`;
      for (const { transfer, protocol } of WAYS) {
        const server = new OctetServer(undefined, protocol);
        await using client = await clientOf(server);
        for (const [form, body] of forms(text)) {
          await client.send({ from: "a@x.test", to: "b@y.test", body, transfer });
          assertWhole(server, text, transfer, form);
        }
      }
    },
  },
];
