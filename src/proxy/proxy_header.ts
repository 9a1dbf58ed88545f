/** The header of the PROXY protocol, as octets: a line of text in version 1, a block in version 2. */
import { concat } from "../wire/octets.ts";
import { encodeText } from "../wire/text.ts";
import { type Endpoint, formatIp } from "./address.ts";

/** Version of the header: 1 is text, 2 is binary. */
export type ProxyVersion = 1 | 2;

/** What every header of version 2 begins with (section 2.2). */
const SIGNATURE: readonly number[] = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
/** Version 2 in the upper half of the octet, the command in the lower. */
const [LOCAL, PROXY] = [0x20, 0x21] as const;
/** Address family in the upper half of the octet, the protocol (a stream) in the lower. */
const [UNSPECIFIED, TCP_IPV4, TCP_IPV6] = [0x00, 0x11, 0x21] as const;

/** Who connects and to whom; addresses of one family. */
export interface ProxyRoute {
  readonly source: Endpoint;
  readonly destination: Endpoint;
}

/** The header for `route`, or that of a connection of the sender's own, where there is none. */
export function formatProxyHeader(version: ProxyVersion, route: ProxyRoute | undefined): Uint8Array {
  return version === 1 ? encodeText(`PROXY ${line(route)}\r\n`) : block(route);
}

/** "PROXY UNKNOWN" is all that version 1 has for a connection of the sender's own (section 2.1). */
function line(route: ProxyRoute | undefined): string {
  if (route === undefined) return "UNKNOWN";
  const { source, destination } = route;
  return `TCP${source.ip.length === 4 ? 4 : 6} ${formatIp(source.ip)} ${formatIp(destination.ip)} ${source.port} ${destination.port}`;
}

function block(route: ProxyRoute | undefined): Uint8Array {
  if (route === undefined) return Uint8Array.of(...SIGNATURE, LOCAL, UNSPECIFIED, 0, 0);
  const { source, destination } = route;
  const head = Uint8Array.of(...SIGNATURE, PROXY, source.ip.length === 4 ? TCP_IPV4 : TCP_IPV6, 0, 2 * source.ip.length + 4);
  return concat([head, source.ip, destination.ip, portOf(source), portOf(destination)]);
}

function portOf({ port }: Endpoint): Uint8Array {
  return Uint8Array.of(port >> 8, port & 0xff);
}
