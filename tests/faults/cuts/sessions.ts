/** The sessions that are cut: what both sides say, and what the caller asks for. Two messages or three, each to three recipients of whom one is refused. */
import type { Auth, ConnectOptions, Message } from "@posthorn/smtp";
import { scram } from "../../../src/sasl/scram.ts";
import { scramMessages } from "../../support/scram.ts";
import { lines, parseScript, type Script } from "./script.ts";

/** See the head of the file. */
export interface CutSession {
  readonly name: string;
  readonly script: Script;
  readonly options: ConnectOptions;
  readonly messages: readonly Message[];
  /** Messages under way at once; 1 is `send`. */
  readonly window: number;
}

const OPENING = `
  S: 220-mx.example
  S: 220 ESMTP ready
  C: EHLO client.test
  S: 250-mx.example
  S: 250-PIPELINING
  S: 250 STARTTLS
  C: STARTTLS
  S: 220 2.0.0 go ahead
  C: {tls}
  S: {tls}
  C: EHLO client.test
  S: 250-mx.example
`;
const PLAIN = `
  C: AUTH PLAIN AGFsaWNlAHMzY3JldA==
  S: 235 2.7.0 welcome
`;
const BYE = `
  C: QUIT
  S: 221 2.0.0 bye
`;

/** The commands of the envelope of each message, and what is answered to each. */
const ENVELOPES: readonly (readonly (readonly [command: string, answer: readonly string[]])[])[] = [
  [
    ["MAIL FROM:<a1@x.test>", ["250 2.1.0 ok"]],
    ["RCPT TO:<b@y.test>", ["250 2.1.5 ok"]],
    ["RCPT TO:<c@y.test>", ["550-5.1.1 no", "550 5.1.1 such user"]],
    ["RCPT TO:<d@y.test>", ["251 2.1.5 forwarded"]],
  ],
  [
    ["MAIL FROM:<a2@x.test>", ["250-2.1.0 the", "250 2.1.0 same"]],
    ["RCPT TO:<e@y.test>", ["451 4.2.1 later"]],
    ["RCPT TO:<f@y.test>", ["250 2.1.5 ok"]],
    ["RCPT TO:<g@y.test>", ["250 2.1.5 ok"]],
  ],
  [
    ["MAIL FROM:<a3@x.test>", ["250 2.1.0 ok"]],
    ["RCPT TO:<h@y.test>", ["250 2.1.5 ok"]],
    ["RCPT TO:<i@y.test>", ["250 2.1.5 ok"]],
    ["RCPT TO:<j@y.test>", ["553 5.1.3 odd"]],
  ],
];
const RECIPIENTS = [["b@y.test", "c@y.test", "d@y.test"], ["e@y.test", "f@y.test", "g@y.test"], ["h@y.test", "i@y.test", "j@y.test"]];

/** The envelope of message number `message` and what goes with it in one flight; then the answers to all of it. */
function together(message: number, ...more: readonly (readonly [command: string, answer: readonly string[]])[]): string {
  const all = [...ENVELOPES[message]!, ...more];
  return `${all.map(([command]) => said("C", command.split("\n"))).join("")}${all.map(([, answer]) => said("S", answer)).join("")}`;
}

/** The same, one command a flight. */
function apart(message: number, ...more: readonly (readonly [command: string, answer: readonly string[]])[]): string {
  return [...ENVELOPES[message]!, ...more].map(([command, answer]) => `${said("C", command.split("\n"))}${said("S", answer)}`).join("");
}

function said(from: "C" | "S", lines: readonly string[]): string {
  return lines.map((line) => `${from}: ${line}\n`).join("");
}

const DATA = ["DATA", ["354 go ahead"]] as const;
const FIRST = "C: Subject: one\nC:\nC: ..\nC: first\nC: .\n";
const SECOND = "C: second\nC: .\n";
const BODIES = ["Subject: one\r\n\r\n.\r\nfirst\r\n", "second\r\n", "third\r\n"];
const QUEUED = ["250-2.0.0 taken", "250 2.0.0 Ok: queued as ABC"];

function messagesOf(count: number, bodies: readonly string[] = BODIES): readonly Message[] {
  return Array.from({ length: count }, (_, index) => ({ from: `a${index + 1}@x.test`, to: RECIPIENTS[index]!, body: bodies[index]! }));
}

/** Octets of a chunk, as the documentation has them, and a message that needs two. */
const CHUNK = 524_288;
const LONG = lines(8_000);

const PASSWORD: Auth = { username: "alice", password: "s3cret" };

interface Given extends Partial<Omit<CutSession, "name" | "script">> {
  readonly auth?: Auth | undefined;
}

function session(name: string, text: string, { options, auth = PASSWORD, messages = messagesOf(2), window = 1 }: Given = {}): CutSession {
  const { protocol = "smtp" } = options ?? {};
  return { name, script: parseScript(text, protocol, LONG), options: { protocol, auth, tls: "starttls", name: "client.test", ...options }, messages, window };
}

