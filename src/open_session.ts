/** From options to a session that was greeted: dialling, implicit TLS and the greeting, all within one budget of time. */
import { SmtpConnectionError, SmtpError, type SmtpErrorFacts, SmtpSecurityError } from "./errors.ts";
import type { Settings } from "./options.ts";
import { bounded } from "./session/bounded.ts";
import { toldAnew } from "./session/failures.ts";
import { Session } from "./session/session.ts";
import { checkSocket, closeQuietly, type DialOptions, messageOf, type Socket, type SocketInfo } from "./transport/socket.ts";
import type { Reply } from "./wire/reply.ts";

/** What {@linkcode openSession} resolves with. */
export interface OpenSession {
  readonly session: Session;
  readonly greeting: Reply;
}

/**
 * Opens a session and reads the greeting, whatever its code.
 *
 * @throws {SmtpConnectionError} When there is no connection or no greeting. {SmtpSecurityError} When implicit TLS failed.
 */
export async function openSession(settings: Settings): Promise<OpenSession> {
  const { hostname, port, path, tls, tlsOptions, pipelining, timeouts, clock, trace, signal } = settings;
  const deadline = clock.now() + timeouts.greeting;
  const { socket, info } = await openSocket(settings);
  // A socket that does not say whether TLS stands is taken at the word of a caller who named implicit TLS.
  const isSecure = socket.secureTransport === "on" || (socket.secureTransport === undefined && tls === "implicit" && settings.isTlsNamed);
  if (tls === "implicit" && !isSecure) {
    closeQuietly(socket);
    throw new SmtpSecurityError("insecure", "Implicit TLS was asked for, and the socket has none and cannot start it", CONNECT);
  }
  const isLocal = path !== undefined;
  const session = new Session(socket, { hostname, port, tlsOptions, isSecure, isLocal, info, pipelining, timeouts, clock, trace });
  const hint = port === 465 && tls !== "implicit" ? 'port 465 speaks TLS from the first byte: use tls: "implicit"' : undefined;
  try {
    const greeting = await session.issue({
      verb: "greeting",
      timeout: Math.min(timeouts.greeting, Math.max(1, deadline - clock.now())),
      signal,
      about: () => ({ hint }),
    });
    return { session, greeting: greeting! };
  } catch (error) {
    session.close();
    throw error;
  }
}

async function openSocket(settings: Settings): Promise<{ readonly socket: Socket; readonly info: SocketInfo }> {
  const { clock, hostname, port, path, timeouts, signal, tls } = settings;
  const what = `Connecting to ${path ?? `${hostname}:${port}`}`;
  const timeout = Math.min(timeouts.connect, timeouts.greeting);
  let socket = settings.socket;
  try {
    return await bounded({ clock, timeout, signal, what, facts: CONNECT }, async (signal) => {
      // Whoever waits for this has gone when the signal fires, so what comes afterwards is closed here.
      const owned = (name: string, given: Socket) => {
        const fresh = socket = checkSocket(name, given);
        if (signal.aborted) closeQuietly(fresh);
        return fresh;
      };
      let current = socket ?? owned("what dial gave", await settings.dial(dialOptions(settings, signal)));
      // A tunnel stands in the clear; implicit TLS begins inside it.
      if (tls === "implicit" && current.secureTransport !== "on" && current.startTls !== undefined) {
        const serverName = settings.tlsOptions.serverName ?? hostname;
        current = owned("what startTls gave", await current.startTls({ ...settings.tlsOptions, serverName, signal }));
      }
      return { socket: current, info: await current.opened ?? {} };
    });
  } catch (cause) {
    if (socket !== undefined) closeQuietly(socket);
    throw connectError(cause, what, settings);
  }
}

function dialOptions(settings: Settings, signal: AbortSignal): DialOptions {
  const { hostname, port, path, tls, tlsOptions } = settings;
  const secureTransport = tls === "implicit" ? "on" : path === undefined ? "starttls" : "off";
  return { hostname, port, ...(path !== undefined && { path }), secureTransport, tls: tlsOptions, signal };
}

function connectError(cause: unknown, what: string, { tls, port }: Settings): unknown {
  const hint = tls === "implicit" && port !== 465 ? `port ${port} may speak STARTTLS, and implicit TLS was asked for` : undefined;
  if (cause instanceof SmtpSecurityError && hint !== undefined) return toldAnew(cause, { ...CONNECT, hint, cause });
  if (cause instanceof SmtpError || cause instanceof TypeError || cause instanceof RangeError) return cause;
  return new SmtpConnectionError("connect", `${what} failed: ${messageOf(cause)}`, { ...CONNECT, hint, cause });
}

const CONNECT: SmtpErrorFacts = { phase: "connect" };
