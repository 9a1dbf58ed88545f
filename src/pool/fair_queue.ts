import { Queue } from "../session/queue.ts";
import type { Job } from "./job.ts";

/** The jobs of one key. */
interface Lane {
  readonly key: string | undefined;
  readonly jobs: Queue<Job>;
}

/** Jobs in order, key by key in turn, so that a thousand of one key do not hold up one of another. Everything takes constant time. */
export class FairQueue {
  readonly #lanes = new Map<string | undefined, Lane>();
  /** The lanes in the order of their turns. */
  readonly #turns = new Queue<Lane>();
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(job: Job): void {
    let lane = this.#lanes.get(job.key);
    if (lane === undefined) {
      lane = { key: job.key, jobs: new Queue() };
      this.#lanes.set(job.key, lane);
      this.#turns.push(lane);
    }
    lane.jobs.push(job);
    this.#length++;
  }

  /** The job whose turn it is, which stays where it is. */
  peek(): Job | undefined {
    return this.#turns.peek()?.jobs.peek();
  }

  /** Takes out the job whose turn it is. */
  shift(): Job | undefined {
    const lane = this.#turns.peek();
    const job = lane?.jobs.shift();
    if (lane === undefined || job === undefined) return undefined;
    this.#length--;
    if (lane.jobs.length === 0) this.#drop(lane);
    else if (this.#lanes.size > 1) {
      this.#turns.shift();
      this.#turns.push(lane);
    }
    return job;
  }

  /** Takes out `job`, which has to be in the queue. */
  remove(job: Job): void {
    const lane = this.#lanes.get(job.key);
    if (lane === undefined) return;
    lane.jobs.remove(job);
    this.#length--;
    if (lane.jobs.length === 0) this.#drop(lane);
  }

  #drop(lane: Lane): void {
    this.#lanes.delete(lane.key);
    this.#turns.remove(lane);
  }
}
