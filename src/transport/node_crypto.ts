/** HMAC-MD5 for CRAM-MD5: WebCrypto has no MD5, so it is the runtime's own `node:crypto`, asked for only when the mechanism is used. */
import { SmtpUnsupportedError } from "../errors.ts";
import type { NodeProcess } from "./runtime_types.ts";

/**
 * HMAC-MD5 (RFC 2104), of the runtime.
 *
 * @throws {SmtpUnsupportedError} When the runtime has none: Workers without `nodejs_compat`, or a Node that obeys FIPS 140.
 */
export function nodeHmacMd5(): (key: Uint8Array, text: Uint8Array) => Uint8Array {
  const process: NodeProcess | undefined = Reflect.get(globalThis, "process");
  try {
    const { createHmac } = process!.getBuiltinModule("node:crypto");
    const hmac = (key: Uint8Array, text: Uint8Array) => new Uint8Array(createHmac("md5", key).update(text).digest());
    // Who has it but may not use it says so now, and not in the middle of a login.
    hmac(new Uint8Array(1), new Uint8Array(1));
    return hmac;
  } catch (cause) {
    throw new SmtpUnsupportedError("unsupported", "This runtime has no MD5, which CRAM-MD5 needs", {
      phase: "auth",
      hint: "Node 20.16 or later, Bun and Deno have it, Workers with nodejs_compat",
      cause,
    });
  }
}
