/** What the benchmarks are to show: each is a row of the table, and those with a goal are judged by the figures. */
import type { Contender, Workload } from "./workloads.ts";
import { workloads } from "./workloads.ts";

/** What a row compares or counts. */
export type Measure =
  /** How many times as fast as another. */
  | { readonly kind: "ratio"; readonly against: string }
  /** Round trips a message. */
  | { readonly kind: "round trips" }
  /** Seconds that so many messages take. */
  | { readonly kind: "seconds"; readonly messages: number }
  /** MiB of memory above those before, at most. */
  | { readonly kind: "memory" };

/** A row of the table. */
export interface Claim {
  readonly workload: string;
  readonly ours: string;
  readonly measure: Measure;
  readonly goal?: Goal | undefined;
}

/** What is aimed at: at least or at most so much, or less than so much. */
export interface Goal {
  readonly bound: "at least" | "at most" | "below";
  readonly value: number;
  /** The runtimes that are judged. */
  readonly on: readonly string[];
}

const MAIN = ["Deno", "Node 24", "Bun"];
const WITH_PROCESS = ["Deno", "Node 20", "Node 24", "Bun"];

function against(workload: string, ours: string, theirs: string, atLeast?: number, on: readonly string[] = MAIN): Claim {
  const goal: Goal | undefined = atLeast === undefined ? undefined : { bound: "at least", value: atLeast, on };
  return { workload, ours, measure: { kind: "ratio", against: theirs }, goal };
}

function roundTrips(workload: string, ours: string, bound: Goal["bound"], value: number, on: readonly string[] = MAIN): Claim {
  return { workload, ours, measure: { kind: "round trips" }, goal: { bound, value, on } };
}

const [CONNECTION, POOL_OF_1] = ["nodemailer, connection", "nodemailer, pool of 1, ready-made"];
const EVERYWHERE = [...WITH_PROCESS, "workerd"];

const small: readonly Claim[] = [
  against("W1", "send, DATA", CONNECTION, 1.7),
  against("W1", "sendAll, DATA", CONNECTION, 1.7),
  against("W1", "sendAll, window 8, DATA", CONNECTION, 3),
  against("W1", "send, BDAT", CONNECTION, 2.5),
  against("W1", "sendAll, BDAT", CONNECTION, 2.5),
  against("W1", "sendAll, window 8, BDAT", CONNECTION, 4),
  against("W1", "bare loop, DATA", CONNECTION),
  against("W1", "bare loop, DATA, riding", CONNECTION),
  against("W1", "bare loop, BDAT", CONNECTION),
  against("W1", "send, DATA", POOL_OF_1, 6),
  against("W1", "send, BDAT", POOL_OF_1, 6),
  against("W1", "sendAll, window 8, DATA", POOL_OF_1, 10),
  against("W1", "sendAll, window 8, BDAT", POOL_OF_1, 10),
  against("W1", "send, DATA", "nodemailer, pool of 1, composing"),
  against("W1", "send, DATA", "upyo"),
  against("W1", "send, DATA", "emailjs"),
  against("W1", "send, DATA", "worker-mailer"),
  against("W1", "send, BDAT", "worker-mailer", 5, ["workerd"]),
  against("W1", "sendAll, BDAT", "worker-mailer", 5, ["workerd"]),
  against("W1", "sendAll, BDAT", "smtp-source", 2, ["Deno", "Bun"]),
  against("W1", "sendAll, window 8, BDAT", "smtp-source", 2.5, ["Deno", "Bun"]),
  roundTrips("W1", "send, DATA", "at most", 2, EVERYWHERE),
  roundTrips("W1", "send, BDAT", "at most", 1, EVERYWHERE),
  roundTrips("W1", "sendAll, DATA", "at most", 2, EVERYWHERE),
  roundTrips("W1", "sendAll, BDAT", "at most", 1, EVERYWHERE),
  roundTrips("W1", "sendAll, window 8, DATA", "at most", 1, EVERYWHERE),
];

const streamed: readonly Claim[] = [
  against("W5", "send, BDAT", "raw copy", 0.9),
  against("W5", "send, DATA", "raw copy", 0.6),
  against("W5", "send, BDAT", CONNECTION, 3),
  against("W5", "send, DATA", CONNECTION, 3),
  ...["send, BDAT", "send, DATA"].map((ours): Claim => ({
    ...{ workload: "W5 1 GiB", ours, measure: { kind: "memory" } },
    goal: { bound: "below", value: 32, on: WITH_PROCESS },
  })),
];

function far(workload: string): readonly Claim[] {
  // Only at 50 ms has anything been promised.
  const within = (ours: string, seconds: number): Claim => ({
    ...{ workload, ours, measure: { kind: "seconds", messages: 1_000 } },
    goal: workload === "W7 50 ms" ? { bound: "below", value: seconds, on: MAIN } : undefined,
  });
  return [
    against(workload, "send, DATA", CONNECTION),
    against(workload, "send, BDAT", CONNECTION),
    against(workload, "sendAll, window 8, DATA", CONNECTION),
    against(workload, "sendAll, window 32, BDAT", CONNECTION),
    against(workload, "pool of 20, BDAT", "nodemailer, pool of 20, ready-made"),
    within("sendAll, window 32, BDAT", 3),
    within("sendAll, window 64, BDAT", 3),
    within("pool of 20, BDAT", 4),
    roundTrips(workload, "sendAll, window 32, BDAT", "below", 0.2),
  ];
}

/** Every row, in the order in which they are shown. */
export const claims: readonly Claim[] = [
  ...small,
  against("W2", "connect, send, quit, DATA", CONNECTION),
  against("W2", "connect, send, quit, BDAT", CONNECTION),
  against("W3", "pool, DATA", "nodemailer, pool, ready-made", 6),
  against("W3", "pool, BDAT", "nodemailer, pool, ready-made", 6),
  against("W3", "pool, window 8, BDAT", "nodemailer, pool, ready-made"),
  against("W3", "pool, BDAT", "smtp-source"),
  against("W4", "send, DATA", CONNECTION, 5),
  against("W4", "send, BDAT", CONNECTION, 5),
  against("W4", "bare loop, DATA", CONNECTION),
  against("W4", "bare loop, BDAT", CONNECTION),
  ...streamed,
  against("W6", "connect, send, quit, BDAT", CONNECTION, 1.5),
  ...["W7 20 ms", "W7 50 ms", "W7 100 ms"].flatMap(far),
];

/** The workload and the contender that a claim is about. */
export function subjectOf({ workload, ours }: Claim): { readonly workload: Workload; readonly contender: Contender } {
  const found = workloads.find(({ name }) => name === workload);
  const contender = found?.contenders.find(({ name }) => name === ours);
  if (found === undefined || contender === undefined) throw new Error(`There is no ${ours} in ${workload}`);
  return { workload: found, contender };
}

/** Whether `value` is what was aimed at. What was counted may be off by the few packets that fell apart. */
export function isMet({ bound, value: goal }: Goal, value: number): boolean {
  if (bound === "below") return value < goal;
  return bound === "at least" ? value >= goal : value <= goal * 1.02;
}
