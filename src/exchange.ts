/**
 * One transaction, from MAIL to the reply, or with LMTP the replies, to its content.
 *
 * With PIPELINING the envelope and DATA leave in one write and their replies are read before any is judged (RFC 2920 section 3.1); so does the whole
 * of a small message that goes by BDAT (RFC 3030 section 4.2), once the server has taken a login or a MAIL. Without it the same code runs in lockstep, and what a refusal has made
 * pointless is skipped. Where the caller has opened a window, the turn is released as soon as the end of the message is queued, and the next transaction
 * is written behind it. What a refusal leaves behind:
 *
 * | refused | the server then says to DATA | what is done |
 * | --- | --- | --- |
 * | MAIL | 5yz, or nothing was asked | nothing is open |
 * | MAIL | 354 | the connection is closed: nobody can tell what an empty message would become |
 * | every recipient | 5yz, or nothing was asked | RSET |
 * | every recipient | 354 | a lone dot; whatever is answered, it is no delivery |
 * | DATA, or a BDAT | | RSET, where the next transaction does not begin with one already |
 */
import { type Asked, isNo, isTooMany, Questions } from "./asked.ts";
import { bdat, sendChunks } from "./chunks.ts";
import type { Envelope, PlannedRecipient } from "./envelope.ts";
import { type Delivery, type RecipientReply, type SmtpError, type SmtpErrorFacts, SmtpProtocolError, SmtpReplyError } from "./errors.ts";
import type { PreparedMessage } from "./message.ts";
import { MAX_FLIGHT } from "./session/flight.ts";
import type { Content } from "./session/task.ts";
import { RECIPIENT_REPLY, type Session } from "./session/session.ts";
import type { Turn } from "./turns.ts";
import { CR, DOT, LF } from "./wire/octets.ts";
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
  readonly late: readonly PlannedRecipient[];
}

/** One transaction to be made. */
export interface Transaction {
  readonly session: Session;
  readonly message: PreparedMessage;
  readonly envelope: Envelope;
  readonly recipients: readonly PlannedRecipient[];
  /** What earlier transactions of the same message came to. */
  readonly before: Recipients;
  /** Whether there may be another one for those that find no room in this one. */
  readonly mayBeFollowed: boolean;
  readonly turn: Turn;
  /** Whether it is the last of its message, as far as can be told. */
  readonly isLast: boolean;
  /** Whether QUIT is said right behind it. */
  readonly quit: boolean;
  readonly signal: AbortSignal | undefined;
}

/**
 * Runs one transaction.
 *
 * @throws {SmtpReplyError} MAIL, every recipient, DATA or the content was refused. {SmtpUnsupportedError} The content is not what the server takes.
 * {SmtpConnectionError} The connection was lost: see `delivery`. {SmtpBodyError} The content could not be read.
 */
export function exchange(transaction: Transaction): Promise<Delivered> {
  return new Exchange(transaction).run();
}

class Exchange {
  readonly #transaction: Transaction;
  readonly #session: Session;
  readonly #questions: Questions;
  readonly #mail: Asked;
  readonly #rcpts: readonly Asked[] = [];
  /** DATA, or the one chunk that holds the whole message. */
  #begun: Asked | undefined;
  /** Whether that is such a chunk. */
  #isInline = false;
  /** The content behind DATA. */
  #end: Asked | undefined;
  /** What the server said of the content: one reply, and with LMTP one for each recipient that it accepted. */
  readonly #finals: Asked[] = [];
  /** Whether the content was handed over to its end, and not refused: the server may have it, whatever becomes of the connection. */
  #mayHaveArrived = false;
  /** Whether a lost RCPT has been asked about. */
  #isLossTold = false;

