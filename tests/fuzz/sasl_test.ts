/** Logins: each mechanism at any challenges, and whole logins with a server that says anything. */
import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { inspect } from "node:util";
import fc from "fast-check";
import { type Auth, connect, type SaslMechanism, SmtpAuthError, SmtpError, SmtpProtocolError } from "@posthorn/smtp";
import { anonymous, cramMd5, external, login, oauthBearer, plain, scramSha1, scramSha256, scramSha512, xoauth2 } from "@posthorn/smtp/sasl";
import { cryptoSettled } from "../support/crypto_settled.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { hasControls, holdsInTime, latin1, octetsOf } from "../support/fuzz.ts";
import { ManualServer } from "../support/manual.ts";
import { inTime } from "../support/model_mail.ts";
import { contextOf, octets, text } from "../support/sasl.ts";

const PASSWORD = "correct-horse-é";
const TOKEN = "ya29.token-of-somebody";
const username = "alice";
const MECHANISMS: Readonly<Record<string, () => SaslMechanism>> = {
  PLAIN: () => plain({ username, password: PASSWORD }),
  LOGIN: () => login({ username, password: PASSWORD }),
  "CRAM-MD5": () => cramMd5({ username, password: PASSWORD }),
  EXTERNAL: () => external({ authzid: username }),
  ANONYMOUS: () => anonymous({ trace: "alice@x.test" }),
  "SCRAM-SHA-1": () => scramSha1({ username, password: PASSWORD }),
  "SCRAM-SHA-256": () => scramSha256({ username, password: PASSWORD }),
  "SCRAM-SHA-512": () => scramSha512({ username, password: PASSWORD }),
  XOAUTH2: () => xoauth2({ username, accessToken: TOKEN }),
  OAUTHBEARER: () => oauthBearer({ username, accessToken: () => TOKEN }),
};
const SECRETS = [
  PASSWORD,
  TOKEN,
  Buffer.from(PASSWORD).toString("base64"),
  Buffer.from(TOKEN).toString("base64"),
  Buffer.from(`\0${username}\0${PASSWORD}`).toString("base64"),
];

const CHALLENGES = [
  "Username:",
  "Password:",
  "<1896.697170952@postoffice.example.net>",
  '{"status":"401","schemes":"bearer","scope":"x"}',
  `{"status":"${TOKEN}"}`,
];
const SCRAMS = [
  "r=x,s=AAAA,i=4096",
  "r=,s=,i=",
  "v=AAAA",
  "e=unknown-user",
  "e=\x1b[0m",
  "m=ext,r=a,s=AAAA,i=4096",
  "[]",
  "null",
  '{"status":{}}',
  '{"__proto__":{"status":"1"}}',
];
const challenge: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom("", ...CHALLENGES, ...SCRAMS),
  fc.uint8Array({ maxLength: 30 }).map(latin1),
  fc.integer({ min: 1, max: 12_000 }).map((length) => "x".repeat(length)),
);

function assertSecret(value: unknown): void {
  const shown = `${inspect(value, { depth: 9 })} ${value} ${JSON.stringify(value)}`;
  for (const secret of SECRETS) assert(!shown.includes(secret), "a secret is shown");
}

Deno.test("Every mechanism answers any challenges with octets that have room in a line, or with an SmtpAuthError that shows no secret", async () => {
  const challenges = fc.array(fc.option(challenge, { nil: undefined }), { minLength: 1, maxLength: 5 });
  await holdsInTime(fc.tuple(fc.constantFrom(...Object.keys(MECHANISMS)), challenges), 12_000, async ([name, said]) => {
    const exchange = await MECHANISMS[name]!().start(contextOf());
    try {
      for (const one of said) {
        const answer = await exchange.respond(one === undefined ? undefined : octetsOf(one));
        assert(answer instanceof Uint8Array && answer.length < 1_000);
      }
    } catch (error) {
      assert(error instanceof SmtpAuthError, `${error}`);
      assertSecret(error);
    }
    assert(typeof exchange.isComplete === "boolean" && !(name.startsWith("SCRAM") && exchange.isComplete));
    assertSecret(exchange.details);
    for (const value of Object.values(exchange.details ?? {})) assert(typeof value === "string" && !/\p{Cc}/u.test(value));
  });
});

const secretText = fc.array(
  fc.constantFrom("a", "é", "😀", ",", "=", " ", "\0", "\r\n", "\x01", "\x7f", "\ud800", ":", "pass", "\u00a0", "x".repeat(9_001)),
  { maxLength: 5 },
).map((all) => all.join(""));

