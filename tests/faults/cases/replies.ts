/** D: replies that are none, too many, too slow, or too early, at every place of a session. */
import { assert, assertEquals } from "@std/assert";
import { connect, ReplyDecoder, SmtpConnection, SmtpError, SmtpProtocolError } from "@posthorn/smtp";
import { facts, rejection } from "../../support/client.ts";
import { settled } from "../../support/fake_clock.ts";
import { ManualServer } from "../../support/manual.ts";
import { type Ending, everywhere, type Phase, PHASE_NAMES, PHASES, saying, sessionWith, USUAL } from "../../support/phases.ts";
import { bytes } from "../../support/splits.ts";
import type { Fault } from "../fault.ts";

/** What holds wherever the server breaks the protocol: it is said, nothing more is said to the server, and what was delivered stays so. */
function assertBroken(what: string, place: Phase, { error, result, server, after }: Ending): void {
  const place_ = `${what} at ${place}`;
  assertEquals([server.isClosed, after], [true, []], place_);
  if (place === "QUIT") return assertEquals([error, result?.accepted.length], [undefined, 1], place_);
  const delivery = place === "." ? "unknown" : "not-sent";
  assert(error instanceof SmtpProtocolError, `${place_}: ${error}`);
  assertEquals([error.kind, error.phase, error.delivery], ["protocol", PHASE_NAMES[place], delivery], place_);
}

/** Milliseconds that each wait may take here. */
const DEADLINE = 20_000;
const timeouts = Object.fromEntries(["greeting", "command", "mail", "rcpt", "data", "final", "quit"].map((name) => [name, DEADLINE]));

const slow: readonly Fault[] = [
  {
    name: "F39 A server that says nothing, or a little now and then, is left at the deadline of each command, and not a moment later",
    run: async () => {
      const drips = {
        "nothing": "",
        "one digit after the other": "2",
        "spaces": " ",
        "line after line": "250-and\r\n",
        "no end of a line": "250 and ",
      };
      for (const [what, drip] of Object.entries(drips)) {
        for (const place of PHASES) {
          let waited = () => 0;
          const { error, result, server, after } = await sessionWith(place, async (server, clock) => {
            // A line of the right code, which has no end.
            const begin = drip === "2" ? USUAL[place].slice(0, 4).replace(" ", "-") : "";
            const text = drip.startsWith("250") ? drip.replace("250", USUAL[place].slice(0, 3)) : drip;
            // The greeting is awaited from the moment of dialling.
            await settled();
            const begun = clock.now();
            waited = () => clock.now() - begun;
            for (let index = 0; !server.isClosed && waited() < 2 * DEADLINE; index++) {
              server.say(drip === "2" ? begin[index] ?? "x" : drip === " " ? begin[index] ?? "" : text);
              await clock.advance(400);
            }
          }, { timeouts });
          assertEquals([waited(), server.isClosed, after], [DEADLINE, true, []], `${what} at ${place}`);
          if (place === "QUIT") assertEquals(result?.accepted.length, 1);
          else assertEquals([facts(error).kind, facts(error).delivery], ["timeout", place === "." ? "unknown" : "not-sent"], `${what} at ${place}`);
        }
      }
    },
  },
  {
    name: "F39 Dialling, TLS and the greeting have one budget together",
    run: async () => {
      const { error } = await sessionWith("greeting", (_, clock) => settled().then(() => clock.advance(DEADLINE)), {
        timeouts: { greeting: DEADLINE },
      });
      assertEquals([facts(error).kind, facts(error).phase], ["timeout", "greeting"]);
      const { FakeClock } = await import("../../support/fake_clock.ts");
      const clock = new FakeClock();
      const server = new ManualServer(() => {}, "");
      const dial = () => new Promise<typeof server.socket>((resolve) => void clock.schedule(() => resolve(server.socket), 15_000));
      const opening = rejection(SmtpConnection.open(server.options({ clock, dial, timeouts: { greeting: DEADLINE } })));
      await clock.advance(15_000);
      assertEquals(clock.pending, 1);
      await clock.advance(4_999);
      assertEquals(server.isClosed, false);
      await clock.advance(1);
      assertEquals([facts(await opening).kind, server.isClosed], ["timeout", true]);
    },
  },
];

