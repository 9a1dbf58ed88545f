import type { Message } from "../message.ts";
import type { SendResult } from "../transaction.ts";

/** One message on its way through a pool, and whoever waits for what becomes of it. */
export interface Job {
  /** As it was given; a copy of its members once it was taken on. */
  message: Message;
  /** Messages of different keys take turns. */
  readonly key: string | undefined;
  /** Gives it up, wherever it is. */
  readonly signal: AbortSignal | undefined;
  /** Fires when nobody waits for it any more: what has not begun need not be sent. */
  readonly withdrawn: AbortSignal | undefined;
  readonly resolve: (result: SendResult) => void;
  readonly reject: (error: unknown) => void;
  /** Where it waits; `undefined` while it is on a connection, and when it is done. */
  place: "queue" | "retries" | undefined;
  /** `undefined` until it is to be sent again; then the number of the newest connection by then, since a newer one must carry it. */
  after: number | undefined;
  /** When it has waited too long, by the clock. */
  due: number;
}
