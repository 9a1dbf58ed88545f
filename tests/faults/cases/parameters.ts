/** A: parameters of MAIL and RCPT, by the extensions of the library, by others, and by hand. */
import { assertEquals } from "@std/assert";
import type { EsmtpParameters, MessageExtension, SmtpClient } from "@posthorn/smtp";
import { deliverBy, dsn, type DsnOptions, futureRelease, ifOffered, priority, rrvs, solicit, submitter } from "@posthorn/smtp/extensions";
import { clientOf, connectionOf, EVERYTHING, OctetServer, octetText } from "../../support/octet_server.ts";
import type { Fault } from "../fault.ts";
import { assertBadArgument, assertRefused, assertUsable, errorOf, untyped } from "../refusals.ts";

const EVIL = "\r\nRCPT TO:<evil@x.test>";
/** What is no whole number, or would not look like one on the wire. */
const NO_NUMBERS: readonly unknown[] = [
  `1${EVIL}`,
  "1",
  "",
  null,
  NaN,
  Infinity,
  -Infinity,
  1.5,
  1e21,
  2 ** 53,
  1n,
  [1],
  { valueOf: () => 1 },
  new Number(1),
  true,
];

/** The lines of the envelope that `client` writes for a message with `extensions`. */
async function envelopeOf(server: OctetServer, client: SmtpClient, extensions: readonly MessageExtension[]): Promise<readonly string[]> {
  const before = server.commands.length;
  await client.send({ from: "a@x.test", to: "b@y.test", body: "hello", extensions });
  return server.commands.slice(before).filter((line) => /^(MAIL|RCPT)/.test(line));
}

/** What {@linkcode envelopeOf} gives without any. */
const MAIL = "MAIL FROM:<a@x.test> SIZE=7";
const RCPT = "RCPT TO:<b@y.test>";

