import type { Task } from "./task.ts";

/**
 * The pipelining policy (RFC 2920 section 3.1): a task may be written when nothing is awaited, or when the server pipelines and the last awaited task
 * may be followed. What is written by hand may also follow a task that only waits for a reply: it may be the reply to it.
 */
export function mayFollow(last: Task | undefined, task: Task, isPipelining: boolean): boolean {
  if (last === undefined || (last.isReceipt && !task.isCommand)) return true;
  return isPipelining && last.isFollowable;
}
