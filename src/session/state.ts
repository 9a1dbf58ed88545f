/**
 * What may be said when (RFC 5321 section 4.1.4), as data: verb by state. Everything that depends on the order of commands reads this table.
 *
 * ```
 *   start --greeting--> greeted --EHLO--> ready --MAIL--> mail --RCPT--> rcpt --DATA/354--> data --content--> ready
 *                          ^               |  \--AUTH/334--> auth --235, 5yz--> ready
 *                          |               \--STARTTLS/220--> tls
 *                          +---------------------- upgrade ----+            any --QUIT/221--> over
 * ```
 *
 * A command is judged by the state in which the server will find it: the state now, and for each command that waits for its reply the step it asks
 * for. When a reply says otherwise, the state is what the replies made it.
 */
import type { SmtpPhase } from "../errors.ts";
import type { Reply } from "../wire/reply.ts";
import type { TimeoutName } from "./timeouts.ts";

/** Where a session stands, seen from the client. */
export type SessionState = "start" | "greeted" | "ready" | "mail" | "rcpt" | "bdat" | "data" | "auth" | "tls" | "over";

/** A step of the session: to one state, or from state to state (and nowhere from the others). */
type Step = SessionState | Readonly<Partial<Record<SessionState, SessionState>>>;

/** One row of the table. */
export interface Rule extends Steps {
  /** The states in which the verb is legal. */
  readonly legal: readonly SessionState[];
  /** Its name in errors. */
  readonly phase: SmtpPhase;
  /** Which of the timeouts holds for its reply. */
  readonly timeout: TimeoutName;
}

/** What a verb makes of the session, and may make of the server. */
interface Steps {
  /** The step a 2yz makes. */
  readonly positive?: Step;
  /** The step a 3yz makes: where there is one, it is the reply that is hoped for. */
  readonly intermediate?: Step;
  /** The step a 4yz or 5yz makes. */
  readonly negative?: Step;
  /** Whether another command may be written behind it before its reply (RFC 2920 section 3.1). */
  readonly followable?: boolean;
  /** Whether its octets are the end of a message, so that the server may have it once they are written. */
  readonly endsMessage?: boolean;
}

function row(legal: readonly SessionState[], phase: SmtpPhase, timeout: TimeoutName, steps?: Steps): Rule {
  return { legal, phase, timeout, ...steps };
}

const ANY: readonly SessionState[] = ["greeted", "ready", "mail", "rcpt", "bdat"];
const READY: readonly SessionState[] = ["ready"];
const CHUNKS: readonly SessionState[] = ["rcpt", "bdat"];
const BY_HAND: readonly SessionState[] = [...ANY, "start", "data", "auth"];
const TRANSACTION_ENDS: Step = { mail: "ready", rcpt: "ready", bdat: "ready" };
const CHUNK: Steps = { positive: "bdat", followable: true };
const STARTS_MAIL = row(READY, "mail", "mail", { positive: { ready: "mail" }, followable: true });
const HELLO = row(ANY, "ehlo", "command", { positive: "ready" });
/** The last one ends the transaction; where it was refused the server may still have one open (RFC 3030 section 2). */
const LAST_CHUNK = row(CHUNKS, "data", "final", { positive: "ready", endsMessage: true });
const TURNS = row(READY, "command", "command", { positive: "over" });

/** Every verb without a row of its own. */
const OTHER = row(ANY, "command", "command");

/** `"."` is the content behind DATA. */
const RULES: ReadonlyMap<string, Rule> = new Map(Object.entries<Rule>({
  // Whatever the greeting says, QUIT may follow (RFC 5321 section 3.1).
  greeting: row(["start"], "greeting", "greeting", { positive: "greeted", intermediate: "greeted", negative: "greeted" }),
  EHLO: HELLO,
  LHLO: HELLO,
  HELO: { ...HELLO, phase: "helo" },
  MAIL: STARTS_MAIL,
  SEND: STARTS_MAIL,
  SOML: STARTS_MAIL,
  SAML: STARTS_MAIL,
  RCPT: row(["mail", "rcpt"], "rcpt", "rcpt", { positive: { mail: "rcpt", rcpt: "rcpt" }, followable: true }),
  DATA: row(["rcpt"], "data", "data", { intermediate: "data" }),
  ".": row(["data"], "data", "final", { positive: "ready", intermediate: "ready", negative: "ready", endsMessage: true }),
  BDAT: row(CHUNKS, "data", "block", CHUNK),
  "BDAT LAST": LAST_CHUNK,
  // The server fetches the octets itself, which may take as long as the end of a message does.
  BURL: row(CHUNKS, "data", "final", CHUNK),
  "BURL LAST": LAST_CHUNK,
  // A reply to a message of LMTP behind the first: one for each recipient (RFC 2033 sections 4.2 and 4.3). One yes ends a transaction by BDAT.
  "recipient's reply": row(ANY, "data", "final", { positive: { rcpt: "ready", bdat: "ready" } }),
  RSET: row(ANY, "rset", "command", { positive: TRANSACTION_ENDS, followable: true }),
  ETRN: row(READY, "command", "command"),
  // RFC 821 section 3.8: after a 250 the server is the client, which is not what we are.
  TURN: TURNS,
  ATRN: TURNS,
  // The session begins again, with a greeting (Postfix, XCLIENT_README).
  XCLIENT: row(READY, "command", "command", { positive: "greeted" }),
  STARTTLS: row(READY, "starttls", "command", { positive: "tls" }),
  AUTH: row(READY, "auth", "command", { intermediate: "auth" }),
  "auth response": row(["auth"], "auth", "command", { positive: "ready", negative: "ready", intermediate: "auth" }),
  QUIT: row(ANY, "quit", "quit", { positive: "over" }),
  // A reply that answers no command of ours; in the data state it is the one to content that was written by hand.
  receive: row(BY_HAND, "command", "final", {
    positive: { start: "greeted", data: "ready", auth: "ready" },
    negative: { data: "ready", auth: "ready" },
  }),
  // Octets of the caller's own; they may be commands, content or anything.
  raw: row(BY_HAND, "command", "command", { followable: true }),
}));

/** The rule for `verb`. */
export function ruleOf(verb: string): Rule {
  return RULES.get(verb) ?? OTHER;
}

/** The state after `reply` to a command of `rule` that found the session in `state`. */
export function after(state: SessionState, rule: Rule, reply: Reply): SessionState {
  return stepped(state, reply.isPositive ? rule.positive : reply.isIntermediate ? rule.intermediate : rule.negative);
}

/** The state after the reply that is hoped for. */
export function hoped(state: SessionState, rule: Rule): SessionState {
  return stepped(state, rule.intermediate ?? rule.positive);
}

function stepped(state: SessionState, step: Step | undefined): SessionState {
  if (step === undefined) return state;
  return typeof step === "string" ? step : step[state] ?? state;
}
