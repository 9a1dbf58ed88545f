/** D: greetings, and what a server says it can do. */
import { assert, assertEquals } from "@std/assert";
import { connect, Extensions, parseEhlo, ReplyDecoder, SmtpClient } from "@posthorn/smtp";
import { BYE, connectTo, facts, openTo, reaching, rejection } from "../../support/client.ts";
import { settled } from "../../support/fake_clock.ts";
import { ManualServer } from "../../support/manual.ts";
import { sessionWith } from "../../support/phases.ts";
import { ScriptedServer } from "../../support/script.ts";
import { bytes } from "../../support/splits.ts";
import { DELIVERIES, type Fault, inEachDelivery } from "../fault.ts";

const auth = { username: "alice", password: "s3cret" };

/** What is made of an EHLO reply of these lines behind the greeting line. */
function offeredBy(...lines: readonly string[]): Extensions {
  const text = ["mx.example", ...lines].map((line, index, all) => `250${index < all.length - 1 ? "-" : " "}${line}\r\n`).join("");
  const [reply] = new ReplyDecoder().push(bytes(text));
  assert(reply !== undefined);
  return parseEhlo(reply);
}

const greetings: readonly Fault[] = [
  {
    name: "F48 A greeting of any code but 220 is an error with its words, and nothing but QUIT follows it",
    run: async () => {
      for (let code = 200; code < 600; code++) {
        if (code === 220) continue;
        const kind = code < 400 ? "protocol" : "refused";
        const end = code === 421 ? "S: {close}" : BYE;
        const server = new ScriptedServer(`S: ${code}-5.7.1 not you\nS: ${code} at all\n${end}`);
        const error = await rejection(connect(reaching(server, { auth, allowCleartextAuth: true })));
        const { kind: found, phase, code: kept, transient, delivery } = facts(error);
        assertEquals([found, phase, kept, transient, delivery], [kind, "greeting", code, code >= 400 && code < 500, "not-sent"]);
        assert(String(error).includes("not you") && String(error).includes("at all"), String(error));
        await settled();
        server.check();
      }
    },
  },
  {
    name: "F48 A greeting of many lines and one without text are greetings",
    run: async () => {
      for (const greeting of ["S: 220-mx.example\nS: 220-we do not authorise\nS: 220 anything", "S: 220", "S: 220-\nS: 220"]) {
        await inEachDelivery(`${greeting}\nC: EHLO client.test\nS: 250 mx\n${BYE}`, async (server) => {
          await using client = await connectTo(server);
          assertEquals(client.connection.greeting.code, 220);
        });
      }
    },
  },
  {
    name: "F48 A stray empty line, a banner of something else, and a greeting that goes on are no greeting",
    run: async () => {
      for (
        const text of [
          "\r\n220 mx\r\n",
          "\n220 mx\r\n",
          "220 mx\r\n\r\n",
          "SSH-2.0-OpenSSH_9\r\n",
          "* OK IMAP\r\n",
          "220-mx\r\n221 no\r\n",
          "220 mx\r\n220 mx\r\n",
        ]
      ) {
        const { error, after } = await sessionWith("greeting", (server) => server.say(text));
        assertEquals([facts(error).kind, facts(error).phase === "greeting" || text.startsWith("220 mx"), after], ["protocol", true, []], text);
      }
    },
  },
];

