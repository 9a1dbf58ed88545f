/**
 * Who sends what, and when: messages that wait, connections that are ready, the pace that the server asks for and the rate that the caller does.
 *
 * ```
 *   add() --> WaitingRoom ---- pace, rate ----> Member --> result, refusal, failure
 *                 ^  ^                            |
 *                 |  +---- lost, surely not sent -+
 *                 +-- withdrawn, due
 * ```
 *
 * Everything happens in {@linkcode Dispatcher.pump}, which is called when anything has changed, and does what can be done now. It never waits.
 */
import { hasWindowFailed, type SmtpClient, transmit } from "../client.ts";
import { SmtpConnectionError, SmtpError, SmtpReplyError, SmtpStateError } from "../errors.ts";
import { prepareMessage, snapshot } from "../message.ts";
import type { SendResult } from "../transaction.ts";
import { Connections } from "./connections.ts";
import type { Job } from "./job.ts";
import type { Member } from "./member.ts";
import type { PoolSettings } from "./options.ts";
import { Pace } from "./pace.ts";
import { Rate } from "./rate.ts";
import type { PoolStats } from "./stats.ts";
import { checkSignal } from "../session/signal.ts";
import { emit } from "../session/trace.ts";
import { asksForLess, mayRetry } from "./verdict.ts";
import { WaitingRoom } from "./waiting_room.ts";

/** Rounds of openings, all of which fail while no connection stands, before what waits is told: a server that starts anew is back by then. */
const MAX_ROUNDS = 4;

/** See the head of the file. */
export class Dispatcher {
  readonly #settings: PoolSettings;
  readonly #waiting: WaitingRoom;
  readonly #connections: Connections;
  readonly #pace: Pace;
  readonly #rate: Rate | undefined;
  #window: number;
  #phase: "open" | "draining" | "closed" = "open";
  #failedRounds = 0;
  /** Messages on connections. */
  #underWay = 0;
  #counts = { sent: 0, refused: 0, failed: 0, retried: 0 };
  /** Called when a pool that takes no more has nothing left. */
  readonly #onEmpty: (() => void)[] = [];

