/** The harness of a program in a process of its own: its task is its only argument, steps come on its input and answers go to its output, in JSON. */
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { type Memory, type Step, Stepper, type Ways } from "./steps.ts";

/** Answers the driver until its input ends. */
export async function serve(ways: Ways): Promise<void> {
  const stepper = new Stepper(ways, JSON.parse(process.argv[2] ?? "{}"));
  for await (const line of createInterface({ input: process.stdin })) {
    const step: Step = JSON.parse(line);
    const base = step.step === "run" ? startMeter() : undefined;
    const answer = await stepper.answer(step);
    const memory: Memory | undefined = base === undefined ? undefined : { base, peak: octets("VmHWM") };
    process.stdout.write(`${JSON.stringify({ ...answer, ...(memory !== undefined && { memory }) })}\n`);
  }
  process.exit();
}

/** Sets the peak back to what is used now, see proc(5), and returns that. */
function startMeter(): number {
  writeFileSync("/proc/self/clear_refs", "5");
  return octets("VmRSS");
}

/** A figure of the kernel's about this process. */
function octets(name: string): number {
  const [, kilobytes] = new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  return Number(kilobytes) * 1024;
}
