/** What a case of the catalogue of faults is, where it needs no socket: everything is in memory, so that it runs wherever JavaScript does. */
import { settled } from "../support/fake_clock.ts";
import { type Delivery, ScriptedServer } from "../support/script.ts";

/** One case. */
export interface Fault {
  /** Begins with the id of its entry, as `F01 `. */
  readonly name: string;
  /** Throws when the case fails. */
  readonly run: () => void | Promise<void>;
}

/** The ways in which every reply arrives. */
export const DELIVERIES: readonly Delivery[] = ["whole", "line", "byte"];

/** Holds `run` against a server that plays `script`, once for each of {@linkcode DELIVERIES}, and checks that the whole script came to pass. */
export async function inEachDelivery(script: string, run: (server: ScriptedServer) => Promise<void>): Promise<void> {
  for (const delivery of DELIVERIES) {
    const server = new ScriptedServer(script, delivery);
    await run(server);
    await settled();
    server.check();
  }
}

/** Runs the one of `faults` that is called `name`; resolves with what went wrong, or with `undefined`. */
export async function runFault(faults: readonly Fault[], name: string): Promise<string | undefined> {
  const found = faults.find((one) => one.name === name);
  if (found === undefined) return `there is no case ${name}`;
  try {
    await found.run();
    return undefined;
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}\n${error.stack}` : String(error);
  }
}
