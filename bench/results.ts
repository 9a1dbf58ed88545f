/** What was measured, as `results.json` keeps it, and what is made of it. */
import type { Placement } from "./processes.ts";

/** What one contender came to on one runtime. */
export interface Figure {
  readonly workload: string;
  readonly contender: string;
  readonly runtime: string;
  readonly placement: Placement;
  /** One for each round, in the order of the rounds, which all contenders of a workload have in common. */
  readonly rounds: readonly Round[];
  /** Why there are no rounds. */
  readonly fault?: string;
  /** Whether it was measured in a hurry. */
  readonly isQuick?: boolean;
}

/** One run. */
export interface Round {
  readonly messages: number;
  readonly seconds: number;
  /** Octets of content that the server took. */
  readonly octets: number;
  /** Round trips a message, as the server counted them. */
  readonly roundTrips: number;
  /** Groups of octets a message in which the client wrote, as they came to the server. */
  readonly writes: number;
  /** Octets of memory above those before the run, at most; absent where nothing is known. */
  readonly memory?: number;
}

/** What a library weighs. */
export interface Weight {
  readonly library: string;
  /** Octets of the bundle, minified and gzipped. */
  readonly gzipped: number;
  /** By runtime: milliseconds that an import costs, and octets of memory behind it. */
  readonly imports: Readonly<Record<string, { readonly milliseconds: number; readonly memory: number }>>;
}

/** A whole run of the benchmarks. */
export interface Results {
  readonly date: string;
  readonly machine: string;
  /** The versions of runtimes, peers and tools. */
  readonly versions: Readonly<Record<string, string>>;
  readonly isPinned: boolean;
  readonly isQuick: boolean;
  readonly figures: readonly Figure[];
  readonly weights: readonly Weight[];
}

const MIB = 1_048_576;

/** The one in the middle; of an even number the upper one. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}

/** Messages a second, the median of the rounds. */
export function rate({ rounds }: Figure): number {
  return median(rounds.map(({ messages, seconds }) => messages / seconds));
}

/** MiB a second, the median of the rounds. */
export function throughput({ rounds }: Figure): number {
  return median(rounds.map(({ octets, seconds }) => octets / seconds / MIB));
}

/** MiB of memory above those before a run, at most; the median of the rounds. */
export function memory({ rounds }: Figure): number {
  return median(rounds.map(({ memory = NaN }) => memory)) / MIB;
}

/** How many times as fast `ours` is as `theirs`: the median of the ratios of the rounds, since what disturbs one run disturbs its neighbour too. */
export function ratio(ours: Figure, theirs: Figure): number {
  return median(ours.rounds.flatMap(({ messages, seconds }, index) => {
    const their = theirs.rounds[index];
    return their === undefined ? [] : [messages / seconds / (their.messages / their.seconds)];
  }));
}
