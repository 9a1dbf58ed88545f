/** C: which mechanism is used, when, and what of a server's word is believed. */
import { assert, assertEquals } from "@std/assert";
import { type Auth, connect, type ConnectOptions, SmtpAuthError, SmtpClient, SmtpPool, type TraceEvent } from "@posthorn/smtp";
import { BYE, connectTo, facts, openTo, rejection } from "../../support/client.ts";
import { settled } from "../../support/fake_clock.ts";
import { ManualServer } from "../../support/manual.ts";
import { base64 } from "../../support/sasl.ts";
import { ScriptedServer } from "../../support/script.ts";
import { type Fault, inEachDelivery } from "../fault.ts";

const auth = { username: "alice", password: "pässwörd€" };
const token = { username: "alice", accessToken: "t0ken" };
const open: ConnectOptions = { auth, allowCleartextAuth: true };

function offering(mechanisms: string): string {
  return `
  S: 220 mx.example
  C: EHLO client.test
  S: 250-mx.example
  S: 250 ${mechanisms}
`;
}

/** What the client says to a server that offers `mechanisms` and answers every AUTH with `reply`, every other line of it with `other`. */
async function saidTo(mechanisms: string, reply: string, options: ConnectOptions, other = "501 no") {
  const server = new ManualServer((text, server) => {
    if (text.startsWith("EHLO")) server.say(`250-mx\r\n250 AUTH ${mechanisms}\r\n`);
    else if (text.startsWith("QUIT")) server.say("221 bye\r\n");
    else server.say(`${text.startsWith("AUTH") ? reply : other}\r\n`);
  });
  const outcome = await connect(server.options(options)).catch((error: unknown) => error);
  if (outcome instanceof SmtpClient) outcome.close();
  return { outcome, server, mechanisms: server.writes.filter((line) => line.startsWith("AUTH")).map((line) => line.trimEnd().split(" ")[1]) };
}

const inTheClear: readonly Fault[] = [
  {
    name: "F25 Credentials never travel without TLS unless the caller says so by name, not to the loopback either",
    run: async () => {
      for (const hostname of ["mx.example", "localhost", "127.0.0.1", "::1"]) {
        for (const login of [auth, token, { ...auth, forceMechanism: "LOGIN" }]) {
          for (const tls of ["starttls", "opportunistic", "none"] as const) {
            const { outcome, mechanisms } = await saidTo("PLAIN LOGIN XOAUTH2 OAUTHBEARER", "235 ok", { auth: login, hostname, tls });
            assertEquals([facts(outcome).name, facts(outcome).kind, mechanisms], ["SmtpSecurityError", "insecure", []], `${hostname} ${tls}`);
          }
        }
      }
      const { outcome, mechanisms } = await saidTo("PLAIN", "235 ok", { ...open, hostname: "localhost" });
      assertEquals([outcome instanceof SmtpClient, mechanisms], [true, ["PLAIN"]]);
    },
  },
  {
    name: "F25 A unix socket is no network, so credentials may travel on it",
    run: async () => {
      const { outcome, mechanisms } = await saidTo("PLAIN", "235 ok", { auth, path: "/run/smtp" });
      assertEquals([outcome instanceof SmtpClient, mechanisms], [true, ["PLAIN"]]);
    },
  },
  {
    name: "F25 A login by hand and one of a pool are as careful",
    run: async () => {
      const server = new ManualServer((text, server) => server.say(text.startsWith("EHLO") ? "250-mx\r\n250 AUTH PLAIN\r\n" : "221 bye\r\n"));
      const client = await connect(server.options());
      assertEquals(facts(await rejection(client.login(auth))).kind, "insecure");
      client.close();
      const again = new ManualServer((text, server) => server.say(text.startsWith("EHLO") ? "250-mx\r\n250 AUTH PLAIN\r\n" : "221 bye\r\n"));
      await using pool = new SmtpPool(again.options({ auth }));
      assertEquals(facts(await rejection(pool.send({ from: "a@x.test", to: "b@y.test", body: "hi" }))).kind, "insecure");
      assertEquals([...server.writes, ...again.writes].filter((line) => line.startsWith("AUTH")), []);
    },
  },
];

const offers: readonly Fault[] = [
  {
    name: "F32 Credentials that cannot be used are an error before MAIL",
    run: async () => {
      const offers = [
        "HELP",
        "AUTH",
        "AUTH GSSAPI",
        "AUTH PLAINX XPLAIN LOGIN-X",
        "XAUTH PLAIN",
        "AUTH\vPLAIN",
        "AUTH=GSSAPI",
        "AUTHPLAIN",
        "LOGIN PLAIN",
      ];
      for (const offer of offers) {
        await inEachDelivery(`${offering(offer)}\n${BYE}`, async (server) => {
          assertEquals(facts(await rejection(connectTo(server, open))), {
            name: "SmtpUnsupportedError",
            kind: "unsupported",
            phase: "auth",
            delivery: "not-sent",
            transient: false,
          }, offer);
        });
      }
    },
  },
  {
    name: "F32 A server without EHLO takes no credentials, and HELO is not tried",
    run: () =>
      inEachDelivery(`S: 220 mx\nC: EHLO client.test\nS: 502 what?\n${BYE}`, async (server) => {
        assertEquals(facts(await rejection(connectTo(server, open))).phase, "ehlo");
      }),
  },
];

