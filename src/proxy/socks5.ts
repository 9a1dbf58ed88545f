/**
 * SOCKS5 (RFC 1928) with user name and password (RFC 1929): which ways to log in there are, the login if the proxy wants it, the request, its reply;
 * behind that the connection is the server's.
 */
import { SmtpAuthError, SmtpConnectionError, SmtpUnsupportedError } from "../errors.ts";
import { dial as dialDirectly } from "../transport/dial.ts";
import { type Dialer, messageOf } from "../transport/socket.ts";
import { concat } from "../wire/octets.ts";
import { own } from "../wire/own.ts";
import { encodeText } from "../wire/text.ts";
import { type Host, parseHost, parseIp } from "./address.ts";
import { checkCredentials, checkOctets, checkPlace, unfit } from "./checks.ts";
import type { Exchange } from "./exchange.ts";
import { dialThrough, inTheClear } from "./passage.ts";

/** Turns a host's name into one of its IP addresses. */
export type Resolver = (hostname: string, signal: AbortSignal) => string | Promise<string>;

/** Options of {@linkcode socks5}. */
export interface Socks5Options {
  /** Name or IP address of the proxy, IPv6 without brackets. */
  readonly hostname: string;
  /** Its port; default 1080. */
  readonly port?: number;
  /** Who logs in at the proxy, 1 to 255 octets; default nobody. */
  readonly username?: string;
  /** The password, 1 to 255 octets. It goes to the proxy in the clear (RFC 1929 section 3). */
  readonly password?: string;
  /** Finds the server's IP address, so that the proxy is told no name; default: the proxy finds it. The certificate is the name's all the same. */
  readonly resolve?: Resolver;
  /** Opens the connection to the proxy; default: the runtime's own sockets. */
  readonly dial?: Dialer;
}

const VERSION = 5;
/** The version of the login is its own (RFC 1929 section 2). */
const LOGIN_VERSION = 1;
const SUCCEEDED = 0;
const CONNECT = 1;
/** Ways to log in (RFC 1928 section 3). */
const [NO_LOGIN, USERNAME_PASSWORD, NO_ACCEPTABLE] = [0, 2, 0xff] as const;
/** Kinds of address (RFC 1928 section 5). */
const [IPV4, NAME, IPV6] = [1, 3, 4] as const;

/** What a reply other than success means (RFC 1928 section 6), and whether the same may succeed later. */
const REPLIES: Readonly<Record<number, readonly [meaning: string, transient: boolean]>> = {
  1: ["general failure", true],
  2: ["not allowed by its rules", false],
  3: ["network unreachable", true],
  4: ["host unreachable", true],
  5: ["connection refused", true],
  6: ["TTL expired", true],
  7: ["command not supported", false],
  8: ["address type not supported", false],
};

/**
 * A dialer that goes through a SOCKS5 proxy. TLS is spoken with the server itself, inside the tunnel.
 *
 * Source: RFC 1928, RFC 1929.
 *
 * @param options Where the proxy is, and who logs in there.
 * @returns A dialer, for the option `dial` of `connect`. It rejects with {@linkcode SmtpAuthError} when the proxy refuses the login, with
 * {@linkcode SmtpConnectionError} when there is no way to the server, with {@linkcode SmtpProtocolError} when the proxy speaks something else than
 * SOCKS5, and with {@linkcode SmtpUnsupportedError} when a unix socket is asked for.
 * @throws {TypeError} When an option is of the wrong kind. {RangeError} When a port, a name or a password is out of its range.
 *
 * @example
 * ```ts
 * import { connect } from "@posthorn/smtp";
 * import { socks5 } from "@posthorn/smtp/proxy";
 *
 * const open = (password: string) =>
 *   connect({ hostname: "mail.example.com", dial: socks5({ hostname: "proxy.example.com", username: "alice", password }) });
 * ```
 */
export function socks5(options: Socks5Options): Dialer {
  const { hostname, port = 1080, username, password, resolve, dial = dialDirectly }: Socks5Options = own(options);
  const proxy = checkPlace(hostname, port);
  const credentials = checkCredentials(username, password);
  const login = credentials && loginOf(checkOctets("username", credentials.username), checkOctets("password", credentials.password));
  for (const [name, value] of Object.entries({ resolve, dial })) {
    if (value !== undefined && typeof value !== "function") throw unfit(name, "a function", value);
  }
  return async (final) => {
    const { signal } = final;
    if (final.path !== undefined) throw new SmtpUnsupportedError("unsupported", "A SOCKS5 proxy leads to no unix socket", { phase: "connect" });
    const host = await resolved(parseHost(final.hostname), resolve, signal);
    const goal = `${final.hostname}:${final.port}`;
    return await dialThrough({
      dial,
      first: { ...proxy, ...inTheClear(final), signal },
      final,
      peer: `the proxy ${proxy.hostname}:${proxy.port}`,
      talk: async (exchange) => {
        await logIn(exchange, login);
        await request(exchange, host, final.port, goal);
        // The socket knows the proxy as its peer.
        return { localAddress: (await exchange.info()).localAddress };
      },
    });
  };
}

