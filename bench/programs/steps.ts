/**
 * What every measured program does, wherever it runs: it is told a way of sending once, and then, one step at a time, to prepare for a number of
 * messages, to send them, and to clean up. So the driver decides whose turn it is, and only what lies between two steps is measured.
 */
import type { Job } from "./job.ts";

/** Messages that are ready to be sent, on a connection that stands. */
export interface Prepared {
  /** Sends them all; this is what is measured. */
  run(): Promise<void>;
  /** Ends the connection. */
  close(): Promise<void> | void;
}

/** The ways of sending that a program knows, by name. */
export type Ways = Readonly<Record<string, (job: Job) => Promise<Prepared>>>;

/** What the driver asks for. */
export interface Step {
  readonly step: "prepare" | "run" | "finish";
  readonly messages: number;
}

/** What a program answers. */
export interface Answer {
  readonly seconds?: number;
  /** Octets before the run, and at most during it. */
  readonly memory?: Memory;
  readonly fault?: string;
}

export interface Memory {
  readonly base: number;
  readonly peak: number;
}

/** Answers one step after the other. */
export class Stepper {
  readonly #ways: Ways;
  readonly #task: Omit<Job, "messages">;
  #prepared: Prepared | undefined;

  constructor(ways: Ways, task: Omit<Job, "messages">) {
    this.#ways = ways;
    this.#task = task;
  }

  async answer({ step, messages }: Step): Promise<Answer> {
    try {
      if (step === "run") return await this.#measured();
      if (step === "prepare") await this.#prepare(messages);
      else await this.#prepared?.close();
      return {};
    } catch (error) {
      return { fault: error instanceof Error ? error.message : `${error}` };
    }
  }

  async #prepare(messages: number): Promise<void> {
    const way = this.#ways[this.#task.way];
    if (way === undefined) throw new Error(`there is no way ${this.#task.way}`);
    this.#prepared = await way({ ...this.#task, messages });
  }

  async #measured(): Promise<Answer> {
    const begin = performance.now();
    await this.#prepared?.run();
    return { seconds: (performance.now() - begin) / 1000 };
  }
}
