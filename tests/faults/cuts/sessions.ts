/** The sessions that are cut: what both sides say, and what the caller asks for. Two messages or three, each to three recipients of whom one is refused. */
import type { Auth, ConnectOptions, Message, MessageBody } from "@posthorn/smtp";
import { lines, parseScript, type Script } from "./script.ts";

/** See the head of the file. */
export interface CutSession {
  readonly name: string;
  readonly script: Script;
  readonly options: ConnectOptions;
  readonly messages: readonly Message[];
  /** Messages under way at once; 1 is `send`. */
  readonly window: number;
  /** Whether QUIT is asked for with the last message. */
  readonly quits: boolean;
  /** Whether it has content of more than one write. */
  readonly isLong: boolean;
}

const BEGINNING = `
  S: 220-mx.example
  S: 220 ESMTP ready
  C: EHLO client.test
  S: 250-mx.example
`;
const OPENING = `
  ${BEGINNING}
  S: 250-PIPELINING
  S: 250 STARTTLS
  C: STARTTLS
  S: 220 2.0.0 go ahead
  C: {tls}
  S: {tls}
  C: EHLO client.test
  S: 250-mx.example
`;

/** What the client says at once, and what is answered to it. */
export type Exchange = readonly [says: string, answer: readonly string[]];

/** The commands of the envelope of each message, and what is answered to each. */
const ENVELOPES: readonly (readonly Exchange[])[] = [
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

const DATA: Exchange = ["DATA", ["354 go ahead"]];
const RSET: Exchange = ["RSET", ["250 2.0.0 reset"]];
const BYE: Exchange = ["QUIT", ["221 2.0.0 bye"]];
const QUEUED = ["250-2.0.0 taken", "250 2.0.0 Ok: queued as ABC"];
/** The content of each message, as it stands on the wire, with what is answered to it; and in a chunk. */
const CONTENTS: readonly Exchange[] = [
  ["Subject: one\n\n..\nfirst\n.", QUEUED],
  ["second\n.", ["250 2.0.0 Ok: queued as DEF"]],
  ["third\n.", ["250 2.0.0 Ok: queued as GHI"]],
];
const CHUNKS: readonly Exchange[] = [
  ["BDAT 26 LAST\nSubject: one\n\n.\nfirst", QUEUED],
  ["BDAT 8 LAST\nsecond", ["250 2.0.0 Ok: queued as DEF"]],
  ["BDAT 7 LAST\nthird", ["250 2.0.0 Ok: queued as GHI"]],
];
const BODIES = ["Subject: one\r\n\r\n.\r\nfirst\r\n", "second\r\n", "third\r\n"];
/** Octets of a chunk, as the documentation has them, and a message that needs two. */
const CHUNK = 524_288;
const LONG = lines(7_200);
/** One that needs a few writes. */
const SHORTER = lines(2_000);
/** The long one, from a source that gives it in pieces. */
const STREAM = () => ReadableStream.from(LONG.match(/[^]{1,65536}/g)!).pipeThrough(new TextEncoderStream());

/** What leaves in one flight, and then all answers to it. */
function together(...all: readonly Exchange[]): string {
  return `${all.map(([says]) => said("C", says.split("\n"))).join("")}${all.map(([, answer]) => said("S", answer)).join("")}`;
}

/** The same, one after the other. */
export function apart(...all: readonly Exchange[]): string {
  return all.map((exchange) => together(exchange)).join("");
}

function said(from: "C" | "S", lines: readonly string[]): string {
  return lines.map((line) => `${from}: ${line}\n`).join("");
}

/** What a session is, where it is not the usual. */
export interface Given {
  readonly protocol?: "smtp" | "lmtp";
  /** What EHLO says behind TLS, besides AUTH. */
  readonly keywords?: readonly string[];
  readonly login?: Login;
  readonly window?: number;
  readonly bodies?: readonly MessageBody[];
  readonly long?: string;
  readonly isClear?: boolean;
  readonly quits?: boolean;
}

/** A login: the mechanism that is offered, what is said, and what the client is given for it. */
export interface Login {
  readonly mechanism: string;
  readonly text: string;
  readonly auth: Auth;
}

const PLAIN: Login = {
  mechanism: "PLAIN",
  text: together(["AUTH PLAIN AGFsaWNlAHMzY3JldA==", ["235 2.7.0 welcome"]]),
  auth: { username: "alice", password: "s3cret" },
};

/** The session of `transactions`, between an opening and QUIT. */
export function session(name: string, transactions: string, given: Given = {}): CutSession {
  const {
    protocol = "smtp",
    keywords = ["PIPELINING"],
    login = PLAIN,
    window = 1,
    bodies = BODIES.slice(0, window > 1 ? 3 : 2),
    long = "",
    isClear = false,
    quits = false,
  } = given;
  const opening = (isClear ? BEGINNING : OPENING).replaceAll("EHLO", protocol === "lmtp" ? "LHLO" : "EHLO");
  const offer = said("S", [...keywords.map((keyword) => `250-${keyword}`), `250 AUTH ${login.mechanism}`]);
  return {
    name,
    script: parseScript(opening + offer + login.text + transactions + (quits ? "" : together(BYE)), protocol, long),
    options: { protocol, auth: login.auth, tls: isClear ? "none" : "starttls", allowCleartextAuth: isClear, name: "client.test" },
    messages: bodies.map((body, index) => ({ from: `a${index + 1}@x.test`, to: RECIPIENTS[index]!, body })),
    window,
    quits,
    isLong: long !== "",
  };
}

/** Two messages by DATA, all of each envelope in one flight. */
export const TWO_BY_DATA: string = [
  together(...ENVELOPES[0]!, DATA),
  together(CONTENTS[0]!),
  together(...ENVELOPES[1]!, DATA),
  together(CONTENTS[1]!),
].join("");

/** All of each envelope in one flight. */
export const data: CutSession = session("DATA with PIPELINING", TWO_BY_DATA);

/** The same without TLS. */
export const clear: CutSession = session("DATA in the clear", TWO_BY_DATA, { isClear: true });

/** QUIT rides behind the last message (RFC 2920 section 3.1: it may be the last of a group). */
export const quitting: CutSession = session(
  "DATA with QUIT behind it",
  [together(...ENVELOPES[0]!, DATA), together(CONTENTS[0]!), together(...ENVELOPES[1]!, DATA), together(CONTENTS[1]!, BYE)].join(""),
  { quits: true },
);

/** Each command waits for the reply to the one before. */
export const lockstep: CutSession = session(
  "DATA in lockstep",
  apart(...ENVELOPES[0]!, DATA, CONTENTS[0]!, ...ENVELOPES[1]!, DATA, CONTENTS[1]!),
  { keywords: [] },
);

/** All of a message in one flight (RFC 3030 section 4.2). */
export const bdat: CutSession = session(
  "BDAT in one flight with its envelope",
  together(...ENVELOPES[0]!, CHUNKS[0]!) + together(...ENVELOPES[1]!, CHUNKS[1]!),
  { keywords: ["PIPELINING", "CHUNKING"] },
);

/** Two chunks, which need not wait for each other, and then a message of one. */
export const chunks: CutSession = session(
  "BDAT in two chunks",
  together(...ENVELOPES[0]!) +
    together([`BDAT ${CHUNK}\n{long 0 ${CHUNK}}`, ["250 2.0.0 so far"]], [
      `BDAT ${LONG.length - CHUNK} LAST\n{long ${CHUNK} ${LONG.length}}`,
      QUEUED,
    ]) +
    together(...ENVELOPES[1]!, CHUNKS[1]!),
  { keywords: ["PIPELINING", "CHUNKING"], bodies: [STREAM, BODIES[1]!], long: LONG },
);

/** A message that goes in several writes. */
export const blocks: CutSession = session(
  "DATA in several writes",
  together(...ENVELOPES[0]!, DATA) + together(["{stuffed}\n.", QUEUED]) + together(...ENVELOPES[1]!, DATA) + together(CONTENTS[1]!),
  { bodies: [SHORTER, BODIES[1]!], long: SHORTER },
);

/** A reply for each recipient that was accepted, not all of them good. */
export const lmtp: CutSession = session(
  "LMTP",
  [
    together(...ENVELOPES[0]!, DATA),
    together([CONTENTS[0]![0], ["452-4.2.2 over", "452 4.2.2 quota", "250 2.0.0 saved"]]),
    together(...ENVELOPES[1]!, DATA),
    together([CONTENTS[1]![0], ["250 2.0.0 saved", "250 2.0.0 saved too"]]),
  ].join(""),
  { protocol: "lmtp" },
);

/** The same with chunks, the last of which waits for the replies to the envelope (RFC 2033 section 4.3). */
export const lmtpChunks: CutSession = session(
  "LMTP by BDAT",
  [
    together(...ENVELOPES[0]!),
    together([CHUNKS[0]![0], ["250 2.0.0 saved", "452-4.2.2 over", "452 4.2.2 quota"]]),
    together(...ENVELOPES[1]!),
    together([CHUNKS[1]![0], ["250 2.0.0 saved", "250 2.0.0 saved too"]]),
  ].join(""),
  { protocol: "lmtp", keywords: ["PIPELINING", "CHUNKING"] },
);

/** Each message but the first is written behind the end of the one before. */
export const windowed: CutSession = session(
  "sendAll by DATA with a window",
  [
    together(...ENVELOPES[0]!, DATA),
    together(CONTENTS[0]!, ...ENVELOPES[1]!, DATA),
    together(CONTENTS[1]!, ...ENVELOPES[2]!, DATA),
    together(CONTENTS[2]!),
  ].join(""),
  { window: 8 },
);

/** The first that rides is on trial, so that only its envelope is written; each begins with RSET, since a chunk before it may be refused. */
export const windowedChunks: CutSession = session(
  "sendAll by BDAT with a window",
  [
    together(...ENVELOPES[0]!, CHUNKS[0]!, RSET, ...ENVELOPES[1]!),
    together(CHUNKS[1]!, RSET, ...ENVELOPES[2]!, CHUNKS[2]!),
  ].join(""),
  { keywords: ["PIPELINING", "CHUNKING"], window: 8 },
);
