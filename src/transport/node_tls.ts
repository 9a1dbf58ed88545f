/** TLS on Node, Bun, and with `node:tls` on Deno: what it costs to begin, and what of it connections can share. */
import { SmtpSecurityError } from "../errors.ts";
import { ready, socketOf } from "./node_socket.ts";
import type { NodeNet, NodeProcess, NodeSecureContext, NodeSocket, NodeTls } from "./runtime_types.ts";
import { messageOf, type Socket, type StartTlsOptions, type TlsOptions } from "./socket.ts";

/** Secure contexts at most: each holds every authority, which is half a megabyte. */
const MAX_CONTEXTS = 10;
/** Sessions at most: each holds the server's certificates, which is some kilobytes. */
const MAX_SESSIONS = 100;

/** The codes of the errors that say that the peer is gone. */
const LOSSES: readonly unknown[] = ["ECONNRESET", "ECONNABORTED", "EPIPE"];

/**
 * Begins TLS as a client, and remembers. Nothing is shared but by all that decides whom we trust: contexts go by the options they are made of, sessions
 * by those, the name that was checked, and the place.
 */
export class NodeTlsClient {
  readonly #net: NodeNet;
  readonly #tls: NodeTls;
  readonly #contexts = new Map<string, NodeSecureContext>();
  readonly #sessions = new Map<string, Uint8Array>();

  constructor(process: NodeProcess) {
    this.#net = process.getBuiltinModule("node:net");
    this.#tls = process.getBuiltinModule("node:tls");
  }

  /** How TLS begins over `socket`, which leads to `place`. */
  over(socket: NodeSocket, place: string): (options: StartTlsOptions) => Promise<Socket> {
    return (options) => this.#handshake(socket, place, options);
  }

  async #handshake(below: NodeSocket, place: string, options: StartTlsOptions): Promise<Socket> {
    const { serverName, caCerts, cert, key, signal } = options;
    const identity = JSON.stringify([caCerts, cert, key]);
    const origin = JSON.stringify([place, serverName, identity]);
    const session = this.#sessions.get(origin);
    const socket = this.#tls.connect({
      socket: below,
      host: serverName,
      // RFC 6066 section 3: an address is no server name.
      ...(this.#net.isIP(serverName) === 0 && { servername: serverName }),
      secureContext: this.#contextFor(identity, options),
      // Said, since a variable of the environment (NODE_TLS_REJECT_UNAUTHORIZED) decides where nothing is.
      rejectUnauthorized: true,
      ...(session && { session }),
    });
    // TLS 1.3 gives sessions behind the handshake, one or more. Bun gives one before the certificate was checked.
    socket.on("session", (session) => socket.authorized && keep(this.#sessions, origin, session, MAX_SESSIONS));
    await ready(socket, "secureConnect", signal, (cause) => {
      // A session that a server stumbles over is not offered twice.
      this.#sessions.delete(origin);
      below.destroy();
      // A connection that was lost may stand the next time; a certificate stays what it is.
      const transient = LOSSES.includes(Reflect.get(Object(cause), "code"));
      return new SmtpSecurityError("tls", `TLS with ${serverName} failed: ${messageOf(cause)}`, { phase: "connect", transient, cause });
    });
    return socketOf(socket, {
      secureTransport: "on",
      channelBinding: async () => await (await import("./channel_binding.ts")).channelBindingOf(socket),
      // TLS can be nested: a proxy that speaks it leads to a server that does.
      startTls: this.over(socket, `${place} inside TLS`),
    });
  }

  #contextFor(identity: string, options: TlsOptions): NodeSecureContext {
    const known = this.#contexts.get(identity);
    if (known !== undefined) return known;
    const { cert, key } = options;
    const context = this.#tls.createSecureContext({
      ...authorities(this.#tls, options),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
      minVersion: "TLSv1.2",
    });
    keep(this.#contexts, identity, context, MAX_CONTEXTS);
    return context;
  }
}

/** Puts `value` into `map`, at the cost of the oldest where there are too many. */
function keep<T>(map: Map<string, T>, key: string, value: T, most: number): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > most && oldest !== undefined) map.delete(oldest);
}

/** The `ca` of Node stands in the place of its own authorities, so those are named too. */
function authorities(tls: NodeTls, { caCerts }: TlsOptions): { readonly ca?: readonly string[] } {
  if (caCerts === undefined) return {};
  return { ca: [...(tls.getCACertificates?.("default") ?? tls.rootCertificates), ...caCerts] };
}
