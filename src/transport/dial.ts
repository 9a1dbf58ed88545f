import { SmtpUnsupportedError } from "../errors.ts";
import type { DialOptions, Socket } from "./socket.ts";

/**
 * Dials with the sockets of the runtime it runs on. The adapter is loaded when it is first needed, so none of the others is.
 *
 * Source: RFC 8305 (Happy Eyeballs), RFC 8314 section 3.
 *
 * @param options Where to, and how: see {@linkcode DialOptions}.
 * @returns A socket that stands, TLS included where it was asked for.
 * @throws {SmtpUnsupportedError} When there is no adapter for the runtime: pass a dialer of your own. {SmtpConnectionError} Nobody answered.
 * {SmtpSecurityError} The handshake or the certificate failed. The signal's reason, when it fires.
 *
 * @example
 * ```ts
 * import { dial, type Dialer } from "@posthorn/smtp";
 *
 * // Another host, whatever was asked for.
 * const dialRelay: Dialer = (options) => dial({ ...options, hostname: "relay.example.com" });
 * ```
 */
export async function dial(options: DialOptions): Promise<Socket> {
  if (Reflect.has(globalThis, "Deno")) {
    const { dialDeno } = await import("./deno.ts");
    return await dialDeno(options);
  }
  // With Node's compatibility Workers have a process too, so they are asked for first.
  if (Reflect.get(globalThis, "navigator")?.userAgent === "Cloudflare-Workers") {
    const { dialCloudflare } = await import("./cloudflare.ts");
    return await dialCloudflare(options);
  }
  if (Reflect.has(globalThis, "process")) {
    const { dialNode } = await import("./node.ts");
    return await dialNode(options);
  }
  throw new SmtpUnsupportedError("unsupported", "There is no dialer for this runtime", {
    phase: "connect",
    hint: "pass one as the option dial, or an open socket as the option socket",
  });
}
