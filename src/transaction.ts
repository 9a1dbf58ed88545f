/**
 * One message, from MAIL to the reply to its content.
 *
 * With PIPELINING the envelope and DATA leave in one write and their replies are read before any is judged (RFC 2920 section 3.1); without it the same
 * code runs in lockstep, and what a refusal has made pointless is skipped. What a refusal leaves behind:
 *
 * | refused | the server then says to DATA | what is done |
 * | --- | --- | --- |
 * | MAIL | 5yz, or nothing was asked | nothing is open |
 * | MAIL | 354 | the connection is closed: nobody can tell what an empty message would become |
 * | every recipient | 5yz, or nothing was asked | RSET |
 * | every recipient | 354 | a lone dot; whatever is answered, it is no delivery |
 * | DATA | | RSET |
 */
import { eightBit, tooLarge } from "./body.ts";
import { type RecipientReply, type SmtpError, type SmtpErrorFacts, SmtpProtocolError, SmtpReplyError, SmtpUnsupportedError } from "./errors.ts";
import type { PreparedMessage } from "./message.ts";
import type { Command, Session } from "./session/session.ts";
import { commandLine, encodeLine, type EsmtpParameters, formatParameters } from "./wire/command.ts";
import { DotStuffer } from "./wire/dot_stuffer.ts";
import { forwardPath, reversePath } from "./wire/path.ts";
import { queueId } from "./wire/queue_id.ts";
import type { Reply } from "./wire/reply.ts";

/** What became of a message that was delivered to the server, for at least one recipient. */
export interface SendResult {
  /** The recipients the server took the message for, with its replies to them. */
  readonly accepted: readonly RecipientReply[];
  /** The recipients the server refused, with its replies to them. */
  readonly rejected: readonly RecipientReply[];
  /** The server's reply to the content: it has the message now. */
  readonly reply: Reply;
  /** The name under which the server queued the message, where its reply tells. */
  readonly queueId: string | undefined;
}

/** One command of the envelope, and what came of it so far. */
interface Asked {
  /** Settles, never rejects, when there is a reply, an error, or neither since it was skipped. */
  readonly done: Promise<void>;
  reply?: Reply;
  error?: unknown;
}

/**
 * Sends `message` on `session`.
 *
 * @throws {SmtpReplyError} MAIL, every recipient, DATA or the content was refused. {SmtpUnsupportedError} The server lacks what the message needs.
 * {SmtpConnectionError} The connection was lost: see `delivery`. {SmtpBodyError} The content could not be read.
 */
export async function runTransaction(session: Session, message: PreparedMessage, signal: AbortSignal | undefined): Promise<SendResult> {
  session.assertLegal("MAIL");
  const parameters = mailParameters(session, message);
  try {
    const recipients = await exchangeEnvelope(session, message, parameters, signal);
    const reply = await sendContent(session, message, recipients, signal);
    return { ...recipients, reply, queueId: queueId(reply.text) };
  } catch (error) {
    tidy(session, error instanceof SmtpReplyError && error.phase === "rcpt");
    throw error;
  }
}

async function sendContent(
  session: Session,
  { body }: PreparedMessage,
  recipients: Recipients,
  signal: AbortSignal | undefined,
): Promise<Reply> {
  const { extensions, options: { clock } } = session;
  const content = body.open({ isEightBitAllowed: extensions.has("8BITMIME"), maxSize: extensions.maxSize, clock });
  const reply = (await session.issue({ verb: ".", label: CONTENT, content, signal, about: () => recipients }))!;
  if (reply.isPositive) return reply;
  throw refusal(session, CONTENT, reply, { phase: "data", ...recipients });
}

/** Who gets the message and who does not. */
type Recipients = Pick<SendResult, "accepted" | "rejected">;

/** MAIL, every RCPT and DATA; resolves once a 354 has come for at least one recipient. */
async function exchangeEnvelope(
  session: Session,
  { from, to, requireAllRecipients }: PreparedMessage,
  parameters: EsmtpParameters,
  signal: AbortSignal | undefined,
): Promise<Recipients> {
  const mail = ask(session, "MAIL", `FROM:${reversePath(from)}${formatParameters(parameters)}`, { signal });
  const isMailRefused = () => isNo(mail);
  const rcpts = to.map((recipient) => {
    return ask(session, "RCPT", `TO:${forwardPath(recipient)}`, { signal, mayBeSkipped: isMailRefused, about: () => ({ recipient }) });
  });
  if (requireAllRecipients) await Promise.all([mail, ...rcpts].map(({ done }) => done));
  const isPointless = () => isMailRefused() || rcpts.every(isNo) || (requireAllRecipients && rcpts.some(isNo));
  const about = () => sorted(to, rcpts);
  const data = isPointless() ? undefined : ask(session, "DATA", "", { signal, mayBeSkipped: isPointless, about });
  await Promise.all([mail, ...rcpts, data].map((asked) => asked?.done));

  // Every reply of the group has been read. What the server refused outranks what befell the connection afterwards.
  const recipients = about();
  const { accepted, rejected } = recipients;
  if (mail.reply !== undefined && isNo(mail)) {
    throw refusal(session, "MAIL", mail.reply, { phase: "mail" });
  }
  const odd = rcpts.findIndex(({ reply }) => reply?.isIntermediate);
  if (odd >= 0) throw refusal(session, "RCPT", rcpts[odd]!.reply!, { phase: "rcpt", recipient: to[odd]! });
  const closing = rcpts.findIndex(({ reply }) => reply?.code === 421);
  if (closing >= 0) throw refusal(session, "RCPT", rcpts[closing]!.reply!, { phase: "rcpt", recipient: to[closing]!, ...recipients });
  const isRefused = rejected.length === to.length || (requireAllRecipients && rejected.length > 0);
  if (isRefused) {
    const [first] = rejected;
    const transient = rejected.some(({ reply }) => reply.code < 500);
    throw refusal(session, "RCPT", first!.reply, { phase: "rcpt", recipient: first!.address, accepted, rejected, transient });
  }
  const failed = [mail, ...rcpts, data].find((asked) => asked?.error !== undefined);
  if (failed !== undefined) throw failed.error;
  if (data?.reply?.code === GO_AHEAD) return recipients;
  throw refusal(session, "DATA", data!.reply!, { phase: "data", ...recipients });
}