/** What is offered, and what is tried against a server that knows none of it after all. */
const CHOICES: readonly (readonly [offered: string, overTls: string, inTheClear: string])[] = [
  ["LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256", "SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN CRAM-MD5", "SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5"],
  ["PLAIN LOGIN CRAM-MD5", "PLAIN LOGIN CRAM-MD5", "CRAM-MD5"],
  ["login plain", "PLAIN LOGIN", ""],
  ["XOAUTH2 PLAIN GSSAPI NTLM DIGEST-MD5 EXTERNAL ANONYMOUS", "PLAIN", ""],
  ["PLAIN PLAIN PLAIN", "PLAIN", ""],
];

const choice: readonly Fault[] = [
  {
    name: "F33 What proves most comes first, what tells the password over TLS only, and nothing that was not offered",
    run: async () => {
      for (const [offered, overTls, inTheClear] of CHOICES) {
        const secure = await saidTo(offered, "504 5.5.4 unknown", { auth, socket: secureSocket("504 5.5.4 unknown", offered) });
        assertEquals(secure.mechanisms, []);
        assertEquals(heard.splice(0).join(" "), overTls, offered);
        const clear = await saidTo(offered, "504 5.5.4 unknown", { auth });
        assertEquals(clear.mechanisms.join(" "), inTheClear, offered);
      }
    },
  },
  {
    name: "F33 Nothing weaker is tried once a stronger mechanism has been refused, broken off or misled",
    run: async () => {
      const replies = [
        "535 5.7.8 no",
        "454 4.7.0 later",
        "530 5.7.0 first TLS",
        "538 encrypt",
        "500 what",
        "501 no",
        "334 §$%",
        "334",
        `334 ${base64("hello")}`,
      ];
      const odd = ["250 ok", "354 go", "235 ok", "nonsense", "421 bye", "334-a\r\n334 b", "334 a\r\n235 ok"];
      for (const reply of [...replies, ...odd]) {
        for (const offered of ["SCRAM-SHA-256 CRAM-MD5 PLAIN LOGIN", "SCRAM-SHA-1 PLAIN", "CRAM-MD5 LOGIN"]) {
          const { outcome, mechanisms, server } = await saidTo(offered, reply, open);
          const isLed = offered.startsWith("CRAM") && reply.startsWith("334") && !reply.includes("\n") && /334 [A-Za-z0-9+/=]+$/.test(reply);
          assert(outcome instanceof Error && (isLed || facts(outcome).kind !== "refused"), `${reply}: ${outcome}`);
          assertEquals(mechanisms.length, 1, `${reply} ${offered}`);
          assertEquals([server.isClosed, server.writes.some((line) => line.startsWith("MAIL"))], [true, false]);
        }
      }
    },
  },
];

/** The mechanisms that the last server over TLS heard of. */
const heard: string[] = [];

function secureSocket(reply: string, offered: string) {
  const server = new ManualServer((text, server) => {
    if (text.startsWith("AUTH")) heard.push(text.trimEnd().split(" ")[1] ?? "");
    server.say(text.startsWith("EHLO") ? `250-mx\r\n250 AUTH ${offered}\r\n` : text.startsWith("QUIT") ? "221 bye\r\n" : `${reply}\r\n`);
  });
  return { ...server.socket, secureTransport: "on" as const };
}

/** Yes, before all was said: what the client says, and the server, as far as that. */
const EARLY: readonly (readonly [what: string, script: string, auth: Auth])[] = [
  ["a held back response", "C: AUTH PLAIN\nS: 235 ok", { username: "alice", password: "x".repeat(500), forceMechanism: "PLAIN" }],
  ["the name of LOGIN", "C: AUTH LOGIN\nS: 235 ok", { ...auth, forceMechanism: "LOGIN" }],
  ["the password of LOGIN", `C: AUTH LOGIN\nS: 334\nC: ${base64("alice")}\nS: 235 ok`, { ...auth, forceMechanism: "LOGIN" }],
  ["the digest of CRAM-MD5", "C: AUTH CRAM-MD5\nS: 235 ok", { ...auth, forceMechanism: "CRAM-MD5" }],
  [
    "the refusal of a token was taken back",
    `C: AUTH XOAUTH2 ${base64("user=alice\x01auth=Bearer t0ken\x01\x01")}\nS: 334 ${base64('{"status":"401"}')}\nC:\nS: 235 ok`,
    { ...token, forceMechanism: "XOAUTH2" },
  ],
];