const endless: readonly Fault[] = [
  {
    name: "F40 A line without an end, a reply without a last line and one too long to be one end the connection, wherever they come",
    run: async () => {
      const code = (place: Phase) => USUAL[place].slice(0, 3);
      const floods: Readonly<Record<string, (place: Phase) => string>> = {
        "a line of a million octets": (place) => `${code(place)} ${"x".repeat(1_000_000)}`,
        "a line of 16,385 octets": (place) => `${code(place)} ${"x".repeat(16_381)}\r\n`,
        "20,000 lines": (place) => `${`${code(place)}-x\r\n`.repeat(20_000)}${code(place)} x\r\n`,
        "1,001 lines": (place) => `${`${code(place)}-x\r\n`.repeat(1_000)}${code(place)} x\r\n`,
        "a reply of 300 KiB": (place) => `${`${code(place)}-${"x".repeat(10_000)}\r\n`.repeat(30)}${code(place)} x\r\n`,
        "NUL for ever": () => "\0".repeat(100_000),
        "a digit for ever": () => "2".repeat(100_000),
      };
      for (const [what, flood] of Object.entries(floods)) {
        await everywhere((place) => saying(flood(place)), (place, ending) => assertBroken(what, place, ending));
      }
    },
  },
  {
    name: "F40 What is long, but no longer than the limits, is a reply",
    run: async () => {
      await everywhere(
        (place) => (server) => {
          const code = USUAL[place].slice(0, 3);
          if (code === "334") return server.say(`${USUAL[place]}\r\n`);
          server.say(`${`${code}-x\r\n`.repeat(500)}${`${code}-${"x".repeat(10_000)}\r\n`.repeat(20)}${USUAL[place].replace(/^.*\n/, "")}\r\n`);
        },
        (place, { error, result }) => assertEquals([error, result?.accepted.length], [undefined, 1], place),
      );
    },
  },
  {
    name: "F40 Replies to many recipients may all be long together, but not all as long as one may be",
    run: async () => {
      for (const [length, isTaken] of [[1_000, true], [100_000, false]] as const) {
        const to = Array.from({ length: 200 }, (_, index) => `r${index}@y.test`);
        let said = 0;
        const server = new ManualServer((text, server) => {
          for (const line of text.split("\r\n").filter((line) => /^(EHLO|MAIL|RCPT|DATA|QUIT|\.$)/.test(line))) {
            if (line.startsWith("RCPT")) said++;
            const long = `${`250-${"x".repeat(990)}\r\n`.repeat(length / 1_000 - 1)}250 ${"x".repeat(990)}\r\n`;
            server.say(line.startsWith("RCPT") ? long : line === "DATA" ? "354 go\r\n" : line === "QUIT" ? "221 bye\r\n" : "250 ok\r\n");
          }
        });
        const client = await connect(server.options());
        const sent = client.send({ from: "a@x.test", to, body: "Subject: a\r\n\r\n" });
        if (isTaken) assertEquals((await sent).accepted.length, 200);
        else {
          const error = await rejection(sent);
          assertEquals([facts(error).kind, facts(error).delivery, server.isClosed], ["protocol", "not-sent", true]);
          // A mebibyte, and one KiB a recipient: some twelve replies.
          assert(error instanceof SmtpError && error.accepted.length < 20 && said < 20, `${said}`);
        }
        await client.quit();
      }
    },
  },
  {
    name: "F40 An error repeats the beginning of a long reply, and has the whole of it beside",
    run: async () => {
      const words = `${"550-no\r\n".repeat(900)}550 ${"no ".repeat(5_000)}\r\n`;
      const { error } = await sessionWith("MAIL", saying(words));
      assert(error instanceof SmtpError);
      assert(error.message.length < 2_100 && error.message.startsWith("The server refused MAIL: 550 no / no"), `${error.message.length}`);
      assertEquals(error.reply?.lines.length, 901);
    },
  },
];

