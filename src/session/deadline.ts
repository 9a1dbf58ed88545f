import type { Clock } from "./clock.ts";

/**
 * One deadline that moves. Setting a timer can cost more than a reply, so the timer stays where it is while the deadline moves
 * away, and looks when it fires; it is set anew only when the deadline comes nearer.
 */
export class Deadline {
  readonly #clock: Clock;
  readonly #onDue: () => void;
  #due = Infinity;
  #length = 0;
  #firesAt = Infinity;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, onDue: () => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** Due in `milliseconds` from `now`, for whoever has looked at the clock already. */
  set(milliseconds: number, now: number = this.#clock.now()): void {
    this.#length = milliseconds;
    this.#due = now + milliseconds;
    if (this.#due < this.#firesAt) this.#arm();
  }

  /** Never due, until it is set again. */
  pause(): void {
    this.#due = Infinity;
  }

  /** Never due, and no timer left. */
  clear(): void {
    this.#due = Infinity;
    this.#cancel?.();
    this.#cancel = undefined;
    this.#firesAt = Infinity;
  }

  #arm(): void {
    this.#cancel?.();
    this.#firesAt = this.#due;
    this.#cancel = this.#clock.schedule(() => this.#fire(), Math.max(0, this.#due - this.#clock.now()));
  }

  #fire(): void {
    this.#cancel = undefined;
    this.#firesAt = Infinity;
    if (this.#due === Infinity) return;
    const now = this.#clock.now();
    // A clock that was set back must not make a wait longer than twice what it may be.
    this.#due = Math.min(this.#due, now + this.#length);
    if (now < this.#due) this.#arm();
    else this.#onDue();
  }
}