/** Lines behind the greeting, and the keywords in them with their parameters. */
const LINES: readonly (readonly [lines: readonly string[], keywords: Readonly<Record<string, readonly string[]>>])[] = [
  [["starttls", "8BitMime", "auth plain"], { "STARTTLS": [], "8BITMIME": [], "AUTH": ["plain"] }],
  [["AUTH=LOGIN", "AUTH PLAIN LOGIN", "auth=XOAUTH2 plain"], { AUTH: ["LOGIN", "PLAIN", "XOAUTH2", "plain"] }],
  [["AUTH", "AUTH="], { AUTH: [] }],
  [["AUTH =PLAIN"], { AUTH: ["=PLAIN"] }],
  [["PIPELINING  ", "PIPELINING", "  SIZE   5  6 "], { PIPELINING: [], SIZE: ["5", "6"] }],
  [["DSN\t", "\tHELP", "CHUNKING\tX"], { DSN: [], HELP: [], CHUNKING: ["X"] }],
  [["AUTH\vPLAIN", "PIPE\0LINING", "AUTH\u00a0PLAIN", "AUTH\u2003LOGIN"], {
    "AUTH\vPLAIN": [],
    "PIPE\0LINING": [],
    "AUTH\u00a0PLAIN": [],
    "AUTH\u2003LOGIN": [],
  }],
  [["NOSTARTTLS", "STARTTLS-NOT", "XPIPELINING", "PIPELININGX", "we do STARTTLS"], {
    "NOSTARTTLS": [],
    "STARTTLS-NOT": [],
    "XPIPELINING": [],
    "PIPELININGX": [],
    "WE": ["do", "STARTTLS"],
  }],
  [["ſtarttls", "CHUNKıNG", "ＳＴＡＲＴＴＬＳ", "ßize 5", "PIPELİNİNG"], {
    "ſTARTTLS": [],
    "CHUNKıNG": [],
    "ＳＴＡＲＴＴＬＳ": [],
    "ßIZE": ["5"],
    "PIPELİNİNG": [],
  }],
  [["", " ", "\t"], {}],
  [["X".repeat(1_000), "Y".repeat(16_000)], { ["X".repeat(1_000)]: [], ["Y".repeat(16_000)]: [] }],
  [["LIMITS RCPTMAX=20", "LIMITS MAILMAX=5 RCPTMAX=1"], { LIMITS: ["RCPTMAX=20", "MAILMAX=5", "RCPTMAX=1"] }],
  [["__proto__ x", "constructor", "toString 5", "hasOwnProperty"], {
    "__PROTO__": ["x"],
    "CONSTRUCTOR": [],
    "TOSTRING": ["5"],
    "HASOWNPROPERTY": [],
  }],
  [["Ok SESSIONID=<abc>"], { OK: ["SESSIONID=<abc>"] }],
  [["250-STARTTLS", "250 AUTH PLAIN"], { "250-STARTTLS": [], "250": ["AUTH", "PLAIN"] }],
];

const SIZES: readonly (readonly [lines: readonly string[], maxSize: number | undefined])[] = [
  [["SIZE 10485760"], 10_485_760],
  [["SIZE"], undefined],
  [["SIZE 0"], undefined],
  [["SIZE -1"], undefined],
  [["SIZE +5"], undefined],
  [["SIZE 1e9"], undefined],
  [["SIZE 0x10"], undefined],
  [["SIZE 5.5"], undefined],
  [["SIZE 10,000"], undefined],
  [["SIZE x"], undefined],
  [["SIZE=1000"], undefined],
  [["SIZE ١٢٣"], undefined],
  [["SIZE 0000000000000000000001"], undefined],
  [["SIZE 00000000000000000100"], 100],
  [["SIZE 9007199254740991"], Number.MAX_SAFE_INTEGER],
  [["SIZE 9007199254740992"], undefined],
  [["SIZE 18446744073709551616"], undefined],
  [[`SIZE ${"9".repeat(10_000)}`], undefined],
  [["SIZE 5", "SIZE 6"], 5],
  [["size 7"], 7],
];

const LIMITS: readonly (readonly [text: string, rcptMax: number | undefined])[] = [
  ["RCPTMAX=20", 20],
  ["rcptmax=20", 20],
  ["RCPTMAX", undefined],
  ["RCPTMAX=", undefined],
  ["RCPTMAX=0", undefined],
  ["RCPTMAX=-5", undefined],
  ["RCPTMAX=1e3", undefined],
  ["RCPTMAX=0x10", undefined],
  ["RCPTMAX=99999999999999999999", undefined],
  ["RCPTMAX=NaN", undefined],
  ["RCPTMAX=Infinity", undefined],
  ["RCPTMAX=5 RCPTMAX=6", 5],
  ["=5", undefined],
  ["MAILMAX=3", undefined],
];

