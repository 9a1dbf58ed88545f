/**
 * A message's content by BDAT (RFC 3030): chunk behind chunk, several under way where the server pipelines, each in memory only until it is answered.
 * Chunks are counted, so a source that fails, or a chunk that is refused, costs the transaction and not the connection.
 */
import { SmtpConnectionError, type SmtpErrorFacts, SmtpReplyError } from "./errors.ts";
import { Deadline } from "./session/deadline.ts";
import { sourceFailure, sourceTimeout } from "./session/failures.ts";
import type { Session } from "./session/session.ts";
import type { Command, Content, ContentPiece } from "./session/task.ts";
import { REMNANT } from "./session/timeouts.ts";
import { lengthOf } from "./wire/octets.ts";
import type { Reply } from "./wire/reply.ts";

/** Chunks that wait for their replies at most: what is in memory at once. */
const MAX_CHUNKS = 4;

/** One BDAT command with the parts of its chunk, not copied. */
export function bdat(parts: readonly Uint8Array[], isLast: boolean): Required<Pick<Command, "verb" | "line" | "payload">> {
  return { verb: isLast ? "BDAT LAST" : "BDAT", line: `BDAT ${lengthOf(parts)}${isLast ? " LAST" : ""}`, payload: parts };
}

/**
 * Sends `content` and resolves with the reply to its last chunk, or with the first reply that is no 2yz.
 *
 * @throws {SmtpBodyError} The content could not be read; the transaction is still open. {SmtpConnectionError} The connection was lost, or the call
 * was given up.
 */
export async function sendChunks(session: Session, content: Content, more: Pick<Command, "signal" | "about" | "onReply">): Promise<Reply> {
  const upload = new Upload(session, content, more);
  try {
    return await upload.run();
  } catch (error) {
    content.cancel(error);
    throw error;
  }
}

class Upload {
  readonly #session: Session;
  readonly #content: Content;
  readonly #more: Pick<Command, "signal" | "about" | "onReply">;
  /** In the order in which they are answered. */
  readonly #underWay = new Set<Promise<void>>();
  /** What ended the upload before its end: a reply that is no 2yz, or an error. */
  #refusal: Reply | undefined;
  #error: unknown;
  /** How long the source may give nothing, one timer for all of its pieces; and how long the server may take with what is left of a refused message. */
  readonly #deadline: Deadline;
  /** Ends the wait for the source when there is one. */
  #giveUp = () => {};

  constructor(session: Session, content: Content, more: Pick<Command, "signal" | "about" | "onReply">) {
    this.#session = session;
    this.#content = content;
    this.#more = more;
    this.#deadline = new Deadline(session.options.clock, () => this.#onDue());
  }

  async run(): Promise<Reply> {
    const ends = [this.#session.ended, this.#more.signal].filter((signal) => signal !== undefined);
    const onEnd = () => this.#onEnd();
    for (const signal of ends) signal.addEventListener("abort", onEnd);
    if (ends.some((signal) => signal.aborted)) onEnd();
    try {
      return await this.#upload();
    } finally {
      for (const signal of ends) signal.removeEventListener("abort", onEnd);
      this.#deadline.clear();
    }
  }

  async #upload(): Promise<Reply> {
    let last: Reply | undefined;
    for (let isLast = false; !isLast && this.#isWanted();) {
      const piece = await this.#piece();
      if (piece === undefined || !this.#isWanted()) break;
      isLast = piece.last;
      this.#send(piece, (reply) => last = reply);
      while (this.#isWanted() && this.#underWay.size >= MAX_CHUNKS) await this.#underWay.values().next().value;
    }
    await Promise.all(this.#underWay);
    const reply = this.#refusal ?? last;
    // Behind a reply that is neither yes nor no it is the end of the last chunk that tells what the server may have.
    if (reply === undefined || (reply.isIntermediate && this.#error !== undefined)) throw this.#error;
    if (!reply.isPositive) this.#content.cancel(new SmtpReplyError(`The server refused BDAT: ${reply}`, { ...this.#facts(), reply }));
    return reply;
  }

  #isWanted(): boolean {
    return this.#refusal === undefined && this.#error === undefined;
  }

  #facts(): SmtpErrorFacts {
    return { phase: "data", command: "BDAT", ...this.#more.about?.("not-sent") };
  }

  #send({ parts, last, release }: ContentPiece, onLast: (reply: Reply) => void): void {
    const { signal, about, onReply } = this.#more;
    const command = {
      ...bdat(parts, last),
      signal,
      ...(about && { about }),
      // Behind a refused chunk the rest is of no use; what is written already is answered all the same.
      mayBeSkipped: () => this.#refusal !== undefined,
      onReply: (reply: Reply) => {
        // LMTP answers a chunk behind a refused one once, and not once for each recipient. Any other it does, even before it has all of it.
        if (last && this.#refusal === undefined) onReply?.(reply, "unknown");
        if (!reply.isPositive) this.#refuse(reply);
        else if (last) onLast(reply);
        // The server has read it all.
        else release?.();
      },
    };
    const sent = this.#session.issue(command).then(() => {}, (error) => {
      // The last chunk alone can leave the message in doubt, so its error says more than those before it.
      if (this.#error === undefined || last) this.#error = error;
    }).finally(() => {
      this.#underWay.delete(sent);
      if (this.#refusal !== undefined) this.#deadline.set(REMNANT);
      if (!this.#isWanted()) this.#giveUp();
    });
    this.#underWay.add(sent);
  }

  /** The next piece; `undefined` when the upload has come to its end before. */
  async #piece(): Promise<ContentPiece | undefined> {
    this.#deadline.set(this.#session.options.timeouts.source);
    const piece = await new Promise<ContentPiece | undefined>((resolve) => {
      const giveUp = () => resolve(undefined);
      this.#giveUp = giveUp;
      this.#content.next().then(resolve, (cause) => this.#fail(sourceFailure(cause, this.#facts())));
    });
    if (this.#refusal === undefined) this.#deadline.pause();
    return piece;
  }

  /** Whoever asked for the upload has given it up, or the session has ended, and says why. */
  #onEnd(): void {
    const { signal } = this.#more;
    const facts = this.#facts();
    const error = signal?.aborted ? new SmtpConnectionError("aborted", "BDAT was aborted", { ...facts, cause: signal.reason }) : undefined;
    this.#fail(error ?? this.#session.failureOf(facts));
  }

  /** What is written already is answered all the same, unless the server reads no more of what it has refused. */
  #refuse(reply: Reply): void {
    if (this.#refusal !== undefined) return;
    this.#refusal = reply;
    this.#deadline.set(REMNANT);
  }

  #onDue(): void {
    if (this.#refusal === undefined) this.#fail(sourceTimeout(this.#facts()));
    else this.#session.close("The server takes no more of the message that it has refused");
  }

  #fail(error: unknown): void {
    if (this.#isWanted()) this.#error = error;
    this.#giveUp();
  }
}