const failures: readonly Fault[] = [
  ...EARLY.map(([what, script, auth]): Fault => ({
    name: `F34 A 235 is not believed that comes before ${what}`,
    run: () =>
      inEachDelivery(`${offering("AUTH PLAIN LOGIN CRAM-MD5 XOAUTH2")}\n${script}\nS: {silence}`, async (server) => {
        const error = facts(await rejection(connectTo(server, { auth, allowCleartextAuth: true })));
        assertEquals([error.name, error.code, error.delivery, server.isClosed], ["SmtpAuthError", 235, "not-sent", true]);
      }),
  })),
  {
    name: "F34 A refusal keeps its code and words, and no MAIL follows it",
    run: async () => {
      for (
        const [code, transient] of [[535, false], [454, true], [432, true], [534, false], [530, false], [538, false], [500, false], [
          599,
          false,
        ]] as const
      ) {
        const script = `C: AUTH PLAIN ${base64("\0alice\0pässwörd€")}\nS: ${code}-${code < 500 ? 4 : 5}.7.8 no\nS: ${code} see www.example.com`;
        await inEachDelivery(`${offering("AUTH PLAIN")}\n${script}\n${BYE}`, async (server) => {
          const error = await rejection(connectTo(server, open));
          assertEquals(facts(error), { name: "SmtpAuthError", kind: "authentication", phase: "auth", code, delivery: "not-sent", transient });
          assert(error instanceof SmtpAuthError);
          assertEquals([error.enhancedCode, error.reply?.text], [`${code < 500 ? 4 : 5}.7.8`, "no\nsee www.example.com"]);
        });
      }
    },
  },
  {
    name: "F34 A server that asks for ever is left after eight rounds, whatever it says to that",
    run: async () => {
      for (const mechanism of ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "XOAUTH2", "X-ENDLESS"]) {
        const endless = { name: "X-ENDLESS", isPlaintext: false, start: () => ({ isComplete: true, respond: () => new Uint8Array(3) }) };
        const login = mechanism === "X-ENDLESS"
          ? { mechanisms: [endless] }
          : { ...(mechanism === "XOAUTH2" ? token : auth), forceMechanism: mechanism };
        for (const challenge of ["334", `334 ${base64("<1@mx>")}`]) {
          let lines = 0;
          const server = new ManualServer((text, server) => {
            lines++;
            server.say(text.startsWith("EHLO") ? `250-mx\r\n250 AUTH ${mechanism}\r\n` : `${challenge}\r\n`);
          });
          const error = facts(await rejection(connect(server.options({ auth: login, allowCleartextAuth: true }))));
          assertEquals([error.name, server.isClosed], ["SmtpAuthError", true], mechanism);
          // EHLO, AUTH, eight answers, and the star.
          assert(lines <= 11 && server.writes.includes("*\r\n"), `${mechanism}: ${server.writes}`);
        }
      }
    },
  },
  {
    name: "F34 The low level is not logged in by anything but a 235 to AUTH",
    run: async () => {
      const server = new ScriptedServer(
        `${offering("AUTH LOGIN")}\nC: NOOP\nS: 235 ok\nC: AUTH LOGIN\nS: 250 ok\nC: AUTH LOGIN\nS: 535 no\nS: {silence}`,
      );
      const connection = await openTo(server);
      await connection.ehlo("client.test");
      await connection.noop();
      assertEquals(connection.isAuthenticated, false);
      for (const code of [250, 535]) {
        assertEquals((await connection.auth("LOGIN")).code, code);
        assertEquals([connection.isAuthenticated, connection.state], [false, "ready"]);
      }
      connection.close();
    },
  },
  {
    name: "F34 A session is logged in once: a second AUTH says nothing, until XCLIENT has begun it anew",
    run: async () => {
      const server = new ScriptedServer(`
        ${offering("AUTH X-ONE")}
        C: AUTH X-ONE
        S: 235 ok
        C: RSET
        S: 250 ok
        C: EHLO client.test
        S: 250-mx
        S: 250-XCLIENT NAME
        S: 250 AUTH X-ONE
        C: XCLIENT NAME=x.test
        S: 220 mx
        C: EHLO client.test
        S: 250-mx
        S: 250 AUTH X-ONE
        C: AUTH X-ONE
        S: 235 ok
        S: {silence}`);
      const connection = await openTo(server);
      await connection.ehlo("client.test");
      await connection.auth("X-ONE");
      for (const step of [() => connection.rset(), () => connection.ehlo("client.test")]) {
        await step();
        assertEquals([connection.isAuthenticated, facts(await rejection(connection.auth("X-ONE"))).kind], [true, "state"]);
        assertEquals(facts(await rejection(connection.command("AUTH", "X-ONE"))).kind, "state");
      }
      await connection.xclient({ NAME: "x.test" });
      await connection.ehlo("client.test");
      assertEquals([connection.isAuthenticated, (await connection.auth("X-ONE")).code], [false, 235]);
      connection.close();
      await settled();
      server.check();
    },
  },
];