const oddities: readonly Fault[] = [
  {
    name: "F41 A line of EHLO with 60,000 spaces in it is read like any other, for what it says",
    run: () => {
      const spaces = " ".repeat(60_000);
      for (const space of [spaces, spaces.replaceAll(" ", "\t"), " \t".repeat(30_000)]) {
        assertEquals(new Extensions([`AUTH${space}X${space}PLAIN`]).get("AUTH"), ["X", "PLAIN"]);
        assertEquals(new Extensions([`AUTH=${space}=${space}`]).get("AUTH"), ["="]);
      }
      assertEquals(new Extensions(["=".repeat(100_000), `AUTH=${"AUTH=".repeat(20_000)}`, `SIZE ${"1 ".repeat(50_000)}`]).size, 3);
    },
  },
  {
    name:
      "F49 Of each line of EHLO the first word is a keyword, whole and in any case of ASCII; lines of one keyword are one, what is unknown is kept",
    run: () => {
      for (const [lines, keywords] of LINES) assertEquals(Object.fromEntries(offeredBy(...lines)), keywords);
      for (const known of ["STARTTLS", "PIPELINING", "CHUNKING", "SIZE"]) {
        for (const index of [6, 7, 8, 12, 14]) assertEquals(offeredBy(...LINES[index]![0]).has(known), false, `${LINES[index]![0]}`);
      }
    },
  },
  {
    name: "F49 Nothing in the greeting line of EHLO counts, in whatever octets it is",
    run: async () => {
      for (const greeting of ["STARTTLS", "PIPELINING SIZE 10", "smtp-auth-starttls.example", "AUTH PLAIN", "", "Gr\u00fc\u00df Gott ✗"]) {
        for (const delivery of DELIVERIES) {
          const server = new ScriptedServer(`S: 220 mx\nC: EHLO client.test\nS: 250-${greeting}\nS: 250 HELP\n${BYE}`, delivery);
          await using client = await connectTo(server);
          assertEquals([...client.extensions], [["HELP", []]]);
        }
      }
      const { error } = await sessionWith(
        "EHLO",
        (server) => server.sayOctets(Uint8Array.of(...bytes("250-"), 0xe9, 0xff, ...bytes("\r\n250 AUTH LOGIN\r\n"))),
      );
      assertEquals(error, undefined);
    },
  },
  {
    name: "F49 SIZE and LIMITS say something only where they hold a number that can be one",
    run: () => {
      for (const [lines, maxSize] of SIZES) assertEquals(offeredBy(...lines).maxSize, maxSize, `${lines}`.slice(0, 50));
      for (const [text, rcptMax] of LIMITS) assertEquals(offeredBy(`LIMITS ${text}`).limit("RCPTMAX"), rcptMax, text);
    },
  },
  {
    name: "F49 A second EHLO replaces what the first one said, a refused one changes nothing, and HELO clears it",
    run: async () => {
      const replies = ["250-mx\r\n250-SIZE 5\r\n250 PIPELINING", "550 no", "250-mx\r\n250 DSN", "250 mx"];
      const server = new ManualServer((_, server) => server.say(`${replies.shift() ?? "221 bye"}\r\n`));
      const { SmtpConnection } = await import("@posthorn/smtp");
      await using connection = await SmtpConnection.open(server.options());
      const found: string[][] = [];
      for (const hello of ["ehlo", "ehlo", "ehlo", "helo"] as const) {
        await connection[hello]("client.test");
        found.push([...connection.extensions].map(([keyword]) => keyword));
      }
      assertEquals(found, [["SIZE", "PIPELINING"], ["SIZE", "PIPELINING"], ["DSN"], []]);
    },
  },
];

