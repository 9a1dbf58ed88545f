/** How things stand with a pool; counts of messages are since it was made. */
export interface PoolStats {
  /** Its connections. */
  readonly connections: {
    /** All of them, those included that are being opened or ended: never more than `maxConnections`. */
    readonly total: number;
    /** Those being opened. */
    readonly opening: number;
    /** Those that carry a message. */
    readonly busy: number;
    /** Those that wait for one. */
    readonly idle: number;
    /** Those being ended. */
    readonly ending: number;
    /** How many there may be now: fewer than `maxConnections` while the server asks for less. */
    readonly limit: number;
    /** How many were begun since the pool was made. */
    readonly begun: number;
  };
  /** Messages that wait for a connection. */
  readonly queued: number;
  /** Messages on a connection. */
  readonly sending: number;
  /** Messages that the server took, for one recipient at least. */
  readonly sent: number;
  /** Messages to which the server said no. */
  readonly refused: number;
  /** Messages that failed in any other way. */
  readonly failed: number;
  /** How often a message was sent again on a new connection. */
  readonly retried: number;
  /** Messages under way at once on one connection at most: 1 where a window has failed. */
  readonly window: number;
  /** Whether it pauses, since the server asked for less or could not be reached. */
  readonly isPaused: boolean;
}
