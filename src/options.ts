/** Every option of a connection: what it means, its default and its check, once. */
import { checkCredentials, checkTokenCredentials } from "./sasl/credentials.ts";
import type { Credentials, SaslMechanism, TokenCredentials } from "./sasl/mechanism.ts";
import { type Clock, systemClock } from "./session/clock.ts";
import { checkSignal } from "./session/signal.ts";
import { DEFAULT_TIMEOUTS, MAX_TIMEOUT, type Timeouts } from "./session/timeouts.ts";
import type { Trace } from "./session/trace.ts";
import { createDialer } from "./transport/dial.ts";
import { checkSocket, type Dialer, type Socket, type TlsOptions } from "./transport/socket.ts";
import { own } from "./wire/own.ts";
import { checkClientName } from "./wire/path.ts";
import { hasForbidden } from "./wire/text.ts";
import { outOfRange, wholeNumber, wrong, wrongSecret } from "./wire/wrong.ts";

/**
 * When TLS is spoken. `"implicit"`: from the first byte (RFC 8314 section 3.3). `"starttls"`: after STARTTLS, or not at all (RFC 3207).
 * `"opportunistic"`: after STARTTLS if the server offers it, else in the clear and without credentials. `"none"`: in the clear.
 */
export type TlsMode = "implicit" | "starttls" | "opportunistic" | "none";

/** What is spoken: SMTP, or LMTP to a server that puts mail into mailboxes itself (RFC 2033). */
export type Protocol = "smtp" | "lmtp";

/**
 * Who logs in, and how: with name and password, or name and access token, by the mechanism that proves most of those that the server offers; or with
 * mechanisms of the caller's choice, the first that it offers.
 */
export type Auth =
  | (Credentials | TokenCredentials) & {
    /** The only mechanism to use, offered or not: `"LOGIN"`. */
    readonly forceMechanism?: string;
  }
  | {
    /** The mechanisms, the preferred first. */
    readonly mechanisms: readonly SaslMechanism[];
  };

/** Options of `SmtpConnection.open`: where to, and how the connection behaves. */
export interface ConnectionOptions {
  /** The server's name or IP address; also the name its certificate must bear. Default `"localhost"` with `path`, else required. */
  readonly hostname?: string;
  /** Its port, 1 to 65535; default 24 for LMTP, 465 with implicit TLS, else 587. */
  readonly port?: number;
  /** Path of a unix socket to use instead of TCP. */
  readonly path?: string;
  /** When TLS is spoken; default `"implicit"` on port 465, `"none"` on a unix socket, else `"starttls"`, required. */
  readonly tls?: TlsMode;
  /** How TLS is spoken: authorities, the name to expect, a client certificate. */
  readonly tlsOptions?: TlsOptions;
  /** Whether commands may be written behind others where the server offers PIPELINING; default `true`. */
  readonly pipelining?: boolean;
  /** Deadlines in milliseconds, 1 to 2^31 - 1; defaults from RFC 5321 section 4.5.3.2. */
  readonly timeouts?: Partial<Timeouts>;
  /** Ends whatever is under way while the connection is set up, and the connection with it. */
  readonly signal?: AbortSignal;
  /** Called with all that happens on the connection, secrets left out. */
  readonly trace?: Trace;
  /** Opens the socket; default: the runtime's own. */
  readonly dial?: Dialer;
  /** A socket that is open already, to be used instead of dialling; the connection owns it from then on. */
  readonly socket?: Socket;
  /** The clock behind the deadlines; default the runtime's. */
  readonly clock?: Clock;
}

/** Options of `connect`: those of the connection, and how the client introduces itself. */
export interface ConnectOptions extends ConnectionOptions {
  /** What is spoken; default `"smtp"`. With `"lmtp"` each recipient has a reply of its own to the message (RFC 2033). */
  readonly protocol?: Protocol;
  /** The client's name in EHLO, a domain or an address literal; default the literal of the connection's own address (RFC 5321 section 4.1.4). */
  readonly name?: string;
  /** Who logs in; default nobody. */
  readonly auth?: Auth;
  /** Whether credentials may travel without TLS, where anybody on the way can read them; default `false`. */
  readonly allowCleartextAuth?: boolean;
}

/** {@linkcode ConnectOptions}, checked, with every default in its place. */
export interface Settings {
  readonly hostname: string;
  readonly port: number;
  readonly path: string | undefined;
  readonly tls: TlsMode;
  /** Whether the caller named the mode, rather than leave it to the default. */
  readonly isTlsNamed: boolean;
  readonly tlsOptions: TlsOptions;
  readonly pipelining: boolean;
  readonly timeouts: Timeouts;
  readonly signal: AbortSignal | undefined;
  readonly trace: Trace | undefined;
  readonly dial: Dialer;
  readonly socket: Socket | undefined;
  readonly clock: Clock;
  readonly protocol: Protocol;
  readonly name: string | undefined;
  readonly auth: Auth | undefined;
  readonly allowCleartextAuth: boolean;
}

