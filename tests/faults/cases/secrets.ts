/** F36: what was told in confidence is in no trace and in no error, however a login fails and whatever the server repeats. */
import { assert, assertEquals } from "@std/assert";
import { type Auth, connect, type ConnectOptions, type Socket } from "@posthorn/smtp";
import { anonymous, cramMd5, external, login, oauthBearer, plain, scramSha1, scramSha256, scramSha512, xoauth2 } from "@posthorn/smtp/sasl";
import { rejection } from "../../support/client.ts";
import { FakeClock, settled } from "../../support/fake_clock.ts";
import { ECHOES, leaksIn, seen } from "../../support/leaks.ts";
import { ManualServer } from "../../support/manual.ts";
import { base64 } from "../../support/sasl.ts";
import { ScramServer } from "../../support/scram.ts";
import type { Fault } from "../fault.ts";

const USER = "alice@mail.example";
/** Prepared for SCRAM already. */
const PASSWORD = "Zq7%kürbis+Gh/x9";
const TOKEN = "ya29.kQ7-vF9dft4qmTc2Nvb3~lckBhdHRhdmlz+GEuY29tCg==";
const BINDING = new Uint8Array(32).fill(7);

/** A server's part of one exchange: what it answers to each line of the client, as it would if all went well. */
type Dialogue = (line: string) => string | undefined;

interface Case {
  readonly name: string;
  readonly auth: Auth;
  readonly secret: string;
  readonly dialogue: () => Dialogue;
}

const credentials = { username: USER, password: PASSWORD };
const token = { username: USER, accessToken: TOKEN };

const custom = {
  name: "X-CUSTOM",
  isPlaintext: false,
  start: () => ({ isComplete: true, respond: () => new TextEncoder().encode(PASSWORD) }),
};

const CASES: readonly Case[] = [
  { name: "PLAIN", auth: { mechanisms: [plain(credentials)] }, secret: PASSWORD, dialogue: () => said("235 ok") },
  { name: "LOGIN", auth: { mechanisms: [login(credentials)] }, secret: PASSWORD, dialogue: () => said("334 ", "334 ", "235 ok") },
  { name: "CRAM-MD5", auth: { mechanisms: [cramMd5(credentials)] }, secret: PASSWORD, dialogue: () => said(`334 ${base64("<1.2@mx>")}`, "235 ok") },
  ...scramCase("SCRAM-SHA-1", "sha1", scramSha1),
  ...scramCase("SCRAM-SHA-256", "sha256", scramSha256),
  ...scramCase("SCRAM-SHA-512", "sha512", scramSha512),
  { name: "XOAUTH2", auth: { mechanisms: [xoauth2(token)] }, secret: TOKEN, dialogue: () => said(`334 ${base64('{"status":"401"}')}`, "535 no") },
  {
    name: "OAUTHBEARER",
    auth: { mechanisms: [oauthBearer(token)] },
    secret: TOKEN,
    dialogue: () => said(`334 ${base64('{"status":"401"}')}`, "535 no"),
  },
  { name: "X-CUSTOM", auth: { mechanisms: [custom] }, secret: PASSWORD, dialogue: () => said("334 ", "235 ok") },
];

function scramCase(name: string, hash: string, make: typeof scramSha1): Case[] {
  return [false, true].map((isPlus) => ({
    name: `${name}${isPlus ? "-PLUS" : ""}`,
    auth: { mechanisms: [make(credentials, { plus: isPlus })] },
    secret: PASSWORD,
    dialogue: () => {
      const server = new ScramServer({ hash, passwords: { [USER]: PASSWORD }, isPlus, bindings: isPlus ? { "tls-exporter": BINDING } : {} });
      const steps = [(text: string) => `334 ${base64(server.first(text))}`, (text: string) => `334 ${base64(server.final(text))}`, () => "235 ok"];
      return (line: string) => steps.shift()?.(decoded(line));
    },
  }));
}

function said(...replies: readonly string[]): Dialogue {
  const rest = [...replies];
  return () => rest.shift();
}

