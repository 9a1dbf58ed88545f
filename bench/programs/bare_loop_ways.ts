/**
 * The ceiling of small messages: octets that are known beforehand, written over the sockets of the library, and as many ends of lines waited for as
 * there are replies. It looks at no code, checks nothing, and could neither be ended nor fail; what a client does costs the rest.
 */
import { dial, type DirectAccess } from "@posthorn/smtp";
import { CLIENT_NAME, FROM, HOST, type Job, MESSAGE, recipients } from "./job.ts";
import type { Prepared, Ways } from "./steps.ts";

const LF = 10;

/** What each message takes: what is written, and how many replies are waited for behind it. */
type Flights = readonly (readonly [text: string, replies: number])[];

/** Waits for `count` ends of lines. */
async function lines(socket: DirectAccess, count: number): Promise<void> {
  for (let left = count; left > 0;) {
    const octets = await socket.read();
    if (octets === undefined) throw new Error("the server has hung up");
    for (let index = octets.indexOf(LF); index >= 0; index = octets.indexOf(LF, index + 1)) left--;
  }
}

async function said(socket: DirectAccess, flights: readonly (readonly [Uint8Array, number])[]): Promise<void> {
  for (const [octets, replies] of flights) {
    await socket.write(octets);
    await lines(socket, replies);
  }
}

/** The loop of `each`, between `before` and `after`. */
async function loop(job: Job, before: Flights, each: Flights, after: Flights): Promise<Prepared> {
  const signal = new AbortController().signal;
  const { direct, close } = await dial({ hostname: HOST, port: job.port, secureTransport: "off", tls: {}, signal });
  if (direct === undefined) throw new Error("the sockets of the library have direct access");
  const [first, repeated, last] = [[...before], each, after].map((flights) =>
    flights.map(([text, replies]) => [new TextEncoder().encode(text), replies] as const)
  );
  await lines(direct, 1);
  // A server that knows no EHLO but HELO answers it with one line.
  await said(direct, [[new TextEncoder().encode(`HELO ${CLIENT_NAME}\r\n`), 1]]);
  return {
    run: async () => {
      await said(direct, first!);
      for (let count = 0; count < job.messages - before.length; count++) await said(direct, repeated!);
      await said(direct, last!);
    },
    close,
  };
}

function envelope(job: Job): string {
  return `MAIL FROM:<${FROM}>\r\n${recipients(job).map((to) => `RCPT TO:<${to}>\r\n`).join("")}`;
}

export const ways: Ways = {
  "DATA": (job) => {
    const replies = recipients(job).length + 2;
    return loop(job, [], [[`${envelope(job)}DATA\r\n`, replies], [`${MESSAGE}.\r\n`, 1]], []);
  },
  "DATA, riding": (job) => {
    const replies = recipients(job).length + 2;
    const begin = `${envelope(job)}DATA\r\n`;
    return loop(job, [[begin, replies]], [[`${MESSAGE}.\r\n${begin}`, replies + 1]], [[`${MESSAGE}.\r\n`, 1]]);
  },
  "BDAT": (job) => loop(job, [], [[`${envelope(job)}BDAT ${MESSAGE.length} LAST\r\n${MESSAGE}`, recipients(job).length + 2]], []),
};
