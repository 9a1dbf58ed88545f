/** A measured program: started once, and then asked to prepare, to send and to clean up as often as the driver likes. */
import type { Job } from "./programs/job.ts";
import type { Answer, Memory, Step } from "./programs/steps.ts";

/** What came of one run. */
export interface Run {
  readonly seconds: number;
  /** `undefined` where nothing is known of it. */
  readonly memory?: Memory | undefined;
}

/** What a program is started for, all but the number of messages. */
export type Task = Omit<Job, "messages">;

/** What can be measured. A fault is thrown, and concerns only this program. */
export interface Program extends AsyncDisposable {
  /** Connects, and does whatever else is not to be measured. */
  prepare(messages: number): Promise<void>;
  run(): Promise<Run>;
  /** Disconnects. */
  finish(): Promise<void>;
}

/** A program that answers one step at a time. */
export abstract class SteppingProgram implements Program {
  async prepare(messages: number): Promise<void> {
    await this.#succeed({ step: "prepare", messages });
  }

  async run(): Promise<Run> {
    const { seconds = NaN, memory } = await this.#succeed({ step: "run", messages: 0 });
    return { seconds, memory };
  }

  async finish(): Promise<void> {
    await this.#succeed({ step: "finish", messages: 0 });
  }

  abstract [Symbol.asyncDispose](): Promise<void>;

  /** Has a step taken, and resolves with the answer. */
  protected abstract ask(step: Step): Promise<Answer>;

  async #succeed(step: Step): Promise<Answer> {
    const answer = await this.ask(step);
    if (answer.fault !== undefined) throw new Error(answer.fault);
    return answer;
  }
}
