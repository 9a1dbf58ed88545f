/** Which mechanism proves an identity to this server, and the exchange itself (RFC 4954 section 4). */
import type { SmtpConnection } from "./connection.ts";
import { sessionOf } from "./connection.ts";
import {
  SmtpAuthError,
  SmtpConnectionError,
  SmtpError,
  type SmtpErrorFacts,
  SmtpProtocolError,
  SmtpSecurityError,
  SmtpUnsupportedError,
} from "./errors.ts";
import type { Auth } from "./options.ts";
import { login } from "./sasl/login.ts";
import type { SaslExchange, SaslMechanism } from "./sasl/mechanism.ts";
import { plain } from "./sasl/plain.ts";
import { bounded } from "./session/bounded.ts";
import { decodeBase64, encodeBase64 } from "./wire/base64.ts";
import type { Reply } from "./wire/reply.ts";

/** Octets of an AUTH command at most, CRLF counted; a longer initial response waits for a 334 (RFC 4954 section 4, RFC 5321 section 4.5.3.1.4). */
const MAX_AUTH_LINE = 512;
/** Challenges at most: no mechanism in use needs more than four, and a server may not keep us at it for ever. */
const MAX_ROUNDS = 8;
/** "Unrecognized authentication type" and "mechanism is too weak": the next mechanism may do (RFC 4954 section 6). */
const TRY_ANOTHER: readonly number[] = [504, 534];

/** How {@linkcode authenticate} goes about it. */
export interface AuthenticateOptions {
  readonly allowCleartextAuth: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Proves the identity of `auth` to the server.
 *
 * @throws {SmtpUnsupportedError} The server offers no AUTH, or no mechanism of ours. {SmtpSecurityError} The mechanism would tell the secret to who
 * listens. {SmtpAuthError} The server refused, or did not prove itself.
 */
export async function authenticate(connection: SmtpConnection, auth: Auth, options: AuthenticateOptions): Promise<void> {
  const { isSecure, options: { isLocal, hostname, port } } = sessionOf(connection);
  const mechanisms = candidates(connection, auth);
  const usable = mechanisms.filter((mechanism) => !mechanism.isPlaintext || isSecure || isLocal || options.allowCleartextAuth);
  if (usable.length === 0) {
    throw new SmtpSecurityError("insecure", `AUTH ${mechanisms[0]?.name} without TLS would show the credentials to who listens`, {
      phase: "auth",
      hint: "use TLS, or say allowCleartextAuth",
    });
  }
  for (const [index, mechanism] of usable.entries()) {
    const reply = await proveOrClose(connection, mechanism.name, mechanism.start({ hostname, port, isSecure }), options.signal);
    if (reply.code === 235) return;
    if (TRY_ANOTHER.includes(reply.code) && index < usable.length - 1) continue;
    throw refused(mechanism.name, reply);
  }
}

/** The mechanisms of `auth` that may be tried, the preferred first. */
function candidates({ extensions }: SmtpConnection, auth: Auth): readonly SaslMechanism[] {
  const known = "mechanisms" in auth ? auth.mechanisms : [plain(auth), login(auth)];
  const forced = "mechanisms" in auth ? undefined : auth.forceMechanism;
  if (forced !== undefined) {
    const mechanism = known.find(({ name }) => name === forced);
    if (mechanism === undefined) throw new SmtpUnsupportedError("unsupported", `There is no mechanism ${forced} here`, LOCAL);
    return [mechanism];
  }
  if (!extensions.has("AUTH")) throw new SmtpUnsupportedError("unsupported", "The server does not offer AUTH, and credentials were given", AUTH);
  const offered = known.filter(({ name }) => extensions.authMechanisms.includes(name));
  if (offered.length > 0) return offered;
  const theirs = extensions.authMechanisms.join(", ");
  throw new SmtpUnsupportedError("unsupported", `The server offers no mechanism that could be used: it has ${theirs || "none"}`, AUTH);
}

/** One exchange; one that ends while the server still waits for an answer ends the connection too. */
async function proveOrClose(connection: SmtpConnection, name: string, exchange: SaslExchange, signal: AbortSignal | undefined): Promise<Reply> {
  try {
    return await prove(connection, name, exchange, signal);
  } catch (error) {
    if (connection.state === "auth") connection.close();
    throw error;
  }
}

/** One exchange, to the server's last word. */
async function prove(connection: SmtpConnection, name: string, exchange: SaslExchange, signal: AbortSignal | undefined): Promise<Reply> {
  const options = signal === undefined ? {} : { signal };
  const { ended, options: { clock, timeouts } } = sessionOf(connection);
  const ends = AbortSignal.any([ended, ...(signal === undefined ? [] : [signal])]);
  const bounds = { clock, timeout: timeouts.command, signal: ends, what: `The answer of the mechanism ${name}`, facts: AUTH };
  let first = exchange.initialResponse;
  const isShort = first !== undefined && `AUTH ${name} ${encodeBase64(first)}\r\n`.length <= MAX_AUTH_LINE;
  let reply = await connection.auth(name, isShort ? first : undefined, options);
  if (isShort) first = undefined;
  for (let round = 0; reply.code === 334; round++) {
    const challenge = decodeBase64(reply.lines[0]?.trim() ?? "");
    let response: Uint8Array;
    try {
      if (round === MAX_ROUNDS) throw new SmtpAuthError(`The server asked more than ${MAX_ROUNDS} times`, AUTH);
      response = first ?? await bounded(bounds, async () => await exchange.respond(challenge));
      first = undefined;
    } catch (cause) {
      // The session has ended meanwhile, and says why.
      if (connection.isClosed) await connection.authCancel(options);
      // Given up by the caller, or by the clock: there is no time for courtesies.
      if (cause instanceof SmtpConnectionError) throw cause;
      await connection.authCancel(options);
      throw cause instanceof SmtpError ? cause : new SmtpAuthError(`AUTH ${name} was given up`, { ...AUTH, cause });
    }
    reply = await connection.authRespond(response, options);
  }
  if (reply.code === 235 && (first !== undefined || !exchange.isComplete)) {
    sessionOf(connection).close("The server accepted credentials before it had them");
    throw new SmtpAuthError(`The server said yes to AUTH ${name} before it was proven`, { ...AUTH, reply });
  }
  if (reply.isIntermediate || (reply.isPositive && reply.code !== 235)) {
    sessionOf(connection).close("The server broke off AUTH");
    throw new SmtpProtocolError(`The server answered AUTH ${name} with ${reply}`, { ...AUTH, reply });
  }
  return reply;
}

function refused(name: string, reply: Reply): SmtpAuthError {
  const hint = reply.code === 530 || reply.code === 538 ? "the server wants TLS first" : undefined;
  return new SmtpAuthError(`AUTH ${name} was refused: ${reply}`, { ...AUTH, command: `AUTH ${name}`, reply, hint });
}

const AUTH: SmtpErrorFacts = { phase: "auth" };
const LOCAL: SmtpErrorFacts = { phase: "local" };
