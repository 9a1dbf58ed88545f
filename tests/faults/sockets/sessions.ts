/** What the scripts of many cases have in common. */
import type { ConnectOptions, SmtpClient } from "@posthorn/smtp";
import { equal, type Library } from "../../runtimes/case.ts";
import { Puppet, type SocketEnvironment } from "../puppet/puppet.ts";

export const CREDENTIALS = { username: "alice", password: "s3cret" };

/** A server with PIPELINING. */
export const HELLO = `
  S: 220 mx.test
  C: EHLO client.test
  S: 250-mx.test
  S: 250 PIPELINING
`;
/** A server that offers STARTTLS and does what it offers. */
export const STARTTLS = `
  S: 220 mx.test
  C: EHLO client.test
  S: 250-mx.test
  S: 250 STARTTLS
  C: STARTTLS
  S: 220 go
  C: {tls}
  C: EHLO client.test
  S: 250-mx.test
  S: 250 PIPELINING
`;
/** The envelope of {@linkcode MESSAGE} as far as the 354. */
export const ENVELOPE = `
  C: MAIL FROM:<a@x.test>
  C: RCPT TO:<b@y.test>
  C: DATA
  S: 250 ok
  S: 250 ok
  S: 354 go
`;
/** A whole message. */
export const SENT: string = `
  ${ENVELOPE}
  C: {message}
  S: 250 taken
`;
export const BYE = `
  C: QUIT
  S: 221 bye
  S: {close}
`;
export const MESSAGE = { from: "a@x.test", to: "b@y.test", body: "Subject: hello\r\n\r\nhello\r\n" };

/** How a server is reached: in the clear, or over TLS that was there from the first octet or came by STARTTLS. */
export type Way = "none" | "implicit" | "starttls";
export const WAYS: readonly Way[] = ["none", "implicit", "starttls"];

/** Has `rest` played to a client that came by `way`, and connects that client. */
export async function meet(
  { connect }: Library,
  env: SocketEnvironment,
  way: Way,
  rest: string,
  more: ConnectOptions = {},
): Promise<{ readonly client: SmtpClient; readonly puppet: Puppet }> {
  const puppet = await Puppet.play(env, { scripts: [`${way === "starttls" ? STARTTLS : HELLO}${rest}`], isImplicit: way === "implicit" });
  return { client: await connect(puppet.options({ tls: way, ...more })), puppet };
}

/** A body of so many octets that tells how many of them were asked for. */
export function measured(octets: number, onAsk: () => void = () => {}): { readonly body: () => ReadableStream<Uint8Array>; asked(): number } {
  const chunk = new TextEncoder().encode(`${"x".repeat(78)}\r\n`.repeat(800));
  let asked = 0;
  const body = () => {
    asked = 0;
    return new ReadableStream<Uint8Array>({
      pull(controller): void {
        onAsk();
        if (asked >= octets) return controller.close();
        asked += chunk.length;
        controller.enqueue(chunk);
      },
    }, { highWaterMark: 0 });
  };
  return { body, asked: () => asked };
}

/** Throws unless nothing that looks like a command of `verbs` was said. */
export function notSaid(said: string, ...verbs: readonly string[]): void {
  equal(verbs.filter((verb) => new RegExp(`^${verb}\\b`, "m").test(said)), [], `in ${JSON.stringify(said.slice(0, 500))}`);
}
