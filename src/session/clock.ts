/** Time, as the library uses it; passed in, so that a test can be its master. */
export interface Clock {
  /** Milliseconds from any fixed point; never runs backwards. */
  now(): number;
  /** Calls `callback` once, `milliseconds` from now, unless the function it returns is called before. */
  schedule(callback: () => void, milliseconds: number): () => void;
}

/** The runtime's clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  schedule(callback, milliseconds) {
    const timer = setTimeout(callback, milliseconds);
    return () => clearTimeout(timer);
  },
};