function decoded(line: string): string {
  return new TextDecoder().decode(Uint8Array.from(atob(line), (character) => character.charCodeAt(0)));
}

/** What goes wrong instead of the reply at one step; `echo` is what the server repeats. */
type Mishap = (server: ManualServer, echo: string, more: { readonly clock: FakeClock; readonly controller: AbortController }) => void;

function lines(code: string, text: string): string {
  const all = text.split("\n");
  return all.map((line, index) => `${code}${index < all.length - 1 ? "-" : " "}${line}\r\n`).join("");
}

/** In which reply the server repeats something. */
const REPEATING: Readonly<Record<string, Mishap>> = {
  "a refusal": (server, echo) => server.say(lines("535", `5.7.8 not ${echo} again`)),
  "no success": (server, echo) => server.say(lines("354", echo)),
  "a yes that comes too early, or not": (server, echo) => server.say(lines("235", `2.7.0 ${echo}`)),
  "a farewell": (server, echo) => server.say(lines("421", `4.3.2 ${echo}`)),
  "what is no reply": (server, echo) => server.say(`${echo.replaceAll("\n", " ")}\r\n`),
  "one reply too many": (server, echo) => server.say(`535 no\r\n${lines("550", echo)}`),
  "its reply to QUIT": (server) => server.say("535 no\r\n"),
};

const PLAIN_MISHAPS: Readonly<Record<string, Mishap>> = {
  "refuses": (server) => server.say("535 5.7.8 no\r\n"),
  "refuses for now": (server) => server.say("454 4.7.0 later\r\n"),
  "asks for what is no challenge": (server) => server.say("334 §$%\r\n"),
  "challenges with what it heard": (server, echo) => server.say(`334 ${base64(echo)}\r\n`),
  "says in JSON what it heard": (server, echo) => server.say(`334 ${base64(JSON.stringify({ status: echo, scope: base64(echo) }))}\r\n`),
  "says in a word of SCRAM what it heard": (server, echo) => server.say(`334 ${base64(`e=${echo}`)}\r\n`),
  "hangs up": (server) => server.end(),
  "begins a reply and hangs up": (server, echo) => {
    server.say(`535-${echo}`);
    server.end();
  },
  "says nothing": (_server, _echo, { clock }) => void settled().then(() => clock.skip()),
  "is left": (_server, _echo, { controller }) => controller.abort(new Error("enough")),
  "is left for what has no end": (server) => server.say("5".repeat(20_000)),
};

/** One login that goes wrong at the reply to the line number `step`; resolves with how often the client spoke, and what can be seen of it all. */
async function attempt(
  { name, auth, secret, dialogue }: Case,
  step: number,
  mishap: Mishap,
  echo: (secret: string) => string,
  what: "secret" | "line",
): Promise<{ readonly turns: number; readonly text: string; readonly secrets: readonly string[] }> {
  const heard: string[] = [];
  const answer = dialogue();
  const clock = new FakeClock();
  const controller = new AbortController();
  let isOver = false;
  let repeated = "";
  const server = new ManualServer((text, server) => {
    if (text.startsWith("EHLO")) return server.say(`250-mail.example\r\n250 AUTH ${name}\r\n`);
    const line = text.trimEnd().replace(/^AUTH \S+ ?/, "");
    if (isOver) return text.startsWith("QUIT") ? server.say(lines("221", `bye ${repeated}`)) : server.say(lines("501", `5.7.0 ${repeated}`));
    heard.push(line);
    isOver = heard.length > step;
    if (!isOver) return server.say(`${answer(line) ?? "535 over"}\r\n`);
    repeated = echo((what === "secret" ? toldIn(heard, secret) : heard.findLast((line) => line !== "")) ?? "nothing");
    mishap(server, repeated, { clock, controller });
  });
  const events: unknown[] = [];
  const socket: Socket = { ...server.socket, secureTransport: "on", channelBinding: () => Promise.resolve({ type: "tls-exporter", data: BINDING }) };
  const dial = () => Promise.resolve(socket);
  const options: ConnectOptions = {
    hostname: "mail.example",
    tls: "implicit",
    name: "client.test",
    auth,
    clock,
    dial,
    trace: (event) => events.push(event),
  };
  const opened = await connect({ ...options, signal: controller.signal }).catch((error: unknown) => error);
  if (!(opened instanceof Error)) {
    assert(typeof opened === "object" && opened !== null && "close" in opened && typeof opened.close === "function");
    opened.close();
  }
  await settled();
  assert(events.length >= 4, `${name} at ${step}: ${JSON.stringify(events)}`);
  return { turns: heard.length, text: seen(opened, events), secrets: [secret, ...proofsIn(heard)] };
}

