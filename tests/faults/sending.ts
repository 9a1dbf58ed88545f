/** One message to a server that misbehaves, by each of the calls that send. */
import { connect, type ConnectOptions, type Message, SmtpError, SmtpPool } from "@posthorn/smtp";
import { settled } from "../support/fake_clock.ts";
import { type HostileOptions, HostileServer, type Way, WAYS } from "../support/hostile.ts";
import { WitnessedSignal } from "../support/witness.ts";

/** What became of a message, in the members that a caller decides by. */
export interface Outcome {
  readonly kind: string;
  readonly phase: string;
  readonly delivery: string;
  readonly code?: number;
}

/** The members of `error`, or `"sent"`. */
export function outcomeOf(error: unknown): Outcome | "sent" {
  if (error === undefined) return "sent";
  if (!(error instanceof SmtpError)) throw error;
  const { kind, phase, delivery, code } = error;
  return { kind, phase, delivery, ...(code !== undefined && { code }) };
}

/** One message under way. */
export interface Sent {
  /** Its error, or `undefined` where it was sent. */
  readonly done: Promise<unknown>;
  /** Ends what sent it at once. */
  readonly close: () => void;
  /** Ends it as is usual. */
  readonly quit: () => Promise<void>;
}

/** A call that sends one message. */
export interface Call {
  readonly name: string;
  readonly send: (options: ConnectOptions, message: Message, signal: AbortSignal) => Promise<Sent>;
}

const errorOf = (sending: Promise<unknown>): Promise<unknown> => sending.then(() => undefined, (error: unknown) => error);

export const CALLS: readonly Call[] = [
  {
    name: "send",
    send: async (options, message, signal) => {
      const client = await connect(options);
      return { done: errorOf(client.send(message, { signal })), close: () => client.close(), quit: () => client.quit() };
    },
  },
  {
    name: "sendAll, window 8",
    send: async (options, message, signal) => {
      const client = await connect(options);
      const outcomes = client.sendAll([message], { window: 8, signal });
      const done = outcomes.next().then(async ({ value }) => {
        await outcomes.return();
        return value === undefined || value.status === "sent" ? undefined : value.error;
      });
      return { done, close: () => client.close(), quit: () => client.quit() };
    },
  },
  {
    name: "a pool",
    send: async (options, message, signal) => {
      const pool = new SmtpPool(options, { maxConnections: 1, random: () => 0 });
      const done = errorOf(pool.send(message, { signal }));
      await settled();
      return { done, close: () => pool.close(), quit: () => pool.drain() };
    },
  },
];

/** A server, the way in which a message goes to it, and the call that sends it. */
export interface Scene {
  readonly way: Way;
  readonly call: Call;
  readonly server: HostileServer;
  readonly signal: WitnessedSignal;
  /** Names the scene in a failure. */
  readonly name: string;
}

/** Runs `run` for each way and each call, with a server of its own. */
export async function inEachScene(
  options: (way: Way) => HostileOptions,
  run: (scene: Scene) => Promise<void>,
  ways: readonly Way[] = WAYS,
): Promise<void> {
  for (const way of ways) {
    for (const call of CALLS) {
      const server = new HostileServer({ keywords: way.keywords, protocol: way.protocol, ...options(way) });
      await run({ way, call, server, signal: new WitnessedSignal(), name: `${call.name} ${way.name}` });
    }
  }
}

/** Lets everything go on that can. */
export async function turns(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await settled();
}

/** What may be thrown, most of which is no error, and some of which cannot even be put in words. */
export const THROWN: readonly unknown[] = [
  new Error("mine"),
  undefined,
  null,
  "mine",
  Symbol("mine"),
  Object.create(null),
  Object.freeze({}),
  { then: (resolve: () => void) => resolve() },
];

/** What a caller in JavaScript may hand over, whatever the types say. */
export function anything<T>(value: unknown): T {
  return value as T;
}
