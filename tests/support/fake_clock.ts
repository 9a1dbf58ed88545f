import { setImmediate } from "node:timers";
import type { Clock } from "@posthorn/smtp";

/** A clock that stands still until a test moves it. */
export class FakeClock implements Clock {
  #now = 0;
  readonly #timers = new Map<symbol, { readonly at: number; readonly callback: () => void }>();

  now(): number {
    return this.#now;
  }

  schedule(callback: () => void, milliseconds: number): () => void {
    const id = Symbol();
    this.#timers.set(id, { at: this.#now + milliseconds, callback });
    return () => this.#timers.delete(id);
  }

  /** How many timers wait. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Lets time pass until the next timer fires; not at all where none waits. */
  async skip(): Promise<void> {
    const next = Math.min(...[...this.#timers.values()].map(({ at }) => at));
    if (next < Infinity) await this.advance(next - this.#now);
  }

  /** Lets time pass until the next timer fires, and waits for nothing; `false` where none waits. */
  fire(): boolean {
    const [next] = [...this.#timers].sort(([, a], [, b]) => a.at - b.at);
    if (next === undefined) return false;
    const [id, { at, callback }] = next;
    this.#timers.delete(id);
    this.#now = at;
    callback();
    return true;
  }

  /** Lets `milliseconds` pass: every timer that is due by then fires, in order. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds;
    for (;;) {
      const [next] = [...this.#timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at);
      if (next === undefined) break;
      const [id, { at, callback }] = next;
      this.#timers.delete(id);
      this.#now = at;
      callback();
      await settled();
    }
    this.#now = end;
    await settled();
  }
}

/** Resolves when every promise that could go on by itself has done so: a turn of the event loop, not a length of time. */
export function settled(): Promise<void> {
  return new Promise((resolve) => void setImmediate(() => resolve()));
}
