/** On which processor a process runs: a wake-up across two of them costs four times as much as one on the same, and an unpinned run flips between. */

/** Client and server on one processor, which is the main figure, or on two. */
export type Placement = "same" | "split";

export const SERVER_CORE = 0;

/** Whether processes can be pinned here. */
export const isPinned: boolean = await new Deno.Command("taskset", { args: ["-c", "0", "true"], stdout: "null", stderr: "null" }).output()
  .then(({ success }) => success, () => false);

/** Where the client runs. */
export function clientCore(placement: Placement): number {
  return placement === "same" ? SERVER_CORE : SERVER_CORE + 1;
}

/** `argv`, to be run on the processor `core`. */
export function command(argv: readonly string[], core: number): [string, ...string[]] {
  const [program = "", ...args] = isPinned ? ["taskset", "-c", `${core}`, ...argv] : argv;
  return [program, ...args];
}