/** What in the client's lines is computed of the password, and what of it was longer than a name. */
function proofsIn(heard: readonly string[]): string[] {
  const messages = heard.map((line) => /^[A-Za-z0-9+/]+=*$/.test(line) ? decoded(line) : "");
  const computed = messages.flatMap((message) => [/,p=([^,]+)$/.exec(message)?.[1] ?? "", / ([0-9a-f]{32})$/.exec(message)?.[1] ?? ""]);
  return [...computed, ...heard.filter((line) => line !== base64(USER))].filter((text) => text.length > 8);
}

/** The secret, if the server has heard it, or what it has heard that was computed of it. */
function toldIn(heard: readonly string[], secret: string): string | undefined {
  const isTold = heard.some((line) => /^[A-Za-z0-9+/]+=*$/.test(line) && decoded(line).includes(secret));
  return isTold ? secret : proofsIn(heard)[0];
}

/** How many lines the client says at most, in any of the mechanisms. */
const STEPS = 3;

async function walk(one: Case): Promise<void> {
  const check = async (mishap: Mishap, what: string, echo: (secret: string) => string = (secret) => secret, of: "secret" | "line" = "secret") => {
    for (let step = 0; step < STEPS; step++) {
      const { turns, text, secrets } = await attempt(one, step, mishap, echo, of);
      if (turns <= step) break;
      assertEquals(leaksIn(text, secrets), [], `${one.name}, at line ${step + 1} the server ${what}`);
    }
  };
  for (const [what, mishap] of Object.entries(PLAIN_MISHAPS)) await check(mishap, what);
  const places = Object.entries(REPEATING);
  for (const [index, [form, echo]] of Object.entries(ECHOES).entries()) {
    // What takes long goes through all places by turns.
    const some = one.name.startsWith("SCRAM") ? [places[index % places.length]!] : places;
    for (const [where, mishap] of some) {
      await check(mishap, `repeats the secret ${form} in ${where}`, echo);
      await check(mishap, `repeats the line ${form} in ${where}`, echo, "line");
    }
  }
}

export const secrets: readonly Fault[] = [
  ...CASES.map((one): Fault => ({
    name: `F36 No secret of ${one.name} is in a trace or an error, whatever the server repeats and however it fails`,
    run: () => walk(one),
  })),
  {
    name: "F36 A name is no secret, so that a refusal may say whom it is about",
    run: async () => {
      for (
        const auth of [{ mechanisms: [external({ authzid: USER })] }, { mechanisms: [anonymous({ trace: USER })] }, {
          mechanisms: [login(credentials)],
        }]
      ) {
        const name = auth.mechanisms[0]?.name ?? "";
        const server = new ManualServer((text, server) => {
          if (text.startsWith("EHLO")) return server.say(`250-mail.example\r\n250 AUTH ${name}\r\n`);
          if (text.startsWith("QUIT")) return server.say("221 bye\r\n");
          server.say(server.writes.length < (name === "LOGIN" ? 4 : 2) ? "334 \r\n" : `535 5.7.8 ${USER} is unknown at mail.example\r\n`);
        });
        const error = await rejection(connect(server.options({ auth, allowCleartextAuth: true })));
        assert(String(error).includes(`${USER} is unknown at mail.example`), String(error));
      }
    },
  },
];