Deno.test("Every mechanism says its credentials so that they read back as they were, or refuses them without a word of them", async () => {
  const hmac = (key: string, message: string) => createHmac("md5", key).update(message).digest("hex");
  await holdsInTime(fc.tuple(secretText, secretText, fc.option(secretText, { nil: undefined })), 20_000, async ([username, password, authzid]) => {
    const said = async (make: () => SaslMechanism, ...challenges: string[]): Promise<string[] | undefined> => {
      try {
        const exchange = await make().start(contextOf());
        const messages = exchange.initialResponse === undefined ? [] : [exchange.initialResponse];
        for (const one of challenges) messages.push(await exchange.respond(octets(one)));
        return messages.map((message) => text(message)!);
      } catch (error) {
        assert(error instanceof TypeError || error instanceof RangeError, `${error}`);
        assert(password.length < 4 || !error.message.includes(password));
        return undefined;
      }
    };
    const acting = authzid === undefined ? {} : { authzid };
    const isText = (one: string) => one !== "" && one.isWellFormed() && !hasControls(one);
    const isGood = isText(username) && isText(password) && octets(username + password).length <= 9_000;
    const isGoodFor = isGood && (authzid === undefined || (isText(authzid) && octets(username + password + authzid).length <= 9_000));
    assertEquals(
      (await said(() => plain({ username, password, ...acting })))?.[0]?.split("\0"),
      isGoodFor ? [authzid ?? "", username, password] : undefined,
    );
    assertEquals(await said(() => login({ username, password }), "", ""), isGood ? [username, password] : undefined);
    assertEquals(await said(() => cramMd5({ username, password }), "<a@b>"), isGood ? [`${username} ${hmac(password, "<a@b>")}`] : undefined);
    const isToken = isText(username) && /^[!-~]+$/.test(password) && isGood;
    assertEquals(
      (await said(() => xoauth2({ username, accessToken: password })))?.[0]?.split("\x01"),
      isToken ? [`user=${username}`, `auth=Bearer ${password}`, "", ""] : undefined,
    );
    const bearer = (await said(() => oauthBearer({ username, accessToken: password })))?.[0]?.split("\x01");
    assertEquals(bearer?.slice(1), isToken ? ["host=server.example.com", "port=587", `auth=Bearer ${password}`, "", ""] : undefined);
    const identity = bearer?.[0]?.split(",");
    if (identity !== undefined) assertEquals([identity.length, identity[1]?.slice(2).replaceAll("=2C", ",").replaceAll("=3D", "=")], [3, username]);
  });
});

/** What a server says to a line of an exchange: the words of a reply, or `"silence"`, or `"end"`. */
const LINES = [
  "235 ok",
  "235 2.7.0 dj1BQUFB",
  "235-a\r\n235 b",
  "535 5.7.8 no",
  "534 weak",
  "504 what",
  "454 later",
  "421 bye",
  "250 ok",
  "220 hi",
  "354 go",
  "500 what",
];
const OTHERS = [
  "334",
  "334 ",
  "334 no base64!",
  "334-a\r\n334 b",
  "silence",
  "end",
  "235 ok\r\n250 more",
  "334 \r\n334 ",
  "junk",
  "334 QUFB=",
  "538 TLS",
  "530 first",
];
const word = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...LINES, ...OTHERS) },
  { weight: 3, arbitrary: challenge.map((one) => `334 ${Buffer.from(octetsOf(one)).toString("base64")}`) },
  // What only one who has read the client's nonce can say.
  { weight: 1, arbitrary: fc.constant("scram") },
  // What repeats what the client has said, as it stood on the wire or decoded.
  { weight: 1, arbitrary: fc.constantFrom("535 repeated", "535 decoded", "334 repeated", "501 decoded", "235 repeated") },
);
const AUTHS: readonly Auth[] = [
  { username, password: PASSWORD },
  { username, accessToken: TOKEN },
  { username, accessToken: () => TOKEN },
  { mechanisms: [MECHANISMS.EXTERNAL!(), MECHANISMS["SCRAM-SHA-256"]!()] },
  { username, password: PASSWORD, forceMechanism: "LOGIN" },
  { username, password: PASSWORD, forceMechanism: "CRAM-MD5" },
];

