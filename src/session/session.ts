/**
 * A session: the pipeline, the table's state, and what the server can do. Every command goes through {@linkcode Session.issue}, which judges it by
 * the table, hands it to the pipeline, and moves the state by its reply before anybody else sees that reply.
 */
import {
  type Delivery,
  SmtpBodyError,
  SmtpConnectionError,
  type SmtpError,
  type SmtpErrorFacts,
  SmtpProtocolError,
  SmtpStateError,
} from "../errors.ts";
import type { ChannelBinding, Socket, SocketInfo, TlsOptions } from "../transport/socket.ts";
import { Extensions, parseEhlo } from "../wire/extensions.ts";
import type { Reply } from "../wire/reply.ts";
import { Secrets } from "../wire/secrets.ts";
import { bounded } from "./bounded.ts";
import { Channel } from "./channel.ts";
import type { Clock } from "./clock.ts";
import { aborted } from "./failures.ts";
import { checkSignal } from "./signal.ts";
import { Pipeline } from "./pipeline.ts";
import { after, hoped, type Rule, ruleOf, type SessionState } from "./state.ts";
import { type Command, Issued, type Task, type TaskOwner } from "./task.ts";
import type { Timeouts } from "./timeouts.ts";
import type { Trace } from "./trace.ts";

/** What a session has to know of its connection. */
export interface SessionOptions {
  readonly hostname: string;
  readonly port: number;
  readonly tlsOptions: TlsOptions;
  readonly isSecure: boolean;
  /** Whether the peer is reached by no network, so that nobody can listen. */
  readonly isLocal: boolean;
  readonly info: SocketInfo;
  readonly pipelining: boolean;
  readonly timeouts: Timeouts;
  readonly clock: Clock;
  readonly trace?: Trace | undefined;
}

/** See the head of the file. */
export class Session implements TaskOwner {
  readonly options: SessionOptions;
  readonly #channel: Channel;
  readonly #pipeline: Pipeline;
  /** Made when somebody asks: an abort is dear, and most sessions end unwatched. */
  #ended: AbortController | undefined;
  /** The signals that are listened to, and the commands each would end. */
  readonly #signals = new Map<AbortSignal, { readonly tasks: Set<Task>; readonly onAbort: () => void }>();
  #state: SessionState = "start";
  #predicted: SessionState | undefined = "start";
  #extensions = new Extensions();
  #isSecure: boolean;
  #isAuthenticated = false;
  #isLmtp = false;
  #mails = 0;
  #hasTakenMail = false;
  /** Whether octets of the caller's own were written since the last command. */
  #isByHand = false;

  #secrets: Secrets | undefined;

  constructor(socket: Socket, options: SessionOptions) {
    this.options = options;
    this.#isSecure = options.isSecure;
    const { timeouts, clock, trace } = options;
    this.#channel = new Channel(socket);
    this.#pipeline = new Pipeline(this.#channel, this, { timeouts, clock, trace });
    this.#pipeline.trace({ type: "connect", secure: options.isSecure });
  }

  /** What was told to the server in confidence. */
  get secrets(): Secrets {
    return this.#secrets ??= new Secrets();
  }

  /** Fires when the session has ended. */
  get ended(): AbortSignal {
    this.#ended ??= new AbortController();
    if (this.hasEnded) this.#ended.abort();
    return this.#ended.signal;
  }

  /** Where the session stands by the replies that came. */
  get state(): SessionState {
    return this.#state;
  }

  get hasEnded(): boolean {
    return this.#pipeline.hasEnded;
  }

  /** Whether QUIT was said. */
  get isQuitting(): boolean {
    return this.#predict() === "over";
  }

  /** Why the session has ended, for whoever says the facts; `undefined` while it has not. */
  failureOf(facts: SmtpErrorFacts): SmtpError | undefined {
    return this.#pipeline.failureOf(facts);
  }

  /** How many transactions were begun and not refused yet, for a server that limits them (RFC 9422 section 4.1). */
  get mails(): number {
    return this.#mails;
  }

  /** Whether the server said yes to a MAIL of ours. */
  get hasTakenMail(): boolean {
    return this.#hasTakenMail;
  }

  /** Whether commands may be written behind others: the server offers PIPELINING and the caller allows it. */
  get isPipelining(): boolean {
    return this.#pipeline.isPipelining;
  }

  get isSecure(): boolean {
    return this.#isSecure;
  }

  /** Whether the server said 235 to an AUTH of ours. */
  get isAuthenticated(): boolean {
    return this.#isAuthenticated;
  }

