/**
 * What must come of a session that is cut, worked out from its script and the RFCs alone. Two numbers decide: the octets of the server that the client has
 * heard, and the octets that it has handed to its socket.
 *
 * - A reply counts when its last line is there with its LF; one that is not whole was not said (RFC 5321 section 4.2).
 * - The client waits for the first reply that it has not heard. That gives the phase, and the time that it waits (section 4.5.3.2).
 * - A message has been sent when the server has answered its end with 2yz, and stays sent whatever comes (section 3.8).
 * - A message whose end was handed over and not answered is in doubt (section 4.5.3.2.6, RFC 1047), and from then on its answer is what is waited for.
 * - Any other has surely not been sent: a server does nothing with a message that has no end (section 4.1.1.4).
 */
import type { Cut, Ending } from "../../support/cut_socket.ts";
import type { Answer, Script, Unit } from "./script.ts";

/** What the client knows when the connection is lost. */
export interface Point {
  readonly heard: number;
  readonly handed: number;
}

/** What a caller learns of a message, or of a connection that could not be opened. */
export type Told =
  | { readonly status: "sent"; readonly accepted: readonly string[]; readonly rejected: readonly string[]; readonly reply: readonly string[] }
  | Lost;

/** What an error says. */
export interface Lost {
  readonly status: "lost";
  readonly kind: string;
  readonly phase: string;
  readonly delivery: "not-sent" | "unknown";
  readonly accepted: readonly string[];
  readonly rejected: readonly string[];
}

const MINUTE = 60_000;
/** For a block of data to be taken (RFC 5321 section 4.5.3.2.5). */
const BLOCK_WAIT = 3 * MINUTE;
/** The phase of each verb, and how long its answer is waited for: RFC 5321 section 4.5.3.2, and where that has no row what the documentation says. */
const VERBS: Readonly<Record<string, readonly [phase: string, wait: number]>> = {
  greeting: ["greeting", 5 * MINUTE],
  EHLO: ["ehlo", 5 * MINUTE],
  LHLO: ["ehlo", 5 * MINUTE],
  STARTTLS: ["starttls", 5 * MINUTE],
  tls: ["starttls", 30_000],
  AUTH: ["auth", 5 * MINUTE],
  MAIL: ["mail", 5 * MINUTE],
  RCPT: ["rcpt", 5 * MINUTE],
  DATA: ["data", 2 * MINUTE],
  // What is no end is a block of data.
  BDAT: ["data", BLOCK_WAIT],
  ".": ["data", 10 * MINUTE],
  RSET: ["rset", 5 * MINUTE],
  QUIT: ["quit", 5_000],
};
/** Octets of content in one write at most, as the documentation has it. */
const LONGEST_WRITE = 65_536;
const OPENING: readonly string[] = ["greeting", "EHLO", "LHLO", "STARTTLS", "tls", "AUTH"];

/** What the client can have heard when `cut` has done its work. */
export function heardOf({ units, serverOctets }: Script, { of, at, by }: Cut): number {
  if (by === "split") return serverOctets;
  if (of === "server") return at;
  // What reached the server is answered; a broken connection loses what was answered to the write that broke it.
  const reached = units.filter(({ end, flightEnd }) => by === "reset" ? flightEnd < at : end <= at);
  if (by === "reset" && at === 0) return 0;
  return Math.min(serverOctets, reached.reduce((heard, { answers }) => Math.max(heard, endOf(answers)), 0));
}

/** What the client has handed over that has heard `heard` octets, and has had the time to go on. */
export function handedOf(script: Script, heard: number): number {
  return headOf(script, heard)?.unit.flightEnd ?? script.clientOctets;
}

/** The first reply that has not been heard, and the unit that it answers. */
function headOf({ units }: Script, heard: number): { readonly unit: Unit; readonly answer: Answer } | undefined {
  for (const unit of units) for (const answer of unit.answers) if (answer.end > heard) return { unit, answer };
  return undefined;
}

/**
 * How long the client waits that knows `point`, on a connection that stalls. The first message that rides behind another has ten seconds, as the
 * documentation of the window has it.
 */
export function waitOf(script: Script, point: Point, by: Ending): number {
  const head = headOf(script, point.heard)?.unit;
  if (head === undefined || kindOf(by) !== "timeout") return 0;
  // A content of several writes is waited for write by write, until the socket has taken the last.
  const isTaken = by === "block" ? head.octets.length <= LONGEST_WRITE : head.end <= point.handed;
  if (head.endsMessage) return isTaken ? 10 * MINUTE : BLOCK_WAIT;
  // A QUIT that rides behind a message is nobody's concern.
  if (head.verb === "QUIT" && script.units.at(-2)!.flightEnd === head.flightEnd) return 0;
  const isOnTrial = (head.verb === "RSET" || head.verb === "MAIL") && head.message === 1 && isRiding(script, 1, point);
  return isOnTrial ? 10_000 : VERBS[head.verb]![1];
}