const encodings: readonly Fault[] = [
  {
    name: "F35 LOGIN answers whatever the prompts say, in UTF-8",
    run: async () => {
      const prompts = [["VXNlcm5hbWU6", "UGFzc3dvcmQ6"], ["UGFzc3dvcmQ6", "VXNlcm5hbWU6"], ["Username:", "Password:"], ["", ""], ["ÿ", "\\"], [
        "a b",
        "=",
      ]];
      for (const [first, second] of prompts) {
        const script = `C: AUTH LOGIN\nS: 334 ${first}\nC: YWxpY2U=\nS: 334 ${second}\nC: cMOkc3N3w7ZyZOKCrA==\nS: 235 welcome`;
        await inEachDelivery(`${offering("AUTH LOGIN")}\n${script}\n${BYE}`, async (server) => {
          await using client = await connectTo(server, open);
          assertEquals(client.connection.isAuthenticated, true);
        });
      }
    },
  },
  {
    name: "F35 Names and passwords beyond ASCII are sent in UTF-8 by every mechanism that sends them",
    run: async () => {
      const forms = [
        ["PLAIN", { username: "jürgen", password: "п€😀" }, "\0jürgen\0п€😀"],
        ["XOAUTH2", { username: "jürgen", accessToken: "t" }, "user=jürgen\x01auth=Bearer t\x01\x01"],
      ] as const;
      for (const [mechanism, auth, message] of forms) {
        await inEachDelivery(`${offering(`AUTH ${mechanism}`)}\nC: AUTH ${mechanism} ${base64(message)}\nS: 235 ok\n${BYE}`, async (server) => {
          await using client = await connectTo(server, { auth, allowCleartextAuth: true });
          assertEquals(client.connection.isAuthenticated, true);
        });
      }
    },
  },
  {
    name: "F37 What a terminal would obey, and what would begin a line in a log, is in no trace and no message of an error",
    run: async () => {
      const nasty = "\x1b]0;pwned\x07 \x00\x08\x0b\x7f\x85\x9b31m \u2028\u2029 \u202egnp.exe \u2066x\u2069 \rfake: ok";
      const events: TraceEvent[] = [];
      const server = new ManualServer((_, server) => server.say(`250-${nasty}\r\n550 x\r\n`), `220 ${nasty}\r\n`);
      const mixed = await rejection(connect(server.options({ trace: (event) => events.push(event) })));
      const refusing = new ManualServer(
        (text, server) => server.say(text.startsWith("QUIT") ? "221 bye\r\n" : `550 5.0.0 ${nasty}\r\n`),
        `220 ${nasty}\r\n`,
      );
      const refused = await rejection(connect(refusing.options({ trace: (event) => events.push(event) })));
      const offering = new ManualServer((text, server) =>
        server.say(text.startsWith("QUIT") ? "221 bye\r\n" : `250-mx\r\n250 AUTH ${nasty} ${"X".repeat(10_000)}\r\n`)
      );
      const unknown = await rejection(connect(offering.options({ auth, allowCleartextAuth: true })));
      assert(String(unknown).length < 500);
      const socket = new ManualServer(() => {}).socket;
      const untrusted = await rejection(
        connect({
          ...offering.options({ tls: "starttls" }),
          socket: { ...socket, startTls: () => Promise.reject(new Error(nasty)) },
          tls: "implicit",
        }),
      );
      const unreached = await rejection(connect(offering.options({ dial: () => Promise.reject(new Error(nasty)) })));
      const talking = new ManualServer((_, server) => server.say(`${nasty}\r\n`));
      const nonsense = await rejection(connect(talking.options({ trace: (event) => events.push(event) })));
      const texts = events.flatMap((event) => event.type === "receive" ? event.lines : event.type === "close" ? event.reason : []);
      for (const text of [...texts, ...[mixed, refused, nonsense, unknown, untrusted, unreached].map(String)]) {
        // deno-lint-ignore no-control-regex -- they are what must not be there
        assertEquals(/[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/u.test(text), false, JSON.stringify(text));
      }
      assert(texts.length > 5 && texts.some((text) => text.includes("\\x1b]0;pwned\\x07")) && texts.some((text) => text.includes("\\u202e")));
      await settled();
    },
  },
];

export const credentials: readonly Fault[] = [...inTheClear, ...offers, ...choice, ...failures, ...encodings];
