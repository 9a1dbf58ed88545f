/**
 * Which mechanism proves an identity to this server, and the exchange itself (RFC 4954 section 4).
 *
 * A server that does not know a mechanism after all (504), or finds it too weak (534), is asked with the next. One that refuses the credentials (535) is
 * not: a weaker mechanism would tell more to whoever stands between, who can say 535 as well.
 */
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
import { type KnownMechanism, loaded, passwordMechanisms, tokenMechanisms } from "./sasl/known.ts";
import type { SaslContext, SaslExchange, SaslMechanism } from "./sasl/mechanism.ts";
import { bounded } from "./session/bounded.ts";
import { decodeBase64, encodeBase64 } from "./wire/base64.ts";
import { MAX_COMMAND_LINE } from "./wire/command.ts";
import type { Reply } from "./wire/reply.ts";

/** Octets of an AUTH command at most, CRLF counted; a longer initial response waits for a 334 (RFC 4954 section 4, RFC 5321 section 4.5.3.1.4). */
const MAX_AUTH_LINE = 512;
/** Challenges at most: no mechanism in use needs more than four, and a server may not keep us at it for ever. */
const MAX_ROUNDS = 8;
/** Characters of the server's list of mechanisms that an error repeats at the most. */
const MAX_NAMES = 200;
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
 * @throws {SmtpUnsupportedError} The server offers no AUTH, or no mechanism of ours; or the runtime lacks what the mechanism needs. {SmtpSecurityError}
 * The mechanism would tell the secret to who listens. {SmtpAuthError} The server refused, or did not prove itself.
 */
export async function authenticate(connection: SmtpConnection, auth: Auth, options: AuthenticateOptions): Promise<void> {
  const attempt = new Attempt(connection, options.signal);
  const { isSecure, options: { isLocal } } = sessionOf(connection);
  const isPrivate = isSecure || isLocal;
  const channelBinding = await attempt.within("The channel binding", async () => await sessionOf(connection).channelBinding());
  const mechanisms = candidates(connection, auth, isPrivate);
  const bindable = mechanisms.filter(({ needsChannelBinding }) => !needsChannelBinding || channelBinding !== undefined);
  if (bindable.length === 0) throw unsupported(`${namesOf(mechanisms)} needs a channel binding, and the socket gives none`, "auth");
  const usable = bindable.filter(({ isPlaintext }) => !isPlaintext || isPrivate || options.allowCleartextAuth);
  if (usable.length === 0) {
    throw new SmtpSecurityError("insecure", `AUTH ${bindable[0]?.name} without TLS would show the credentials to who listens`, {
      phase: "auth",
      hint: "use TLS, or say allowCleartextAuth",
    });
  }
  let offered = connection.extensions.authMechanisms;
  for (const [index, { name, load }] of usable.entries()) {
    const mechanism = await attempt.within(`Preparing ${name}`, async () => await load());
    let outcome = await attempt.make(mechanism, { offered, channelBinding, wasRefused: false });
    if (mechanism.isRenewable && isRefusal(outcome)) outcome = await attempt.make(mechanism, { offered, channelBinding, wasRefused: true });
    if (outcome.reply.code === 235) return;
    if (!TRY_ANOTHER.includes(outcome.reply.code) || index === usable.length - 1) throw refused(name, outcome);
    // A -PLUS that is refused like this counts as not offered: the next mechanism says so, and a server that knows better breaks off.
    offered = offered.filter((one) => one !== name);
  }
}

/** The mechanisms of `auth` that may be tried, the preferred first. */
function candidates({ extensions }: SmtpConnection, auth: Auth, isPrivate: boolean): readonly KnownMechanism[] {
  const known = "mechanisms" in auth
    ? auth.mechanisms.map(loaded)
    : "accessToken" in auth
    ? tokenMechanisms(auth)
    : passwordMechanisms(auth, isPrivate);
  const forced = "mechanisms" in auth ? undefined : auth.forceMechanism?.toUpperCase();
  if (forced !== undefined) {
    const mechanism = known.find(({ name }) => name === forced);
    if (mechanism === undefined) throw unsupported(`There is no mechanism ${forced} for these credentials`, "local");
    return [mechanism];
  }
  if (!extensions.has("AUTH")) throw unsupported("The server does not offer AUTH, and credentials were given", "auth");
  const offered = known.filter(({ name }) => extensions.authMechanisms.includes(name));
  if (offered.length > 0) return offered;
  const names = extensions.authMechanisms.join(", ").slice(0, MAX_NAMES) || "none";
  throw unsupported(`The server offers no mechanism that could be used: it has ${names}`, "auth");
}

/** How an exchange ended: the server's last word, and what it said of a refusal before. */
interface Outcome {
  readonly reply: Reply;
  readonly details: SaslExchange["details"];
}

/** Whether the server refused the secret itself. */
function isRefusal({ reply, details }: Outcome): boolean {
  return reply.code === 535 || (reply.isPermanent && details !== undefined);
}

/** Exchanges on one connection. */
class Attempt {
  readonly #connection: SmtpConnection;
  readonly #signal: AbortSignal | undefined;

  constructor(connection: SmtpConnection, signal: AbortSignal | undefined) {
    this.#connection = connection;
    this.#signal = signal;
  }

