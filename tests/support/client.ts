/** Clients on a scripted server. */
import { connect, type ConnectOptions, SmtpConnection } from "@posthorn/smtp";
import type { SmtpClient } from "@posthorn/smtp";
import type { ScriptedServer } from "./script.ts";

/** Options that reach `server` without TLS. */
export function reaching(server: ScriptedServer, more: ConnectOptions = {}): ConnectOptions {
  return { hostname: "mx.example", tls: "none", name: "client.test", dial: server.dial, ...more };
}

/** A client that has said hello to `server`. */
export function connectTo(server: ScriptedServer, more: ConnectOptions = {}): Promise<SmtpClient> {
  return connect(reaching(server, more));
}

/** A connection that was greeted by `server`. */
export function openTo(server: ScriptedServer, more: ConnectOptions = {}): Promise<SmtpConnection> {
  return SmtpConnection.open(reaching(server, more));
}

/** What `promise` rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it did not reject");
}

/** The members of an error that a caller decides by. */
export function facts(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) throw new Error(`no error: ${error}`);
  const members = ["kind", "phase", "code", "delivery", "transient"].map((name) => [name, Reflect.get(error, name)]);
  return { name: error.name, ...Object.fromEntries(members.filter(([, value]) => value !== undefined)) };
}

/** The beginning of most conversations: a server with PIPELINING. */
export const HELLO = `
  S: 220 mx.example ESMTP
  C: EHLO client.test
  S: 250-mx.example
  S: 250-PIPELINING
  S: 250 8BITMIME
`;

/** The same without. */
export const HELLO_LOCKSTEP = `
  S: 220 mx.example ESMTP
  C: EHLO client.test
  S: 250 mx.example
`;

export const BYE = `
  C: QUIT
  S: 221 bye
  S: {close}
`;
