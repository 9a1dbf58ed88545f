/** Every option of a pool: what it means, its default and its check, once. */
import { checkWindow } from "../window.ts";
import { checkTimeout, type ConnectOptions, optionsOfUrl, resolveOptions } from "../options.ts";
import type { Clock } from "../session/clock.ts";
import { emit, type Trace, type TraceEvent } from "../session/trace.ts";
import { own } from "../wire/own.ts";
import type { PoolTrace } from "./trace.ts";
import { outOfRange, wrong } from "../wire/wrong.ts";

/** What may leave in a second, over all connections of a pool. What is left out is not limited. */
export interface RateLimit {
  /** Messages a second, fractions too: `0.5` is one every two seconds. */
  readonly messages?: number;
  /** Recipients a second. */
  readonly recipients?: number;
  /** Octets of content a second; those of a stream are counted as they flow, and what comes behind it waits for them. */
  readonly octets?: number;
  /** How many seconds' worth may be saved up while less is sent, to leave at once later; default 0.1, and one message in any case. */
  readonly burst?: number;
}

/** Options of a pool. */
export interface PoolOptions {
  /** How its connections are opened, besides what the target says; this outranks it. `socket` is of no use here: `dial` opens one for each. */
  readonly connect?: ConnectOptions;
  /** Connections at most, those included that are being opened or ended; 1 to 10,000, default 5. */
  readonly maxConnections?: number;
  /** Messages on one connection at most, then it is ended and another opened; default 100. The server's MAILMAX (RFC 9422) holds besides. */
  readonly maxMessages?: number;
  /**
   * Messages under way at once on one connection at most, 1 to 64; default 1. What is said of `window` in the options of `SmtpClient.sendAll` holds here
   * too; once it has failed on one connection it is 1 on all, for good.
   */
  readonly window?: number;
  /** Messages that may wait for a connection; `send` rejects beyond it, `sendAll` reads on when there is room. Default 10,000. */
  readonly maxQueued?: number;
  /** How long a message may wait for a connection, in milliseconds; default: as long as there is hope of one. */
  readonly queueTimeout?: number;
  /**
   * How long a connection may be idle before it is ended, in milliseconds; default 30,000. Servers wait for five minutes (RFC 5321 section 4.5.3.2.7),
   * but many that are busy, and what translates addresses on the way, give up after one.
   */
  readonly idleTimeout?: number;
  /** What may leave in a second; default: no limit. It holds from the first message on. */
  readonly rateLimit?: RateLimit;
  /** Called with what the pool does. */
  readonly trace?: PoolTrace;
  /** Called with all that happens on the connections, secrets left out, and with the number of the connection. */
  readonly connectionTrace?: (event: TraceEvent, connection: number) => void;
  /** A number from 0 to 1, the latter excluded, by which pauses vary, so that many programs do not come back at once; default `Math.random`. */
  readonly random?: () => number;
}

/** {@linkcode PoolOptions}, checked, with every default in its place. */
export interface PoolSettings {
  readonly connect: ConnectOptions;
  readonly maxConnections: number;
  readonly maxMessages: number;
  readonly window: number;
  readonly maxQueued: number;
  readonly queueTimeout: number | undefined;
  readonly idleTimeout: number;
  readonly rateLimit: RateLimit | undefined;
  readonly trace: PoolTrace | undefined;
  readonly connectionTrace: ((event: TraceEvent, connection: number) => void) | undefined;
  readonly random: () => number;
  readonly clock: Clock;
}

/**
 * Checks where to and how, and fills in the defaults.
 *
 * @throws {TypeError} When an option is of the wrong kind. {RangeError} When a number is out of its range.
 */
export function resolvePoolOptions(target: string | URL | ConnectOptions, options: PoolOptions): PoolSettings {
  const given: PoolOptions = own(options);
  const isUrl = typeof target === "string" || target instanceof URL;
  const connect: ConnectOptions = own({ ...(isUrl ? optionsOfUrl(target) : own(target)), ...own(given.connect ?? {}) });
  if (connect.socket !== undefined) throw new TypeError("Cannot use socket in a pool as each connection must have one of its own: dial opens them");
  // One dialer for all: its connections share secure contexts and TLS sessions.
  const { clock, dial } = resolveOptions(connect);
  const { queueTimeout, idleTimeout = 30_000, rateLimit } = given;
  if (queueTimeout !== undefined) checkTimeout("queueTimeout", queueTimeout);
  checkTimeout("idleTimeout", idleTimeout);
  return {
    connect: own({ ...connect, dial }),
    maxConnections: checkWhole("maxConnections", given.maxConnections ?? 5, 10_000),
    maxMessages: checkWhole("maxMessages", given.maxMessages ?? 100, Number.MAX_SAFE_INTEGER),
    window: checkWindow(given.window ?? 1),
    maxQueued: checkWhole("maxQueued", given.maxQueued ?? 10_000, Number.MAX_SAFE_INTEGER),
    queueTimeout,
    idleTimeout,
    rateLimit: rateLimit === undefined ? undefined : checkRateLimit(rateLimit),
    trace: checkFunction("trace", given.trace),
    connectionTrace: checkFunction("connectionTrace", given.connectionTrace),
    random: checkFunction("random", given.random) ?? Math.random,
    clock,
  };
}

/** The hook of connection number `id`, where anybody listens. */
export function traceOf({ connect, connectionTrace }: PoolSettings, id: number): Trace | undefined {
  if (connectionTrace === undefined) return connect.trace;
  return (event) => {
    emit(connect.trace, event);
    return connectionTrace(event, id);
  };
}

function checkWhole(name: string, value: number, max: number): number {
  if (typeof value !== "number") throw wrongInPool(name, "a number", value);
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw outOfRange(`${name} in a pool`, `a whole number from 1 to ${max}`, value);
}

function checkRateLimit(rateLimit: RateLimit): RateLimit {
  const given: RateLimit = own(rateLimit, "rateLimit");
  for (const [name, value] of Object.entries(given)) {
    if (!RATES.includes(name)) throw wrongInPool("rateLimit", `made of ${RATES.join(", ")}`, name);
    if (typeof value !== "number") throw wrongInPool(`rateLimit.${name}`, "a number", value);
    if (value > 0 && value < Infinity) continue;
    throw outOfRange(`rateLimit.${name} in a pool`, "more than 0 and finite", value);
  }
  return given;
}

const RATES: readonly string[] = ["messages", "recipients", "octets", "burst"];

function checkFunction<T>(name: string, value: T | undefined): T | undefined {
  if (value === undefined || typeof value === "function") return value;
  throw wrongInPool(name, "a function", value);
}

function wrongInPool(name: string, must: string, value: unknown): TypeError {
  return wrong(`${name} in a pool`, must, value);
}