/** Lines that are none of a reply. */
const NONSENSE: readonly string[] = [
  ...[
    "hello",
    "2500 ok",
    "25 ok",
    "2",
    "25",
    "700 x",
    "250:ok",
    "",
    "000 ok",
    "100 x",
    "199 x",
    "600 x",
    "999 x",
    "25O ok",
    "2 50 ok",
    "250\tok",
    "250_ok",
  ],
  ...[
    " 250 ok",
    "\t250 ok",
    "-250 ok",
    "+250 ok",
    "250=ok",
    "250\0ok",
    "250\rok",
    "0250 ok",
    "２５０ ok",
    "٢٥٠ ok",
    "\ufeff250 ok",
    "\0",
    "*",
    "HTTP/1.1 200 OK",
  ],
  ...["* OK IMAP4rev1", "+OK POP3", "SSH-2.0-x", "\x16\x03\x01", "250.ok", "2e2 ok", "250ok", "250\u00a0ok", "250\u2010ok", "\u00b250 ok"],
];

const grammar: readonly Fault[] = [
  {
    name: "F42 A line that is none of a reply ends the connection, wherever it comes",
    run: async () => {
      for (const line of NONSENSE) {
        await everywhere(() => saying(`${line}\r\n`), (place, ending) => assertBroken(JSON.stringify(line), place, ending));
      }
    },
  },
  {
    name: "F42 Of all codes from 000 to 999 behind each octet those from 200 to 599 are codes, before a space, a hyphen or the end alone",
    run: () => {
      for (let number = 0; number < 1_000; number++) {
        const code = String(number).padStart(3, "0");
        const isCode = number >= 200 && number <= 599;
        for (let separator = 0; separator < 256; separator++) {
          const decoder = new ReplyDecoder();
          const line = Uint8Array.of(...bytes(code), separator, 120, 13, 10);
          // A line end is no separator.
          if (separator === 10) continue;
          const isGood = isCode && (separator === 32 || separator === 45);
          let replies = -1;
          try {
            replies = decoder.push(line).length;
          } catch (error) {
            assert(error instanceof SmtpProtocolError);
          }
          assertEquals(replies, !isGood ? -1 : separator === 32 ? 1 : 0, `${code} ${separator}`);
        }
        for (const end of ["\r\n", "\n"]) {
          let found: number | undefined;
          try {
            found = new ReplyDecoder().push(bytes(code + end))[0]?.code;
          } catch (error) {
            assert(error instanceof SmtpProtocolError);
          }
          assertEquals(found, isCode ? number : undefined);
        }
      }
    },
  },
  {
    name: "F42 A code without text is a whole reply, with a space behind it and without, and as any of several lines",
    run: async () => {
      for (
        const form of [
          (code: string) => code,
          (code: string) => `${code} `,
          (code: string) => `${code}-\r\n${code}`,
          (code: string) => `${code}-\r\n${code}-\r\n${code} `,
        ]
      ) {
        await everywhere(
          // What EHLO offers stands in its text.
          (place) => saying(`${place === "EHLO" ? USUAL.EHLO : form(USUAL[place].slice(0, 3))}\r\n`),
          (place, { error, result }) => assertEquals([error, result?.accepted.length], [undefined, 1], place),
        );
      }
    },
  },
  {
    name: "F43 One reply with two codes is none, wherever it comes; behind the dot nobody knows what became of the message",
    run: async () => {
      const mixed: readonly ((code: string) => string)[] = [
        (code) => `${code}-ok\r\n550 no`,
        (code) => `550-no\r\n${code} ok`,
        (code) => `${code}-ok\r\n${Number(code) + 1} ok`,
        (code) => `${code}-a\r\n${code}-b\r\n421 c`,
        (code) => `${code}-a\r\nb`,
        (code) => `${code}-a\r\n\r\n${code} b`,
        (code) => `${code}-a\r\n ${code} b`,
        (code) => `421-a\r\n${code} b`,
      ];
      for (const form of mixed) {
        await everywhere((place) => saying(`${form(USUAL[place].slice(0, 3))}\r\n`), (place, ending) => assertBroken(form("xyz"), place, ending));
      }
    },
  },
];

