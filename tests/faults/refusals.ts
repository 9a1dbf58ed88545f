/** What every case of bad input has to show: a clear error, not an octet written, and a connection that is of use still. */
import { assert, assertEquals } from "@std/assert";
import type { SmtpConnection } from "@posthorn/smtp";
import type { OctetServer } from "../support/octet_server.ts";

/** What a call came to: its error, or `undefined`. */
export async function errorOf(call: () => unknown): Promise<unknown> {
  try {
    await call();
    return undefined;
  } catch (error) {
    return error ?? new Error("it threw nothing at all");
  }
}

/** Bad input is told before any I/O, in the words of the house: what it is, and what it must be. */
export function assertBadArgument(error: unknown, what: string): void {
  assert(error !== undefined, `${what}: it was let pass`);
  assert(error instanceof TypeError || error instanceof RangeError, `${what}: ${error}`);
  assert(/^Cannot use .+ as .+ must /s.test(error.message), `${what}: it does not say why: ${error.message}`);
  // What it repeats of the input must do no harm where it is shown.
  // deno-lint-ignore no-control-regex -- they are what is looked for
  assert(!/[\u0000-\u001f\u007f-\u009f]/.test(error.message), `${what}: it repeats a control character: ${JSON.stringify(error.message)}`);
  assert(error.message.length < 500, `${what}: it repeats ${error.message.length} characters`);
}

/** That `call` is refused, and that `server` has not heard of it. */
export async function assertRefused(server: OctetServer, what: string, call: () => unknown): Promise<void> {
  const before = server.received;
  const error = await errorOf(call);
  // What was queued is written before anything else could be asked.
  for (let turn = 0; turn < 10; turn++) await undefined;
  assertBadArgument(error, what);
  assertEquals(server.received, before, `${what}: something was written`);
}

/** That the connection takes commands still, and that the server has heard nothing but those. */
export async function assertUsable(server: OctetServer, { connection }: { readonly connection: SmtpConnection }): Promise<void> {
  const before = server.commands.length;
  const replies = await Promise.all([connection.rset(), connection.mail("a@x.test"), connection.rcpt("b@y.test"), connection.rset()]);
  assertEquals(replies.map(({ code }) => code), [250, 250, 250, 250]);
  assertEquals(server.commands.slice(before), ["RSET", "MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>", "RSET"]);
}

/** `value` where the types have no place for it: what a program without types may hand over. */
export function untyped<T>(value: unknown): T {
  return value as T;
}
