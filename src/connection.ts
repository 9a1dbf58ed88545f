/** The low level: one method a verb. A verb resolves with the server's reply, whatever its code; only what ends the connection rejects. */
import { type MessageBody, prepareBody } from "./body.ts";
import { type BdatOptions, calling, type CallOptions, type DotStuffOptions, parametersOf, type PathOptions } from "./call.ts";
import { bdat } from "./chunks.ts";
import { openSession } from "./open_session.ts";
import { checkBoolean, checkMechanismName, checkOctets, checkTimeout, checkTlsOptions, type ConnectionOptions, resolveOptions } from "./options.ts";
import type { Session } from "./session/session.ts";
import type { SessionState } from "./session/state.ts";
import type { Command } from "./session/task.ts";
import type { TlsOptions } from "./transport/socket.ts";
import { encodeBase64 } from "./wire/base64.ts";
import { checkLine, commandLine, formatAttributes } from "./wire/command.ts";
import { assertOffered, Extensions } from "./wire/extensions.ts";
import { own } from "./wire/own.ts";
import { checkClientName, checkDomains, checkUrl, forwardPath, reversePath } from "./wire/path.ts";
import type { Reply } from "./wire/reply.ts";
import { wrong, wrongSecret } from "./wire/wrong.ts";

let sessionOf: (connection: SmtpConnection) => Session;

/**
 * A connection to a server, verb by verb.
 *
 * Verbs called in one tick leave in one write where the server offers PIPELINING, and one by one where it does not; either way each resolves with its
 * own reply. A verb that is not legal in the session's state throws an {@linkcode SmtpStateError} and changes nothing. Every verb rejects with a
 * `TypeError` before anything is written when its arguments have control characters, and with an {@linkcode SmtpConnectionError} or
 * {@linkcode SmtpProtocolError} when the connection ends before its reply.
 *
 * Source: RFC 5321 section 4.1, RFC 2920 section 3.1.
 *
 * @example
 * ```ts
 * import { SmtpConnection } from "@posthorn/smtp";
 *
 * async function send(hostname: string): Promise<void> {
 *   await using connection = await SmtpConnection.open({ hostname, port: 25, tls: "none" });
 *   await connection.ehlo("client.example");
 *   const [mail, rcpt] = await Promise.all([connection.mail("a@example.com"), connection.rcpt("b@example.com")]); // one write
 *   if (mail.isPositive && rcpt.isPositive && (await connection.data()).code === 354) {
 *     console.log(`${await connection.dotStuff("Subject: hello\r\n\r\nHello.\r\n")}`);
 *   }
 * }
 * ```
 */
export class SmtpConnection implements AsyncDisposable {
  readonly #session: Session;
  #disposal: Promise<void> | undefined;
  /** The server's greeting, whatever its code. */
  readonly greeting: Reply;

  static {
    sessionOf = (connection) => connection.#session;
  }

  private constructor(session: Session, greeting: Reply) {
    this.#session = session;
    this.greeting = greeting;
  }

  /**
   * Connects and reads the greeting. With `tls: "implicit"` TLS stands afterwards; with any other mode the connection is in the clear until
   * {@linkcode startTls} and {@linkcode upgrade}.
   *
   * @throws {TypeError} Or {RangeError}: an option is wrong. {SmtpConnectionError} There is no connection or no greeting.
   * {SmtpSecurityError} Implicit TLS failed.
   */
  static async open(options: ConnectionOptions): Promise<SmtpConnection> {
    const { session, greeting } = await openSession(resolveOptions(options));
    return new SmtpConnection(session, greeting);
  }

  /** What the server offers, by its last EHLO; nothing before it, after HELO, and after TLS was started. */
  get extensions(): Extensions {
    return this.#session.extensions;
  }

  /** Where the session stands, by the replies that have come. */
  get state(): SessionState {
    return this.#session.state;
  }

  /** Whether TLS stands. */
  get isSecure(): boolean {
    return this.#session.isSecure;
  }

  /** Whether the server has accepted credentials of ours. */
  get isAuthenticated(): boolean {
    return this.#session.isAuthenticated;
  }

  /** Whether the connection has ended; it is never used again. */
  get isClosed(): boolean {
    return this.#session.hasEnded;
  }

  /** EHLO `name`. A 2yz sets {@linkcode extensions} (RFC 5321 section 4.1.1.1). */
  async ehlo(name: string, options?: CallOptions): Promise<Reply> {
    return await this.#command("EHLO", checkClientName(name), options);
  }

