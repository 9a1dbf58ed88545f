/** From options to a client that is ready to send. */
import { mayRedial, SmtpClient } from "./client.ts";
import { sessionOf, SmtpConnection } from "./connection.ts";
import { SmtpReplyError, SmtpSecurityError } from "./errors.ts";
import { type ConnectOptions, optionsOfUrl, resolveOptions } from "./options.ts";
import { own } from "./wire/own.ts";

/**
 * Connects, says hello, starts TLS and logs in, as the options say, and resolves with a client that is ready to send. By default TLS is required, and
 * credentials never travel without it.
 *
 * Source: RFC 5321 sections 3.1 and 3.2, RFC 3207, RFC 4954, RFC 8314 section 3.
 *
 * @param target Options, or a URL: `smtps://user:password@mail.example.com` (implicit TLS, port 465), `smtp://mail.example.com:587` (STARTTLS),
 * `lmtp://mail.example.com:24`, `lmtp+unix:///run/lmtp`.
 * @param options With a URL: the rest of the options, which outrank it.
 * @returns A client that owns the connection.
 * @throws {TypeError} Or {RangeError}: an option is wrong; nothing was dialled. {SmtpConnectionError} There is no connection. {SmtpSecurityError} There
 * is no TLS, or none that can be trusted. {SmtpReplyError} The server refused. {SmtpAuthError} It refused the credentials. {SmtpUnsupportedError} It
 * takes no credentials. {SmtpProtocolError} It broke the protocol.
 *
 * @example
 * ```ts
 * import { connect } from "@posthorn/smtp";
 *
 * async function ready(password: string): Promise<boolean> {
 *   await using client = await connect({ hostname: "mail.example.com", auth: { username: "alice", password } });
 *   return client.extensions.has("PIPELINING");
 * }
 * ```
 */
export async function connect(target: string | URL | ConnectOptions, options: ConnectOptions = {}): Promise<SmtpClient> {
  const isUrl = typeof target === "string" || target instanceof URL;
  // A copy, since it is read several times: what was checked is what counts.
  const given: ConnectOptions = isUrl ? own({ ...optionsOfUrl(target), ...own(options) }) : own(target);
  const client = await openClient(given);
  // A socket that was handed over cannot be dialled again. The signal that was given is of no account where a call of another's needs the connection.
  if (given.socket === undefined) mayRedial(client, (signal) => openClient(own({ ...given, signal })));
  return client;
}

/** {@linkcode connect}, for a connection that is never replaced by another. */
export async function openClient(given: ConnectOptions): Promise<SmtpClient> {
  const { signal, tls, path, auth, name, allowCleartextAuth, protocol } = resolveOptions(given);
  const connection = await SmtpConnection.open(given);
  const client = new SmtpClient(connection, { allowCleartextAuth, protocol, ...(name !== undefined && { name }) });
  try {
    const needsTls = tls === "starttls" && !client.isSecure;
    await client.hello({ signal, isEsmtpRequired: needsTls || auth !== undefined });
    if (needsTls) await client.startTls({ signal });
    else if (tls === "opportunistic" && !client.isSecure) await startTlsIfOffered(client, signal);
    if (auth !== undefined) {
      // Whoever cut STARTTLS out is not to have a proof either by which passwords can be tried.
      if (tls === "opportunistic" && !client.isSecure && path === undefined && !allowCleartextAuth) throw withoutTls();
      await client.login(auth, { signal });
    }
    // Where there is no TLS to be started, what the server says unasked from here on must not be taken for the reply to the next command.
    if (!client.isClosed && !client.extensions.has("STARTTLS")) sessionOf(connection).watch();
    return client;
  } catch (error) {
    await client.quit({ signal });
    throw error;
  }
}

/** A server that offers STARTTLS and then says no is as good as one that does not offer it; one whose handshake fails is not. */
async function startTlsIfOffered(client: SmtpClient, signal: AbortSignal | undefined): Promise<void> {
  if (!client.extensions.has("STARTTLS")) return;
  try {
    await client.startTls({ signal });
  } catch (error) {
    if (client.isClosed || !(error instanceof SmtpReplyError)) throw error;
  }
}

function withoutTls(): SmtpSecurityError {
  return new SmtpSecurityError("insecure", "Nobody is to log in without TLS, and the server starts none", {
    phase: "auth",
    hint: "use TLS, or say allowCleartextAuth",
  });
}