async function resolved(host: Host, resolve: Resolver | undefined, signal: AbortSignal): Promise<Host> {
  if (resolve === undefined || host.ip !== undefined) return host;
  let name: string;
  try {
    name = await resolve(host.name, signal);
  } catch (cause) {
    signal.throwIfAborted();
    throw new SmtpConnectionError("connect", `Cannot resolve ${host.name}: ${messageOf(cause)}`, { phase: "connect", cause });
  }
  signal.throwIfAborted();
  const ip = typeof name === "string" ? parseIp(name) : undefined;
  if (ip !== undefined) return { name, ip };
  throw unfit(`what resolve gave for ${host.name}`, "an IP address", name);
}

function loginOf(username: Uint8Array, password: Uint8Array): Uint8Array {
  return Uint8Array.of(LOGIN_VERSION, username.length, ...username, password.length, ...password);
}

async function logIn(exchange: Exchange, login: Uint8Array | undefined): Promise<void> {
  const methods = login === undefined ? [NO_LOGIN] : [NO_LOGIN, USERNAME_PASSWORD];
  await exchange.write(Uint8Array.of(VERSION, methods.length, ...methods));
  const [version, method] = await exchange.take(2);
  checkVersion(exchange, version);
  if (method === NO_LOGIN) return;
  if (method === NO_ACCEPTABLE) {
    const hint = login === undefined ? "it may want username and password" : "it may know the user by another way, or serve other addresses only";
    throw new SmtpAuthError(`Logging in at ${exchange.peer} failed: it accepts none of the ways offered`, { phase: "connect", hint });
  }
  if (method !== USERNAME_PASSWORD || login === undefined) throw exchange.broken(`it chose the way to log in ${method}, which was not offered`);
  await exchange.write(login);
  const [loginVersion, status] = await exchange.take(2);
  if (loginVersion !== LOGIN_VERSION) throw exchange.broken(`it answered the login in version ${loginVersion}`);
  if (status === SUCCEEDED) return;
  throw new SmtpAuthError(`Logging in at ${exchange.peer} failed: it refused username and password (status ${status})`, {
    phase: "connect",
    hint: "the credentials of the proxy are meant, not those of the mail server",
  });
}

async function request(exchange: Exchange, { ip, name }: Host, port: number, goal: string): Promise<void> {
  const text = encodeText(name);
  const address = ip === undefined ? [Uint8Array.of(NAME, text.length), text] : [Uint8Array.of(ip.length === 4 ? IPV4 : IPV6), ip];
  await exchange.write(concat([Uint8Array.of(VERSION, CONNECT, 0), ...address, Uint8Array.of(port >> 8, port & 0xff)]));
  const [version, reply = 1] = await exchange.take(2);
  checkVersion(exchange, version);
  // Behind a refusal not every proxy sends the rest.
  if (reply !== SUCCEEDED) throw refusal(exchange.peer, goal, reply, ip === undefined);
  const [, kind = 0] = await exchange.take(2);
  // The address by which the proxy connected is of no use here, but the server speaks right behind it.
  await exchange.take(await lengthOf(exchange, kind) + 2);
}

/** Octets of an address of `kind`. */
async function lengthOf(exchange: Exchange, kind: number): Promise<number> {
  if (kind === IPV4) return 4;
  if (kind === IPV6) return 16;
  if (kind !== NAME) throw exchange.broken(`there is no kind of address ${kind}`);
  const [length = 0] = await exchange.take(1);
  return length;
}

function refusal(peer: string, goal: string, reply: number, isName: boolean): SmtpConnectionError {
  const [meaning, transient] = REPLIES[reply] ?? ["a reply that has no meaning", false];
  const words = `There is no way to ${goal} through ${peer}: ${meaning} (SOCKS reply ${reply})`;
  const hint = reply !== 8 ? undefined : isName ? "it may resolve no names: give resolve" : "it may know addresses of the other family only";
  return new SmtpConnectionError("connect", words, { phase: "connect", transient, hint });
}

/** What the first octet of something else than SOCKS5 says of it. */
const OTHERS: Readonly<Record<number, string>> = {
  0: "it speaks SOCKS4",
  4: "it speaks SOCKS4",
  0x15: "it speaks TLS",
  0x32: "it may be the mail server itself",
  0x48: "it speaks HTTP: use httpConnect",
};

function checkVersion(exchange: Exchange, version: number | undefined): void {
  if (version !== VERSION) throw exchange.broken(`it is not SOCKS5, as its first octet is ${version}`, OTHERS[version ?? -1]);
}
