/** How cost grows with size, on a machine that has other things to do as well. */
import { assert } from "@std/assert";

/** How often each size is timed; the least counts, since other work can only add to it. */
const RUNS = 5;
/** How often a measurement that looks bad is made anew. */
const ATTEMPTS = 4;
/** The exponent from which on cost is taken to grow faster than size: linear is 1, linear with a logarithm hardly more, quadratic 2. */
const STEEPEST = 1.5;

/** Asserts that the time of `run` grows no faster than its size, over three sizes that are each four times the one before. */
export async function assertLinear(smallest: number, run: (size: number) => unknown): Promise<void> {
  const sizes = [smallest, 4 * smallest, 16 * smallest] as const;
  await run(smallest);
  const seen: string[] = [];
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const times = [Infinity, Infinity, Infinity];
    // By turns, so that a while in which the machine is busy is bad for all sizes alike.
    for (let round = 0; round < RUNS; round++) {
      for (const [index, size] of sizes.entries()) {
        const begin = performance.now();
        await run(size);
        times[index] = Math.min(times[index]!, performance.now() - begin);
      }
    }
    const exponent = Math.log(times[2]! / times[0]!) / Math.log(16);
    seen.push(`${exponent.toFixed(2)} (${times.map((time) => time.toFixed(2)).join(", ")} ms)`);
    if (exponent < STEEPEST) return;
  }
  assert(false, `cost grows with the size to the power of ${seen.join("; ")}`);
}
