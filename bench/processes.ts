/** How processes are started and ended, and on which processor: a wake-up across two of them costs four times as much as one on the same. */

/** Client and server on one processor, which is the main figure, or on two. */
export type Placement = "same" | "split";

/** Whether processes can be pinned here. */
export const isPinned: boolean = await new Deno.Command("taskset", { args: ["-c", "0", "true"], stdout: "null", stderr: "null" }).output()
  .then(({ success }) => success, () => false);

/** The processor of the client, where `core` is that of the server. */
export function clientCore(placement: Placement, core: number): number {
  return placement === "same" ? core : (core + 1) % navigator.hardwareConcurrency;
}

/** `argv`, to be run on the processor `core`. */
export function command(argv: readonly string[], core: number): [string, ...string[]] {
  const [program = "", ...args] = isPinned ? ["taskset", "-c", `${core}`, ...argv] : argv;
  return [program, ...args];
}

/** Ends a process, unless it has ended by itself. */
export function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
}
