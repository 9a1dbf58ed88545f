/**
 * A mail server in memory that keeps to the RFCs by a state machine of its own, stores what it takes, and misbehaves where a {@linkcode Fault} says so.
 * Its messages are told apart by their senders: number 7 comes from `m7@x.test`.
 */
import { setImmediate } from "node:timers";
import type { ConnectOptions, Dialer, Socket } from "@posthorn/smtp";
import { ModelSession } from "./model_session.ts";

/** A message that the server took. */
export interface Taken {
  readonly number: number;
  readonly from: string;
  readonly to: readonly string[];
  readonly content: string;
}

/** Where in its transaction a message meets a fault. `"content"` is the final dot or the last chunk. */
export type Moment = "rset" | "mail" | "rcpt" | "data" | "content";

/** Something that goes wrong, once or as often as it says. */
export interface Fault {
  /** The number of the message. */
  readonly message: number;
  readonly at: Moment;
  /** The one recipient it is about. */
  readonly to?: string;
  /** What is answered, in the place of a yes. A 421 ends the connection. */
  readonly says?: string;
  /** The connection ends: in the place of the reply, or behind it. */
  readonly hangsUp?: "before" | "behind";
  /** Nothing more is said on this connection. */
  readonly isSilent?: boolean;
  /** Whether a message that gets no reply is taken all the same. */
  readonly isTaken?: boolean;
  /** Whether a refused chunk leaves the transaction open (RFC 3030 section 2). */
  readonly staysOpen?: boolean;
  /** How often it happens; default once. */
  readonly times?: number;
}

/** What real servers do with what comes behind the end of a message in the same read: drop it, answer each line of it with 503, or crash. */
export type Temper = "Courier" | "Haraka" | "Dovecot";

export interface ModelOptions {
  /** Default PIPELINING. */
  readonly keywords?: readonly string[];
  readonly protocol?: "smtp" | "lmtp";
  readonly faults?: readonly Fault[];
  readonly temper?: Temper | undefined;
  /** Whether DATA is answered with 354 though nobody is left to send to. */
  readonly isLax?: boolean;
  /** Recipients of one transaction at most; more are answered with 452 4.5.3. */
  readonly maxRecipients?: number;
  /** How the replies are cut. */
  readonly delivery?: "whole" | "line" | "byte";
  /** When the replies leave: when what came was read, when the client has nothing more to say by itself, or when they are called for. */
  readonly pace?: "at once" | "round trip" | "held";
  /** Waits before a write of the client is done; default: it is done at once. */
  readonly onWrite?: () => Promise<void> | undefined;
  /** Whether a connection that ends loses the replies that are under way. */
  readonly resets?: boolean;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export class ModelServer {
  readonly options: ModelOptions;
  /** Every message that was taken, in order. */
  readonly taken: Taken[] = [];
  readonly connections: ModelConnection[] = [];
  readonly #left: Map<Fault, number>;

  constructor(options: ModelOptions = {}) {
    this.options = options;
    this.#left = new Map((options.faults ?? []).map((fault) => [fault, fault.times ?? 1]));
  }

  /** Opens one more connection. */
  readonly dial: Dialer = () => {
    const connection = new ModelConnection(this);
    this.connections.push(connection);
    return Promise.resolve(connection.socket);
  };

  /** Options that reach this server. */
  reached(more: ConnectOptions = {}): ConnectOptions {
    const { protocol = "smtp" } = this.options;
    return { hostname: "mx.example", tls: "none", name: "client.test", protocol, dial: this.dial, ...more };
  }

  /** The fault that `message` meets now, which counts as met. */
  meet(message: number, at: Moment, to?: string): Fault | undefined {
    for (const [fault, left] of this.#left) {
      if (fault.message !== message || fault.at !== at || left === 0 || (fault.to !== undefined && fault.to !== to)) continue;
      this.#left.set(fault, left - 1);
      return fault;
    }
    return undefined;
  }

  /** How often replies were handed over, on all connections: the client had to wait for each. */
  get roundTrips(): number {
    return this.connections.reduce((sum, { roundTrips }) => sum + roundTrips, 0);
  }

  /** Writes of the client on all connections. */
  get writes(): number {
    return this.connections.reduce((sum, { writes }) => sum + writes, 0);
  }

  /** The messages, in order, whose MAIL came before the reply to the end of another had left. */
  get riding(): readonly number[] {
    return this.connections.flatMap(({ session }) => session.riding);
  }

  /** How often an end of `message` came, on connections that stood or not. */
  endsOf(message: number): number {
    return this.connections.flatMap(({ session }) => session.ends).filter((number) => number === message).length;
  }

  /** The codes that were said, and left, of the end of `message`. */
  answersTo(message: number): readonly number[] {
    return this.connections.flatMap(({ answers }) => answers).filter(([number]) => number === message).map(([, code]) => code);
  }

  /** Hands over the replies that are held. */
  flush(): void {
    for (const connection of this.connections) connection.flush();
  }
}

/** One reply, and what it is about where it is the last word about a message. */
interface Said {
  readonly line: string;
  readonly endOf?: number | undefined;
}

/** One connection: the socket, and what crossed it. */
export class ModelConnection {
  readonly #server: ModelServer;
  readonly session: ModelSession;
  readonly socket: Socket;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #said: Said[] = [];
  #isFlushing = false;
  /** Whether the server has hung up, when its last words have left; and whether the client has. */
  isGone = false;
  isClosed = false;
  writes = 0;
  roundTrips = 0;
  /** Messages, and what was said of their ends, as far as it has left. */
  readonly answers: [number, number][] = [];

