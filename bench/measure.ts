/** Measures one workload on one runtime: every contender in every round, one after the other, so that ratios compare neighbours in time. */
import { clientCore, type Placement } from "./pinning.ts";
import { ProcessProgram, type Program, type Run } from "./program.ts";
import type { Figure, Round } from "./results.ts";
import type { Place, Servers } from "./servers.ts";
import { SmtpSource } from "./smtp_source.ts";
import type { Contender, Workload } from "./workloads.ts";
import { contendersOn } from "./workloads.ts";

/** How much is measured. */
export interface Effort {
  readonly rounds: number;
  /** Seconds that a run should take, where the number of messages is free. */
  readonly seconds: number;
  /** The most messages that a run may send, also where their number is fixed. */
  readonly maxMessages: number;
}

const FEWEST = 5;
const FIRST = 40;

/** Someone who is ready to run. */
interface Entrant {
  readonly contender: Contender;
  readonly place: Place;
  readonly rounds: Round[];
  program: Program | undefined;
  messages: number;
  fault?: string;
}

/** Measures `workload` on `runtime`. Whoever fails has a fault for a figure, and leaves the others alone. */
export async function measure(workload: Workload, runtime: string, placement: Placement, servers: Servers, effort: Effort): Promise<Figure[]> {
  const { isIsolated = false } = workload;
  const core = clientCore(placement);
  const entrants: Entrant[] = [];
  for (const contender of contendersOn(workload, runtime)) {
    entrants.push({ contender, place: await servers.place(contender), rounds: [], program: undefined, messages: 0 });
  }
  const attempt = async (entrant: Entrant, step: (program: Program) => Promise<void>) => {
    if (entrant.fault !== undefined) return;
    try {
      entrant.program ??= await start(entrant, runtime, core);
      await step(entrant.program);
    } catch (error) {
      entrant.fault = error instanceof Error ? error.message : `${error}`;
    }
    if (isIsolated || entrant.fault !== undefined) await stop(entrant);
  };
  for (const entrant of entrants) await attempt(entrant, (program) => settle(entrant, program, effort, isIsolated));
  for (let round = 0; round < effort.rounds; round++) {
    // Forth and back, so that nobody always runs behind the same neighbour.
    const order = round % 2 === 0 ? entrants : entrants.toReversed();
    for (const entrant of order) await attempt(entrant, async (program) => void entrant.rounds.push(await once(entrant, program)));
  }
  for (const entrant of entrants) await stop(entrant);
  return entrants.map(({ contender, rounds, fault }) => ({
    ...{ workload: workload.name, contender: contender.name, runtime, placement },
    ...(fault === undefined ? { rounds } : { rounds: [], fault }),
  }));
}

async function start({ contender: { program, task }, place: { port, authority } }: Entrant, runtime: string, core: number): Promise<Program> {
  const whole = { ...task, port, ...(authority !== undefined && { authority }) };
  if (program === "smtp-source") return await SmtpSource.start(whole, core);
  return await ProcessProgram.start(program, runtime, whole, core);
}

async function stop(entrant: Entrant): Promise<void> {
  await entrant.program?.[Symbol.asyncDispose]();
  entrant.program = undefined;
}

/** Finds how many messages fit into a run, warming up on the way. */
async function settle(entrant: Entrant, program: Program, { seconds, maxMessages }: Effort, isIsolated: boolean): Promise<void> {
  const { messages } = entrant.contender;
  if (messages !== undefined) {
    entrant.messages = Math.min(messages, maxMessages);
    // Each run of its own process begins cold in any case.
    if (!isIsolated) await once(entrant, program);
    return;
  }
  entrant.messages = FEWEST;
  for (let tries = 0; tries < 3; tries++) {
    const taken = await once(entrant, program);
    const fitting = Math.floor(taken.messages / taken.seconds * seconds);
    entrant.messages = Math.max(FEWEST, Math.min(fitting, maxMessages, tries === 0 ? FIRST * FEWEST : Infinity));
    // Slow ones have nothing to gain from another try.
    if (taken.seconds > seconds / 2) break;
  }
}

async function once({ place: { sink }, messages }: Entrant, program: Program): Promise<Round> {
  await program.prepare(messages);
  await sink.reset();
  const run: Run = await program.run();
  const counted = await sink.counters();
  await program.finish();
  if (counted.messages !== messages) throw new Error(`the server took ${counted.messages} messages of ${messages}`);
  const { seconds, memory } = run;
  return {
    ...{ messages, seconds, octets: counted.octets, roundTrips: counted.flushes / messages },
    ...(memory !== undefined && { memory: memory.peak - memory.base }),
  };
}
