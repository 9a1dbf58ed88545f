/**
 * What a pool did, for a log. Connections are numbered from 1 in the order in which they were begun; the numbers are those that `connectionTrace` gives.
 */
export type PoolTraceEvent =
  | {
    /** A connection is ready to send. */
    readonly type: "open";
    readonly connection: number;
  }
  | {
    /** A connection could not be opened. */
    readonly type: "open-failed";
    readonly connection: number;
    readonly error: unknown;
  }
  | {
    /** A connection is being ended, with QUIT. */
    readonly type: "retire";
    readonly connection: number;
    /**
     * `messages`: it has carried as many as it may. `idle`: nobody needed it. `limit`: there are to be fewer. `fresh`: to make room for a new one, which
     * a message needs that was lost. `drain`: the pool ends.
     */
    readonly reason: RetireReason;
  }
  | {
    /** A connection has ended. */
    readonly type: "close";
    readonly connection: number;
    /** Why, where it was not the pool that ended it. */
    readonly error?: unknown;
  }
  | {
    /** A message that was surely not sent, since its connection was lost or about to end, is sent again on a new one. */
    readonly type: "retry";
    /** The connection on which it failed. */
    readonly connection: number;
    readonly error: unknown;
  }
  | {
    /**
     * The server asked for less, so no message is begun for a while, and then with fewer connections; or it refused a connection, so no other is opened
     * for a while.
     */
    readonly type: "slow-down";
    /** Connections at most from now on. */
    readonly limit: number;
    /** For how long, in milliseconds. */
    readonly pause: number;
    /** What the server said: an error, or its {@linkcode Reply} to one of several recipients. */
    readonly cause: unknown;
  }
  | {
    /** The server has taken what it was given, so it gets more. */
    readonly type: "speed-up";
    /** Connections at most from now on. */
    readonly limit: number;
  }
  | {
    /** The window has failed on a connection, and is 1 from now on, on all of them. */
    readonly type: "window-failed";
    readonly connection: number;
  };

/** Why a connection is ended. */
export type RetireReason = "messages" | "idle" | "limit" | "fresh" | "drain";

/** Called with each event; what it throws, or rejects with, is ignored. */
export type PoolTrace = (event: PoolTraceEvent) => void;
