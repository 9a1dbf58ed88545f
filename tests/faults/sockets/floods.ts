/** E and G: much of everything. */
import { equal } from "../../runtimes/case.ts";
import { Puppet, type SocketFault } from "../puppet/puppet.ts";
import { BYE, HELLO, measured, meet, SENT, WAYS } from "./sessions.ts";

const MB = 1_000_000;
const RECIPIENTS = 5_000;

/** Octets of memory that the process has, where the runtime tells. */
function memory(): number | undefined {
  const process: { memoryUsage?: () => { rss: number } } | undefined = Reflect.get(globalThis, "process");
  try {
    return process?.memoryUsage?.().rss;
  } catch {
    return undefined;
  }
}

export const floodFaults: readonly SocketFault[] = [
  ...WAYS.map((way): SocketFault => ({
    name: `F60 A server that reads only while its long replies drain has ${RECIPIENTS} recipients in the end (${way})`,
    async run(library, env): Promise<void> {
      const rest = `S: {answers} ${RECIPIENTS + 1} 250 ${"x".repeat(300)}\nC: DATA\nS: 354 go\nC: {message}\nS: 250 taken\n${BYE}`;
      const { client, puppet } = await meet(library, env, way, rest);
      const to = Array.from({ length: RECIPIENTS }, (_, index) => `recipient${index}@y.test`);
      const { accepted } = await client.send({ from: "a@x.test", to, body: "Subject: x\r\n\r\nhello\r\n" });
      equal(accepted.length, RECIPIENTS);
      await client.quit();
      equal((await puppet.report()).rest, "");
    },
  })),
  {
    name: "F75 200 MB of a source need no more than 32 MB of memory, where the runtime tells",
    async run({ connect }, env): Promise<void> {
      const grown: number[] = [];
      // A collector that comes late may cost one run some memory; content that is kept costs every run all of it.
      while (grown.length < 3 && !grown.some((octets) => octets < 32 * MB)) {
        const puppet = await Puppet.play(env, `${HELLO}${SENT}${SENT}${BYE}`);
        const client = await connect(puppet.options());
        const send = async (octets: number, onAsk: () => void) => {
          const { body, asked } = measured(octets, onAsk);
          await client.send({ from: "a@x.test", to: "b@y.test", body });
          return asked();
        };
        await send(16 * MB, () => {});
        const base = memory() ?? 0;
        let peak = base;
        equal(await send(200 * MB, () => void (peak = Math.max(peak, memory() ?? 0))) >= 200 * MB, true);
        await client.quit();
        const { octets, rest } = await puppet.report();
        equal([octets > 216 * MB, rest], [true, ""]);
        grown.push(peak - base);
      }
      equal(grown.some((octets) => octets < 32 * MB), true, `it grew by ${grown}`);
    },
  },
];
