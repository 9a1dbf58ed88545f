/** HTTP CONNECT (RFC 9110 section 9.3.6): one request, the head of its answer; behind that the connection is the server's. */
import { SmtpAuthError, SmtpConnectionError, SmtpUnsupportedError } from "../errors.ts";
import { dial as dialDirectly } from "../transport/dial.ts";
import type { Dialer, TlsOptions } from "../transport/socket.ts";
import { own } from "../wire/own.ts";
import { decodeText } from "../wire/text.ts";
import { parseHost } from "./address.ts";
import { checkPlace, checkTls, unfit } from "./checks.ts";
import type { Exchange } from "./exchange.ts";
import { formatFields, formatRequest, lineText, MAX_HEAD, parseStatus, schemesOf, secretsIn, type Status } from "./http_head.ts";
import { dialThrough, inTheClear } from "./passage.ts";

/** Options of {@linkcode httpConnect}. */
export interface HttpConnectOptions {
  /** Name or IP address of the proxy, IPv6 without brackets. */
  readonly hostname: string;
  /** Its port; proxies have none by custom, 3128 and 8080 are frequent. */
  readonly port: number;
  /** Who logs in at the proxy (Basic, RFC 7617), without a colon; default nobody. */
  readonly username?: string;
  /** The password; it may be empty. It goes to the proxy in the clear unless `secure` is set. */
  readonly password?: string;
  /** More fields of the request: `{ "Proxy-Authorization": "Bearer …" }`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether TLS is spoken with the proxy itself; default `false`. Few runtimes can speak TLS with the server inside it. */
  readonly secure?: boolean;
  /** How TLS is spoken with the proxy. */
  readonly tlsOptions?: TlsOptions;
  /** Opens the connection to the proxy; default: the runtime's own sockets. */
  readonly dial?: Dialer;
}

/**
 * A dialer that goes through an HTTP proxy by CONNECT. TLS is spoken with the server itself, inside the tunnel.
 *
 * Source: RFC 9110 section 9.3.6, RFC 7617.
 *
 * @param options Where the proxy is, and who logs in there.
 * @returns A dialer, for the option `dial` of `connect`. It rejects with {@linkcode SmtpAuthError} when the proxy wants (other) credentials (407), with
 * {@linkcode SmtpConnectionError} when it opens no tunnel, with {@linkcode SmtpProtocolError} when it does not speak HTTP, and with
 * {@linkcode SmtpUnsupportedError} when a unix socket is asked for, or TLS inside TLS where the runtime cannot nest it.
 * @throws {TypeError} When an option is of the wrong kind. {RangeError} When the port or the fields are out of their range.
 *
 * @example
 * ```ts
 * import { connect } from "@posthorn/smtp";
 * import { httpConnect } from "@posthorn/smtp/proxy";
 *
 * const dial = httpConnect({ hostname: "proxy.example.com", port: 3128 });
 * const open = () => connect({ hostname: "mail.example.com", tls: "implicit", dial });
 * ```
 */
export function httpConnect(options: HttpConnectOptions): Dialer {
  const given: HttpConnectOptions = own(options);
  const { hostname, port, username, password, headers = {}, secure = false, tlsOptions = {}, dial = dialDirectly } = given;
  const proxy = checkPlace(hostname, port);
  const fields = formatFields(headers, username, password);
  if (typeof secure !== "boolean") throw unfit("secure", "true or false", secure);
  const tls = checkTls(tlsOptions);
  if (typeof dial !== "function") throw unfit("dial", "a function", dial);
  return async (final) => {
    const { signal } = final;
    if (final.path !== undefined) throw new SmtpUnsupportedError("unsupported", "An HTTP proxy leads to no unix socket", { phase: "connect" });
    const octets = formatRequest(parseHost(final.hostname), final.port, fields);
    return await dialThrough({
      dial,
      first: { ...proxy, ...(secure ? { secureTransport: "on", tls } : inTheClear(final)), signal },
      final,
      peer: `the proxy ${proxy.hostname}:${proxy.port}`,
      talk: async (exchange) => {
        await exchange.write(octets);
        const { status, schemes } = await answer(exchange);
        if (status.code < 200 || status.code > 299) {
          const [words = ""] = secretsIn(fields).hide([schemes === "" ? status.words : `${status.words}; it asks for ${schemes}`]);
          throw refusal(exchange.peer, `${final.hostname}:${final.port}`, { code: status.code, words });
        }
        // The socket knows the proxy as its peer.
        return { localAddress: (await exchange.info()).localAddress };
      },
    });
  };
}

/** Reads one head, and those of interim answers before it (RFC 9110 section 15.2). A body is not read: there is none behind 2xx, and no use in others. */
async function answer(exchange: Exchange): Promise<{ readonly status: Status; readonly schemes: string }> {
  let left = MAX_HEAD;
  const nextLine = async () => {
    const line = await exchange.takeLine(left);
    left -= line.length;
    return lineText(line);
  };
  for (;;) {
    const begin = decodeText(await exchange.take(5));
    if (begin !== "HTTP/") throw exchange.broken("it is not HTTP", OTHERS[begin.charCodeAt(0)]);
    const status = parseStatus(begin + await nextLine());
    if (status === undefined) throw exchange.broken("its first line is no status line of HTTP/1");
    const fields: string[] = [];
    for (let field = await nextLine(); field !== ""; field = await nextLine()) fields.push(field);
    if (status.code >= 200 || status.code === 101) return { status, schemes: schemesOf(fields) };
  }
}

/** What the first octet of something else than HTTP says of it. */
const OTHERS: Readonly<Record<number, string>> = {
  0x05: "it speaks SOCKS5: use socks5",
  0x15: "it speaks TLS: set secure",
  0x32: "it may be the mail server itself",
};

function refusal(peer: string, goal: string, { code, words }: Status): SmtpAuthError | SmtpConnectionError {
  if (code === 407) {
    return new SmtpAuthError(`Logging in at ${peer} failed: ${words}`, {
      phase: "connect",
      hint: "the credentials of the proxy are meant, not those of the mail server",
    });
  }
  const transient = code === 408 || code === 429 || (code >= 500 && code !== 501 && code !== 505);
  const hint = code === 403 || code === 405 ? "many proxies allow CONNECT to port 443 alone: its operator has to allow this one" : undefined;
  return new SmtpConnectionError("connect", `There is no way to ${goal} through ${peer}: ${words}`, { phase: "connect", transient, hint });
}