/**
 * Checks `options` and fills in the defaults.
 *
 * @throws {TypeError} When an option is of the wrong kind. {RangeError} When a number is out of its range.
 */
export function resolveOptions(options: ConnectOptions): Settings {
  const given: ConnectOptions = own(options);
  const path = given.path === undefined ? undefined : checkText("path", given.path);
  const tls = given.tls ?? (path !== undefined ? "none" : given.port === 465 ? "implicit" : "starttls");
  if (!TLS_MODES.includes(tls)) throw wrong("tls", `one of ${TLS_MODES.join(", ")}`, tls);
  const protocol = checkProtocol(given.protocol ?? "smtp");
  return {
    hostname: checkHostname(given.hostname ?? (path === undefined ? undefined : "localhost")),
    port: checkPort(given.port ?? (protocol === "lmtp" ? 24 : tls === "implicit" ? 465 : 587)),
    path,
    tls,
    isTlsNamed: given.tls !== undefined,
    tlsOptions: checkTlsOptions(given.tlsOptions ?? {}),
    pipelining: checkBoolean("pipelining", given.pipelining ?? true),
    timeouts: checkTimeouts(given.timeouts ?? {}),
    signal: checkSignal(given.signal),
    trace: checkFunction("trace", given.trace),
    dial: checkFunction("dial", given.dial) ?? createDialer(),
    socket: given.socket === undefined ? undefined : checkSocket("socket", given.socket),
    clock: given.clock === undefined ? systemClock : checkClock(given.clock),
    protocol,
    name: given.name === undefined ? undefined : checkClientName(given.name),
    auth: given.auth === undefined ? undefined : checkAuth(given.auth),
    allowCleartextAuth: checkBoolean("allowCleartextAuth", given.allowCleartextAuth ?? false),
  };
}

/**
 * The options a URL stands for: `smtps://user:password@host:465` is implicit TLS, `smtp://host:587` is STARTTLS, required; so is `lmtp://host:24`.
 * `lmtp+unix:///path` is a unix socket. What goes beyond host, port and credentials is said with options.
 *
 * @throws {TypeError} When it is no such URL. The URL is not in the message, since it may hold a password.
 */
export function optionsOfUrl(url: string | URL): ConnectOptions {
  const text = String(url);
  // The URL parser takes out line ends and the like without a word: what is left names another host, or another password.
  if (hasForbidden(text) || text.trim() !== text) throw badUrl("without control characters and without spaces around it");
  if (!URL.canParse(text)) throw badUrl("a URL");
  const { protocol: scheme, username, password, hostname, port, pathname, search, hash } = new URL(text);
  if (scheme === "lmtp+unix:") {
    if (pathname.length < 2 || hostname + username + search + hash !== "") throw badUrl("lmtp+unix:// and a path");
    return { protocol: "lmtp", path: decoded(pathname) };
  }
  if (!SCHEMES.includes(scheme)) throw badUrl(`one of ${SCHEMES.join(", ")} or lmtp+unix:`);
  if (hostname === "" || pathname.length > 1 || search + hash !== "") throw badUrl("no more than scheme, credentials, host and port");
  if ((username === "") !== (password === "")) throw badUrl("with both a name and a password, or with neither");
  return {
    hostname: decoded(hostname).replace(/^\[(.*)\]$/, "$1"),
    ...(port !== "" && { port: Number(port) }),
    tls: scheme === "smtps:" ? "implicit" : "starttls",
    ...(scheme === "lmtp:" && { protocol: "lmtp" }),
    ...(username !== "" && { auth: { username: decoded(username), password: decoded(password) } }),
  };
}

/**
 * Checks who logs in.
 *
 * @throws {TypeError} When it is neither credentials nor mechanisms, or more than one of them. No secret is in the message.
 */
export function checkAuth(auth: Auth): Auth {
  const given: Auth = own(auth, "auth");
  if ("mechanisms" in given) {
    const { mechanisms } = given;
    if (!Array.isArray(mechanisms) || mechanisms.length === 0) throw wrongSecret("auth.mechanisms", MECHANISMS);
    mechanisms.forEach(checkMechanism);
    return given;
  }
  const { forceMechanism } = given;
  if (forceMechanism !== undefined) checkText("auth.forceMechanism", forceMechanism);
  if ("password" in given && "accessToken" in given) {
    throw wrongSecret("auth", "with a password or an accessToken, not both");
  }
  return "accessToken" in given ? checkTokenCredentials(given) : checkCredentials(given);
}