  /**
   * LHLO `name`: the hello of LMTP. A 2yz sets {@linkcode extensions}, and from then on the server answers a message once for each recipient that it
   * accepted: the first reply comes with {@linkcode dotStuff} or {@linkcode bdat}, the others with {@linkcode receive}, to be called in the same tick
   * (RFC 2033 sections 4.1 and 4.2).
   */
  async lhlo(name: string, options?: CallOptions): Promise<Reply> {
    return await this.#command("LHLO", checkClientName(name), options);
  }

  /** HELO `name`. A 2yz clears {@linkcode extensions} (RFC 5321 section 4.1.1.1). */
  async helo(name: string, options?: CallOptions): Promise<Reply> {
    return await this.#command("HELO", checkClientName(name), options);
  }

  /** MAIL FROM:<`from`>, `""` being the null sender (RFC 5321 section 4.1.1.2). */
  async mail(from: string, options?: PathOptions): Promise<Reply> {
    return await this.#from("MAIL", from, options);
  }

  /** SEND FROM:<`from`>, to a terminal; historic (RFC 821 section 3.4). */
  async send(from: string, options?: PathOptions): Promise<Reply> {
    return await this.#from("SEND", from, options);
  }

  /** SOML FROM:<`from`>, to a terminal or else a mailbox; historic (RFC 821 section 3.4). */
  async soml(from: string, options?: PathOptions): Promise<Reply> {
    return await this.#from("SOML", from, options);
  }

  /** SAML FROM:<`from`>, to a terminal and a mailbox; historic (RFC 821 section 3.4). */
  async saml(from: string, options?: PathOptions): Promise<Reply> {
    return await this.#from("SAML", from, options);
  }

  /** RCPT TO:<`to`> (RFC 5321 section 4.1.1.3). */
  async rcpt(to: string, options?: PathOptions): Promise<Reply> {
    return await this.#command("RCPT", `TO:${forwardPath(to)}${parametersOf(options)}`, options);
  }

  /** DATA; behind a 354 comes {@linkcode dotStuff} (RFC 5321 section 4.1.1.4). */
  async data(options?: CallOptions): Promise<Reply> {
    return await this.#command("DATA", "", options);
  }

