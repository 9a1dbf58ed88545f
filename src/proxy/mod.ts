/**
 * Ways to a server that lead through something else: SOCKS5 and HTTP proxies, and the PROXY protocol. Each is a dialer around a dialer, so they work on
 * every runtime and go one through the other.
 *
 * ```ts
 * import { connect } from "@posthorn/smtp";
 * import { httpConnect, proxyProtocol, socks5 } from "@posthorn/smtp/proxy";
 *
 * const outer = httpConnect({ hostname: "gate.example.com", port: 3128 });
 * const inner = socks5({ hostname: "relay.example.com", dial: outer });
 * const dial = proxyProtocol({ version: 2, source: "192.0.2.1:40000", destination: "198.51.100.1:25", dial: inner });
 * const open = () => connect({ hostname: "mail.example.com", dial });
 * ```
 *
 * @module
 */
export { httpConnect, type HttpConnectOptions } from "./http_connect.ts";
export { proxyProtocol, type ProxyProtocolOptions } from "./proxy_protocol.ts";
export type { ProxyVersion } from "./proxy_header.ts";
export { type Resolver, socks5, type Socks5Options } from "./socks5.ts";
