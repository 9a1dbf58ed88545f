import type { Clock } from "./clock.ts";
import type { Timeouts } from "./timeouts.ts";
import type { Trace } from "./trace.ts";

/** What a pipeline has to know of its connection. */
export interface PipelineOptions {
  readonly timeouts: Timeouts;
  readonly clock: Clock;
  readonly trace?: Trace | undefined;
}
