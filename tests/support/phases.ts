/** A whole session with a server that behaves well up to one place. */
import { connect, type ConnectOptions, type SendResult, type SmtpClient } from "@posthorn/smtp";
import { FakeClock, settled } from "./fake_clock.ts";
import { ManualServer } from "./manual.ts";

/** The places of a session: what the server answers there. */
export const PHASES = ["greeting", "EHLO", "AUTH", "name", "password", "NOOP", "MAIL", "RCPT", "DATA", ".", "QUIT"] as const;

export type Phase = (typeof PHASES)[number];

/** What the library calls it. */
export const PHASE_NAMES: Readonly<Record<Phase, string>> = {
  "greeting": "greeting",
  "EHLO": "ehlo",
  "AUTH": "auth",
  "name": "auth",
  "password": "auth",
  "NOOP": "command",
  "MAIL": "mail",
  "RCPT": "rcpt",
  "DATA": "data",
  ".": "data",
  "QUIT": "quit",
};

/** What a server says there that behaves well. */
export const USUAL: Readonly<Record<Phase, string>> = {
  "greeting": "220 mx.example",
  "EHLO": "250-mx.example\r\n250 AUTH LOGIN",
  "AUTH": "334 VXNlcm5hbWU6",
  "name": "334 UGFzc3dvcmQ6",
  "password": "235 2.7.0 welcome",
  "NOOP": "250 ok",
  "MAIL": "250 2.1.0 ok",
  "RCPT": "250 2.1.5 ok",
  "DATA": "354 go",
  ".": "250 2.0.0 taken",
  "QUIT": "221 2.0.0 bye",
};

/** What came of a session. */
export interface Ending {
  /** What the first step that failed rejected with. */
  readonly error: unknown;
  /** What became of the message, where the server took it. */
  readonly result: SendResult | undefined;
  readonly client: SmtpClient | undefined;
  readonly server: ManualServer;
  /** What the client said once the server had come to the place. */
  readonly after: readonly string[];
}

/** What a server does at its place instead of what it usually says; the session is not over before it is. */
export type Deviation = (server: ManualServer, clock: FakeClock) => void | Promise<void>;

/** A session in lockstep, one message long, in which the server does `deviation` at `place`, and what it usually says everywhere else. */
export async function sessionWith(place: Phase, deviation: Deviation, more: ConnectOptions = {}): Promise<Ending> {
  const clock = new FakeClock();
  let at = 0;
  let reached: number | undefined;
  let deviating: Promise<void> | undefined;
  const server = new ManualServer((text, server) => {
    // A message is written behind its 354, in one write or in two.
    if (PHASES[at] === "." && !text.endsWith("\r\n.\r\n")) return;
    answer(server);
  }, "");
  const answer = (server: ManualServer) => {
    const phase = PHASES[at++];
    if (phase === undefined) return;
    if (phase !== place) return server.say(`${USUAL[phase]}\r\n`);
    reached = server.writes.length;
    deviating = Promise.resolve(deviation(server, clock));
  };
  answer(server);
  let result: SendResult | undefined;
  let client: SmtpClient | undefined;
  let error: unknown;
  try {
    const auth = { username: "alice", password: "s3cret" };
    client = await connect(server.options({ auth, allowCleartextAuth: true, clock, ...more }));
    await client.verify();
    result = await client.send({ from: "a@x.test", to: "b@y.test", body: "Subject: a\r\n\r\nhello\r\n", transfer: "data" });
    await client.quit();
  } catch (failure) {
    error = failure;
  }
  await deviating;
  await settled();
  return { error, result, client, server, after: server.writes.slice(reached ?? 0) };
}

/** Tries `deviation` at each place. */
export async function everywhere(
  deviation: (place: Phase) => Deviation,
  judge: (place: Phase, ending: Ending) => void | Promise<void>,
): Promise<void> {
  for (const place of PHASES) await judge(place, await sessionWith(place, deviation(place)));
}

/** Says `text`, and no more. */
export function saying(text: string): Deviation {
  return (server) => server.say(text);
}
