import { SmtpUnsupportedError } from "../errors.ts";
import type { DialOptions, Socket } from "./socket.ts";

/**
 * Dials with the sockets of the runtime it runs on. The adapter is loaded when it is first needed, so none of the others is.
 *
 * @throws {SmtpUnsupportedError} When there is no adapter for the runtime: pass a {@linkcode Dialer} of your own.
 */
export async function dial(options: DialOptions): Promise<Socket> {
  if (Reflect.has(globalThis, "Deno")) {
    const { dialDeno } = await import("./deno.ts");
    return await dialDeno(options);
  }
  throw new SmtpUnsupportedError("unsupported", "There is no dialer for this runtime", {
    phase: "connect",
    hint: "pass one as the option dial, or an open socket as the option socket",
  });
}
