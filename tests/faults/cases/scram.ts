/** F33, F34 and F76: servers that lie in SCRAM, at each of its steps. */
import { assertEquals } from "@std/assert";
import { connect, type Socket } from "@posthorn/smtp";
import { plain, scramSha256 } from "@posthorn/smtp/sasl";
import { facts } from "../../support/client.ts";
import { ManualServer } from "../../support/manual.ts";
import { base64 } from "../../support/sasl.ts";
import { ScramServer } from "../../support/scram.ts";
import type { Fault } from "../fault.ts";

const credentials = { username: "alice", password: "s3cret" };

/** What the server makes of its messages; the text goes out in base64, a whole reply as it is. */
interface Lies {
  readonly first?: (message: string, clientNonce: string) => string;
  readonly final?: (message: string) => string;
  /** Instead of a 334 with the final message. */
  readonly reply?: (message: string) => string;
  /** What comes behind the client's empty answer. */
  readonly last?: string;
}

/** A login with SCRAM-SHA-256, or PLAIN should the client be led to it, at a server that lies. */
async function logIn({ first = (text) => text, final = (text) => text, reply, last = "235 ok" }: Lies) {
  const scram = new ScramServer({ hash: "sha256", passwords: { alice: "s3cret" }, isPlus: false, bindings: {} });
  const server = new ManualServer((text, server) => {
    const line = text.trimEnd().replace(/^AUTH \S+ ?/, "");
    const [, clientNonce = ""] = /r=([^,]*)/.exec(decoded(line)) ?? [];
    if (text.startsWith("EHLO")) server.say("250-mx\r\n250 AUTH SCRAM-SHA-256 PLAIN\r\n");
    else if (text.startsWith("QUIT")) server.say("221 bye\r\n");
    else if (text.startsWith("AUTH PLAIN")) server.say("235 thank you\r\n");
    else if (text.startsWith("AUTH")) server.say(`334 ${base64(first(scram.first(decoded(line)), clientNonce))}\r\n`);
    else if (line === "*") server.say("501 cancelled\r\n");
    else if (line === "") server.say(`${last}\r\n`);
    else {
      const message = final(scram.final(decoded(line)));
      server.say(`${reply?.(message) ?? `334 ${base64(message)}`}\r\n`);
    }
  });
  const socket: Socket = { ...server.socket, secureTransport: "on" };
  const auth = { mechanisms: [scramSha256(credentials), plain(credentials)] };
  const outcome = await connect(server.options({ tls: "implicit", socket, auth })).catch((error: unknown) => error);
  const isIn = !(outcome instanceof Error);
  if (isIn && typeof outcome === "object" && outcome !== null && "close" in outcome && typeof outcome.close === "function") outcome.close();
  assertEquals(server.writes.some((line) => /^(AUTH PLAIN|MAIL)/.test(line)), false);
  return { outcome, isIn, server };
}

function decoded(line: string): string {
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(line), (character) => character.charCodeAt(0)));
  } catch {
    return "";
  }
}

/** First messages that may not be answered with a proof. */
const FIRST: Readonly<Record<string, (message: string, nonce: string) => string>> = {
  "another nonce": (message) => message.replace(/r=./, "r=~"),
  "our nonce alone": (message, nonce) => message.replace(/r=[^,]*/, `r=${nonce}`),
  "less than our nonce": (message, nonce) => message.replace(/r=[^,]*/, `r=${nonce.slice(0, -1)}`),
  "our nonce in the middle": (message) => message.replace("r=", "r=x"),
  "our nonce in other letters": (message, nonce) =>
    message.replace(nonce, nonce.replace(/[a-zA-Z]/g, (c) => c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase())),
  "a space in its nonce": (message) => message.replace(",s=", " ,s="),
  "no nonce": (message) => message.replace(/r=[^,]*,/, ""),
  "no salt": (message) => message.replace(/,s=[^,]*/, ""),
  "an empty salt": (message) => message.replace(/,s=[^,]*/, ",s="),
  "a salt that is no base64": (message) => message.replace(/,s=[^,]*/, ",s=%%%"),
  "no count": (message) => message.replace(/,i=.*/, ""),
  "a mandatory extension in front": (message) => `m=ext,${message}`,
  "a mandatory extension behind": (message) => `${message},m=ext`,
  "a mandatory extension among others": (message) => `${message},x=1,m=ext,y=2`,
  "another order": (message) => message.split(",").reverse().join(","),
  "a comma at its end": (message) => `${message},`,
  "a line end": (message) => `${message}\r\n`,
  "a NUL": (message) => `${message}\0`,
  "nothing": () => "",
  "what comes last": () => `v=${base64("signature")}`,
  ...Object.fromEntries(
    [
      "1",
      "0",
      "-1",
      "-4096",
      "4095",
      "4096.5",
      "04096",
      "+4096",
      "4e6",
      "0x1000",
      "",
      " 4096",
      "10000001",
      "2147483648",
      "4294967296",
      "4294971392",
      "9".repeat(400),
    ]
      .map((count) => [`${count.slice(0, 20)} iterations`, (message: string) => message.replace(/i=4096/, `i=${count}`)]),
  ),
};