/** DATA, all of each envelope in one flight. */
export const data: CutSession = session(
  "DATA with PIPELINING",
  `${OPENING}S: 250-PIPELINING\nS: 250 AUTH PLAIN\n${PLAIN}
  ${together(0, DATA)}${FIRST}${said("S", QUEUED)}
  ${together(1, DATA)}${SECOND}S: 250 2.0.0 Ok: queued as DEF\n${BYE}`,
);

export const lockstep: CutSession = session(
  "DATA in lockstep",
  `${OPENING.replace("S: 250-PIPELINING\n", "")}S: 250 AUTH PLAIN\n${PLAIN}
  ${apart(0, DATA)}${FIRST}${said("S", QUEUED)}
  ${apart(1, DATA)}${SECOND}S: 250 2.0.0 Ok: queued as DEF\n${BYE}`,
);

const SCRAM = {
  hash: "sha256",
  username: "alice",
  password: "s3cret",
  nonces: ["clientnonce", "servernonce"],
  salt: "W22ZaJ0SNY7soEsUEjb6gQ==",
  iterations: 4096,
} as const;

/** Octets of a computation that is under way: time must not pass meanwhile. */
export const computing = { underWay: 0 };

/** SCRAM with the nonce of the script. It hashes outside of the program's own thread, which no clock of a test knows of. */
function scramOfScript(): Auth {
  const mechanism = scram("SHA-256", SCRAM, {}, () => SCRAM.nonces[0]);
  return {
    mechanisms: [{
      ...mechanism,
      start: async (context) => {
        const exchange = await mechanism.start(context);
        return new Proxy(exchange, {
          get(target, member): unknown {
            const value: unknown = Reflect.get(target, member, target);
            if (typeof value !== "function") return value;
            return async (...given: unknown[]): Promise<unknown> => {
              computing.underWay++;
              try {
                return await value.apply(target, given);
              } finally {
                computing.underWay--;
              }
            };
          },
        });
      },
    }],
  };
}

function scramText(): string {
  const { clientFirst, serverFirst, clientFinal, serverFinal } = scramMessages(SCRAM);
  return `
    C: AUTH SCRAM-SHA-256 ${btoa(clientFirst)}
    S: 334 ${btoa(serverFirst)}
    C: ${btoa(clientFinal)}
    S: 334 ${btoa(serverFinal)}
    C:
    S: 235 2.7.0 welcome
  `;
}

/** The same with a login of several rounds. */
export const scramLogin: CutSession = session(
  "DATA behind SCRAM",
  `${OPENING}S: 250-PIPELINING\nS: 250 AUTH SCRAM-SHA-256\n${scramText()}
  ${together(0, DATA)}${FIRST}${said("S", QUEUED)}
  ${together(1, DATA)}${SECOND}S: 250 2.0.0 Ok: queued as DEF\n${BYE}`,
  { auth: scramOfScript() },
);

/** All of a message in one flight (RFC 3030 section 4.2). */
export const bdat: CutSession = session(
  "BDAT in one flight with its envelope",
  `${OPENING}S: 250-PIPELINING\nS: 250-CHUNKING\nS: 250 AUTH PLAIN\n${PLAIN}
  ${together(0, ["BDAT 26 LAST\nSubject: one\n\n.\nfirst", QUEUED])}
  ${together(1, ["BDAT 8 LAST\nsecond", ["250 2.0.0 Ok: queued as DEF"]])}${BYE}`,
);

/** A message of two chunks, then one of one. */
export const chunks: CutSession = session(
  "BDAT in two chunks",
  `${OPENING}S: 250-PIPELINING\nS: 250-CHUNKING\nS: 250 AUTH PLAIN\n${PLAIN}
  ${together(0)}
  C: BDAT ${CHUNK}
  C: {long 0 ${CHUNK}}
  S: 250 2.0.0 taken
  C: BDAT ${LONG.length - CHUNK} LAST
  C: {long ${CHUNK} ${LONG.length}}
${said("S", QUEUED)}
  ${together(1, ["BDAT 8 LAST\nsecond", ["250 2.0.0 Ok: queued as DEF"]])}${BYE}`,
  { messages: messagesOf(2, [LONG, "second\r\n"]) },
);

export const lmtp: CutSession = session(
  "LMTP",
  `${OPENING.replaceAll("EHLO", "LHLO")}S: 250-PIPELINING\nS: 250 AUTH PLAIN\n${PLAIN}
  ${together(0, DATA)}${FIRST}${said("S", ["452-4.2.2 over", "452 4.2.2 quota", "250 2.0.0 saved"])}
  ${together(1, DATA)}${SECOND}S: 250 2.0.0 saved\nS: 250 2.0.0 saved too\n${BYE}`,
  { options: { protocol: "lmtp" } },
);

/** A message that goes in several writes. */
export const blocks: CutSession = session(
  "DATA in several writes",
  `${OPENING}S: 250-PIPELINING\nS: 250 AUTH PLAIN\n${PLAIN}
  ${together(0, DATA)}C: {stuffed}\nC: .\n${said("S", QUEUED)}
  ${together(1, DATA)}${SECOND}S: 250 2.0.0 Ok: queued as DEF\n${BYE}`,
  { messages: messagesOf(2, [LONG, "second\r\n"]) },
);
