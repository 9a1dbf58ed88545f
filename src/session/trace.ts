import { lengthOf } from "../wire/octets.ts";
import type { Reply } from "../wire/reply.ts";
import { printable } from "../wire/text.ts";
import type { Task } from "./task.ts";

/**
 * What a connection did, for a log. Secrets are left out where the event is made: the lines of an AUTH exchange and the content of messages never
 * enter one. Text is printable: control characters are written as `\xNN`.
 */
export type TraceEvent =
  | {
    /** A socket stands. */
    readonly type: "connect";
    /** Whether TLS stands too. */
    readonly secure: boolean;
  }
  | {
    /** One command was handed to the socket. */
    readonly type: "send";
    /** The line, redacted, without its end. */
    readonly line: string;
    /** Counts the writes of the connection; commands with the same number left in one write. */
    readonly write: number;
  }
  | {
    /** Octets of a message's content, or raw ones, were handed to the socket. */
    readonly type: "content";
    /** How many. */
    readonly octets: number;
    /** Counts the writes of the connection. */
    readonly write: number;
  }
  | {
    /** A reply came. */
    readonly type: "receive";
    /** The command it answers, redacted; `undefined` when no command waits for one. */
    readonly command: string | undefined;
    /** The lines of the reply, codes included, redacted. */
    readonly lines: readonly string[];
  }
  | {
    /** TLS was started and the certificate checked. */
    readonly type: "secure";
  }
  | {
    /** The connection ended. */
    readonly type: "close";
    /** Why. */
    readonly reason: string;
  };

/** Called with each event; what it throws, or rejects with, is ignored. */
export type Trace = (event: TraceEvent) => void;

/** Gives `event` to `trace`, which may be asynchronous. */
export function emit<E>(trace: ((event: E) => unknown) | undefined, event: E): void {
  try {
    const result = trace?.(event);
    if (typeof result === "object") Promise.resolve(result).catch(() => {});
  } catch {
    // A log that fails must not cost a message.
  }
}

/** The events of what leaves in one write: commands, and octets that are none. */
export function sendEvents(tasks: readonly Task[], write: number): TraceEvent[] {
  return tasks.map(({ isAnswered, label, rule, line, payload = [] }) => {
    const isContent = !isAnswered || (line === undefined && rule.endsMessage);
    return isContent ? { type: "content", octets: lengthOf(payload), write } : { type: "send", line: label, write };
  });
}

/** The event of `reply`; the challenge of an exchange of secrets is one itself. */
export function receiveEvent(reply: Reply, command: string | undefined, isSecret: boolean): TraceEvent {
  const shown = isSecret && reply.isIntermediate ? ["***"] : reply.lines;
  const lines = shown.map((line, index) => printable(`${reply.code}${index < shown.length - 1 ? "-" : " "}${line}`));
  return { type: "receive", command, lines };
}
