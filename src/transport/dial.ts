import { SmtpUnsupportedError } from "../errors.ts";
import type { Dialer, DialOptions, Socket } from "./socket.ts";

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
  return await (await dialerHere())(options);
}

/**
 * A dialer like {@linkcode dial} that remembers what is dear in TLS, for several connections: on Node and Bun they share the secure context and resume
 * each other's sessions, for the same host, port, name and options alone. Deno has no such thing to offer, and Workers see to it themselves.
 *
 * Source: RFC 8446 section 2.2, RFC 5077.
 *
 * @returns The dialer, for the option `dial` of `connect`; it rejects as {@linkcode dial} does, and what it remembers goes with it.
 *
 * @example
 * ```ts
 * import { connect, createDialer } from "@posthorn/smtp";
 *
 * const options = { hostname: "mail.example.com", dial: createDialer() };
 * const open = () => connect(options); // the second begins faster than the first
 * ```
 */
export function createDialer(): Dialer {
  let dialer: Promise<Dialer> | undefined;
  return async (options) => await (await (dialer ??= dialerHere()))(options);
}

async function dialerHere(): Promise<Dialer> {
  if (Reflect.has(globalThis, "Deno")) return (await import("./deno.ts")).dialDeno;
  // With Node's compatibility Workers have a process too, so they are asked for first.
  if (Reflect.get(globalThis, "navigator")?.userAgent === "Cloudflare-Workers") return (await import("./cloudflare.ts")).dialCloudflare;
  if (Reflect.has(globalThis, "process")) return (await import("./node.ts")).createNodeDialer();
  throw new SmtpUnsupportedError("unsupported", "There is no dialer for this runtime", {
    phase: "connect",
    hint: "pass one as the option dial, or an open socket as the option socket",
  });
}
