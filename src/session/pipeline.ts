/**
 * The only owner of a connection's reader and writer.
 *
 * ```
 *   enqueue --> unsent[] --- mayFollow? --> awaiting[] --- reply ---> settle
 *                              |                               ^
 *                    one write a flight                   ReplyDecoder
 *                              v                               |
 *                       socket.writable                 socket.readable
 * ```
 *
 * - Replies belong to tasks strictly in order. One that no task waits for ends the connection; so does a 421, with its own words.
 * - It reads while a reply is owed, and never otherwise until {@linkcode Pipeline.watch} is called: where a read is pending, TLS may be impossible to start.
 * - It reads while it writes, so a server that answers early or stops reading cannot block it.
 * - The first failure is final. It is kept, told to every task, each with its own `phase` and `delivery`, and the socket is closed.
 * - One lazy timer serves every deadline: it is set when none runs, and when it fires it looks whether anything is overdue.
 */
import { SmtpConnectionError, type SmtpError, type SmtpErrorFacts, SmtpProtocolError } from "../errors.ts";
import { messageOf, type TlsOptions } from "../transport/socket.ts";
import { concat } from "../wire/octets.ts";
import type { Reply } from "../wire/reply.ts";
import { printable } from "../wire/text.ts";
import type { Channel } from "./channel.ts";
import { Deadline } from "./deadline.ts";
import type { Failure } from "./failures.ts";
import { aborted, closedByAbort, closedBySource, endedBy, endedWith, sourceFailure, sourceTimeout, timedOut, unsolicited } from "./failures.ts";
import { Flight, MAX_FLIGHT, Room } from "./flight.ts";
import type { PipelineOptions } from "./pipeline_options.ts";
import { mayFollow } from "./policy.ts";
import { Queue } from "./queue.ts";
import { Secrecy } from "./secrecy.ts";
import type { Content, ContentPiece, Task, TaskOwner } from "./task.ts";
import { REMNANT } from "./timeouts.ts";
import { emit, receiveEvent, sendEvents, type TraceEvent } from "./trace.ts";
import { Unclaimed } from "./unclaimed.ts";

/** Replies owed at most: beyond that, a server whose own buffers are full would wait for us to read while we wait for it. */
export const MAX_AWAITED = 256;
/** How long replies are still read once a write has failed, in milliseconds: the server may have said why before it hung up. */
const LAST_WORDS = 1_000;

/** See the head of the file. */
export class Pipeline {
  readonly #options: PipelineOptions;
  readonly #owner: TaskOwner;
  readonly #deadline: Deadline;
  readonly #channel: Channel;
  readonly #room = new Room();
  readonly #secrecy = new Secrecy();
  readonly #unsent = new Queue<Task>();
  #awaiting: Task[] = [];
  /** Written or being written, and owed no reply. */
  #silent: Task[] = [];
  readonly #unclaimed = new Unclaimed();
  /** Whether such octets were written since the last command, so that replies may come that no task awaits. */
  #isByHand = false;
  /** When the replies came that are told now, by the clock. */
  #arrival = 0;
  #failure: Failure | undefined;
  #writeError: { readonly cause: unknown } | undefined;
  #isWriting = false;
  #isFlushScheduled = false;
  #isReading = false;
  /** Whether it reads while nothing is owed. */
  isWatching = false;
  /** Whether the deadline is that of a message's source. */
  #isSourceAwaited = false;
  /** Whether commands may be written behind others: the server offers PIPELINING and the caller allows it. */
  isPipelining = false;

  constructor(channel: Channel, owner: TaskOwner, options: PipelineOptions) {
    this.#options = options;
    this.#owner = owner;
    this.#channel = channel;
    this.#deadline = new Deadline(options.clock, () => this.#onTimeout());
  }

  /** Why the connection has ended, for whoever says the facts; `undefined` while it stands. */
  failureOf(facts: SmtpErrorFacts): SmtpError | undefined {
    return this.#failure?.(facts);
  }

  /** Whether the connection has ended. */
  get hasEnded(): boolean {
    return this.#failure !== undefined;
  }

  /** Whether a reply is owed. */
  get isAwaiting(): boolean {
    return this.#awaiting.length > 0;
  }

  /** What waits for its reply, or to be written, in order. */
  *[Symbol.iterator](): Generator<Task> {
    yield* this.#awaiting;
    yield* this.#unsent;
  }