const refusals: readonly Fault[] = [
  {
    name: "F50 A server that does not know EHLO is told HELO, and no parameter afterwards",
    run: async () => {
      for (const code of [500, 502, 504]) {
        await inEachDelivery(
          `
          S: 220 mx
          C: EHLO client.test
          S: ${code} EH?
          C: HELO client.test
          S: 250-mx
          S: 250-PIPELINING
          S: 250 SIZE 5
          C: MAIL FROM:<a@x.test>
          S: 250 ok
          C: RCPT TO:<b@y.test>
          S: 250 ok
          C: DATA
          S: 354 go
          C: more than five octets
          C: .
          S: 250 ok
          ${BYE}`,
          async (server) => {
            await using client = await connectTo(server);
            assertEquals(client.extensions.size, 0);
            await client.send({ from: "a@x.test", to: "b@y.test", body: "more than five octets\r\n" });
          },
        );
      }
    },
  },
  {
    name: "F50 HELO is not said where TLS or a login is wanted, nor to any other refusal of EHLO",
    run: async () => {
      for (let code = 200; code < 600; code++) {
        const isUnknown = [500, 502, 504].includes(code);
        if (code < 300) continue;
        for (const more of isUnknown ? [{ tls: "starttls" }, { auth, allowCleartextAuth: true }] as const : [{}]) {
          const end = code === 421 ? "S: {close}" : code < 400 ? "" : BYE;
          const server = new ScriptedServer(`S: 220 mx\nC: EHLO client.test\nS: ${code} no\n${end}`);
          const error = facts(await rejection(connectTo(server, more)));
          assertEquals([error.kind, error.phase, error.code], [code < 400 ? "protocol" : "refused", "ehlo", code]);
          await settled();
          server.check();
        }
      }
    },
  },
  {
    name: "F50 HELO that is refused too is the end",
    run: () =>
      inEachDelivery(`S: 220 mx\nC: EHLO client.test\nS: 504 no EHLO\nC: HELO client.test\nS: 504 no HELO\n${BYE}`, async (server) => {
        const error = facts(await rejection(connectTo(server)));
        assertEquals([error.kind, error.phase, error.code, error.transient], ["refused", "helo", 504, false]);
      }),
  },
];

const odd: readonly Fault[] = [
  {
    name: "F51 Every 2yz to RCPT is a yes, every 3yz a breach of the protocol",
    run: async () => {
      for (let code = 200; code < 400; code++) {
        const { error, result, after } = await sessionWith("RCPT", (server) => server.say(`${code} odd\r\n`));
        if (code < 300) assertEquals([error, result?.accepted[0]?.reply.code], [undefined, code]);
        else assertEquals([facts(error).kind, facts(error).delivery, after.join("").includes("hello")], ["protocol", "not-sent", false], `${code}`);
      }
    },
  },
  {
    name: "F51 DATA needs 354 and nothing else, and no content is sent without it",
    run: async () => {
      for (let code = 200; code < 600; code++) {
        if (code === 354) continue;
        const { error, result, after } = await sessionWith("DATA", (server) => server.say(`${code} odd\r\n`));
        assertEquals([after.join("").includes("hello"), result], [false, undefined], `${code}`);
        const { kind, delivery, phase } = facts(error);
        assertEquals([kind, delivery, phase], [code < 400 ? "protocol" : "refused", "not-sent", "data"], `${code}`);
      }
    },
  },
  {
    name: "F51 A 3yz is nowhere a yes: not to MAIL, to the message, to EHLO, or to what is asked by hand",
    run: async () => {
      for (const code of [300, 334, 354, 399]) {
        for (const place of ["EHLO", "NOOP", "MAIL", "."] as const) {
          const { error, result, server } = await sessionWith(place, (server) => server.say(`${code} odd\r\n`));
          assertEquals([facts(error).kind, server.isClosed, result], ["protocol", true, undefined], `${code} at ${place}`);
        }
      }
    },
  },
  {
    name: "F51 A 2yz that is none of RFC 5321's is a yes to MAIL, to the message and to RSET, and 235 is a login nowhere but behind AUTH",
    run: async () => {
      for (const code of [200, 220, 221, 235, 251, 252, 299]) {
        for (const place of ["NOOP", "MAIL", "."] as const) {
          const { error, result, client } = await sessionWith(place, (server) => server.say(`${code} odd\r\n`));
          assertEquals([error, result?.accepted.length, client instanceof SmtpClient], [undefined, 1, true], `${code} at ${place}`);
        }
      }
      const server = new ScriptedServer("S: 220 mx\nC: EHLO client.test\nS: 235 mx\nC: MAIL FROM:<a@x.test>\nS: 235 ok\nS: {silence}");
      const connection = await openTo(server);
      await connection.ehlo("client.test");
      await connection.mail("a@x.test");
      assertEquals(connection.isAuthenticated, false);
      connection.close();
    },
  },
];

export const ehlo: readonly Fault[] = [...greetings, ...oddities, ...refusals, ...odd];
