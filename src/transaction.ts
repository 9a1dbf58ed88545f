/**
 * One message, from the caller's wish to the server's replies: one transaction, or several where the server takes fewer recipients at a time than the
 * message has, with one result.
 */
import { type Envelope, planEnvelope, type PlannedRecipient } from "./envelope.ts";
import { type RecipientReply, SmtpReplyError, SmtpStateError, SmtpUnsupportedError } from "./errors.ts";
import { beginsWithReset, type Delivered, exchange, toldOf } from "./exchange.ts";
import type { PreparedMessage } from "./message.ts";
import type { Session } from "./session/session.ts";
import type { Turn } from "./turns.ts";
import { queueId } from "./wire/queue_id.ts";
import type { Reply } from "./wire/reply.ts";

/** What became of a message, for those of its recipients that went into one transaction. */
export interface TransactionResult {
  /** The recipients the server took the message for, with its replies to them: to RCPT, or with LMTP to the message itself. */
  readonly accepted: readonly RecipientReply[];
  /** The recipients the server refused, with its replies to them. */
  readonly rejected: readonly RecipientReply[];
  /** The server's reply to the content: it has the message now. With LMTP the first that is a yes. */
  readonly reply: Reply;
  /** The name under which the server queued the message, where its reply tells. */
  readonly queueId: string | undefined;
}

/** What became of a message that was delivered to the server, for at least one recipient; `reply` and `queueId` are those of the first transaction. */
export interface SendResult extends TransactionResult {
  /** The transactions it took: more than one where the server limits the recipients of each (RFC 9422, RFC 5321 section 4.5.3.1.10). */
  readonly transactions: readonly TransactionResult[];
}

/** How a message is sent. */
export interface Sending {
  readonly session: Session;
  readonly turn: Turn;
  /** Whether QUIT is said right behind it, where that can be. */
  readonly quit: boolean;
  readonly signal: AbortSignal | undefined;
}

/**
 * Sends `message` on a session.
 *
 * @throws {SmtpReplyError} MAIL, every recipient, DATA or the content was refused. {SmtpUnsupportedError} The server lacks what the message needs.
 * {SmtpConnectionError} The connection was lost: see `delivery`. {SmtpBodyError} The content could not be read. {TypeError} Somebody else reads it.
 */
export async function runTransaction(message: PreparedMessage, { session, turn, quit, signal }: Sending): Promise<SendResult> {
  session.assertLegal(beginsWithReset(session, turn) ? "RSET" : "MAIL");
  // Behind a 354 it would cost the connection, and those that wait for it.
  message.body.assertUnread?.();
  const envelope = planEnvelope(session, message);
  const waiting = grouped(session, message, envelope);
  const limit = session.extensions.limit("MAILMAX") ?? Infinity;
  const room = limit - session.mails;
  if (waiting.length > room) throw noRoom(limit, waiting.length);
  const transactions: TransactionResult[] = [];
  /** The first refusal alone, and how many there were: each repeats what was refused before it. */
  let refusal: SmtpReplyError | undefined;
  let refusals = 0;
  let accepted: RecipientReply[] = [];
  let rejected: RecipientReply[] = [];
  let begun = 0;
  for (let recipients = waiting.shift(); recipients !== undefined; recipients = waiting.shift()) {
    // Others may have begun behind what was thought to be the last of it.
    if (turn.isReleased) await turn.retake(toldOf({ accepted, rejected }));
    try {
      const before = { accepted, rejected };
      const isLast = waiting.length === 0;
      const mayBeFollowed = ++begun + waiting.length < room;
      const delivered = await exchange({ session, message, envelope, recipients, before, mayBeFollowed, turn, isLast, quit, signal });
      transactions.push(resultOf(delivered));
      accepted = appended(accepted, delivered.accepted);
      rejected = appended(rejected, delivered.rejected);
      if (delivered.late.length > 0) waiting.push(delivered.late);
    } catch (error) {
      if (error instanceof SmtpStateError && accepted.length > 0) {
        // Somebody has ended the session by hand, between two transactions.
        throw new SmtpStateError(error.message, { phase: error.phase, ...toldOf({ accepted, rejected }), cause: error });
      }
      if (!(error instanceof SmtpReplyError)) throw error;
      // Other recipients may fare better, unless there is nobody left to ask.
      if (session.hasEnded && waiting.length > 0) throw error;
      refusal ??= error;
      refusals++;
      rejected = appended(rejected, refusedOf(recipients, error, rejected.length));
    }
  }
  const [first] = transactions;
  if (first !== undefined) return { accepted, rejected, reply: first.reply, queueId: first.queueId, transactions };
  throw refusals === 1 ? refusal : refusedAltogether(refusal!, rejected);
}