/** How many answers of the client a mechanism needs before a 235 may be believed; none for one that the server would have to prove itself by. */
const TURNS: Readonly<Record<string, number>> = { PLAIN: 1, LOGIN: 2, "CRAM-MD5": 1, EXTERNAL: 1, ANONYMOUS: 1, XOAUTH2: 1, OAUTHBEARER: 1 };

/** What happened in the last exchange, as the server saw it. */
interface Seen {
  mechanism: string;
  /** What the client said in it, the initial response included. */
  answers: string[];
  reply: string;
}

function serverOf(offer: readonly string[], words: readonly string[], exchanges: Seen[], commands: string[]): ManualServer {
  let left = [...words];
  return new ManualServer((line, server) => {
    const command = line.trimEnd();
    commands.push(command);
    const seen = exchanges.at(-1);
    if (command.startsWith("EHLO")) return server.say(`250-mx\r\n250 AUTH ${offer.join(" ")}\r\n`);
    if (command === "QUIT") {
      server.say("221 bye\r\n");
      return server.end();
    }
    const [, mechanism, initial] = /^AUTH (\S+)(?: (.*))?$/.exec(command) ?? [];
    if (mechanism !== undefined) exchanges.push({ mechanism, answers: initial === undefined ? [] : [initial], reply: "" });
    else seen?.answers.push(command);
    const [next = "535 no more"] = left;
    left = left.slice(1);
    if (next === "silence") return;
    if (next === "end") return server.end();
    const said = exchanges.at(-1)?.answers.at(-1) ?? "";
    const reply = next === "scram" ? scramOf(exchanges.at(-1)!) : repeating(next, said);
    exchanges.at(-1)!.reply = reply;
    server.say(`${reply}\r\n`);
    if (reply.startsWith("421")) server.end();
  });
}

/** `reply` with what the client has said in the place of a word. */
function repeating(reply: string, said: string): string {
  return reply.replace("repeated", () => said).replace(
    "decoded",
    () => Buffer.from(said, "base64").toString().replaceAll("\0", " ").replaceAll("\x01", " "),
  );
}

/** The first message of a server that has no idea of the password. */
function scramOf({ answers }: Seen): string {
  const nonce = /,r=([^,]+)/.exec(Buffer.from(answers[0] ?? "", "base64").toString())?.[1];
  return `334 ${Buffer.from(`r=${nonce}server,s=QSXCR+Q6sek8bf92,i=4096`).toString("base64")}`;
}

Deno.test("connect takes a login for done only where the server had all that it takes and then said 235, and never hangs or tells a secret", async () => {
  const session = fc.record({
    offer: fc.subarray(Object.keys(MECHANISMS), { minLength: 1 }),
    words: fc.array(word, { maxLength: 12 }),
    auth: fc.constantFrom(...AUTHS),
  });
  await holdsInTime(session, 5_000, async ({ offer, words, auth }) => {
    const exchanges: Seen[] = [];
    const commands: string[] = [];
    const server = serverOf(offer, words, exchanges, commands);
    const clock = new FakeClock();
    const traced: string[] = [];
    const opening = connect(server.options({ auth, allowCleartextAuth: true, clock, trace: (event) => traced.push(JSON.stringify(event)) }));
    let failure: unknown;
    const client = await inTime(
      opening.catch((error) => {
        failure = error;
        assert(error instanceof SmtpError, `${error}`);
        assertSecret(error);
      }),
      clock,
    );
    const { mechanism = "", answers = [], reply = "" } = exchanges.at(-1) ?? {};
    if (client !== undefined) {
      assert(reply.startsWith("235"), reply);
      assert(answers.length >= (TURNS[mechanism] ?? Infinity) && !answers.includes("*"), `${mechanism} after ${answers}`);
      assertEquals(client.connection.isAuthenticated, true);
      await inTime(client.quit(), clock);
    }
    // Neither yes nor no, to an answer.
    if (!answers.includes("*") && /^(?:2(?!35)|3(?!34))\d\d [^\r]*$/.test(reply)) {
      assert(failure instanceof SmtpProtocolError, `${failure} after ${reply}`);
    }
    // One AUTH a mechanism, one more where a token can be had anew; and no more rounds than any mechanism needs.
    assert(exchanges.length <= offer.length + 2 && exchanges.every(({ answers }) => answers.length <= 10));
    assert(!commands.some((command) => command.startsWith("MAIL")));
    assertSecret(traced);
    assertEquals([clock.pending, server.isClosed], [0, true]);
  });
  await cryptoSettled();
});