  constructor(transaction: Transaction) {
    const { session, signal, envelope: { mail }, recipients, turn } = transaction;
    turn.write();
    this.#transaction = transaction;
    this.#session = session;
    this.#questions = new Questions(session, signal, this);
    const timeout = turn.isOnTrial ? Math.min(TRIAL, session.options.timeouts.mail) : undefined;
    if (beginsWithReset(session, turn)) this.#questions.ask({ ...RSET, timeout });
    this.#mail = this.#questions.ask({ ...mail, timeout });
    this.#rcpts = recipients.map(({ rcpt, address }) => this.#questions.ask(rcpt, address));
  }

  async run(): Promise<Delivered> {
    try {
      if (this.#mustWait) await this.#questions.settled();
      this.#begin();
      await this.#questions.settled();
      this.#judge();
      if (!this.#isInline) {
        if (this.#transaction.envelope.framing === "data") this.#askContent();
        else this.#begun = await this.#sendInChunks();
        await this.#questions.settled();
      }
      const { reply, error } = (this.#end ?? this.#begun)!;
      if (reply === undefined) throw error;
      if (!reply.isPositive && !(this.#session.isLmtp && this.#finals.length > 0)) throw this.#contentRefused(reply);
      return this.#delivered(reply);
    } catch (error) {
      this.#tidy(error);
      throw error;
    }
  }

  /** Whether the replies to the envelope have to be known before DATA or a chunk may follow. */
  get #mustWait(): boolean {
    const { envelope: { framing }, message: { requireAllRecipients }, turn } = this.#transaction;
    if (requireAllRecipients) return true;
    // Without a recipient LMTP answers the last chunk with no reply at all (RFC 2033 section 4.3).
    return framing !== "data" && (this.#session.isLmtp || !this.#isWelcome || turn.isOnTrial);
  }

  /** DATA, or the whole message where it is small and goes by BDAT. */
  #begin(): void {
    if (this.#isPointless()) return;
    if (this.#transaction.envelope.framing === "data") {
      this.#begun = this.#questions.ask(DATA);
      return;
    }
    const whole = this.#whole();
    if (whole === undefined) return;
    this.#isInline = true;
    this.#begun = this.#questions.ask({ ...bdat(whole, true), isFollowable: this.#isFollowable });
    this.#onQueued();
  }

  /** Ends what a transaction that came to nothing left open, without waiting for it; like QUIT it has nothing to lose, and no more time than that. */
  #tidy(error: unknown): void {
    const session = this.#session;
    // After a 354 of ours, and no content: it may have been given up while it waited to be written.
    if (this.#transaction.envelope.framing === "data" && this.#begun?.reply?.code === GO_AHEAD && this.#end?.reply === undefined) {
      if (error instanceof SmtpReplyError && error.phase === "rcpt") sendLoneDot(session);
      else session.close("The server waits for a message that will not come");
      return;
    }
    // What was written behind this one begins with RSET where that is needed, and where the session stands is its affair.
    if (this.#transaction.turn.isFollowed) return;
    // Behind a refused chunk a server may want RSET though no MAIL was accepted (Dovecot 2.3 does).
    const isChunkRefused = this.#isInline && isNo(this.#begun);
    if (!["mail", "rcpt", "bdat"].includes(session.state) && !(isChunkRefused && session.state === "ready")) return;
    // A server that cannot even do that is of no more use, and the first error stands. Nothing may be written behind it before that is known: a chunk
    // would go to the recipients that are left.
    const onReply = (reply: Reply) => reply.isPositive || session.close("The server refused RSET");
    session.issue({ ...RSET, timeout: session.options.timeouts.quit, isFollowable: !session.extensions.has("CHUNKING"), onReply }).catch(() => {});
  }

  /** See {@linkcode Questions}. */
  mayBeSkipped(asked: Asked): boolean {
    if (asked.address !== undefined) return isNo(this.#mail);
    if (asked !== this.#begun) return false;
    const isSkipped = this.#isPointless();
    this.#mayHaveArrived = this.#isInline && !isSkipped;
    return isSkipped;
  }

  /** See {@linkcode Questions}. */
  about(asked: Asked, delivery: Delivery): Partial<SmtpErrorFacts> {
    if (asked.verb === "MAIL") return toldOf(this.#transaction.before);
    if (asked.address === undefined) return this.#told(delivery);
    // Of all that are lost together the first is the one that is thrown: what the others would say of the rest is heard by nobody.
    const isFirst = !this.#isLossTold;
    this.#isLossTold = true;
    return { recipient: asked.address, ...(isFirst ? this.#told(delivery) : toldOf(this.#transaction.before)) };
  }

  /** See {@linkcode Questions}. */
  onReply(asked: Asked, reply: Reply, delivery: Delivery): void {
    if (asked === this.#mail) this.#transaction.turn.heard(reply);
    else if (asked.isOwed) this.#awaitNext(reply, asked.left - 1);
    else if (asked.verb === "." || (this.#isInline && asked === this.#begun)) this.#onFinal(reply, delivery);
  }

  /** Whether nobody is left to send to. */
  #isPointless(): boolean {
    if (isNo(this.#mail)) return true;
    return this.#transaction.message.requireAllRecipients ? this.#rcpts.some(isNo) : this.#rcpts.every(isNo);
  }

  /** The content as it stands on the wire, where it is in memory and small enough to leave in one write. */
  #whole(): readonly Uint8Array[] | undefined {
    const { message: { body }, envelope: { framing } } = this.#transaction;
    return (body.facts?.octets ?? Infinity) <= MAX_FLIGHT ? body.parts?.(framing) : undefined;
  }

  /**
   * Judges the envelope, every reply of whose group has been read: what the server refused outranks what befell the connection afterwards.
   *
   * @throws {SmtpError} When nobody is left to send to.
   */
  #judge(): void {
    const { recipients, message: { requireAllRecipients }, before } = this.#transaction;
    const mail = this.#mail.reply;
    // A server that refuses the sender and takes the message has taken it for somebody, and nobody can tell for whom.
    const isTaken = this.#isInline && this.#begun?.reply?.isPositive;
    if (isNo(this.#mail)) throw this.#refused("MAIL", mail!, { phase: "mail", ...toldOf(before), ...(isTaken && { delivery: "unknown" }) });
    const refused = this.#rcpts.filter(isNo);
    if (refused.length > 0) {
      // Neither yes nor no, or the end of the session; behind which the server may still take what it has, and then that is what counts.
      const odd = this.#rcpts.findIndex(({ reply }) => reply?.isIntermediate || (reply?.code === 421 && !this.#mayHaveArrived));
      const told = this.#told();
      if (odd >= 0) throw this.#refused("RCPT", this.#rcpts[odd]!.reply!, { phase: "rcpt", recipient: recipients[odd]!.address, ...told });
      if (refused.length === this.#rcpts.length || requireAllRecipients) {
        const [first] = refused;
        const transient = refused.some(({ reply }) => reply?.isTransient);
        throw this.#refused("RCPT", first!.reply!, { phase: "rcpt", recipient: first!.address, ...told, transient });
      }
    }
    // The message may have been written in the same breath as the rest, and then that is what counts.
    if (this.#mayHaveArrived && this.#begun?.error !== undefined) throw this.#begun.error;
    for (const asked of [this.#mail, ...this.#rcpts]) if (asked.error !== undefined) throw asked.error;
    if (this.#begun?.error !== undefined) throw this.#begun.error;
    const begun = this.#begun?.reply;
    if (this.#transaction.envelope.framing !== "data" || begun?.code === GO_AHEAD) return;
    throw this.#refused("DATA", begun!, { phase: "data", ...this.#told() });
  }

  /**
   * Whether the server is known to take mail from us. One that wants a login first may refuse BDAT unread, and then the chunk behind it, which was
   * written already, would be commands to it (Dovecot 2.3 does).
   */
  get #isWelcome(): boolean {
    return this.#session.isAuthenticated || this.#session.hasTakenMail;
  }

  /** The content behind the 354. */
  #askContent(): void {
    const whole = this.#whole();
    const how = whole === undefined ? { content: this.#open() } : { payload: whole };
    this.#end = this.#questions.ask({ verb: ".", label: CONTENT, isFollowable: this.#isFollowable, ...how });
    if (whole !== undefined || this.#transaction.quit) this.#onQueued();
  }

  /** The content in chunks. What LMTP says of other recipients than the first may come later. */
  async #sendInChunks(): Promise<Asked> {
    const { signal } = this.#transaction;
    const onReply = (reply: Reply, known: Delivery) => this.#onFinal(reply, known);
    return this.#questions.answered(await sendChunks(this.#session, this.#open(), { signal, about: (known) => this.#told(known), onReply }));
  }

  #open(): Content {
    const { message: { body }, envelope: { framing } } = this.#transaction;
    const { extensions, options: { clock } } = this.#session;
    const isEightBitAllowed = framing === "binary" || extensions.has("8BITMIME");
    return body.open({ framing, isEightBitAllowed, maxSize: extensions.maxSize, clock, about: () => this.#told() });
  }

  /** Whether something may be written behind the end of the message before its reply. With LMTP nobody can tell how many replies come first. */
  get #isFollowable(): boolean {
    const { isLast, quit, turn } = this.#transaction;
    const { isLmtp, hasEnded, isPipelining } = this.#session;
    return isLast && isPipelining && !isLmtp && !hasEnded && (quit || turn.isWindowed);
  }

  /** The end of the message is queued: where something can ride behind it, QUIT is said or the next turn begins. */
  #onQueued(): void {
    if (!this.#isFollowable) return;
    if (!this.#transaction.quit) this.#transaction.turn.release();
    // Those for whom there was no room come next; by BDAT that may not be known yet, and then they are refused.
    else if (this.#full.size === 0) sayQuit(this.#session);
  }

  /** Those for whom there was no room, where another transaction may bring it to them. */
  get #full(): ReadonlySet<Asked | undefined> {
    const { message: { body }, mayBeFollowed } = this.#transaction;
    const mayComeLater = body.isRepeatable && mayBeFollowed && !this.#session.isQuitting;
    return new Set(mayComeLater ? this.#rcpts.filter(({ reply }) => isTooMany(reply)) : []);
  }

  /** The first reply to the content. With LMTP it is that for the first recipient (RFC 2033 section 4.2). */
  #onFinal(reply: Reply, delivery: Delivery): void {
    if (delivery === "not-sent") return;
    const { isLmtp } = this.#session;
    this.#mayHaveArrived = isLmtp || !(reply.isTransient || reply.isPermanent);
    if (!isLmtp) return;
    this.#finals.push(this.#questions.answered(reply));
    this.#awaitNext(reply, this.#rcpts.filter(({ reply }) => reply?.isPositive).length - 1);
  }

  /** Waits for `left` more replies of LMTP, from the very moment in which the one before has come. */
  #awaitNext(before: Reply, left: number): void {
    // Neither yes nor no: nobody can tell what the next one would answer.
    if (left < 1 || before.isIntermediate) return;
    this.#finals.push(this.#questions.ask({ verb: RECIPIENT_REPLY, label: CONTENT, isOwed: true }, undefined, left));
  }

  #contentRefused(reply: Reply, transient = reply.isTransient): SmtpError {
    return this.#refused(CONTENT, reply, { phase: "data", ...this.#told(), transient });
  }

  /** @throws {SmtpError} When with LMTP nobody got it, or a reply is missing. */
  #delivered(reply: Reply): Delivered {
    const { recipients } = this.#transaction;
    const odd = this.#finals.find((final) => final.reply?.isIntermediate);
    if (odd !== undefined) throw this.#contentRefused(odd.reply!);
    const failed = this.#finals.find(({ error }) => error !== undefined);
    if (failed !== undefined) throw failed.error;
    const { accepted, rejected } = this.#sorted();
    if (accepted.length === 0) throw this.#contentRefused(reply, rejected.some(({ reply }) => reply.isTransient));
    const said = this.#finals.length === 0 ? reply : accepted[0]!.reply;
    if (rejected.length === 0) return { accepted, rejected, late: [], reply: said };
    const full = this.#full;
    const late = recipients.filter((_, index) => full.has(this.#rcpts[index]));
    return { accepted, rejected: this.#sorted(full).rejected, late, reply: said };
  }

  /** Who gets the message, by what is known so far: with LMTP each by its own last reply; those of `without` apart. */
  #sorted(without?: ReadonlySet<Asked | undefined>): Recipients {
    const accepted: RecipientReply[] = [];
    const rejected: RecipientReply[] = [];
    let taken = 0;
    for (const asked of this.#rcpts) {
      const { address, reply: said } = asked;
      if (address === undefined || said === undefined || without?.has(asked)) continue;
      const reply = said.isPositive && this.#finals.length > 0 ? this.#finals[taken++]?.reply : said;
      if (reply?.isPositive) accepted.push({ address, reply });
      else if (reply?.isTransient || reply?.isPermanent) rejected.push({ address, reply });
    }
    return { accepted, rejected };
  }

  /**
   * What an error has to say of the recipients. Where others have the message already, those who surely have it not are none of the accepted: whoever
   * sends it once more must know to whom.
   */
  #told(delivery: Delivery = "not-sent"): Partial<SmtpErrorFacts> {
    const { before } = this.#transaction;
    const { accepted, rejected } = this.#sorted();
    const isSurelyNotSent = before.accepted.length > 0 && delivery === "not-sent" && !this.#mayHaveArrived;
    const all = isSurelyNotSent ? before.accepted : [...before.accepted, ...accepted];
    return { ...toldOf(before), accepted: all, rejected: [...before.rejected, ...rejected] };
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

/**
 * Whether a transaction begins with RSET: a chunk in front of it that has no reply yet may be refused, and then the other's transaction is still open,
 * and what is meant for this one would go to the other's recipients.
 */
export function beginsWithReset({ extensions }: Session, turn: Turn): boolean {
  return turn.isRiding && extensions.has("CHUNKING");
}

/** What an error has to say where earlier transactions have brought the message to some: it must not be sent to all once more. */
export function toldOf({ accepted, rejected }: Recipients): Partial<SmtpErrorFacts> {
  return { accepted, rejected, ...(accepted.length > 0 && { delivery: "unknown" }) };
}

/** What RFC 2920 section 3.1 asks for where DATA was accepted for nobody. The reply is no news of any message. */
function sendLoneDot(session: Session): void {
  // One that is neither yes nor no asks for more, for all we know, and the next command would be content.
  const onReply = (reply: Reply) => reply.isIntermediate && session.close("The server did not let an empty message end");
  session.issue({ verb: ".", payload: [LONE_DOT], timeout: session.options.timeouts.quit, onReply }).catch(() => {});
}

/** QUIT, which neither turns a success into an error nor makes it wait: a server may drop it, or refuse it so early (Courier 1.0 and Haraka 3.3 do). */
function sayQuit(session: Session): void {
  session.issue({ verb: "QUIT", line: "QUIT" }).then(() => session.close(), () => {});
}

const DATA = { verb: "DATA", line: "DATA" };
const RSET = { verb: "RSET", line: "RSET" };
const GO_AHEAD = 354;
const LONE_DOT = Uint8Array.of(DOT, CR, LF);
const CONTENT = "the message";
/** How long a server that was never seen to take one transaction behind another may be silent about it, in milliseconds (Courier 1.0 drops what comes). */
const TRIAL = 10_000;