  /** Whether the server was greeted with LHLO, so that each recipient has a reply of its own behind the message (RFC 2033 section 4.2). */
  get isLmtp(): boolean {
    return this.#isLmtp;
  }

  get extensions(): Extensions {
    return this.#extensions;
  }

  set extensions(extensions: Extensions) {
    this.#extensions = extensions;
    this.#pipeline.isPipelining = this.options.pipelining && extensions.has("PIPELINING");
  }

  /**
   * Issues `command` and resolves with its reply, whatever its code; with `undefined` when it was skipped, or when none is owed.
   *
   * @throws {SmtpStateError} When the verb is not legal where the server will find it; nothing has changed then.
   */
  issue(command: Command): Promise<Reply | undefined> {
    return new Promise((resolve, reject) => this.put(new Issued(command, resolve, reject)));
  }

  /** The same as {@linkcode Session.issue}, for whoever asks for many: `task` itself is told what comes of it. */
  put(task: Task): void {
    const { verb, rule, signal, isOwed } = task;
    const found = this.#predict();
    try {
      if (!isOwed) this.assertLegal(verb, task.label);
      checkSignal(signal);
      if (signal?.aborted) throw aborted(signal.reason)(task.facts);
    } catch (error) {
      return task.fail(error);
    }
    if (task.timeout === 0) task.timeout = this.options.timeouts[rule.timeout];
    task.delivery = this.#deliveryOf(verb);
    if (!isOwed) this.#predicted = hoped(found, rule);
    if (rule.phase === "mail") this.#mails++;
    if (signal !== undefined) this.#listen(signal, task);
    this.#pipeline.enqueue(task, isOwed);
  }

  /** See {@linkcode TaskOwner}. */
  get isContentDue(): boolean {
    return this.#state === "data";
  }