  /**
   * Sends `body` behind the 354 of {@linkcode data}: dots doubled, every line ended by CRLF, and the final dot. Resolves with the reply to the message.
   * One that comes before the final dot is the server's refusal, and the connection has ended.
   *
   * @throws {SmtpBodyError} When the body fails while it is read; the dot is not sent and the connection has ended. {SmtpConnectionError} With
   * `delivery: "unknown"` when the connection was lost after the final dot.
   */
  async dotStuff(body: MessageBody, options: DotStuffOptions = {}): Promise<Reply> {
    const { lineEndings = "normalize", signal, timeout }: DotStuffOptions = own(options);
    const content = prepareBody(body, lineEndings).open({ framing: "data", isEightBitAllowed: true, clock: this.#session.options.clock });
    return await this.#issue({ verb: ".", content, signal, timeout });
  }

  /**
   * BDAT: a chunk of the content, counted and as it is, in place of DATA. With `last` it ends the message, and its reply is the one to the message
   * (RFC 3030 section 2).
   *
   * @throws {SmtpUnsupportedError} The server does not offer CHUNKING: it would take the chunk for commands. {SmtpConnectionError} With
   * `delivery: "unknown"` when the connection was lost behind the last chunk.
   */
  async bdat(chunk: Uint8Array, options: BdatOptions = {}): Promise<Reply> {
    this.#assertOffered("CHUNKING");
    const { last = false, signal, timeout }: BdatOptions = own(options);
    // A copy, since the caller may use the array again before it is written.
    return await this.#issue({ ...bdat([new Uint8Array(checkOctets("chunk", chunk))], checkBoolean("last", last)), signal, timeout });
  }

  /**
   * BURL `url`: the server fetches a part of the content from an IMAP server itself, in place of a BDAT (RFC 4468 section 3).
   *
   * @throws {SmtpUnsupportedError} The server does not offer BURL.
   */
  async burl(url: string | URL, options: BdatOptions = {}): Promise<Reply> {
    this.#assertOffered("BURL");
    const { last = false, signal, timeout }: BdatOptions = own(options);
    const line = commandLine("BURL", `${checkUrl(url)}${checkBoolean("last", last) ? " LAST" : ""}`);
    return await this.#withUrl({ verb: last ? "BURL LAST" : "BURL", line, signal, timeout });
  }

  /** RSET (RFC 5321 section 4.1.1.5). */
  async rset(options?: CallOptions): Promise<Reply> {
    return await this.#command("RSET", "", options);
  }

  /** VRFY `text` (RFC 5321 section 4.1.1.6). */
  async vrfy(text: string, options?: CallOptions): Promise<Reply> {
    return await this.#command("VRFY", text, options);
  }

  /** EXPN `list` (RFC 5321 section 4.1.1.7). */
  async expn(list: string, options?: CallOptions): Promise<Reply> {
    return await this.#command("EXPN", list, options);
  }

  /** HELP, about `topic` where one is given (RFC 5321 section 4.1.1.8). */
  async help(topic?: string, options?: CallOptions): Promise<Reply> {
    return await this.#command("HELP", topic ?? "", options);
  }

  /** NOOP (RFC 5321 section 4.1.1.9). */
  async noop(options?: CallOptions): Promise<Reply> {
    return await this.#command("NOOP", "", options);
  }

  /** QUIT. A 2yz ends the connection (RFC 5321 section 4.1.1.10). */
  async quit(options?: CallOptions): Promise<Reply> {
    return await this.#command("QUIT", "", options);
  }

  /** TURN; historic. A 2yz makes the server the client, which this library is not: what is left is to close (RFC 821 section 3.8). */
  async turn(options?: CallOptions): Promise<Reply> {
    return await this.#command("TURN", "", options);
  }

  /** ATRN, for `domains` where some are given. A 2yz makes the server the client, as with {@linkcode turn} (RFC 2645 section 4). */
  async atrn(domains: readonly string[] = [], options?: CallOptions): Promise<Reply> {
    return await this.#command("ATRN", checkDomains(domains), options);
  }

  /**
   * XCLIENT with attributes of the client that the server should take us for: `{ ADDR: "192.0.2.1", NAME: "[UNAVAILABLE]" }`. A 2yz is a new greeting:
   * {@linkcode extensions} and login are forgotten, say EHLO again (Postfix, XCLIENT_README).
   */
  async xclient(attributes: Readonly<Record<string, string>>, options?: CallOptions): Promise<Reply> {
    return await this.#command("XCLIENT", formatAttributes(attributes), options);
  }

  /** XFORWARD with attributes of the client behind us, for the server's log (Postfix, XFORWARD_README). */
  async xforward(attributes: Readonly<Record<string, string>>, options?: CallOptions): Promise<Reply> {
    return await this.#command("XFORWARD", formatAttributes(attributes), options);
  }

  /** ETRN `node`: asks the server to deliver what it holds for it (RFC 1985 section 5). */
  async etrn(node: string, options?: CallOptions): Promise<Reply> {
    return await this.#command("ETRN", node, options);
  }

  /** STARTTLS; behind a 220 comes {@linkcode upgrade} (RFC 3207 section 4). */
  async startTls(options?: CallOptions): Promise<Reply> {
    return await this.#command("STARTTLS", "", options);
  }

  /**
   * Starts TLS on the connection, and forgets {@linkcode extensions}: say EHLO again. When it fails the connection has ended.
   *
   * @throws {SmtpSecurityError} The handshake or the certificate failed. {SmtpProtocolError} The server sent something in the clear behind its 220.
   * {SmtpStateError} TLS stands already, or a reply is owed. {SmtpUnsupportedError} The socket cannot.
   */
  async upgrade(tls?: TlsOptions, options?: Pick<CallOptions, "signal">): Promise<void> {
    await this.#session.upgrade(tls && checkTlsOptions(tls), calling(options).signal);
  }

  /**
   * AUTH `mechanism`, with an initial response in octets where the mechanism has one; behind a 334 comes {@linkcode authRespond} or
   * {@linkcode authCancel}. Neither line nor reply enters a log (RFC 4954 section 4).
   */
  async auth(mechanism: string, initialResponse?: Uint8Array, options?: CallOptions): Promise<Reply> {
    const name = commandLine("AUTH", checkMechanismName(mechanism));
    // An empty initial response is written "=", to be told from none.
    const response = initialResponse === undefined ? "" : ` ${encodeBase64(checkSecret("initialResponse", initialResponse)) || "="}`;
    return await this.#secret("AUTH", name + response, response === "" ? name : `${name} ***`, options);
  }

  /** The answer to a 334, in octets (RFC 4954 section 4). */
  async authRespond(response: Uint8Array, options?: CallOptions): Promise<Reply> {
    return await this.#respond(encodeBase64(checkSecret("response", response)), options);
  }

  /** Answers a 334 with `*`: the client gives the exchange up (RFC 4954 section 4). */
  async authCancel(options?: CallOptions): Promise<Reply> {
    return await this.#respond("*", options);
  }

  /** Any command: `verb`, a space, `args`. A verb the library knows obeys the same rules as its own method (RFC 5321 section 2.4). */
  async command(verb: string, args: string = "", options?: CallOptions): Promise<Reply> {
    const line = commandLine(verb, args);
    const known = `${verb.toUpperCase()}${/^B(DAT|URL) .*\sLAST\s*$/i.test(line) ? " LAST" : ""}`;
    if (known === "AUTH") return await this.#secret(known, line, "AUTH ***", options);
    return await this.#withUrl({ verb: known, line, ...calling(options) });
  }

  /** Writes octets as they are. They pass no check; replies to them are read with {@linkcode receive}. Resolves when the socket has taken them. */
  async sendRaw(octets: Uint8Array, options?: Pick<CallOptions, "signal">): Promise<void> {
    await this.#session.issue({ verb: "raw", payload: [checkOctets("octets", octets)], isAnswered: false, signal: calling(options).signal });
  }

  /** Waits for one reply that no verb of this class asked for. */
  async receive(options?: CallOptions): Promise<Reply> {
    return await this.#issue({ verb: "receive", ...calling(options) });
  }

  /** Takes `extensions` for what the server offers, for one that says it in no EHLO: `["PIPELINING", "SIZE 1000000"]`. */
  setExtensions(extensions: Iterable<string>): void {
    if (typeof extensions === "string") throw wrong("extensions", "a list of lines", extensions);
    this.#session.extensions = new Extensions(extensions);
  }

  /** Takes the server for one that offers nothing. */
  clearExtensions(): void {
    this.#session.extensions = new Extensions();
  }

  /** Closes the socket at once; whatever waits rejects with an {@linkcode SmtpConnectionError} of kind `closed`. */
  close(): void {
    this.#session.close();
  }

  /** QUIT, and close whatever comes of it; once, however often it is called. Resolves when the socket has closed. */
  async [Symbol.asyncDispose](): Promise<void> {
    await (this.#disposal ??= this.#dispose());
  }

  async #dispose(): Promise<void> {
    try {
      if (!this.isClosed) await this.quit();
    } catch {
      // QUIT is a courtesy: what was sent is sent (RFC 5321 section 4.1.1.10).
    } finally {
      this.close();
      await this.#session.closed();
    }
  }

  #assertOffered(keyword: string): void {
    if (!this.isClosed) assertOffered(this.extensions, keyword);
  }

  async #from(verb: string, from: string, options: PathOptions | undefined): Promise<Reply> {
    return await this.#command(verb, `FROM:${reversePath(from)}${parametersOf(options)}`, options);
  }