  /** One exchange; one that ends while the server still waits for an answer ends the connection too. */
  async make(mechanism: SaslMechanism, about: Pick<SaslContext, "offered" | "channelBinding" | "wasRefused">): Promise<Outcome> {
    const { isSecure, options: { hostname, port } } = sessionOf(this.#connection);
    const { name } = mechanism;
    const exchange = await this.within(`Preparing ${name}`, async (signal) => {
      return await mechanism.start({ ...about, hostname, port, isSecure, signal, loadHmacMd5 });
    });
    try {
      const reply = await this.#prove(name, exchange);
      return { reply, details: exchange.details && this.#cleared(exchange.details) };
    } catch (error) {
      if (this.#connection.state === "auth") this.#connection.close();
      throw error;
    }
  }

  /** Runs a step that says nothing to the server; whatever goes wrong in it is an error of the library's. */
  async within<T>(what: string, step: (signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await this.#bounded(what, step);
    } catch (cause) {
      // The session has ended meanwhile, and says why.
      const failure = sessionOf(this.#connection).failureOf(AUTH);
      if (failure !== undefined) throw failure;
      throw cause instanceof SmtpError ? cause : new SmtpAuthError(`${what} failed`, { ...AUTH, cause });
    }
  }

  async #bounded<T>(what: string, step: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { ended, options: { clock, timeouts } } = sessionOf(this.#connection);
    const signal = AbortSignal.any([ended, ...(this.#signal === undefined ? [] : [this.#signal])]);
    return await bounded({ clock, timeout: timeouts.command, signal, what, facts: AUTH }, step);
  }

  /** What a server says of its refusal may be what it heard. */
  #cleared(details: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
    return Object.fromEntries(Object.entries(details).map(([name, value]) => [name, sessionOf(this.#connection).secrets.hide([value]).join("")]));
  }

  /** One exchange, to the server's last word. */
  async #prove(name: string, exchange: SaslExchange): Promise<Reply> {
    const connection = this.#connection;
    const options = { signal: this.#signal };
    let first = exchange.initialResponse;
    const isShort = first !== undefined && `AUTH ${name} ${encodeBase64(first)}\r\n`.length <= MAX_AUTH_LINE;
    let reply = await connection.auth(name, isShort ? first : undefined, options);
    if (isShort) first = undefined;
    for (let round = 0; reply.code === 334; round++) {
      const challenge = decodeBase64(reply.lines[0]?.trim() ?? "");
      let response: Uint8Array;
      try {
        if (round === MAX_ROUNDS) throw new SmtpAuthError(`The server asked more than ${MAX_ROUNDS} times`, AUTH);
        response = first ?? await this.#bounded(`The answer of the mechanism ${name}`, async () => await exchange.respond(challenge));
        if (response.length > MAX_RESPONSE) throw new SmtpAuthError("The answer to the server's challenge has no room in a line", AUTH);
        first = undefined;
      } catch (cause) {
        // The session has ended meanwhile, and says why.
        if (connection.isClosed) await connection.authCancel(options);
        // Given up by the caller, or by the clock: there is no time for courtesies.
        if (cause instanceof SmtpConnectionError) throw cause;
        const reply = await connection.authCancel(options);
        // One that says yes to this takes us for somebody all the same.
        if (!reply.isPermanent && !reply.isTransient) sessionOf(connection).close("The server did not let AUTH be cancelled");
        throw cause instanceof SmtpError ? cause : new SmtpAuthError(`AUTH ${name} was given up`, { ...AUTH, cause });
      }
      reply = await connection.authRespond(response, options);
    }
    if (reply.code === 235 && !(first === undefined && await this.#isProven(exchange, reply))) {
      sessionOf(connection).close("The server accepted credentials before it had them");
      throw new SmtpAuthError(`The server said yes to AUTH ${name} before it was proven`, { ...AUTH, reply });
    }
    if (reply.isIntermediate || (reply.isPositive && reply.code !== 235)) {
      sessionOf(connection).close("The server broke off AUTH");
      throw new SmtpProtocolError(`The server answered AUTH ${name} with ${reply}`, { ...AUTH, reply });
    }
    return reply;
  }

  /** Whether a 235 may be believed. RFC 4954 has no place in it for the last challenge; a proof that stands there all the same is none the worse. */
  async #isProven(exchange: SaslExchange, reply: Reply): Promise<boolean> {
    if (exchange.isComplete || exchange.conclude === undefined) return exchange.isComplete;
    const challenge = decodeBase64(reply.lines.at(-1)?.split(" ").at(-1) ?? "");
    if (challenge === undefined) return false;
    try {
      await this.#bounded("The proof of the server", async () => await exchange.conclude?.(challenge));
    } catch (cause) {
      if (cause instanceof SmtpConnectionError) throw cause;
    }
    return exchange.isComplete;
  }
}

/** Octets of an answer at most: as many as there is room for in a line, in base64. */
const MAX_RESPONSE = Math.floor((MAX_COMMAND_LINE - 2) / 4) * 3;

async function loadHmacMd5(): Promise<(key: Uint8Array, text: Uint8Array) => Uint8Array> {
  return (await import("./transport/node_crypto.ts")).nodeHmacMd5();
}

function namesOf(mechanisms: readonly KnownMechanism[]): string {
  return mechanisms.map(({ name }) => name).join(", ");
}

function refused(name: string, { reply, details }: Outcome): SmtpAuthError {
  const hint = reply.code === 530 || reply.code === 538
    ? "the server wants TLS first"
    : name.endsWith("-PLUS")
    ? "the server may not know this channel binding; forceMechanism without -PLUS does without one"
    : undefined;
  return new SmtpAuthError(`AUTH ${name} was refused: ${reply}`, { ...AUTH, command: `AUTH ${name}`, reply, details, hint });
}

function unsupported(message: string, phase: "auth" | "local"): SmtpUnsupportedError {
  return new SmtpUnsupportedError("unsupported", message, { phase });
}

const AUTH: SmtpErrorFacts = { phase: "auth" };
