/**
 * One transaction, from MAIL to the reply, or with LMTP the replies, to its content.
 *
 * With PIPELINING the envelope and DATA leave in one write and their replies are read before any is judged (RFC 2920 section 3.1); so does the whole
 * of a small message that goes by BDAT (RFC 3030 section 4.2), once the server has taken a login or a MAIL. Without it the same code runs in lockstep, and what a refusal has made pointless is
 * skipped. What a refusal leaves behind:
 *
 * | refused | the server then says to DATA | what is done |
 * | --- | --- | --- |
 * | MAIL | 5yz, or nothing was asked | nothing is open |
 * | MAIL | 354 | the connection is closed: nobody can tell what an empty message would become |
 * | every recipient | 5yz, or nothing was asked | RSET |
 * | every recipient | 354 | a lone dot; whatever is answered, it is no delivery |
 * | DATA, or a BDAT | | RSET |
 */
import { bdat, sendChunks } from "./chunks.ts";
import { type Envelope, type Line, line, type PlannedRecipient } from "./envelope.ts";
import { type Delivery, type RecipientReply, type SmtpError, type SmtpErrorFacts, SmtpProtocolError, SmtpReplyError } from "./errors.ts";
import type { PreparedMessage } from "./message.ts";
import { MAX_FLIGHT } from "./session/pipeline.ts";
import { type Command, RECIPIENT_REPLY, type Session } from "./session/session.ts";
import { encodeLine } from "./wire/command.ts";
import { DotStuffer } from "./wire/dot_stuffer.ts";
import type { Reply } from "./wire/reply.ts";

/** Who gets the message and who does not. */
export interface Recipients {
  readonly accepted: readonly RecipientReply[];
  readonly rejected: readonly RecipientReply[];
}

/** What came of a transaction in which the server took the message. */
export interface Delivered extends Recipients {
  readonly reply: Reply;
  /** Those for whom there was no room in this transaction. */
  readonly late: PlannedRecipient[];
}

/** One transaction to be made. */
export interface Transaction {
  readonly session: Session;
  readonly message: PreparedMessage;
  readonly envelope: Envelope;
  /** What earlier transactions of the same message came to. */
  readonly before: Recipients;
  /** Whether there may be another one for those that find no room in this one. */
  readonly mayBeFollowed: boolean;
  readonly signal: AbortSignal | undefined;
}

/** One command, and what came of it so far. */
interface Asked {
  /** Settles, never rejects, when there is a reply, an error, or neither since it was skipped. */
  readonly done: Promise<void>;
  reply?: Reply;
  error?: unknown;
}

/**
 * Runs one transaction.
 *
 * @throws {SmtpReplyError} MAIL, every recipient, DATA or the content was refused. {SmtpUnsupportedError} The content is not what the server takes.
 * {SmtpConnectionError} The connection was lost: see `delivery`. {SmtpBodyError} The content could not be read.
 */
export async function exchange(transaction: Transaction): Promise<Delivered> {
  const { session } = transaction;
  const exchange = new Exchange(transaction);
  try {
    return await exchange.run();
  } catch (error) {
    tidy(session, error instanceof SmtpReplyError && error.phase === "rcpt", exchange.isChunkRefused);
    throw error;
  }
}

class Exchange {
  readonly #transaction: Transaction;
  readonly #session: Session;
  readonly #mail: Asked;
  readonly #rcpts: readonly Asked[];
  /** What the server said of the content: one reply, and with LMTP one for each recipient that it accepted. */
  readonly #finals: Asked[] = [];
  /** Whether the server refused the one chunk that left with the envelope. */
  isChunkRefused = false;
  /** Whether the content was handed over to its end, and not refused: the server may have it, whatever becomes of the connection. */
  #mayHaveArrived = false;