  /** See {@linkcode TaskOwner}. */
  verdict(task: Task): "skip" | SmtpError | undefined {
    if (task.mayBeSkipped()) return "skip";
    if (task.hasShrunk) return new SmtpBodyError(`The octets of ${task.label} are gone`, task.facts);
    const { verb, rule, label } = task;
    const mustFit = MUST_FIT.has(verb) || (this.#state === "data" && !this.#pipeline.isAwaiting);
    return mustFit && !rule.legal.includes(this.#state) ? illegal(verb, label, this.#state) : undefined;
  }

  /** See {@linkcode TaskOwner}. */
  settle(task: Task, reply: Reply | undefined): void {
    if (task.signal !== undefined) this.#unlisten(task.signal, task);
    this.#step(task.verb, task.rule, reply);
    if (reply !== undefined) task.onReply(reply, task.delivery);
    task.settle(reply);
  }

  /** See {@linkcode TaskOwner}. */
  fail(task: Task, error: SmtpError): void {
    if (task.signal !== undefined) this.#unlisten(task.signal, task);
    this.#predicted = undefined;
    task.fail(error);
  }

  /** See {@linkcode TaskOwner}. */
  end(): void {
    this.#state = "over";
    this.#ended?.abort();
  }

  /** @throws {SmtpStateError} When `verb` is not legal where the server would find it. */
  assertLegal(verb: string, label: string = verb): void {
    const { legal, phase } = ruleOf(verb);
    const found = this.#predict();
    // A session that has ended says why it did, so there the pipeline answers.
    if (this.hasEnded) return;
    if (!legal.includes(found)) throw illegal(verb, label, found);
    // RFC 2554 section 4, as in its successor: behind one that succeeded there is no other in the same session.
    if (verb === "AUTH" && this.#isAuthenticated) throw new SmtpStateError("The session is logged in already", { phase, command: label });
    if (verb !== "STARTTLS" || !(this.#isSecure || this.#pipeline.isWatching)) return;
    const why = this.#isSecure ? "it stands already" : "the connection has been used for mail or AUTH";
    throw new SmtpStateError(`TLS cannot be started any more: ${why}`, { phase, command: label });
  }

  /**
   * Starts TLS; what the server said in the clear about its extensions is forgotten (RFC 3207 section 4.2).
   *
   * @throws {SmtpStateError} When a reply is owed, or TLS stands already.
   */
  async upgrade(tls: TlsOptions = {}, signal?: AbortSignal): Promise<void> {
    if (!this.hasEnded && (this.#isSecure || !this.#pipeline.isUpgradable)) {
      const why = this.#isSecure ? "it stands already" : "the connection is in use";
      throw new SmtpStateError(`TLS cannot be started: ${why}`, { phase: "starttls" });
    }
    const { hostname, tlsOptions } = this.options;
    const options = { ...tlsOptions, ...tls };
    await this.#pipeline.upgrade({ ...options, serverName: options.serverName ?? hostname }, signal);
    if (this.hasEnded) return;
    this.#isSecure = true;
    this.extensions = new Extensions();
    this.#state = this.#predicted = "greeted";
    this.#pipeline.watch();
  }

  /** What an exchange can be tied to: the TLS connection below, where there is one and the socket can tell. */
  async channelBinding(): Promise<ChannelBinding | undefined> {
    return this.#isSecure ? await this.#channel.channelBinding() : undefined;
  }

  /** Ends the session and closes the socket; what waits is told so. */
  close(message = "The connection was closed"): void {
    this.#pipeline.fail((facts) => new SmtpConnectionError("closed", message, facts));
  }

  /** The same, since the server has broken the protocol. */
  breach(message: string): void {
    this.#pipeline.fail((facts) => new SmtpProtocolError(message, facts));
  }

  /** Resolves when the socket of a session that has ended has closed; one that takes its time about it is not waited for longer than for QUIT. */
  async closed(): Promise<void> {
    const { clock, timeouts: { quit } } = this.options;
    await bounded({ clock, timeout: quit, what: "Closing", facts: { phase: "quit" } }, () => this.#channel.closed).catch(() => {});
  }

  /** Reads on while nothing is owed, from now on: nobody will start TLS any more. */
  watch(): void {
    this.#pipeline.watch();
  }

  /** One listener a signal, however many commands it is for: a message to a hundred recipients is one thing to give up. */
  #listen(signal: AbortSignal, task: Task): void {
    const known = this.#signals.get(signal);
    if (known !== undefined) return void known.tasks.add(task);
    const tasks = new Set([task]);
    const onAbort = () => [...tasks].forEach((task) => this.#pipeline.abort(task, signal.reason));
    signal.addEventListener("abort", onAbort);
    this.#signals.set(signal, { tasks, onAbort });
  }

  #unlisten(signal: AbortSignal, task: Task): void {
    const known = this.#signals.get(signal);
    if (known === undefined || !known.tasks.delete(task) || known.tasks.size > 0) return;
    signal.removeEventListener("abort", known.onAbort);
    this.#signals.delete(signal);
  }

  #predict(): SessionState {
    if (this.#predicted !== undefined) return this.#predicted;
    let state = this.#state;
    for (const { isOwed, rule } of this.#pipeline) if (!isOwed) state = hoped(state, rule);
    return this.#predicted = state;
  }

  /** Content that the caller wrote by hand may have reached its end, for all we know. */
  #deliveryOf(verb: string): Delivery {
    const isByHand = verb === "raw" || (verb === "receive" && this.#isByHand);
    this.#isByHand = isByHand;
    return isByHand || verb === RECIPIENT_REPLY ? "unknown" : "not-sent";
  }

  #step(verb: string, rule: Rule, reply: Reply | undefined): void {
    if (this.hasEnded) return;
    const hope = hoped(this.#state, rule);
    if (reply !== undefined) this.#state = after(this.#state, rule, reply);
    if (this.#state !== hope || verb === RECIPIENT_REPLY) this.#predicted = undefined;
    if (reply === undefined || !reply.isPositive) {
      if (rule.phase === "mail") this.#mails--;
      return;
    }
    if (rule.phase === "mail") this.#hasTakenMail = true;
    if (rule.phase === "ehlo") this.extensions = parseEhlo(reply);
    if (rule.phase === "helo" || verb === "XCLIENT") this.extensions = new Extensions();
    if (rule.phase === "ehlo" || rule.phase === "helo") this.#isLmtp = verb === "LHLO";
    if (rule.phase === "auth" || verb === "XCLIENT") this.#isAuthenticated = reply.code === 235;
    // Once nobody will start TLS, a server that hangs up is noticed while nothing is owed.
    if (this.#isSecure || rule.phase === "auth" || rule.phase === "mail") this.#pipeline.watch();
  }
}

/** The row of the table for what LMTP says of each further recipient. */
export const RECIPIENT_REPLY = "recipient's reply";

/**
 * What is no command: written where the server expects a command, it would become one. The commands before it may have failed since it was queued,
 * so its place is checked again when it is written; nothing is awaited then, and the state is exact. In the same way a command would become content
 * where the content that it was queued behind was given up.
 */
const MUST_FIT: ReadonlySet<string> = new Set([".", "auth response"]);

function illegal(verb: string, label: string, state: SessionState): SmtpStateError {
  return new SmtpStateError(`${label} is not legal here: the session is in the state "${state}"`, { phase: ruleOf(verb).phase, command: label });
}
