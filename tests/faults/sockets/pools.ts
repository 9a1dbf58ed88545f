/** C and E: pools, on connections of which some end. */
import type { SmtpPool } from "@posthorn/smtp";
import { equal, rejected } from "../../runtimes/case.ts";
import { Puppet, type SocketFault } from "../puppet/puppet.ts";
import { BYE, ENVELOPE, HELLO, MESSAGE, SENT } from "./sessions.ts";

const SESSION = `${HELLO}${SENT}${SENT}${BYE}`;
const ONE = { maxConnections: 1 };
const MAIL = "C: MAIL FROM:<a@x.test>\nC: RCPT TO:<b@y.test>\nC: DATA\n";

/** Resolves when `pool` has no connection. */
async function empty(pool: SmtpPool): Promise<void> {
  while (pool.stats().connections.total > 0) await new Promise((resolve) => setTimeout(resolve, 5));
}

export const poolFaults: readonly SocketFault[] = [
  {
    name: "F29 Two pools on one host with different names for the server share no trust",
    async run({ createDialer, SmtpPool }, env): Promise<void> {
      // TLS 1.2 and 1.3 sessions could be taken up again: they must not be where another name is to be checked.
      const dial = createDialer();
      const puppet = await Puppet.play(env, { scripts: [SESSION], isImplicit: true, certificate: "nameOnly" });
      const options = puppet.options({ tls: "implicit", dial });
      await using good = new SmtpPool(options, ONE);
      equal((await good.send(MESSAGE)).accepted.length, 1);
      await using wrong = new SmtpPool({ ...options, tlsOptions: { ...options.tlsOptions, serverName: "other.test" } }, ONE);
      const error = await rejected(wrong.send(MESSAGE));
      const expected = env.lacks.includes("own authority") ? ["SmtpUnsupportedError", "unsupported"] : ["SmtpSecurityError", "tls"];
      equal([error.name, error.kind, error.delivery], [...expected, "not-sent"]);
      equal((await good.send(MESSAGE)).accepted.length, 1);
    },
  },
  ...["S: {close}", "S: {reset}", "S: 421 4.3.2 idle for too long\nS: {close}"].map((end): SocketFault => ({
    name: `F64 A connection that ends while it is idle is no error, and the next message takes another: ${JSON.stringify(end)}`,
    async run({ SmtpPool }, env): Promise<void> {
      const puppet = await Puppet.play(env, { scripts: [`${HELLO}${SENT}S: {wait} 30\n${end}`, SESSION] });
      await using pool = new SmtpPool(puppet.options(), ONE);
      equal((await pool.send(MESSAGE)).accepted.length, 1);
      await empty(pool);
      equal((await pool.send(MESSAGE)).accepted.length, 1);
      await pool.drain();
      equal((await puppet.reports()).map(({ said }) => said.split("MAIL FROM").length - 1), [1, 1], "messages by connections");
    },
  })),
  ...["S: 421 4.3.2 enough", "S: {close}", "S: {reset}"].map((end): SocketFault => ({
    name: `F64 A connection that was used before and ends at MAIL costs a message another try: ${JSON.stringify(end)}`,
    async run({ SmtpPool }, env): Promise<void> {
      const puppet = await Puppet.play(env, { scripts: [`${HELLO}${SENT}${MAIL}${end}`, SESSION] });
      await using pool = new SmtpPool(puppet.options(), ONE);
      await pool.send(MESSAGE);
      equal((await pool.send(MESSAGE)).accepted.length, 1);
      await pool.drain();
      equal((await puppet.reports()).map(({ said }) => said.split("MAIL FROM").length - 1), [2, 1], "tries by connections");
    },
  })),
  ...["S: {close}", "S: {reset}", "S: {part} 250 o\nS: {close}"].map((end): SocketFault => ({
    name: `F64 A connection that was used before and ends behind the dot costs no other try: ${JSON.stringify(end)}`,
    async run({ SmtpPool }, env): Promise<void> {
      const puppet = await Puppet.play(env, { scripts: [`${HELLO}${SENT}${ENVELOPE}C: {message}\n${end}`, SESSION] });
      await using pool = new SmtpPool(puppet.options(), ONE);
      await pool.send(MESSAGE);
      const error = await rejected(pool.send(MESSAGE));
      equal([error.kind, error.delivery, (await puppet.reports()).length], ["disconnected", "unknown", 1]);
    },
  })),
  {
    name: "F65 A send that stalls is ended by its own deadline, and it and the one behind it get another connection",
    async run({ SmtpPool }, env): Promise<void> {
      const puppet = await Puppet.play(env, { scripts: [`${HELLO}${MAIL}S: {silence}`, SESSION] });
      await using pool = new SmtpPool(puppet.options({ timeouts: { mail: 300 } }), ONE);
      const results = await Promise.all([pool.send(MESSAGE), pool.send(MESSAGE)]);
      equal([results.map(({ accepted }) => accepted.length), pool.stats().retried], [[1, 1], 1]);
      await pool.drain();
      equal((await puppet.reports()).length, 2, "connections");
    },
  },
  {
    name: "F65 A send that waits behind one that stalls is ended by the deadline of the queue",
    async run({ SmtpPool }, env): Promise<void> {
      const puppet = await Puppet.play(env, { scripts: [`${HELLO}${MAIL}S: {silence}`] });
      const pool = new SmtpPool(puppet.options(), { ...ONE, queueTimeout: 300 });
      const stalled = rejected(pool.send(MESSAGE));
      const waiting = await rejected(pool.send(MESSAGE));
      equal([waiting.kind, waiting.delivery], ["timeout", "not-sent"]);
      pool.close();
      const error = await stalled;
      equal([error.kind, error.delivery], ["closed", "not-sent"], JSON.stringify(error));
    },
  },
  {
    name: "F65 A queue that is full refuses at once",
    async run({ SmtpPool }, env): Promise<void> {
      const puppet = await Puppet.play(env, { scripts: [`${HELLO}${MAIL}S: {silence}`] });
      const pool = new SmtpPool(puppet.options(), { ...ONE, maxQueued: 1 });
      const all = Array.from({ length: 4 }, () => rejected(pool.send(MESSAGE)));
      const refused = await Promise.race(all);
      equal(refused.delivery, "not-sent");
      pool.close();
      equal((await Promise.all(all)).map(({ delivery }) => delivery), Array(4).fill("not-sent"));
    },
  },
];