  constructor(settings: PoolSettings) {
    this.#settings = settings;
    const { clock, queueTimeout, rateLimit, random, maxConnections, window } = settings;
    const pump = () => this.pump();
    this.#window = window;
    this.#waiting = new WaitingRoom({
      clock,
      timeout: queueTimeout,
      onGivenUp: (job, error) => {
        this.#reject(job, error);
        this.pump();
      },
    });
    this.#connections = new Connections(settings, {
      onOpen: () => {
        this.#failedRounds = 0;
        this.pump();
      },
      onRoom: pump,
      onOpenFailed: (error) => this.#onOpenFailed(error),
      onUseless: (error) => this.#refusedOne(error),
    });
    this.#pace = new Pace({ max: maxConnections, clock, random, onResume: pump });
    this.#rate = rateLimit && new Rate(rateLimit, clock, pump);
  }

  /** How things stand. */
  get stats(): PoolStats {
    const { total, opening, open, idle, ending, lastId: begun } = this.#connections;
    return {
      connections: { total, opening, busy: open - idle, idle, ending, limit: this.#pace.limit, begun },
      queued: this.#waiting.length,
      window: this.#window,
      sending: this.#underWay,
      ...this.#counts,
      isPaused: this.#pace.isPaused,
    };
  }

  /** Takes `job` on; `isBounded` where there may be too many. */
  add(job: Job, isBounded: boolean): void {
    const error = this.#objection(job, isBounded);
    if (error !== undefined) return this.#reject(job, error);
    this.#waiting.add(job);
    this.pump();
  }

  #objection(job: Job, isBounded: boolean): unknown {
    const { signal } = job;
    const { maxQueued } = this.#settings;
    if (this.#phase !== "open") {
      const words = this.#phase === "draining" ? "The pool is being drained and takes no more" : "The pool is closed";
      return new SmtpStateError(words, { phase: "local" });
    }
    if (signal?.aborted) return new SmtpConnectionError("aborted", "The message was aborted", { phase: "local", cause: signal.reason });
    if (isBounded && this.#waiting.queued >= maxQueued) {
      const facts = { phase: "local", transient: true, hint: "wait for some of them, or use sendAll" } as const;
      return new SmtpStateError(`The queue is full: ${maxQueued} messages wait`, facts);
    }
    try {
      checkSignal(signal);
      // Read here and never again, so that a member that throws is nobody's concern but the caller's.
      job.message = snapshot(job.message);
      // What is no message opens no connection. With one at hand it is found when its turn comes, since a check costs as much as sending does.
      if (this.#connections.total === 0) prepareMessage(job.message);
    } catch (error) {
      return error;
    }
    return undefined;
  }

  /** Takes no more; resolves when nothing is left. */
  drain(): Promise<void> {
    if (this.#phase === "open") this.#phase = "draining";
    const empty = new Promise<void>((resolve) => this.#onEmpty.push(resolve));
    this.pump();
    return empty;
  }

  /** Ends everything at once. */
  close(): void {
    this.#phase = "closed";
    const jobs = this.#waiting.drain();
    this.#connections.close();
    for (const job of jobs) this.#reject(job, new SmtpConnectionError("closed", "The pool was closed", { phase: "local" }));
    this.pump();
  }

  /** Does what can be done now. */
  pump(): void {
    if (this.#waiting.retries > 0) this.#makeRoomForRetries();
    while (!this.#pace.isHolding) {
      const retry = this.#waiting.firstRetry;
      const fresh = retry?.after === undefined ? undefined : this.#connections.nextAfter(retry.after);
      const job = fresh === undefined ? this.#waiting.first : retry;
      const member = fresh ?? this.#connections.next;
      if (job === undefined || member === undefined || this.#rate?.allowance() === 0) break;
      this.#give(job, member);
    }
    this.#openMore();
    if (this.#phase !== "open" && this.#waiting.length === 0 && this.#underWay === 0) this.#end();
  }

  #give(job: Job, member: Member): void {
    this.#waiting.take(job);
    this.#underWay++;
    member.give(job.message);
    this.#connections.settleLoad(member);
    const message = this.#rate?.take(job.message) ?? job.message;
    const { signal, withdrawn } = job;
    transmit(member.client, message, { signal, withdrawn, window: this.#window, quit: false }).then(
      (result) => this.#onSent(job, member, result),
      (error) => this.#onFailed(job, member, error),
    );
  }

  #onSent(job: Job, member: Member, result: SendResult): void {
    this.#underWay--;
    this.#counts.sent++;
    member.isProven = true;
    const less = result.rejected.length === 0 ? undefined : result.rejected.find(({ reply }) => asksForLess(reply));
    if (less === undefined) this.#speedUp();
    else this.#tooMuch(less.reply);
    this.#checkWindow(member);
    job.resolve(result);
    this.#connections.free(member, this.#pace.limit);
    this.pump();
  }

  #onFailed(job: Job, member: Member, error: unknown): void {
    this.#underWay--;
    if (error instanceof SmtpError && asksForLess(error)) this.#tooMuch(error);
    else if (error instanceof SmtpReplyError) {
      member.isProven = true;
      this.#speedUp();
    }
    this.#checkWindow(member);
    if (!this.#isClosed && mayRetry(job, error, hasWindowFailed(member.client))) {
      this.#counts.retried++;
      job.after = member.endedAt ?? this.#connections.lastId;
      this.#waiting.add(job);
      emit(this.#settings.trace, { type: "retry", connection: member.id, error });
    } else this.#reject(job, error);
    this.#connections.free(member, this.#pace.limit);
    this.pump();
  }

  #reject(job: Job, error: unknown): void {
    if (error instanceof SmtpReplyError) this.#counts.refused++;
    else this.#counts.failed++;
    job.reject(error);
  }

  get #isClosed(): boolean {
    return this.#phase === "closed";
  }

  /** Whether what is to be sent again waits for a connection that is newer than its loss, and none is to come. */
  get #needsFresh(): boolean {
    const { after } = this.#waiting.firstRetry ?? {};
    return after !== undefined && this.#connections.countAfter(after) === 0;
  }

  /** Where there is no room for the fresh connection that is needed, one that is idle has to go. */
  #makeRoomForRetries(): void {
    const { total, ending } = this.#connections;
    if (ending === 0 && total >= this.#settings.maxConnections && this.#needsFresh) this.#connections.retireOne("fresh");
  }

  /** Opens as many connections as there is work for. */
  #openMore(): void {
    if (this.#isClosed || this.#pace.isPaused || this.#waiting.length === 0) return;
    const { maxConnections } = this.#settings;
    const { capacity, opening, next } = this.#connections;
    const expected = opening - this.#connections.late();
    const { queued, retries, firstRetry } = this.#waiting;
    // One that is lost may be replaced whatever the pace.
    const limit = this.#needsFresh ? Math.min(maxConnections, Math.max(this.#pace.limit, this.#connections.total + 1)) : this.#pace.limit;
    const forQueued = next === undefined ? Math.ceil(queued / capacity) - expected : 0;
    const after = firstRetry?.after;
    const freshOnes = after === undefined ? 0 : this.#connections.countAfter(after) - this.#connections.late(after);
    const forRetries = after === undefined ? 0 : Math.ceil(retries / capacity) - freshOnes;
    let wanted = Math.min(Math.max(forQueued, forRetries), limit - this.#connections.total);
    if (wanted > 0 && this.#rate !== undefined) wanted = Math.min(wanted, this.#rate.allowance() - expected);
    // A dialer may close the pool.
    for (; wanted > 0 && !this.#isClosed; wanted--) this.#connections.openOne();
  }

  /** Those that stand go on with all that is not bound to a new one; where none does, there is hope for some rounds, if the error leaves any. */
  #onOpenFailed(error: unknown): void {
    const { open, opening } = this.#connections;
    if (this.#refusedOne(error)) this.#failedRounds++;
    const isHopeful = error instanceof SmtpError && error.transient && this.#failedRounds < MAX_ROUNDS;
    if (isHopeful || opening > 0) return;
    for (const job of open > 0 ? this.#waiting.drainRetries() : this.#waiting.drain()) this.#reject(job, error);
  }

  /** There was no connection to be had beyond those that there are. */
  #refusedOne(error: unknown): boolean {
    return this.#slowDown(this.#connections.open + this.#connections.opening, false, error);
  }

  /** The server asked for less. */
  #tooMuch(why: unknown): void {
    // One that said 421 has ended, and was in use all the same.
    const inUse = Math.max(this.#connections.total, Math.ceil((this.#underWay + 1) / this.#connections.capacity));
    if (this.#slowDown(inUse >> 1, true, why)) this.#connections.trim(this.#pace.limit);
  }

  /** Whether it is the first word of it since the last pause. */
  #slowDown(to: number, isHolding: boolean, why: unknown): boolean {
    const pause = this.#pace.slowDown(to, isHolding);
    if (pause === undefined) return false;
    emit(this.#settings.trace, { type: "slow-down", limit: this.#pace.limit, pause, cause: why });
    return true;
  }

  #speedUp(): void {
    if (this.#pace.speedUp()) emit(this.#settings.trace, { type: "speed-up", limit: this.#pace.limit });
  }

  #checkWindow({ client, id }: { readonly client: SmtpClient; readonly id: number }): void {
    if (this.#window === 1 || !hasWindowFailed(client)) return;
    this.#window = 1;
    this.#connections.narrow();
    emit(this.#settings.trace, { type: "window-failed", connection: id });
  }

  /** Nothing waits and nothing is under way: the connections end, and then those are told who wait for it. */
  #end(): void {
    this.#phase = "closed";
    this.#waiting.clear();
    this.#pace.clear();
    this.#rate?.clear();
    this.#connections.retireAll();
    if (this.#connections.total > 0) return;
    for (const onEmpty of this.#onEmpty.splice(0)) onEmpty();
  }
}
