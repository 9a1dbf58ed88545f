/** What waits for a connection: in turn by key, before it what is to be sent again, and each only as long as somebody waits for it. */
import { SmtpConnectionError } from "../errors.ts";
import type { Clock } from "../session/clock.ts";
import { Queue } from "../session/queue.ts";
import { FairQueue } from "./fair_queue.ts";
import type { Job } from "./job.ts";

/** What a waiting room has to know. */
export interface WaitingRoomOptions {
  readonly clock: Clock;
  /** How long a job may wait, in milliseconds. */
  readonly timeout: number | undefined;
  /** Called when a job that waited was given up; it is taken out already. */
  readonly onGivenUp: (job: Job, error: SmtpConnectionError) => void;
}

/** See the head of the file. */
export class WaitingRoom {
  readonly #options: WaitingRoomOptions;
  readonly #queue = new FairQueue();
  readonly #retries = new Queue<Job>();
  /** In the order in which they are due; those that wait no more are taken out when they come to its head. */
  readonly #deadlines = new Queue<{ readonly job: Job; readonly due: number }>();
  #cancelDeadline: (() => void) | undefined;
  /** One listener a signal, however many jobs it is for. */
  readonly #signals = new Map<AbortSignal, { readonly jobs: Set<Job>; readonly onAbort: () => void }>();

  constructor(options: WaitingRoomOptions) {
    this.#options = options;
  }

  /** How many wait for any connection. */
  get queued(): number {
    return this.#queue.length;
  }

  /** How many wait for a connection newer than the one that they were lost with. */
  get retries(): number {
    return this.#retries.length;
  }

  get length(): number {
    return this.#queue.length + this.#retries.length;
  }

  /** The first of those that wait for any connection. */
  get first(): Job | undefined {
    return this.#queue.peek();
  }

  /** The first of those that are to be sent again. */
  get firstRetry(): Job | undefined {
    return this.#retries.peek();
  }

  /** Lets `job` wait: behind all others of its key, or where it is to be sent again, before everything that is not. */
  add(job: Job): void {
    if (job.after === undefined) {
      job.place = "queue";
      this.#queue.push(job);
    } else {
      job.place = "retries";
      this.#retries.push(job);
    }
    if (job.signal !== undefined) this.#listen(job.signal, job);
    if (job.withdrawn !== undefined) this.#listen(job.withdrawn, job);
    const { timeout, clock } = this.#options;
    if (timeout === undefined) return;
    this.#trimDeadlines();
    job.due = clock.now() + timeout;
    this.#deadlines.push({ job, due: job.due });
    if (this.#cancelDeadline === undefined) this.#schedule(timeout);
  }

  /** Takes out `job`, which is one of the two first. */
  take(job: Job): void {
    if (job.place === "queue") this.#queue.shift();
    else this.#retries.shift();
    this.#left(job);
  }

  /** Takes out all that is to be sent again. */
  drainRetries(): Job[] {
    return this.#drained(() => this.#retries.shift());
  }

  /** Takes out everything, and leaves no timer. */
  drain(): Job[] {
    const jobs = [...this.drainRetries(), ...this.#drained(() => this.#queue.shift())];
    this.clear();
    return jobs;
  }

  /** Leaves no timer; nobody waits any more. */
  clear(): void {
    this.#cancelDeadline?.();
    this.#cancelDeadline = undefined;
    this.#deadlines.drain();
  }

  #drained(next: () => Job | undefined): Job[] {
    const jobs: Job[] = [];
    for (let job = next(); job !== undefined; job = next()) {
      this.#left(job);
      jobs.push(job);
    }
    return jobs;
  }

  #giveUp(job: Job, error: SmtpConnectionError): void {
    if (job.place === "queue") this.#queue.remove(job);
    else this.#retries.remove(job);
    this.#left(job);
    this.#options.onGivenUp(job, error);
  }

  #left(job: Job): void {
    job.place = undefined;
    if (job.signal !== undefined) this.#unlisten(job.signal, job);
    // It fires when `sendAll` is done, and is nobody else's: one listener stays for all its messages.
    if (job.withdrawn !== undefined) this.#signals.get(job.withdrawn)?.jobs.delete(job);
  }

  #listen(signal: AbortSignal, job: Job): void {
    const known = this.#signals.get(signal);
    if (known !== undefined) return void known.jobs.add(job);
    const jobs = new Set([job]);
    const onAbort = () => {
      this.#signals.delete(signal);
      const error = () => new SmtpConnectionError("aborted", "The message was aborted before its turn", { phase: "local", cause: signal.reason });
      for (const job of [...jobs]) if (job.place !== undefined) this.#giveUp(job, error());
    };
    signal.addEventListener("abort", onAbort, { once: true });
    this.#signals.set(signal, { jobs, onAbort });
  }

  #unlisten(signal: AbortSignal, job: Job): void {
    const known = this.#signals.get(signal);
    if (known === undefined || !known.jobs.delete(job) || known.jobs.size > 0) return;
    signal.removeEventListener("abort", known.onAbort);
    this.#signals.delete(signal);
  }

  #schedule(milliseconds: number): void {
    this.#cancelDeadline = this.#options.clock.schedule(() => {
      this.#cancelDeadline = undefined;
      this.#onDeadline();
    }, milliseconds);
  }

  #onDeadline(): void {
    const { clock, timeout } = this.#options;
    const now = clock.now();
    for (let next = this.#trimDeadlines(); next !== undefined; next = this.#trimDeadlines()) {
      if (next.due > now) return void (this.#cancelDeadline ?? this.#schedule(next.due - now));
      this.#deadlines.shift();
      const message = `The message waited longer than ${timeout} ms for a connection`;
      this.#giveUp(next.job, new SmtpConnectionError("timeout", message, { phase: "local" }));
    }
  }

  /** The first deadline of a job that still waits. */
  #trimDeadlines(): { readonly job: Job; readonly due: number } | undefined {
    for (let next = this.#deadlines.peek(); next !== undefined; next = this.#deadlines.peek()) {
      if (next.job.place !== undefined && next.job.due === next.due) return next;
      this.#deadlines.shift();
    }
    return undefined;
  }
}