/** `list` with `more` at its end. One by one: as arguments of one call, a hundred thousand would be more than the stack holds. */
function appended<T>(list: T[], more: readonly T[]): T[] {
  // A copy has room for what is in it, where a list that grows takes room for many.
  if (list.length === 0) return [...more];
  for (const one of more) list.push(one);
  return list;
}

/** Everybody in `group`, with the reply that refused them: their own where there is one. The first `known` of the error were told before. */
function refusedOf(group: readonly PlannedRecipient[], error: SmtpReplyError, known: number): RecipientReply[] {
  const { rejected } = error;
  let next = known;
  // They stand in the same order, and an address may stand there twice.
  return group.map(({ address }) => rejected[next]?.address === address ? rejected[next++]! : { address, reply: error.reply! });
}

function noRoom(limit: number, transactions: number): SmtpUnsupportedError {
  const isTooMany = transactions > limit;
  const hint = isTooMany ? "send to fewer recipients at a time" : "open another connection";
  const facts = { phase: "local", transient: !isTooMany, hint } as const;
  return new SmtpUnsupportedError("unsupported", `The server takes ${limit} messages on one connection`, facts);
}

function resultOf({ accepted, rejected, reply }: Delivered): TransactionResult {
  return { accepted, rejected, reply, queueId: queueId(reply.text) };
}

function refusedAltogether(first: SmtpReplyError, rejected: readonly RecipientReply[]): SmtpReplyError {
  const { message, phase, reply, command, recipient } = first;
  const transient = rejected.some(({ reply }) => reply.isTransient);
  return new SmtpReplyError(message, { phase, reply, command, recipient, rejected, transient, cause: first });
}

/** The recipients of one transaction. */
interface Group {
  readonly members: PlannedRecipient[];
  readonly domains: Set<string>;
}

/** The recipients in as many groups as the server's limits ask for (RFC 9422 sections 4.2 and 4.3); nearly always one. */
function grouped(session: Session, message: PreparedMessage, { recipients }: Envelope): (readonly PlannedRecipient[])[] {
  const { extensions } = session;
  const maxRecipients = extensions.limit("RCPTMAX") ?? Infinity;
  const maxDomains = extensions.limit("RCPTDOMAINMAX") ?? Infinity;
  if (recipients.length <= maxRecipients && maxDomains === Infinity) return [recipients];
  const groups: Group[] = [];
  /** The last group of each domain. */
  const known = new Map<string, Group>();
  /** The one with room for other domains: whatever the limits are, one is looked at and not all. */
  let open: Group | undefined;
  const hasRoom = ({ members }: Group) => members.length < maxRecipients;
  for (const recipient of recipients) {
    const domain = recipient.address.slice(recipient.address.lastIndexOf("@") + 1).toLowerCase();
    let group = known.get(domain);
    if (group === undefined || !hasRoom(group)) {
      if (open === undefined || !hasRoom(open) || open.domains.size >= maxDomains) groups.push(open = { members: [], domains: new Set() });
      group = open;
      known.set(domain, group);
    }
    group.members.push(recipient);
    group.domains.add(domain);
  }
  if (groups.length > 1 && (message.requireAllRecipients || !message.body.isRepeatable)) {
    const hint = message.requireAllRecipients
      ? "requireAllRecipients can hold for one transaction only"
      : "give a function that opens the stream anew";
    throw new SmtpUnsupportedError("unsupported", `The server's limits ask for ${groups.length} transactions`, { phase: "local", hint });
  }
  return groups.map(({ members }) => members);
}