export const parameters: readonly Fault[] = [
  {
    name: "F08 ENVID and ORCPT are xtext, of which no character ends a parameter or a line",
    run: async () => {
      const server = new OctetServer();
      await using client = await clientOf(server);
      const cases: readonly [DsnOptions, mail: string, rcpt: string][] = [
        [{ envelopeId: "a+b=c d" }, `${MAIL} ENVID=a+2Bb+3Dc+20d`, RCPT],
        [{ envelopeId: "<x>;y" }, `${MAIL} ENVID=<x>;y`, RCPT],
        [{ envelopeId: "x".repeat(100) }, `${MAIL} ENVID=${"x".repeat(100)}`, RCPT],
        [{ originalRecipient: "a+b=c d@x.test" }, MAIL, `${RCPT} ORCPT=rfc822;a+2Bb+3Dc+20d@x.test`],
        [{ originalRecipient: "x400;/c=x" }, MAIL, `${RCPT} ORCPT=x400;/c+3Dx`],
      ];
      for (const [options, mail, rcpt] of cases) assertEquals(await envelopeOf(server, client, [dsn(options)]), [mail, rcpt]);
    },
  },
  {
    name: "F08 A control, a text that is too long and a text that is none are refused in ENVID and ORCPT",
    run: async () => {
      const controls = [...Array.from({ length: 32 }, (_, code) => String.fromCharCode(code)), "\x7f", "\ud800", EVIL];
      for (const control of controls) {
        assertBadArgument(await errorOf(() => dsn({ envelopeId: `x${control}` })), "envelopeId");
        assertBadArgument(await errorOf(() => dsn({ originalRecipient: `x${control}@x.test` })), "originalRecipient");
        assertBadArgument(await errorOf(() => dsn({ originalRecipient: `rfc822${control};x@x.test` })), "its type");
        assertBadArgument(await errorOf(() => submitter(`x${control}@x.test`)), "submitter");
        assertBadArgument(await errorOf(() => solicit([`net.example${control}`])), "solicit");
      }
      for (const envelopeId of ["x".repeat(101), "+".repeat(34), "", "\u00e9", untyped<string>(5), untyped<string>({ toString: () => "x" })]) {
        assertBadArgument(await errorOf(() => dsn({ envelopeId })), `${envelopeId}`);
      }
      const server = new OctetServer();
      await using client = await clientOf(server);
      const tooLong = dsn({ originalRecipient: `${"+".repeat(200)}@x.test` });
      await assertRefused(server, "an ORCPT of 600", () => envelopeOf(server, client, [tooLong]));
      await assertUsable(server, client);
    },
  },
  {
    name: "F08 An ORCPT of the type utf-8 says its characters only to a server with SMTPUTF8, and spells them out to any other",
    run: async () => {
      const extension = dsn({ originalRecipient: "j\u00f6rg+x@x.test" });
      const spoken = new OctetServer();
      await using one = await clientOf(spoken);
      const [, rcpt] = await (async () => {
        const before = spoken.commands.length;
        await one.send({ from: "a@x.test", to: "j\u00f6rg@y.test", body: "hello", extensions: [extension] });
        return spoken.commands.slice(before);
      })();
      assertEquals(rcpt, octetText("RCPT TO:<j\u00f6rg@y.test> ORCPT=utf-8;j\u00f6rg\\x{2B}x@x.test"));
      const deaf = new OctetServer(EVERYTHING.filter((keyword) => keyword !== "SMTPUTF8"));
      await using other = await clientOf(deaf);
      assertEquals(await envelopeOf(deaf, other, [extension]), [MAIL, `${RCPT} ORCPT=utf-8;j\\x{F6}rg\\x{2B}x@x.test`]);
    },
  },
  {
    name: "F09 Numbers that reach the wire are whole, within their range, and written by the library",
    run: async () => {
      for (const value of NO_NUMBERS) {
        const number: number = untyped(value);
        assertBadArgument(await errorOf(() => priority(number)), `priority ${String(value)}`);
        assertBadArgument(await errorOf(() => futureRelease({ seconds: number })), `seconds ${String(value)}`);
        assertBadArgument(await errorOf(() => deliverBy({ seconds: number, onExpiry: "notify" })), `seconds ${String(value)}`);
      }
      for (const value of [-10, 10]) assertBadArgument(await errorOf(() => priority(value)), `${value}`);
      for (const value of [0, -0, -1, 1e9]) assertBadArgument(await errorOf(() => futureRelease({ seconds: value })), `${value}`);
      for (const value of [-1e9, 1e9]) assertBadArgument(await errorOf(() => deliverBy({ seconds: value, onExpiry: "notify" })), `${value}`);
      for (const value of [`return${EVIL}`, "R", undefined, {}]) {
        assertBadArgument(await errorOf(() => deliverBy({ seconds: 1, onExpiry: untyped(value) })), `${value}`);
      }
      assertBadArgument(await errorOf(() => deliverBy({ seconds: 1, onExpiry: "notify", trace: untyped(EVIL) })), "trace");
      const server = new OctetServer();
      await using client = await clientOf(server);
      const made: readonly [MessageExtension, mail: string][] = [
        [priority(-0), `${MAIL} MT-PRIORITY=0`],
        [priority(-9), `${MAIL} MT-PRIORITY=-9`],
        [futureRelease({ seconds: 999_999_999 }), `${MAIL} HOLDFOR=999999999`],
        [deliverBy({ seconds: -0, onExpiry: "notify", trace: true }), `${MAIL} BY=0;NT`],
        [deliverBy({ seconds: -999_999_999, onExpiry: "notify" }), `${MAIL} BY=-999999999;N`],
      ];
      for (const [extension, mail] of made) assertEquals(await envelopeOf(server, client, [extension]), [mail, RCPT]);
    },
  },
  {
    name: "F09 A SIZE, or any parameter that is a number, by hand: a safe whole number or nothing",
    run: async () => {
      const server = new OctetServer();
      await using connection = await connectionOf(server);
      for (const value of [...NO_NUMBERS.filter((value) => value !== "1" && value !== true), -1, -0.5]) {
        const given: EsmtpParameters = untyped({ SIZE: value });
        await assertRefused(server, `mail SIZE ${String(value)}`, () => connection.mail("a@x.test", { parameters: given }));
        await assertRefused(server, `rcpt SIZE ${String(value)}`, () => connection.rcpt("a@x.test", { parameters: given }));
      }
      const before = server.commands.length;
      await connection.mail("a@x.test", { parameters: { SIZE: -0 } });
      await connection.rset();
      await connection.mail("a@x.test", { parameters: { SIZE: Number.MAX_SAFE_INTEGER, NOT: false, NOR: undefined, YES: true } });
      assertEquals(server.commands.slice(before), ["MAIL FROM:<a@x.test> SIZE=0", "RSET", "MAIL FROM:<a@x.test> SIZE=9007199254740991 YES"]);
      await assertUsable(server, { connection });
    },
  },
  {
    name: "F09 A moment is the library's own text, whatever its Date says of itself, and does not change once it was checked",
    run: async () => {
      class Evil extends Date {
        override toISOString(): string {
          return `2030-01-01T00:00:00Z${EVIL}`;
        }
      }
      const server = new OctetServer();
      await using client = await clientOf(server);
      for (const value of [NaN, 8.64e15, -8.64e15]) {
        assertBadArgument(await errorOf(() => futureRelease({ until: new Date(value) })), `until ${value}`);
        assertBadArgument(await errorOf(() => rrvs(new Date(value))), `since ${value}`);
      }
      for (const value of ["2030-01-01", 0, {}, null, { getTime: () => 0, toISOString: () => "2030-01-01T00:00:00Z" }]) {
        assertBadArgument(await errorOf(() => rrvs(untyped(value))), `since ${value}`);
      }
      assertBadArgument(await errorOf(() => rrvs(new Date(0), untyped(`reject${EVIL}`))), "unsupported");
      const until = new Date("2030-01-01T00:00:00.5Z");
      const made = [futureRelease({ until }), rrvs(until)];
      until.setTime(NaN);
      assertEquals(await envelopeOf(server, client, made), [`${MAIL} HOLDUNTIL=2030-01-01T00:00:00Z`, `${RCPT} RRVS=2030-01-01T00:00:00Z;C`]);
      assertEquals(await envelopeOf(server, client, [rrvs(new Evil(0))]), [MAIL, `${RCPT} RRVS=1970-01-01T00:00:00Z;C`]);
    },
  },
  {
    name: "F10 An extension of the caller's own says nothing but parameters",
    run: async () => {
      const server = new OctetServer();
      await using client = await clientOf(server);
      const nasty: readonly unknown[] = [
        { X: `1${EVIL}` },
        { X: "1 SIZE=1" },
        { X: "1=2" },
        { X: "" },
        { X: "\x7f" },
        { X: "\ud800" },
        { X: null },
        { X: { toString: () => "1" } },
        { X: ["1"] },
        { X: Symbol("x") },
        { X: -1 },
        { X: NaN },
        { X: "x".repeat(13_000) },
        { [`X${EVIL}`]: true },
        { "X Y": true },
        { "": "1" },
        { "X=": "1" },
        { "\u212aX": "1" },
        JSON.parse('{"__proto__":"1"}'),
        "X=1",
        5,
        null,
        ["X"],
        new Map([["X", "1"]]),
        new Set(["X"]),
        Promise.resolve({ X: "1" }),
        { then: () => {} },
      ];
      for (const value of nasty) {
        for (
          const extension of [{ keyword: "X", mail: () => untyped<EsmtpParameters>(value) }, {
            keyword: "X",
            rcpt: () => untyped<EsmtpParameters>(value),
          }]
        ) {
          const what = `${Object.keys(extension)} ${Object.prototype.toString.call(value)}`;
          await assertRefused(server, what, () => envelopeOf(server, client, [extension]));
          const to = { address: "b@y.test", extensions: [extension] };
          const isOfRcpt = "rcpt" in extension;
          if (isOfRcpt) await assertRefused(server, `${what} of a recipient`, () => client.send({ from: "a@x.test", to, body: "hello" }));
        }
        const given: EsmtpParameters = untyped(value);
        if (value !== null) await assertRefused(server, "by hand", () => client.connection.mail("a@x.test", { parameters: given }));
      }
      for (const list of [[{}], [null], [undefined], new Array(1), [{ keyword: 5 }], {}, "X", new Map()]) {
        await assertRefused(server, `extensions ${list}`, () => envelopeOf(server, client, untyped(list)));
      }
      await assertUsable(server, client);
    },
  },
  {
    name: "F10 A parameter stands once in a line, however its keyword is written, and the last word counts",
    run: async () => {
      const server = new OctetServer();
      await using client = await clientOf(server);
      const [one, two] = [{ keyword: "X", mail: () => ({ x: "1", size: 5 }) }, { keyword: "X", mail: () => ({ X: "2" }) }];
      assertEquals(await envelopeOf(server, client, [one, two]), ["MAIL FROM:<a@x.test> size=5 X=2", RCPT]);
      assertEquals(await envelopeOf(server, client, [{ keyword: "X", mail: () => ({ SIZE: undefined }) }]), ["MAIL FROM:<a@x.test>", RCPT]);
      await assertRefused(
        server,
        "a letter that is no letter",
        () => envelopeOf(server, client, [{ keyword: "X", mail: () => ({ "\u017fize": 5 }) }]),
      );
    },
  },
  {
    name: "F10 An extension of a class says what it says, also where the message may go without it",
    run: async () => {
      class Traced implements MessageExtension {
        readonly keyword = "X";
        readonly #value = "1";
        mail(): EsmtpParameters {
          return { X: this.#value };
        }
        rcpt(): EsmtpParameters {
          return { Y: this.#value };
        }
      }
      const server = new OctetServer();
      await using client = await clientOf(server);
      for (const extension of [new Traced(), ifOffered(new Traced()), ifOffered(ifOffered(new Traced()))]) {
        assertEquals(await envelopeOf(server, client, [extension]), [`${MAIL} X=1`, `${RCPT} Y=1`]);
      }
      assertEquals(await envelopeOf(server, client, [ifOffered({ keyword: "X" })]), [MAIL, RCPT]);
    },
  },
  {
    name: "F10 A list of classes, of events or of domains is what it was when it was checked, and has no holes",
    run: async () => {
      const server = new OctetServer();
      await using client = await clientOf(server);
      const classes = ["net.example:ADV"];
      const events: ("success" | "failure")[] = ["failure"];
      const made = [solicit(classes), dsn({ notify: events })];
      classes.push("evil,X=Y");
      events.push("success");
      assertEquals(await envelopeOf(server, client, made), [`${MAIL} SOLICIT=net.example:ADV`, `${RCPT} NOTIFY=FAILURE`]);
      const holes: string[] = new Array(2);
      holes[0] = "net.example";
      assertBadArgument(await errorOf(() => solicit(holes)), "a hole");
      assertBadArgument(await errorOf(() => dsn({ notify: untyped(Object.assign(new Array(2), { 0: "failure" })) })), "a hole");
      await assertRefused(server, "a hole", () => client.connection.atrn(holes));
      /** A list whose members are others when they are read again. */
      let reads = 0;
      const changing = new Proxy(["x.test"], {
        get: (target, key, receiver) => key === "0" ? (reads++ === 0 ? "x.test" : "x.test evil.test") : Reflect.get(target, key, receiver),
      });
      const before = server.commands.length;
      await client.connection.atrn(changing);
      assertEquals(server.commands.slice(before), ["ATRN x.test"]);
    },
  },
];