function ask(session: Session, verb: string, args: string, more: Pick<Command, "signal" | "mayBeSkipped" | "about">): Asked {
  const label = commandLine(verb, args);
  const issued = session.issue({ verb, label, octets: encodeLine(label), onReply: (reply) => asked.reply = reply, ...more });
  const asked: Asked = { done: issued.then(() => {}, (error) => void (asked.error = error)) };
  return asked;
}

/** Whether the server said anything but yes. */
function isNo({ reply }: Asked): boolean {
  return reply !== undefined && !reply.isPositive;
}

function sorted(to: readonly string[], rcpts: readonly Asked[]): Recipients {
  const accepted: RecipientReply[] = [];
  const rejected: RecipientReply[] = [];
  rcpts.forEach(({ reply }, index) => {
    if (reply?.isPositive) accepted.push({ address: to[index]!, reply });
    else if (reply !== undefined) rejected.push({ address: to[index]!, reply });
  });
  return { accepted, rejected };
}

/** What MAIL has to declare of the message, given what the server offers. */
function mailParameters({ extensions }: Session, { body, needsUtf8 }: PreparedMessage): EsmtpParameters {
  const { facts } = body;
  const { maxSize } = extensions;
  const isEightBitOffered = extensions.has("8BITMIME");
  if (needsUtf8 && !extensions.has("SMTPUTF8")) {
    throw new SmtpUnsupportedError("unsupported", "An address has characters beyond ASCII and the server does not offer SMTPUTF8", LOCAL);
  }
  if (facts?.isEightBit && !isEightBitOffered) throw eightBit("local");
  if (facts !== undefined && maxSize !== undefined && facts.octets > maxSize) throw tooLarge(maxSize, "local");
  return {
    ...(facts !== undefined && extensions.has("SIZE") && { SIZE: facts.octets }),
    // A stream may turn out to be 8-bit; the parameter says that it may.
    ...(isEightBitOffered && (facts?.isEightBit ?? true) && { BODY: "8BITMIME" }),
    ...(needsUtf8 && { SMTPUTF8: true }),
  };
}

/** The error of a reply that is not the one hoped for. One that is neither yes nor no ends the session: nobody can tell where it stands. */
function refusal(session: Session, command: string, reply: Reply, facts: SmtpErrorFacts): SmtpError {
  if (reply.isTransient || reply.isPermanent) {
    const whom = facts.recipient === undefined ? "" : ` ${facts.recipient}`;
    return new SmtpReplyError(`The server refused ${command}${whom}: ${reply}`, { ...facts, command, reply });
  }
  session.close(`The server answered ${command} out of turn`);
  const delivery = command === CONTENT ? "unknown" : "not-sent";
  return new SmtpProtocolError(`The server answered ${command} with ${reply}`, { ...facts, command, reply, delivery });
}

/** Ends what a transaction that came to nothing left open, without waiting for it; like QUIT it has nothing to lose, and no more time than that. */
function tidy(session: Session, isForNobody: boolean): void {
  if (session.state === "data") {
    if (isForNobody) sendLoneDot(session);
    else session.close("The server waits for a message that will not come");
  } else if (session.state === "mail" || session.state === "rcpt") {
    // A server that cannot even do that is of no more use, and the first error stands.
    session.issue({ verb: "RSET", octets: encodeLine("RSET"), timeout: session.options.timeouts.quit }).then((reply) => {
      if (!reply?.isPositive) session.close("The server refused RSET");
    }, () => {});
  }
}

/** What RFC 2920 section 3.1 asks for where DATA was accepted for nobody. The reply is no news of any message. */
function sendLoneDot(session: Session): void {
  const next = () => Promise.resolve({ octets: new DotStuffer().finish(), last: true });
  session.issue({ verb: ".", content: { next, cancel: () => {} }, timeout: session.options.timeouts.quit }).catch(() => {});
}

const GO_AHEAD = 354;
const CONTENT = "the message";
const LOCAL: SmtpErrorFacts = { phase: "local" };