/** Whether the connection is lost before it is ready to send, and what is told then. */
export function openingOf(script: Script, { heard }: Point, by: Ending): Lost | undefined {
  const head = headOf(script, heard);
  if (head === undefined || !OPENING.includes(head.unit.verb)) return undefined;
  const [phase] = VERBS[head.unit.verb]!;
  // The library cannot tell a network that breaks in a handshake from a server that breaks it off.
  const kind = head.unit.verb === "tls" && kindOf(by) === "disconnected" ? "tls" : kindOf(by);
  return { status: "lost", kind, phase, delivery: "not-sent", accepted: [], rejected: [] };
}

/** What is told of message number `message`, on a connection that was opened. */
export function messageOf(script: Script, message: number, { heard, handed }: Point, by: Ending): Told {
  const own = script.units.filter((unit) => unit.message === message && unit.verb !== "RSET");
  const end = own.find(({ endsMessage }) => endsMessage)!;
  const { accepted, rejected } = recipientsOf(own, end, heard);
  if (endOf(end.answers) <= heard) {
    const yes = end.answers.find(({ text }) => text.startsWith("2"))!;
    return { status: "sent", accepted, rejected, reply: yes.text.trimEnd().split("\r\n").map((line) => line.slice(4)) };
  }
  const lost = { status: "lost", kind: kindOf(by) } as const;
  // Who else has the message is of no concern while it is in doubt: the server may have it for all that it has accepted.
  if (end.end <= handed) return { ...lost, phase: "data", delivery: "unknown", accepted, rejected };
  const head = headOf(script, heard)!.unit;
  // What has not begun says that it failed at its first command; what its caller has given up before, that nothing was said at all.
  const begun = head.message === message && head.verb !== "RSET" ? VERBS[head.verb]![0] : undefined;
  const phase = begun ?? (by === "abort" ? "local" : "mail");
  return { ...lost, phase, delivery: "not-sent", accepted, rejected };
}

/** Whether anything was said of message number `message`: behind a connection that ended in the same breath as an answer it may not have been. */
export function isBegun({ units }: Script, message: number, handed: number): boolean {
  return units.some((unit) => unit.message === message && unit.verb === "MAIL" && unit.end <= handed);
}

/** Whether the server has stored message number `message`, of which it was given `reached` octets. */
export function isStored({ units }: Script, message: number, reached: number): boolean {
  return units.some((unit) => unit.message === message && unit.endsMessage && unit.end <= reached);
}

/**
 * What a client tells of each message. Where one was written behind another that was not answered, which is a wager of the client's own (RFC 2920 section
 * 3.1 has no word on it), and was lost with that before it was heard of, it goes over another connection, and all behind it go there too.
 */
export function outcomesOf(script: Script, point: Point, by: Ending): { readonly told: readonly Told[]; readonly isReplaced: boolean } {
  const all = Array.from({ length: script.messages }, (_, message) => messageOf(script, message, point, by));
  const first = all.findIndex((told, message) => isNotSent(told) && isRiding(script, message, point));
  const told = all.map((told, message) => first >= 0 && message >= first ? messageOf(script, message, wholeOf(script), by) : told);
  return { told, isReplaced: first >= 0 };
}

/** Whether a message has surely not been sent. */
export function isNotSent(told: Told): boolean {
  return told.status === "lost" && told.delivery === "not-sent";
}

/** What a client knows behind the last octet. */
export function wholeOf({ serverOctets, clientOctets }: Script): Point {
  return { heard: serverOctets, handed: clientOctets };
}

/** Whether `message` was written behind another whose end was not answered, and has not been answered itself. */
function isRiding({ units }: Script, message: number, { heard, handed }: Point): boolean {
  if (message === 0) return false;
  const mail = units.find((unit) => unit.message === message && unit.verb === "MAIL")!;
  const end = units.find((unit) => unit.message === message - 1 && unit.endsMessage)!;
  const isWritten = mail.flightEnd <= handed && mail.flightEnd === end.flightEnd;
  return isWritten && endOf(mail.answers) > heard;
}

/** Who is known to have been accepted, and who to have been refused: with LMTP each by the last that the server has said. */
function recipientsOf(own: readonly Unit[], end: Unit, heard: number): { readonly accepted: string[]; readonly rejected: string[] } {
  const accepted: string[] = [];
  const rejected: string[] = [];
  const isLmtp = end.answers.length > 1;
  let taken = 0;
  for (const { to, answers: [answer] } of own) {
    if (to === undefined || answer!.end > heard) continue;
    const isTaken = answer!.text.startsWith("2");
    const final = isTaken && isLmtp ? end.answers[taken++] : undefined;
    if (!isTaken) rejected.push(to);
    else if (final === undefined || end.answers[0]!.end > heard) accepted.push(to);
    else if (final.end <= heard) (final.text.startsWith("2") ? accepted : rejected).push(to);
  }
  return { accepted, rejected };
}

function endOf(answers: readonly Answer[]): number {
  return answers.at(-1)!.end;
}

function kindOf(by: Ending): string {
  if (by === "abort") return "aborted";
  return by === "stall" || by === "block" ? "timeout" : "disconnected";
}
