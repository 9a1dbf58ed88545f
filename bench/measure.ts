/** Measures one workload on one runtime: every contender in every round, one after the other, so that ratios compare neighbours in time. */
import { clientCore, type Placement } from "./processes.ts";
import { ProcessProgram } from "./process_program.ts";
import type { Program, Run } from "./program.ts";
import type { Figure, Round } from "./results.ts";
import type { Place, Servers } from "./servers.ts";
import { SmtpSource } from "./smtp_source.ts";
import { WorkerProgram } from "./worker_program.ts";
import type { Contender, Workload } from "./workloads.ts";
import { contendersOn } from "./workloads.ts";

/** How much is measured. */
export interface Effort {
  readonly rounds: number;
  /** Seconds that a run should take, where the number of messages is free. */
  readonly seconds: number;
  /** Seconds of the runs before, which warm up, at least. */
  readonly warmUp: number;
  /** How much of the messages to send where their number is given. */
  readonly share: number;
}

/** Messages of a run at least. */
const FEWEST = 5;
/** Messages of the first run of those whose number is given. */
const PROBE = 50;
/** How many times as many messages the next run may have, since the first are slow. */
const GROWTH = 20;
/** Seconds that a run may take where the number of messages is given; where they do not suffice there are fewer messages. */
const PATIENCE = 30;

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
  const core = clientCore(placement, servers.core);
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
    if (entrant.contender.isIsolated || entrant.fault !== undefined) await stop(entrant);
  };
  for (const entrant of entrants) await attempt(entrant, (program) => settle(entrant, program, effort));
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
  if (runtime === "workerd") return await WorkerProgram.start(program, whole, core);
  return await ProcessProgram.start(program, runtime, whole, core);
}

async function stop(entrant: Entrant): Promise<void> {
  await entrant.program?.[Symbol.asyncDispose]();
  entrant.program = undefined;
}

/** Finds how many messages fit into a run, warming up on the way. A process for each run has nothing to warm up, and is given its messages. */
async function settle(entrant: Entrant, program: Program, effort: Effort): Promise<void> {
  const { warmUp, share } = effort;
  const { messages, isIsolated = false, seconds = 0 } = entrant.contender;
  const target = messages === undefined ? Math.max(seconds, effort.seconds) : PATIENCE;
  const wanted = messages === undefined ? Infinity : Math.ceil(messages * share);
  entrant.messages = messages === undefined ? FEWEST : Math.min(wanted, PROBE);
  if (isIsolated) {
    entrant.messages = wanted;
    return;
  }
  for (let spent = 0; spent < warmUp;) {
    const taken = await once(entrant, program);
    spent += taken.seconds;
    const fitting = Math.floor(taken.messages / taken.seconds * target);
    entrant.messages = Math.min(wanted, Math.max(FEWEST, Math.min(fitting, taken.messages * GROWTH)));
  }
}

async function once({ place: { sink }, messages }: Entrant, program: Program): Promise<Round> {
  await program.prepare(messages);
  await sink.reset();
  const run: Run = await program.run();
  const counted = await sink.counters();
  await program.finish();
  if (counted.messages !== messages) throw new Error(`the server took ${counted.messages} messages of ${messages}`);
  if (counted.faults > 0) throw new Error(`the server refused ${counted.faults} commands`);
  const { seconds, memory } = run;
  return {
    ...{ messages, seconds, octets: counted.octets, roundTrips: counted.flushes / messages, writes: counted.reads / messages },
    ...(memory !== undefined && { memory: memory.peak - memory.base }),
  };
}