  constructor(transaction: Transaction) {
    this.#transaction = transaction;
    this.#session = transaction.session;
    const { envelope: { mail, recipients }, before } = transaction;
    this.#mail = this.#ask(mail, { about: () => toldOf(before) });
    this.#rcpts = recipients.map(({ address, rcpt }) => {
      return this.#ask(rcpt, { mayBeSkipped: () => isNo(this.#mail), about: () => ({ recipient: address, ...toldOf(before) }) });
    });
  }

  async run(): Promise<Delivered> {
    const { envelope: { framing, recipients }, message: { body, requireAllRecipients } } = this.#transaction;
    // Without a recipient LMTP answers the last chunk with no reply at all (RFC 2033 section 4.3).
    if (requireAllRecipients || (framing !== "data" && this.#session.isLmtp)) await settled([this.#mail, ...this.#rcpts]);
    const isSmall = (body.facts?.octets ?? Infinity) <= MAX_FLIGHT;
    const small = framing !== "data" && isSmall && this.#isWelcome ? body.whole?.(framing) : undefined;
    const begin = framing === "data" ? DATA : small && bdat(small, true);
    const isPointless = () => isNo(this.#mail) || this.#rcpts.every(isNo) || (requireAllRecipients && this.#rcpts.some(isNo));
    let begun: Asked | undefined;
    if (begin !== undefined && !isPointless()) {
      const mayBeSkipped = () => {
        const isSkipped = isPointless();
        this.#mayHaveArrived = small !== undefined && !isSkipped;
        return isSkipped;
      };
      begun = this.#ask(begin, { mayBeSkipped, about: this.#told, ...(small && { onReply: this.#onFinal }) });
    }
    await settled([this.#mail, ...this.#rcpts, ...(begun ? [begun] : [])]);
    this.isChunkRefused = small !== undefined && begun !== undefined && isNo(begun);
    this.#judge(begun);
    if (framing === "data" && begun?.reply?.code !== GO_AHEAD) throw this.#refused("DATA", begun!.reply!, { phase: "data", ...this.#told() });
    const reply = begun?.reply !== undefined && small !== undefined ? begun.reply : await this.#sendContent();
    if (!reply.isPositive && !(this.#session.isLmtp && this.#finals.length > 0)) throw this.#contentRefused(reply);
    // Each is asked for when the one before it has come.
    for (const { done } of this.#finals) await done;
    return this.#delivered(reply, recipients);
  }

  /**
   * Judges the envelope, every reply of whose group has been read: what the server refused outranks what befell the connection afterwards.
   *
   * @throws {SmtpError} When nobody is left to send to.
   */
  #judge(begun: Asked | undefined): void {
    const { envelope: { recipients }, message: { requireAllRecipients } } = this.#transaction;
    if (isNo(this.#mail)) throw this.#refused("MAIL", this.#mail.reply!, { phase: "mail", ...toldOf(this.#transaction.before) });
    // Neither yes nor no, or the end of the session; behind which the server may still take what it has, and then that is what counts.
    const odd = this.#rcpts.findIndex(({ reply }) => reply?.isIntermediate || (reply?.code === 421 && !this.#mayHaveArrived));
    const told = this.#told();
    if (odd >= 0) throw this.#refused("RCPT", this.#rcpts[odd]!.reply!, { phase: "rcpt", recipient: recipients[odd]!.address, ...told });
    const refused = this.#rcpts.filter(isNo);
    if (refused.length === this.#rcpts.length || (requireAllRecipients && refused.length > 0)) {
      const first = this.#rcpts.findIndex(isNo);
      const transient = refused.some(({ reply }) => reply?.isTransient);
      throw this.#refused("RCPT", refused[0]!.reply!, { phase: "rcpt", recipient: recipients[first]!.address, ...told, transient });
    }
    // The message may have been written in the same breath as the rest, and then that is what counts.
    const envelope = [this.#mail, ...this.#rcpts];
    const failed = (this.#mayHaveArrived ? [begun, ...envelope] : [...envelope, begun]).find((asked) => asked?.error !== undefined);
    if (failed !== undefined) throw failed.error;
  }

  /**
   * Whether the server is known to take mail from us. One that wants a login first may refuse BDAT unread, and then the chunk behind it, which was
   * written already, would be commands to it (Dovecot 2.3 does).
   */
  get #isWelcome(): boolean {
    return this.#session.isAuthenticated || this.#session.mails > 0;
  }

  async #sendContent(): Promise<Reply> {
    const { session, message: { body }, envelope: { framing }, signal } = this.#transaction;
    const { extensions, options: { clock } } = session;
    const isEightBitAllowed = framing === "binary" || extensions.has("8BITMIME");
    const about = this.#told;
    const content = body.open({ framing, isEightBitAllowed, maxSize: extensions.maxSize, clock, about });
    const more = { signal, about, onReply: this.#onFinal };
    if (framing !== "data") return await sendChunks(session, content, more);
    return (await session.issue({ verb: ".", label: CONTENT, content, ...more }))!;
  }

  /** The first reply to the content. With LMTP it is that for the first recipient (RFC 2033 section 4.2). */
  readonly #onFinal: NonNullable<Command["onReply"]> = (reply, delivery) => {
    if (delivery === "not-sent") return;
    const { isLmtp } = this.#session;
    this.#mayHaveArrived = isLmtp || !(reply.isTransient || reply.isPermanent);
    if (!isLmtp) return;
    this.#finals.push({ done: Promise.resolve(), reply });
    this.#awaitNext(reply, this.#rcpts.filter(({ reply }) => reply?.isPositive).length - 1);
  };

  /** Waits for `left` more replies of LMTP, from the very moment in which the one before has come. */
  #awaitNext(before: Reply, left: number): void {
    // Neither yes nor no: nobody can tell what the next one would answer.
    if (left < 1 || before.isIntermediate) return;
    const onReply = (reply: Reply) => this.#awaitNext(reply, left - 1);
    this.#finals.push(this.#ask({ verb: RECIPIENT_REPLY, label: CONTENT, isOwed: true }, { about: this.#told, onReply }));
  }

  #contentRefused(reply: Reply, transient = reply.isTransient): SmtpError {
    return this.#refused(CONTENT, reply, { phase: "data", ...this.#told(), transient });
  }

  /** @throws {SmtpError} When with LMTP nobody got it, or a reply is missing. */
  #delivered(reply: Reply, recipients: readonly PlannedRecipient[]): Delivered {
    const odd = this.#finals.find((final) => final.reply?.isIntermediate);
    if (odd !== undefined) throw this.#contentRefused(odd.reply!);
    const failed = this.#finals.find(({ error }) => error !== undefined);
    if (failed !== undefined) throw failed.error;
    const { accepted, rejected } = this.#sorted();
    if (accepted.length === 0) throw this.#contentRefused(reply, rejected.some(({ reply }) => reply.isTransient));
    const { message: { body }, mayBeFollowed } = this.#transaction;
    const full = new Set(body.isRepeatable && mayBeFollowed ? this.#rcpts.map(({ reply }) => reply).filter(isTooMany) : []);
    const late = recipients.filter((_, index) => full.has(this.#rcpts[index]?.reply));
    const others = rejected.filter(({ reply }) => !full.has(reply));
    return { accepted, rejected: others, late, reply: this.#finals.length === 0 ? reply : accepted[0]!.reply };
  }

  /** Who gets the message, by what is known so far: with LMTP each by its own last reply. */
  #sorted(): Recipients {
    const accepted: RecipientReply[] = [];
    const rejected: RecipientReply[] = [];
    let taken = 0;
    this.#transaction.envelope.recipients.forEach(({ address }, index) => {
      const said = this.#rcpts[index]?.reply;
      if (said === undefined) return;
      const final = said.isPositive && this.#finals.length > 0 ? this.#finals[taken++] : { reply: said };
      if (final?.reply?.isPositive) accepted.push({ address, reply: final.reply });
      else if (final?.reply?.isTransient || final?.reply?.isPermanent) rejected.push({ address, reply: final.reply });
    });
    return { accepted, rejected };
  }

  /**
   * What an error has to say of the recipients. Where others have the message already, those who surely have it not are none of the accepted: whoever
   * sends it once more must know to whom.
   */
  readonly #told = (delivery: Delivery = "not-sent"): Partial<SmtpErrorFacts> => {
    const { before } = this.#transaction;
    const { accepted, rejected } = this.#sorted();
    const isSurelyNotSent = before.accepted.length > 0 && delivery === "not-sent" && !this.#mayHaveArrived;
    const all = isSurelyNotSent ? before.accepted : [...before.accepted, ...accepted];
    return { ...toldOf(before), accepted: all, rejected: [...before.rejected, ...rejected] };
  };

  #ask(command: Pick<Command, "verb" | "label" | "octets" | "isOwed">, more: Pick<Command, "mayBeSkipped" | "about" | "onReply">): Asked {
    const asked: Asked = {
      done: this.#session.issue({
        ...command,
        ...more,
        signal: this.#transaction.signal,
        onReply: (reply, delivery) => {
          asked.reply = reply;
          more.onReply?.(reply, delivery);
        },
      }).then(() => {}, (error) => void (asked.error = error)),
    };
    return asked;
  }

  /** The error of a reply that is not the one hoped for. One that is neither yes nor no ends the session: nobody can tell where it stands. */
  #refused(command: string, reply: Reply, facts: SmtpErrorFacts): SmtpError {
    if (reply.isTransient || reply.isPermanent) {
      const whom = facts.recipient === undefined ? "" : ` ${facts.recipient}`;
      return new SmtpReplyError(`The server refused ${command}${whom}: ${reply}`, { ...facts, command, reply });
    }
    this.#session.close(`The server answered ${command} out of turn`);
    const delivery = this.#mayHaveArrived ? "unknown" : facts.delivery;
    return new SmtpProtocolError(`The server answered ${command} with ${reply}`, { ...facts, command, reply, delivery });
  }
}

/** What an error has to say where earlier transactions have brought the message to some: it must not be sent to all once more. */
function toldOf({ accepted, rejected }: Recipients): Partial<SmtpErrorFacts> {
  return { accepted, rejected, ...(accepted.length > 0 && { delivery: "unknown" }) };
}

async function settled(asked: readonly Asked[]): Promise<void> {
  await Promise.all(asked.map(({ done }) => done));
}

/** Whether the server said anything but yes. */
function isNo({ reply }: Asked): boolean {
  return reply !== undefined && !reply.isPositive;
}

/** Whether there was no room for one recipient more; in a transaction of its own there may be (RFC 5321 section 4.5.3.1.10). */
function isTooMany(reply: Reply | undefined): boolean {
  return reply?.code === 452 && (reply.enhancedCode ?? "4.5.3") === "4.5.3";
}

/** Ends what a transaction that came to nothing left open, without waiting for it; like QUIT it has nothing to lose, and no more time than that. */
function tidy(session: Session, isForNobody: boolean, isChunkRefused: boolean): void {
  if (session.state === "data") {
    if (isForNobody) sendLoneDot(session);
    else session.close("The server waits for a message that will not come");
  } else if (["mail", "rcpt", "bdat"].includes(session.state) || (isChunkRefused && session.state === "ready")) {
    // Behind a refused chunk a server may want RSET though no MAIL was accepted (Dovecot 2.3 does).
    // A server that cannot even do that is of no more use, and the first error stands.
    session.issue({ verb: "RSET", octets: encodeLine("RSET"), timeout: session.options.timeouts.quit }).then((reply) => {
      if (!reply?.isPositive) session.close("The server refused RSET");
    }, () => {});
  }
}

/** What RFC 2920 section 3.1 asks for where DATA was accepted for nobody. The reply is no news of any message. */
function sendLoneDot(session: Session): void {
  const next = () => Promise.resolve({ parts: [new DotStuffer().finish()], last: true });
  session.issue({ verb: ".", content: { next, cancel: () => {} }, timeout: session.options.timeouts.quit }).catch(() => {});
}

const DATA: Line = line("DATA", "");
const GO_AHEAD = 354;
const CONTENT = "the message";