  constructor(server: ModelServer) {
    this.#server = server;
    this.session = new ModelSession(server, this);
    this.socket = {
      secureTransport: "starttls",
      readable: new ReadableStream<Uint8Array>({ start: (controller) => void (this.#controller = controller) }),
      writable: new WritableStream<Uint8Array>({ write: (octets) => this.#read(octets) }),
      close: () => {
        if (this.isClosed) return;
        this.isClosed = true;
        if (!this.isGone) this.#controller.error(new Error("closed by the client"));
      },
    };
    this.say("220 mx.example ESMTP");
    this.flush();
  }

  /** Whether the end of a message waits for its reply to leave. */
  get owesAnEnd(): boolean {
    return this.#said.some(({ endOf }) => endOf !== undefined);
  }

  say(line: string, endOf?: number): void {
    this.#said.push({ line, endOf });
  }

  /** What was said leaves, and then the connection has ended. */
  hangUp(): void {
    const { resets = false } = this.#server.options;
    if (!resets) this.flush();
    if (this.isGone || this.isClosed) return;
    this.isGone = true;
    if (resets) this.#controller.error(new Error("connection reset"));
    else this.#controller.close();
  }

  flush(): void {
    const said = this.#said;
    this.#said = [];
    if (said.length === 0 || this.isGone || this.isClosed) return;
    this.roundTrips++;
    for (const { line, endOf } of said) if (endOf !== undefined) this.answers.push([endOf, Number(line.slice(0, 3))]);
    const text = said.map(({ line }) => `${line}\r\n`).join("");
    for (const part of this.#cut(text)) this.#controller.enqueue(encoder.encode(part));
  }

  #cut(text: string): readonly string[] {
    const { delivery = "whole" } = this.#server.options;
    return delivery === "whole" ? [text] : delivery === "line" ? text.split(/(?<=\n)/) : [...text];
  }

  async #read(octets: Uint8Array): Promise<void> {
    const { pace = "at once", onWrite } = this.#server.options;
    if (this.isClosed) throw new Error("written after close");
    this.writes++;
    this.session.read(decoder.decode(octets));
    if (pace === "at once") this.flush();
    else if (pace === "round trip") this.#flushSoon();
    const waiting = onWrite?.();
    if (waiting !== undefined) await waiting;
  }

  #flushSoon(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    setImmediate(() => {
      this.#isFlushing = false;
      this.flush();
    });
  }
}
