/** E: sockets of the runtime's own to which things happen on our side of the network. */
import { equal, rejected } from "../../runtimes/case.ts";
import { faultyDialer, type Mishap } from "../../support/faulty_socket.ts";
import { Puppet, type SocketFault } from "../puppet/puppet.ts";
import { HELLO, MESSAGE, SENT, STARTTLS, type Way, WAYS } from "./sessions.ts";

/** What a lost connection is called. */
const KINDS: Readonly<Record<Mishap, readonly string[]>> = {
  close: ["disconnected"],
  half: ["disconnected"],
  reset: ["disconnected"],
  stall: ["timeout"],
  deaf: ["timeout"],
  refuse: ["disconnected"],
};
/** Where nothing more can come, the end is waited for no longer than this. */
const SHORT = { greeting: 250, command: 250, mail: 250, rcpt: 250, data: 250, block: 250, final: 250, quit: 100 };

function scriptOf(way: Way): string {
  return `${way === "starttls" ? STARTTLS : HELLO}${SENT}C: QUIT\nS: 221 bye\nS: {silence}`;
}

export const cutFaults: readonly SocketFault[] = [
  ...WAYS.flatMap((way) =>
    (Object.keys(KINDS) as Mishap[]).map((mishap): SocketFault => ({
      name: `F52 A socket to which "${mishap}" happens behind any number of octets ends the session with what is known (${way})`,
      async run({ connect, dial }, env): Promise<void> {
        const isOfReading = mishap !== "deaf" && mishap !== "refuse";
        await Promise.all(Array.from({ length: 10 }, async (_, step) => {
          const octets = step * 12;
          const puppet = await Puppet.play(env, { scripts: [scriptOf(way)], isImplicit: way === "implicit" });
          const dialer = faultyDialer(dial, { mishap, ...(isOfReading ? { read: octets } : { written: octets }) });
          let isTaken = false;
          const error = await rejected((async () => {
            const client = await connect(puppet.options({ tls: way, dial: dialer, timeouts: KINDS[mishap].includes("timeout") ? SHORT : {} }));
            try {
              await client.send(MESSAGE);
              isTaken = true;
            } finally {
              client.close();
            }
            throw new TypeError("all of it came to pass");
          })());
          if (isTaken) return;
          equal(error.kind !== undefined && KINDS[mishap].includes(String(error.kind)), true, `at ${octets}: ${JSON.stringify(error)}`);
          const said = (await puppet.reports())[0]?.said ?? "";
          // Whoever has the dot has the message.
          if (said.includes("\r\n.\r\n")) equal(error.delivery, "unknown", `at ${octets}`);
        }));
      },
    }))
  ),
];
