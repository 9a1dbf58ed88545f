/**
 * The dialer of Node and Bun, on `node:net` and `node:tls`; it also runs on Deno, where it can do what Deno's own sockets cannot: present a client
 * certificate after STARTTLS.
 *
 * The modules are asked of the process rather than imported, so that no bundler for another platform ever sees them.
 *
 * @module
 */
import { SmtpConnectionError, SmtpUnsupportedError } from "../errors.ts";
import { ready, socketOf } from "./node_socket.ts";
import { NodeTlsClient } from "./node_tls.ts";
import type { NodeProcess } from "./runtime_types.ts";
import { type Dialer, type DialOptions, messageOf, type Socket } from "./socket.ts";

/**
 * Dials with Node's sockets: Happy Eyeballs (RFC 8305), TCP_NODELAY, TLS 1.2 at least, the runtime's authorities and `caCerts`, client certificates.
 *
 * Source: RFC 8305, RFC 8314 section 3.
 *
 * @param options Where to, and how.
 * @returns A socket that stands, TLS included where it was asked for.
 * @throws {SmtpConnectionError} `connect`: nobody answered. {SmtpSecurityError} `tls`: the handshake or the certificate failed.
 *
 * @example
 * ```ts
 * import { connect } from "@posthorn/smtp";
 * import { dialNode } from "@posthorn/smtp/transport/node";
 *
 * const withCertificate = (cert: string, key: string) => connect({ hostname: "mail.example.com", dial: dialNode, tlsOptions: { cert, key } });
 * ```
 */
export async function dialNode(options: DialOptions): Promise<Socket> {
  return await createNodeDialer()(options);
}

/**
 * A dialer like {@linkcode dialNode} that remembers what is dear in TLS: its connections share the secure context, for which all authorities are read,
 * and each begins with the session of the last to the same place, which saves the server its signature and us the check of its certificates. A session
 * is used for the host, port, name and options alone with which it was made, so what was checked then is what would be checked now.
 *
 * Source: RFC 8446 section 2.2, RFC 5077.
 *
 * @returns The dialer; it keeps 100 sessions and 10 contexts at most, and forgets them with itself.
 *
 * @example
 * ```ts
 * import { connect } from "@posthorn/smtp";
 * import { createNodeDialer } from "@posthorn/smtp/transport/node";
 *
 * const dial = createNodeDialer();
 * const open = () => connect({ hostname: "mail.example.com", dial });
 * ```
 */
export function createNodeDialer(): Dialer {
  let client: NodeTlsClient | undefined;
  return async ({ hostname, port, path, secureTransport, tls, signal }) => {
    const process = processOf();
    const place = path ?? `${hostname}:${port}`;
    const raw = process.getBuiltinModule("node:net").connect(
      path === undefined ? { host: hostname, port, noDelay: true, autoSelectFamily: true } : { path },
    );
    await ready(raw, "connect", signal, (cause) => {
      return new SmtpConnectionError("connect", `Cannot connect to ${place}: ${messageOf(cause)}`, { phase: "connect", cause });
    });
    if (secureTransport === "off") return socketOf(raw, { secureTransport });
    const startTls = (client ??= new NodeTlsClient(process)).over(raw, place);
    if (secureTransport === "starttls") return socketOf(raw, { secureTransport, startTls });
    return await startTls({ ...tls, serverName: tls.serverName ?? hostname, signal });
  };
}

function processOf(): NodeProcess {
  const process: NodeProcess | undefined = Reflect.get(globalThis, "process");
  if (typeof process?.getBuiltinModule === "function") return process;
  throw new SmtpUnsupportedError("unsupported", "Node's sockets need Node 20.16 or later, Bun or Deno", { phase: "connect" });
}