  /** Queues `task`, first where its reply is owed already. All that is queued in one tick leaves in one write, where the server allows it. */
  enqueue(task: Task, isOwed = false): void {
    // What the server said before the end is not lost.
    if (this.#failure !== undefined) return this.#claim(task) ? undefined : this.#owner.fail(task, this.#failure(task.facts));
    if (isOwed) this.#unsent.unshift(task);
    else this.#unsent.push(task);
    task.isQueued = true;
    if (this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    queueMicrotask(() => {
      this.#isFlushScheduled = false;
      this.#flush();
    });
  }

  /** Gives `task` up: takes it out of the queue, or ends the connection when it was written already. */
  abort(task: Task, reason: unknown): void {
    if (task.isQueued) {
      task.isQueued = false;
      this.#unsent.remove(task);
      this.#owner.fail(task, aborted(reason)(task.facts));
    } else if (this.#awaiting.includes(task) || this.#silent.includes(task)) {
      const closed = closedByAbort(reason);
      this.fail(closed, (other) => other.isAborted ? aborted(reason) : closed);
    }
  }

  /** Reads on while nothing is owed, from now on, to notice a server that hangs up. TLS cannot be started any more. */
  watch(): void {
    this.isWatching = true;
    this.#read();
  }

  /** Whether {@linkcode upgrade} can be asked for: nothing is owed and nothing is read. */
  get isUpgradable(): boolean {
    return this.#unsent.length + this.#awaiting.length === 0 && !this.#isWriting && !this.#isReading && !this.isWatching;
  }

  /** Starts TLS. When it fails, for whatever reason, the connection has ended. */
  async upgrade(options: TlsOptions & { readonly serverName: string }, signal?: AbortSignal): Promise<void> {
    this.#assertOpen();
    const { clock, timeouts } = this.#options;
    this.#isWriting = true;
    try {
      await this.#channel.upgrade(options, { clock, timeout: timeouts.connect, signal, what: "The TLS handshake", facts: STARTTLS });
    } catch (error) {
      this.#assertOpen();
      this.fail((facts) => new SmtpConnectionError("closed", messageOf(error), { ...facts, cause: error }));
      throw error;
    } finally {
      this.#isWriting = false;
    }
    this.trace({ type: "secure" });
    this.#flush();
  }

  /** Ends the connection; only the first failure counts. `failureOf` is for failures that are not the same to every task. */
  fail(failure: Failure, failureOf: (task: Task) => Failure = () => failure): void {
    if (this.#failure !== undefined) return;
    this.#failure = failure;
    this.#deadline.clear();
    const tasks = [...this.#silent, ...this.#awaiting, ...this.#unsent.drain()];
    this.#silent = [];
    this.#awaiting = [];
    this.#channel.close();
    this.#owner.end();
    for (const task of tasks) {
      // One signal may be for many, and must end none of them twice.
      task.isQueued = false;
      const error = failureOf(task)(task.facts);
      task.content?.cancel(error);
      this.#owner.fail(task, error);
    }
    if (this.#options.trace !== undefined) this.trace({ type: "close", reason: printable(failure({ phase: "idle" }).message) });
  }

  trace(event: TraceEvent): void {
    emit(this.#options.trace, event);
  }

  #assertOpen(): void {
    if (this.#failure !== undefined) throw this.#failure(STARTTLS);
  }

  #flush(): void {
    if (this.#failure !== undefined || this.#isWriting || this.#writeError !== undefined || this.#unsent.length === 0) return;
    const flight = new Flight();
    for (let task = this.#unsent.peek(); task !== undefined && flight.length < MAX_FLIGHT; task = this.#unsent.peek()) {
      if (this.#awaiting.length >= MAX_AWAITED || !mayFollow(this.#awaiting.at(-1), task, this.isPipelining)) break;
      const { content } = task;
      if (content !== undefined && flight.length > 0) break;
      this.#unsent.shift();
      task.isQueued = false;
      const verdict = this.#owner.verdict(task);
      if (verdict === "skip") this.#owner.settle(task, undefined);
      else verdict && this.#owner.fail(task, verdict);
      if (verdict !== undefined || this.#claim(task)) continue;
      // Octets that came before the command they would answer: somebody speaks out of turn.
      const { first: unclaimed } = this.#unclaimed;
      const isEarly = unclaimed !== undefined || (this.#awaiting.length === 0 && !this.#channel.isClean);
      if (task.isAnswered) this.#await(task);
      else this.#silent.push(task);
      if (task.isCommand) {
        if (isEarly) return this.fail(unsolicited(unclaimed));
        this.#isByHand = false;
      } else if (!task.isAnswered) this.#isByHand = true;
      if (content !== undefined) return void this.#pump(task, content);
      if (!task.isReceipt) flight.add(task);
    }
    this.#read();
    if (flight.tasks.length > 0) void this.#launch(flight);
  }

  /** Gives `task` a reply that came before it was asked for, if it waits for one and there is one; content is refused by it, and not begun. */
  #claim(task: Task): boolean {
    const first = this.#unclaimed.first;
    const isRefused = task.verb === "." && (first?.isTransient || first?.isPermanent);
    const reply = task.isReceipt || isRefused ? this.#unclaimed.shift() : undefined;
    if (reply === undefined) return false;
    this.#owner.settle(task, reply);
    if (isRefused) this.fail(endedWith(reply));
    return true;
  }

  #await(task: Task): void {
    this.#secrecy.begin(task);
    this.#awaiting.push(task);
    if (this.#awaiting.length === 1 && this.#writeError === undefined) this.#deadline.set(task.timeout);
  }

  #launch(flight: Flight): void {
    this.#isWriting = true;
    if (this.#awaiting.length === 0) this.#deadline.set(this.#options.timeouts.block);
    try {
      this.#writeParts(flight, flight.octets(this.#channel.keepsNothing ? this.#room : undefined), 0);
    } catch (cause) {
      // There may be no room for so many.
      this.#onWritten({ cause });
    }
  }

  /** Writes the parts of `flight` from the `index`th on. With no promise of its own, since nearly every flight has one part. */
  #writeParts(flight: Flight, parts: readonly Uint8Array[], index: number): void {
    const part = parts[index];
    // What was told to be unsent must not be sent after all.
    if (part === undefined || this.#failure !== undefined) return this.#onWritten();
    // From here on nobody can tell, until the reply, whether the server has the whole of a message that ends in this flight.
    if (index === parts.length - 1) { for (const task of flight.tasks) if (task.rule.endsMessage) task.delivery = "unknown"; }
    const writing = this.#channel.write(part);
    if (index === 0 && this.#options.trace !== undefined) sendEvents(flight.tasks, this.#channel.writes).forEach((event) => this.trace(event));
    writing.then(() => this.#writeParts(flight, parts, index + 1), (cause) => this.#onWritten({ cause }));
  }

  /** All that was to be written was, or the rest never will be. */
  #onWritten(error?: { readonly cause: unknown }): void {
    if (error !== undefined) this.#onWriteError(error.cause);
    else if (this.#silent.length > 0) { for (const task of this.#silent.splice(0)) this.#owner.settle(task, undefined); }
    this.#isWriting = false;
    if (this.#awaiting.length === 0) this.#deadline.pause();
    this.#flush();
  }

  /** Writes the content of a message as the socket takes it, until its end or until the server has answered before it. */
  async #pump(task: Task, content: Content): Promise<void> {
    this.#isWriting = true;
    this.#read();
    const isWanted = () => this.#failure === undefined && this.#awaiting[0] === task;
    try {
      for (let isLast = false; !isLast && isWanted();) {
        this.#isSourceAwaited = true;
        this.#deadline.set(this.#options.timeouts.source);
        const piece = await this.#piece(task, content);
        this.#isSourceAwaited = false;
        if (piece === undefined || !isWanted()) break;
        isLast = piece.last;
        // From here on nobody can tell, until the reply, whether the server has the whole of it.
        if (isLast) task.delivery = "unknown";
        this.#deadline.set(this.#options.timeouts.block);
        const octets = concat(piece.parts);
        const writing = this.#channel.write(octets);
        this.trace({ type: "content", octets: octets.length, write: this.#channel.writes });
        await writing;
        if (this.#channel.keepsNothing) piece.release?.();
        if (!isWanted()) break;
        if (isLast) this.#deadline.set(task.timeout);
      }
      this.#onWritten();
    } catch (cause) {
      this.#onWritten({ cause });
    }
  }

  /** The next piece. A source that fails ends the connection, since DATA can be left in no other way without the dot (RFC 5321 section 3.3). */
  async #piece(task: Task, content: Content): Promise<ContentPiece | undefined> {
    try {
      return await content.next();
    } catch (cause) {
      if (this.#failure !== undefined || this.#awaiting[0] !== task) return undefined;
      this.#sourceFailed(task, sourceFailure(cause, task.facts));
      return undefined;
    }
  }

  #sourceFailed(task: Task, error: SmtpError): void {
    this.#awaiting.shift();
    task.content?.cancel(error);
    this.#owner.fail(task, error);
    this.fail(closedBySource(error));
  }

  /** A write failed. The server may have said why before it hung up, so what it said is read first. */
  #onWriteError(cause: unknown): void {
    if (this.#failure !== undefined || this.#writeError !== undefined) return;
    this.#writeError = { cause };
    if (this.#awaiting.length === 0) return this.fail(endedBy(cause, false));
    this.#deadline.set(LAST_WORDS);
    this.#read();
  }

  async #read(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      while (this.#failure === undefined && (this.#awaiting.length > 0 || this.isWatching)) {
        const replies = await this.#channel.read();
        this.#arrival = this.#options.clock.now();
        if (replies === undefined) this.#onEndOfStream(undefined);
        for (const reply of replies ?? []) if (this.#failure === undefined) this.#take(reply);
        if (this.#channel.fault !== undefined) throw this.#channel.fault;
        // Not before: a reply in the same octets would be taken for one to a command that was written after it had come.
        this.#flush();
      }
    } catch (cause) {
      this.#onEndOfStream(cause);
    }
    this.#isReading = false;
  }

  #onEndOfStream(error: unknown): void {
    this.fail(endedBy(error ?? this.#writeError?.cause, this.#secrecy.isOn));
  }

  #take(said: Reply): void {
    const task = this.#awaiting[0] ?? this.#receipt();
    const reply = this.#secrecy.shown(said, task);
    if (this.#options.trace !== undefined) this.trace(receiveEvent(reply, task?.label, task?.secrets !== undefined));
    // The caller's hook may have ended the connection.
    if (this.#failure !== undefined) return;
    if (task === undefined) {
      // It may come in one read with the 354, before anybody could ask for it.
      const isRefusal = this.#owner.isContentDue && (reply.isTransient || reply.isPermanent) && this.#unclaimed.first === undefined;
      const isByHand = this.#isByHand && !this.#unclaimed.isFull && reply.code !== 421;
      if (!isRefusal && !isByHand) return this.fail(unsolicited(reply));
      this.#unclaimed.push(reply);
      return;
    }
    const { content } = task;
    const isEarly = content !== undefined && task.delivery === "not-sent";
    if (isEarly && !reply.isTransient && !reply.isPermanent) {
      return this.fail((facts) => new SmtpProtocolError(`The server answered ${reply} before the message's end`, { ...facts, reply }));
    }
    this.#awaiting.shift();
    const next = this.#awaiting[0];
    this.#onHead(next);
    if (isEarly) content.cancel(new SmtpConnectionError("disconnected", `The server answered ${reply}`, { phase: "data", reply }));
    this.#owner.settle(task, reply);
    // Content cannot be broken off politely: after an early reply the connection is of no use.
    if (isEarly || reply.code === 421) this.fail(endedWith(reply));
    else if (task.rule.phase === "quit" && reply.isPositive) {
      this.fail((facts) => new SmtpConnectionError("closed", "The session has ended with QUIT", facts));
    } else if (this.#writeError !== undefined && next === undefined && this.#receipt() === undefined) this.#onEndOfStream(undefined);
  }

  /** The first in the queue where it only waits for a reply: that needs no write, so it need not wait for the end of one. */
  #receipt(): Task | undefined {
    const task = this.#unsent.peek();
    if (!task?.isReceipt) return undefined;
    this.#unsent.shift();
    task.isQueued = false;
    this.#await(task);
    return task;
  }

  /** Sets the deadline for what is waited for now: the next reply, else the end of a write that is under way, else nothing. What is answered was read, or never will be. */
  #onHead(head: Task | undefined): void {
    const { block } = this.#options.timeouts;
    if (this.#writeError !== undefined) return;
    if (head !== undefined) this.#deadline.set(head.timeout, this.#arrival);
    else if (this.#isWriting) this.#deadline.set(this.#silent.length > 0 ? block : Math.min(block, REMNANT), this.#arrival);
    else this.#deadline.pause();
  }

  #onTimeout(): void {
    if (this.#writeError !== undefined) return this.#onEndOfStream(undefined);
    const late = this.#awaiting[0];
    if (this.#isSourceAwaited && late !== undefined) return this.#sourceFailed(late, sourceTimeout(late.facts));
    const isBlocked = late === undefined || (late.content !== undefined && this.#isWriting);
    this.fail(timedOut(isBlocked ? undefined : late.label));
  }
}

const STARTTLS: SmtpErrorFacts = { phase: "starttls", command: "STARTTLS" };