  async #respond(text: string, options: CallOptions | undefined): Promise<Reply> {
    return await this.#secret("auth response", text, "***", options);
  }

  async #secret(verb: string, line: string, label: string, options: CallOptions | undefined): Promise<Reply> {
    checkLine(line, label);
    this.#session.secrets.hear(line);
    return await this.#issue({ verb, label, secrets: this.#session.secrets, line, ...calling(options) });
  }

  /** A line that may have a URL in it: whoever learns the token behind its URLAUTH may fetch what it names. */
  async #withUrl({ line, ...command }: Command & { readonly line: string }): Promise<Reply> {
    const [, token] = /;urlauth=[^\s:]*:[^\s:]*:(\S+)/i.exec(checkLine(line)) ?? [];
    if (token === undefined) return await this.#issue({ ...command, line });
    this.#session.secrets.add(token);
    return await this.#issue({ ...command, line, label: line.replace(token, "***"), secrets: this.#session.secrets });
  }

  async #command(verb: string, args: string, options: CallOptions | undefined): Promise<Reply> {
    const line = commandLine(verb, args);
    return await this.#issue({ verb, line: checkLine(line), ...calling(options) });
  }

  async #issue(command: Command): Promise<Reply> {
    if (command.timeout !== undefined) checkTimeout("timeout", command.timeout);
    // It is never skipped, so it has a reply.
    return (await this.#session.issue(command))!;
  }
}

/** @throws {TypeError} When `octets` are none. They are not in the message. */
function checkSecret(name: string, octets: Uint8Array): Uint8Array {
  if (octets instanceof Uint8Array) return octets;
  throw wrongSecret(`${name} in AUTH`, "a Uint8Array");
}

/** The session behind `connection`, for the high level, which speaks on the same one. */
export { sessionOf };
