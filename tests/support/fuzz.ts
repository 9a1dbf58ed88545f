/**
 * What the fuzz tests share: a seed, which is printed and can be had again (`POSTHORN_FUZZ_SEED`), and how often they try (`POSTHORN_FUZZ_RUNS`, a
 * factor: 10 tries ten times as often).
 */
import { env } from "node:process";
import fc from "fast-check";

/** Another one in each run, unless the environment names it. */
export const SEED: number = fromEnvironment("POSTHORN_FUZZ_SEED") ?? Math.floor(Math.random() * 0x7fff_ffff);
const FACTOR: number = fromEnvironment("POSTHORN_FUZZ_RUNS") ?? 1;

// The runner shows it beside the names of the tests, and whoever reads of a failure has to know it.
console.log(`POSTHORN_FUZZ_SEED=${SEED} has this run again`);

/** How often to try what is tried `runs` times by default. */
export function times(runs: number): number {
  return Math.ceil(runs * FACTOR);
}

/** Tries `property` with `runs` values of `arbitrary`, and shrinks the first with which it throws. */
export function holds<T>(arbitrary: fc.Arbitrary<T>, runs: number, property: (value: T) => void): void {
  fc.assert(fc.property(arbitrary, property), { seed: SEED, numRuns: times(runs) });
}

/** The same, where it takes promises. */
export async function holdsInTime<T>(arbitrary: fc.Arbitrary<T>, runs: number, property: (value: T) => Promise<void>): Promise<void> {
  await fc.assert(fc.asyncProperty(arbitrary, property), { seed: SEED, numRuns: times(runs) });
}

/** Runs the session of each of `count` seeds, which begin with {@linkcode SEED} and are other ones for each `kind`; a failure names its own. */
export async function runSeeds(count: number, kind: number, session: (seed: number) => Promise<void>): Promise<number> {
  const sessions = times(count);
  for (let index = 0; index < sessions; index++) {
    const seed = (Math.imul(SEED, 0x9e37_79b1) ^ Math.imul(kind, 0x85eb_ca6b)) + index | 0;
    try {
      await session(seed);
    } catch (cause) {
      throw new Error(`session ${seed}, number ${index} of POSTHORN_FUZZ_SEED=${SEED}`, { cause });
    }
  }
  return sessions;
}

/** Pieces of octets one behind the other, each written as one character an octet. */
export function octetsOf(...pieces: readonly string[]): Uint8Array {
  const text = pieces.join("");
  const octets = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index++) octets[index] = text.charCodeAt(index);
  return octets;
}

/** Octets written as one character each. */
export function latin1(octets: Uint8Array): string {
  let text = "";
  for (const octet of octets) text += String.fromCharCode(octet);
  return text;
}

/** Whether `text` has a C0 control or DEL. */
export function hasControls(text: string): boolean {
  return Array.from(text).some((character) => character < " " || character === "\x7f");
}

/** Where to cut; the numbers mean places by {@linkcode cutAt}, whatever is cut. */
export const cuts: fc.Arbitrary<number[]> = fc.array(fc.nat(255), { maxLength: 6 });

/** `octets` cut at `places`, each counted from the cut before; pieces may be empty. Every piece has memory of its own, which is overwritten later. */
export function cutAt(octets: Uint8Array, places: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let from = 0;
  for (const place of places) {
    const to = Math.min(from + place % (octets.length + 1), octets.length);
    chunks.push(octets.slice(from, to));
    from = to;
  }
  chunks.push(octets.slice(from));
  return chunks;
}

/** `octets` one by one. */
export function oneByOne(octets: Uint8Array): Uint8Array[] {
  return Array.from(octets, (octet) => Uint8Array.of(octet));
}

function fromEnvironment(name: string): number | undefined {
  const text = env[name];
  if (text === undefined || text === "") return undefined;
  const value = Number(text);
  if (Number.isFinite(value)) return value;
  throw new TypeError(`Cannot use ${name} as it must be a number: current value is ${text}`);
}