/** Texts that a server may have, odd as they are. */
const TEXTS: readonly (readonly [octets: Uint8Array, text: string])[] = [
  [bytes("no\0body"), "no\0body"],
  [Uint8Array.of(0xe9, 0xff), "éÿ"],
  [bytes("Empfänger ✗ 😀"), "Empfänger ✗ 😀"],
  [Uint8Array.of(0xe2, 0x9c), "\u00e2\u009c"],
  [Uint8Array.of(0xed, 0xa0, 0x80), "\u00ed\u00a0\u0080"],
  [Uint8Array.of(0xc0, 0x80), "\u00c0\u0080"],
  [bytes("a\rb"), "a\rb"],
  [bytes("\x1b[31m\x7f\x85"), "\x1b[31m\x7f\x85"],
  [bytes("\ufeffx"), "\ufeffx"],
  [bytes("  spaces  "), "  spaces  "],
];

const texts: readonly Fault[] = [
  {
    name: "F44 Any octets are text, however they are cut: UTF-8, else one character an octet; a bare LF ends a line, a bare CR does not",
    run: () => {
      for (const [octets, text] of TEXTS) {
        for (const end of ["\r\n", "\n"]) {
          const line = Uint8Array.of(...bytes("550-a"), ...bytes(end), ...bytes("550 "), ...octets, ...bytes(end));
          for (let cut = 0; cut <= line.length; cut++) {
            const decoder = new ReplyDecoder();
            const replies = [...decoder.push(line.slice(0, cut)), ...decoder.push(line.slice(cut))];
            assertEquals(replies.map(({ lines }) => lines), [["a", text]]);
            assert(decoder.isIdle);
          }
        }
      }
    },
  },
  {
    name: "F44 A refusal in any octets is a refusal with these words, and a session in bare LFs is a session",
    run: async () => {
      for (const [octets, text] of TEXTS) {
        const { error } = await sessionWith("RCPT", (server) => server.sayOctets(Uint8Array.of(...bytes("550 "), ...octets, 13, 10)));
        assert(error instanceof SmtpError);
        assertEquals([error.kind, error.code, error.reply?.lines], ["refused", 550, [text]]);
      }
      await everywhere(
        (place) => saying(`${USUAL[place].replaceAll("\r\n", "\n")}\n`),
        (place, { error, result }) => assertEquals([error, result?.accepted.length], [undefined, 1], place),
      );
    },
  },
  {
    name: "F45 A reply is the same in one segment, octet by octet, and cut at any place in two",
    run: async () => {
      for (const place of PHASES) {
        const reply = `${USUAL[place]}\r\n`;
        const ways: string[][] = [
          [...reply],
          ...Array.from({ length: reply.length - 1 }, (_, index) => [reply.slice(0, index + 1), reply.slice(index + 1)]),
        ];
        for (const parts of ways) {
          const { error, result } = await sessionWith(place, async (server) => {
            for (const part of parts) {
              server.say(part);
              await settled();
            }
          });
          assertEquals([error, result?.accepted.length], [undefined, 1], `${place} ${parts.length}`);
        }
      }
    },
  },
];

export const replies: readonly Fault[] = [...slow, ...endless, ...grammar, ...texts];
