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
export interface Rule {
  /** The states in which the verb is legal. */
  readonly legal: readonly SessionState[];
  /** The step a 2yz makes. */
  readonly positive?: Step;
  /** The step a 3yz makes. */
  readonly intermediate?: Step;
  /** The step a 4yz or 5yz makes. */
  readonly negative?: Step;
  /** The reply that is hoped for, where it is not a 2yz. */
  readonly hopes?: "intermediate";
  /** Whether another command may be written behind it before its reply (RFC 2920 section 3.1). */
  readonly followable?: boolean;
  /** Whether its octets are the end of a message, so that the server may have it once they are written. */
  readonly endsMessage?: boolean;
  /** Its name in errors. */
  readonly phase: SmtpPhase;
  /** Which of the timeouts holds for its reply. */
  readonly timeout: TimeoutName;
}

const ANY: readonly SessionState[] = ["greeted", "ready", "mail", "rcpt", "bdat"];
const TRANSACTION_ENDS: Step = { mail: "ready", rcpt: "ready", bdat: "ready" };
const STARTS_MAIL: Rule = { legal: ["ready"], positive: { ready: "mail" }, followable: true, phase: "mail", timeout: "mail" };
const HELLO: Rule = { legal: ANY, positive: "ready", phase: "ehlo", timeout: "command" };
const CHUNK: Rule = { legal: ["rcpt", "bdat"], positive: "bdat", followable: true, phase: "data", timeout: "block" };
/** The last one ends the transaction; where it was refused the server may still have one open (RFC 3030 section 2). */
const LAST_CHUNK: Rule = { legal: ["rcpt", "bdat"], positive: "ready", endsMessage: true, phase: "data", timeout: "final" };
const ASKS: Rule = { legal: ANY, phase: "command", timeout: "command" };

/** Every verb without a row of its own. */
const OTHER: Rule = ASKS;

/** `"."` is the content behind DATA. */
const RULES: ReadonlyMap<string, Rule> = new Map(Object.entries<Rule>({
  // Whatever the greeting says, QUIT may follow (RFC 5321 section 3.1).
  greeting: { legal: ["start"], positive: "greeted", intermediate: "greeted", negative: "greeted", phase: "greeting", timeout: "greeting" },
  EHLO: HELLO,
  LHLO: HELLO,
  HELO: { ...HELLO, phase: "helo" },
  MAIL: STARTS_MAIL,
  SEND: STARTS_MAIL,
  SOML: STARTS_MAIL,
  SAML: STARTS_MAIL,
  RCPT: { legal: ["mail", "rcpt"], positive: { mail: "rcpt", rcpt: "rcpt" }, followable: true, phase: "rcpt", timeout: "rcpt" },
  DATA: { legal: ["rcpt"], intermediate: "data", hopes: "intermediate", phase: "data", timeout: "data" },
  ".": { legal: ["data"], positive: "ready", intermediate: "ready", negative: "ready", endsMessage: true, phase: "data", timeout: "final" },
  BDAT: CHUNK,
  "BDAT LAST": LAST_CHUNK,
  // The server fetches the octets itself, which may take as long as the end of a message does.
  BURL: { ...CHUNK, timeout: "final" },
  "BURL LAST": LAST_CHUNK,
  // A reply to a message of LMTP behind the first: one for each recipient (RFC 2033 sections 4.2 and 4.3). One yes ends a transaction by BDAT.
  "recipient's reply": { legal: ANY, positive: { rcpt: "ready", bdat: "ready" }, phase: "data", timeout: "final" },
  RSET: { legal: ANY, positive: TRANSACTION_ENDS, followable: true, phase: "rset", timeout: "command" },
  VRFY: ASKS,
  EXPN: ASKS,
  HELP: ASKS,
  NOOP: ASKS,
  ETRN: { ...ASKS, legal: ["ready"] },
  // RFC 821 section 3.8: after a 250 the server is the client, which is not what we are.
  TURN: { legal: ["ready"], positive: "over", phase: "command", timeout: "command" },
  ATRN: { legal: ["ready"], positive: "over", phase: "command", timeout: "command" },
  // The session begins again, with a greeting (Postfix, XCLIENT_README).
  XCLIENT: { legal: ["ready"], positive: "greeted", phase: "command", timeout: "command" },
  STARTTLS: { legal: ["ready"], positive: "tls", phase: "starttls", timeout: "command" },
  AUTH: { legal: ["ready"], intermediate: "auth", hopes: "intermediate", phase: "auth", timeout: "command" },
  "auth response": {
    legal: ["auth"],
    positive: "ready",
    negative: "ready",
    intermediate: "auth",
    hopes: "intermediate",
    phase: "auth",
    timeout: "command",
  },
  QUIT: { legal: ANY, positive: "over", phase: "quit", timeout: "quit" },
  // A reply that answers no command of ours; in the data state it is the one to content that was written by hand.
  receive: {
    legal: [...ANY, "start", "data", "auth"],
    positive: { start: "greeted", data: "ready", auth: "ready" },
    negative: { data: "ready", auth: "ready" },
    phase: "command",
    timeout: "final",
  },
  // Octets of the caller's own; they may be commands, content or anything.
  raw: { legal: [...ANY, "start", "data", "auth"], followable: true, phase: "command", timeout: "command" },
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
  return stepped(state, rule.hopes === "intermediate" ? rule.intermediate : rule.positive);
}

function stepped(state: SessionState, step: Step | undefined): SessionState {
  if (step === undefined) return state;
  return typeof step === "string" ? step : step[state] ?? state;
}
