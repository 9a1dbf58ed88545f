/**
 * What every measured program shares: it is told a way of sending as its only argument, in JSON, and then, a line of JSON each on its input, to prepare
 * for a number of messages, to send them, and to clean up. It answers each with a line of JSON. So the driver decides whose turn it is, and only what
 * lies between two lines is measured.
 */
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
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

/** What a program answers; octets of memory. */
export interface Answer {
  readonly seconds?: number;
  readonly memory?: { readonly base: number; readonly peak: number };
  readonly fault?: string;
}

/** Answers the driver until its input ends. */
export async function serve(ways: Ways): Promise<void> {
  const given: Job = JSON.parse(process.argv[2] ?? "{}");
  const say = (answer: Answer) => void process.stdout.write(`${JSON.stringify(answer)}\n`);
  let prepared: Prepared | undefined;
  for await (const line of createInterface({ input: process.stdin })) {
    const { step, messages }: { readonly step: string; readonly messages: number } = JSON.parse(line);
    try {
      if (step === "prepare") {
        const way = ways[given.way];
        if (way === undefined) throw new Error(`there is no way ${given.way}`);
        prepared = await way({ ...given, messages });
        say({});
      } else if (step === "run") {
        say(await measured(() => prepared?.run()));
      } else {
        await prepared?.close();
        say({});
      }
    } catch (error) {
      say({ fault: error instanceof Error ? error.message : `${error}` });
    }
  }
  process.exit();
}

async function measured(run: () => Promise<void> | undefined): Promise<Answer> {
  // Sets the peak back to what is used now; see proc(5).
  writeFileSync("/proc/self/clear_refs", "5");
  const base = memory("VmRSS");
  const begin = performance.now();
  await run();
  const seconds = (performance.now() - begin) / 1000;
  return { seconds, memory: { base, peak: memory("VmHWM") } };
}

/** A figure of the kernel's about this process, in octets. */
function memory(name: string): number {
  const [, kilobytes] = new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  return Number(kilobytes) * 1024;
}
