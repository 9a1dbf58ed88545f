/**
 * How fast a server wants it. When it says that it is too much (421, 454, 4.7.x) nothing is begun for a while, and then on half the connections. When it
 * refuses a connection no other is opened for a while, and those that stand have to do. Each pause is longer than the one before until something is
 * taken again; what is taken wins the connections back, one by one.
 */
import type { Clock } from "../session/clock.ts";

/** The first pause, in milliseconds; each further one is twice as long. */
const PAUSE = 250;
/** The longest. */
const MAX_PAUSE = 30_000;
/** For how long nothing was too much, in milliseconds, before there may be one connection more whatever was taken: what there is may be stuck. */
const RECOVERY = 30_000;
/** Messages that must be taken on each connection before there may be one more: asked too often, a server that has a limit says no too often. */
const GROWTH = 10;

/** What a pace has to know. */
export interface PaceOptions {
  readonly max: number;
  readonly clock: Clock;
  readonly random: () => number;
  /** Called when a pause is over. */
  readonly onResume: () => void;
}

/** See the head of the file. */
export class Pace {
  readonly #options: PaceOptions;
  #limit: number;
  #failures = 0;
  #successes = 0;
  /** Since when the limit has been what it is. */
  #since = 0;
  #isHolding = false;
  #cancel: (() => void) | undefined;

  constructor(options: PaceOptions) {
    this.#options = options;
    this.#limit = options.max;
  }

  /** Connections at most. */
  get limit(): number {
    const { max, clock } = this.#options;
    if (this.#limit < max) {
      const steps = Math.max(0, Math.floor((clock.now() - this.#since) / RECOVERY));
      this.#limit = Math.min(max, this.#limit + steps);
      this.#since += steps * RECOVERY;
    }
    return this.#limit;
  }

  /** Whether nothing may be opened. */
  get isPaused(): boolean {
    return this.#cancel !== undefined;
  }

  /** Whether no message may be begun either. */
  get isHolding(): boolean {
    return this.#cancel !== undefined && this.#isHolding;
  }

  /**
   * Slows down to `limit` connections; `isHolding`: and begins no message meanwhile. The length of the pause, or `undefined` where one is under way: what
   * was begun before it tells nothing new, but for how many connections there can be.
   */
  slowDown(limit: number, isHolding: boolean): number | undefined {
    const isKnown = this.isPaused && (this.#isHolding || !isHolding);
    if (!isKnown || !isHolding) this.#limit = Math.max(1, Math.min(this.#limit, limit));
    if (isKnown) return undefined;
    this.clear();
    const { clock, random, onResume } = this.#options;
    this.#successes = 0;
    this.#since = clock.now();
    this.#isHolding = isHolding;
    const pause = Math.min(MAX_PAUSE, PAUSE * 2 ** this.#failures++) * (0.5 + random() / 2);
    this.#cancel = clock.schedule(() => {
      this.#cancel = undefined;
      onResume();
    }, pause);
    return pause;
  }

  /** The server has answered as servers do; `true` when there may be one more connection. */
  speedUp(): boolean {
    this.#failures = 0;
    if (this.#limit === this.#options.max || ++this.#successes < GROWTH * this.#limit) return false;
    this.#successes = 0;
    this.#since = this.#options.clock.now();
    this.#limit++;
    return true;
  }

  /** Ends a pause, and leaves no timer. */
  clear(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