/**
 * Checks how TLS is to be spoken.
 *
 * @throws {TypeError} When a member is of the wrong kind. An empty `serverName` is refused too: a runtime may take it for any name.
 */
export function checkTlsOptions(options: TlsOptions): TlsOptions {
  const given: TlsOptions = own(options, "tlsOptions");
  const { serverName, caCerts, cert, key } = given;
  if (serverName !== undefined) checkHostname(serverName);
  if (caCerts !== undefined && !(Array.isArray(caCerts) && caCerts.every((pem) => typeof pem === "string"))) {
    throw wrongSecret("tlsOptions.caCerts", "a list of certificates, PEM");
  }
  for (const pem of [cert, key]) {
    if (pem !== undefined && typeof pem !== "string") {
      throw wrongSecret("tlsOptions.cert or key", "text, PEM");
    }
  }
  return given;
}

const MECHANISMS = "a list of one mechanism or more";

function checkMechanism(mechanism: SaslMechanism): void {
  if (typeof mechanism?.start !== "function") throw wrongSecret("auth.mechanisms", MECHANISMS);
  checkMechanismName(mechanism.name);
}

/** @throws {TypeError} When `name` is no name of a SASL mechanism (RFC 4422 section 3.1). It is not shown, since a secret may hang on it. */
export function checkMechanismName(name: string): string {
  if (typeof name === "string" && /^[A-Za-z0-9_-]{1,20}$/.test(name)) return name;
  throw wrongSecret("mechanism in AUTH", "1 to 20 letters, digits, hyphens and underscores");
}

/** @throws {TypeError} When `value` is no text, is empty, or has control characters. */
export function checkText(name: string, value: string): string {
  if (typeof value === "string" && value !== "" && !hasForbidden(value)) return value;
  throw wrong(name, "text, not empty and without control characters", value);
}

/** @throws {TypeError} When `value` is no Uint8Array. */
export function checkOctets(name: string, value: Uint8Array): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw wrong(name, "a Uint8Array", value);
}

/** @throws {TypeError} When `value` is not `true` or `false`. */
export function checkBoolean(name: string, value: boolean): boolean {
  if (typeof value === "boolean") return value;
  throw wrong(name, "true or false", value);
}

/** @throws {TypeError} When `value` is no number. {RangeError} When no timer can wait that long, or when it is no wait at all. */
export function checkTimeout(name: string, value: number): void {
  if (typeof value !== "number") throw wrong(name, "a number of milliseconds", value);
  if (value >= 1 && value <= MAX_TIMEOUT) return;
  throw outOfRange(`${name} as a deadline`, `from 1 to ${MAX_TIMEOUT} ms`, value);
}

/** @throws {TypeError} When `protocol` is none that is spoken here. */
export function checkProtocol(protocol: Protocol): Protocol {
  if (protocol === "smtp" || protocol === "lmtp") return protocol;
  throw wrong("protocol", '"smtp" or "lmtp"', protocol);
}

const SCHEMES: readonly string[] = ["smtp:", "smtps:", "lmtp:"];
const TLS_MODES: readonly TlsMode[] = ["implicit", "starttls", "opportunistic", "none"];

/** `undefined` stands for the default. */
function checkFunction<T>(name: string, value: T): T {
  if (value === undefined || typeof value === "function") return value;
  throw wrong(name, "a function", value);
}

function checkClock(clock: Clock): Clock {
  if (typeof clock?.now === "function" && typeof clock.schedule === "function") return clock;
  throw wrong("clock", "an object with now and schedule", clock);
}

function checkHostname(hostname: string | undefined): string {
  if (typeof hostname !== "string" || !/^[^\s/@[\]\p{Cc}\p{Cs}]+$/u.test(hostname)) {
    // One with an @ is a part of a URL, and its password another.
    const shown = typeof hostname === "string" && hostname.includes("@") ? "***" : hostname;
    throw wrong("hostname", "the name or IP address of a host, without brackets", shown);
  }
  return hostname;
}

function checkPort(port: number): number {
  if (typeof port !== "number") throw wrong("port", "a number", port);
  return wholeNumber("port to connect", port, 1, 65_535);
}

function checkTimeouts(timeouts: Partial<Timeouts>): Timeouts {
  const given: Partial<Timeouts> = own(timeouts, "timeouts");
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(DEFAULT_TIMEOUTS, name)) throw wrong("timeouts", `made of ${Object.keys(DEFAULT_TIMEOUTS).join(", ")}`, name);
    checkTimeout(`timeouts.${name}`, value);
  }
  return { ...DEFAULT_TIMEOUTS, ...given };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw badUrl("with correct %-escapes");
  }
}

function badUrl(must: string): TypeError {
  return wrongSecret("url to connect", must);
}