/** Final messages that prove nothing. */
const FINAL: Readonly<Record<string, (message: string) => string>> = {
  "no signature": () => "x=1",
  "an empty one": () => "v=",
  "nothing": () => "",
  "one that is no base64": () => "v=%%%",
  "another one": () => `v=${base64("x".repeat(32))}`,
  "the right one, cut": (message) => message.slice(0, -8),
  "the right one in other letters": (message) => `v=${message.slice(2).replace(/[a-z]/, (c) => c.toUpperCase())}`,
  "the right one behind something": (message) => `x=1,${message}`,
  "the right one by another name": (message) => message.replace("v=", "V="),
  "the right one, and more to it": (message) => `${message}x`,
  "the right one twice, without a comma": (message) => message + message,
  "the right one with a line end": (message) => `${message}\r\n`,
};

function assertUnproven(what: string, { outcome, isIn, server }: Awaited<ReturnType<typeof logIn>>): void {
  assertEquals(isIn, false, what);
  assertEquals(
    [facts(outcome).name, facts(outcome).phase, facts(outcome).delivery, server.isClosed],
    ["SmtpAuthError", "auth", "not-sent", true],
    what,
  );
}

export const scram: readonly Fault[] = [
  {
    name: "F33 A first message of SCRAM that is not safe to answer gets no proof, and PLAIN is not tried",
    run: async () => {
      for (const [what, first] of Object.entries(FIRST)) {
        const { outcome, isIn, server } = await logIn({ first });
        assertUnproven(what, { outcome, isIn, server });
        assertEquals(server.writes.slice(2), ["*\r\n", "QUIT\r\n"], what);
      }
    },
  },
  {
    name: "F33 A server that does not prove itself is not believed, be it in a 334 or in the 235",
    run: async () => {
      for (const [what, final] of Object.entries(FINAL)) {
        assertUnproven(what, await logIn({ final }));
        assertUnproven(`${what}, in the 235`, await logIn({ final, reply: (message) => `235 2.7.0 ${base64(message)}` }));
      }
      assertUnproven("a 235 without", await logIn({ reply: () => "235 2.7.0 welcome" }));
      assertUnproven(
        "the proof of another exchange",
        await logIn({ reply: () => `235 2.7.0 ${base64("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")}` }),
      );
      assertUnproven("a yes behind its error", await logIn({ final: () => "e=other-error" }));
      assertUnproven("a yes to the first message", await logIn({ first: () => "e=other-error" }));
    },
  },
  {
    name: "F33 What is allowed in SCRAM besides is no lie: extensions that are not mandatory, and a proof in either place",
    run: async () => {
      const allowed: readonly Lies[] = [
        {},
        { reply: (message) => `235 2.7.0 ${base64(message)}` },
        { first: (message) => message, final: (message) => `${message},x=1` },
      ];
      for (const lies of allowed) assertEquals((await logIn(lies)).isIn, true);
    },
  },
  {
    name: "F34 SCRAM keeps the server's word for what is wrong, and the code behind it",
    run: async () => {
      for (const [word, kept] of [["invalid-proof", "invalid-proof"], ["other-error,x=1", "other-error"], ["\x1b[2J", "\\x1b[2J"]] as const) {
        const { outcome } = await logIn({ final: () => `e=${word}`, last: "535 5.7.8 no" });
        assertEquals([facts(outcome).code, Reflect.get(Object(outcome), "details")], [535, { error: kept }]);
      }
    },
  },
  {
    name: "F76 Only WebCrypto compares the server's proof, in constant time, and only it derives keys",
    run: async () => {
      const calls: unknown[][] = [];
      const { subtle } = crypto;
      for (const name of ["verify", "deriveBits"] as const) {
        const original = subtle[name];
        const value = (...given: unknown[]) => {
          calls.push([name, given[0]]);
          return Reflect.apply(original, subtle, given);
        };
        Object.defineProperty(subtle, name, { value, configurable: true });
      }
      try {
        assertEquals((await logIn({})).isIn, true);
      } finally {
        for (const name of ["verify", "deriveBits"]) Reflect.deleteProperty(subtle, name);
      }
      assertEquals(calls.map(([name]) => name), ["deriveBits", "verify"]);
      assertEquals([Reflect.get(Object(calls[0]?.[1]), "iterations"), calls[1]?.[1]], [4096, "HMAC"]);
    },
  },
];
