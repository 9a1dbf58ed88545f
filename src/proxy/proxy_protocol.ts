/** The PROXY protocol: the first that a server behind a load balancer hears, before TLS and before its own greeting, is who really connects. */
import { SmtpUnsupportedError } from "../errors.ts";
import { dial as dialDirectly } from "../transport/dial.ts";
import type { Dialer } from "../transport/socket.ts";
import { own } from "../wire/own.ts";
import { type Endpoint, parseEndpoint } from "./address.ts";
import { unfit } from "./checks.ts";
import { dialThrough, inTheClear } from "./passage.ts";
import { formatProxyHeader, type ProxyVersion } from "./proxy_header.ts";

/** Options of {@linkcode proxyProtocol}. */
export interface ProxyProtocolOptions {
  /** Version of the header: 1 is text, 2 is binary. */
  readonly version: ProxyVersion;
  /** Who connects, `"192.0.2.1:40000"` or `"[2001:db8::1]:40000"`; default: our own address, as the socket tells it. */
  readonly source?: string;
  /** To whom, in the same form; default: the server's address, as the socket tells it. */
  readonly destination?: string;
  /** Whether it is said that the connection is the sender's own, and no addresses (version 1: `UNKNOWN`, which some servers refuse); default `false`. */
  readonly local?: boolean;
  /** Opens the connection; default: the runtime's own sockets. */
  readonly dial?: Dialer;
}

/**
 * A dialer that writes the header of the PROXY protocol as soon as it has connected, before TLS. The server must have been told to expect it.
 *
 * Source: HAProxy, "The PROXY protocol, versions 1 & 2", sections 2.1 and 2.2.
 *
 * @param options The version, and the addresses to tell.
 * @returns A dialer, for the option `dial` of `connect`. It rejects with {@linkcode SmtpUnsupportedError} when an address was left to the socket, and the
 * socket does not know it or it is of another family than the other.
 * @throws {TypeError} When an option is of the wrong kind, or the addresses are of two families.
 *
 * @example
 * ```ts
 * import { connect } from "@posthorn/smtp";
 * import { proxyProtocol } from "@posthorn/smtp/proxy";
 *
 * const onBehalfOf = (client: string) => connect({ hostname: "mail.example.com", dial: proxyProtocol({ version: 2, source: client }) });
 * ```
 */
export function proxyProtocol(options: ProxyProtocolOptions): Dialer {
  const { version, source, destination, local = false, dial = dialDirectly }: ProxyProtocolOptions = own(options);
  if (version !== 1 && version !== 2) throw unfit("version", "1 or 2", version);
  if (typeof local !== "boolean") throw unfit("local", "true or false", local);
  if (typeof dial !== "function") throw unfit("dial", "a function", dial);
  const from = source === undefined ? undefined : checkEndpoint("source", source);
  const to = destination === undefined ? undefined : checkEndpoint("destination", destination);
  if (local && (from ?? to) !== undefined) throw unfit("local", "without source and destination", local);
  if (from !== undefined && to !== undefined && from.ip.length !== to.ip.length) {
    throw unfit("destination", "an address of the family of the source", destination);
  }
  return (final) => {
    return dialThrough({
      dial,
      first: { ...final, ...inTheClear(final) },
      final,
      peer: final.path ?? `${final.hostname}:${final.port}`,
      talk: async (exchange) => {
        const { localAddress, remoteAddress } = await exchange.info();
        const route = local ? undefined : routeOf(from ?? known(localAddress), to ?? known(remoteAddress));
        await exchange.write(formatProxyHeader(version, route));
        return undefined;
      },
    });
  };
}

function checkEndpoint(name: string, value: string): Endpoint {
  const endpoint = typeof value === "string" ? parseEndpoint(value) : undefined;
  if (endpoint === undefined) throw unfit(name, "an IP address and a port like 192.0.2.1:25 or [2001:db8::1]:25", value);
  return endpoint;
}

function known(address: string | undefined): Endpoint | undefined {
  return address === undefined ? undefined : parseEndpoint(address);
}

function routeOf(source: Endpoint | undefined, destination: Endpoint | undefined): { readonly source: Endpoint; readonly destination: Endpoint } {
  if (source === undefined || destination === undefined) {
    throw unsupported(`the socket does not tell the ${source === undefined ? "source" : "destination"}`, "give both, or say local: true");
  }
  if (source.ip.length === destination.ip.length) return { source, destination };
  throw unsupported("the connection is not of the family of the address given", "give both source and destination");
}

function unsupported(why: string, hint: string): SmtpUnsupportedError {
  return new SmtpUnsupportedError("unsupported", `The PROXY protocol needs two addresses of one family: ${why}`, { phase: "connect", hint });
}
