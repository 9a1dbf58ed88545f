/**
 * What is said on a socket before it is handed on: a few octets out, a few octets back, in lockstep. It reads only when octets are wanted, so when the
 * socket is handed on no read is pending and TLS can begin; what came behind the last answer is handed on with it.
 */
import { SmtpConnectionError, SmtpProtocolError, SmtpUnsupportedError } from "../errors.ts";
import { withDirect } from "../transport/direct.ts";
import { closeQuietly, messageOf, type Socket, type SocketInfo, type StartTlsOptions } from "../transport/socket.ts";
import { concat, LF } from "../wire/octets.ts";

/** See the head of the file. */
export class Exchange {
  /** Whom it is said to, in the words of an error: `the proxy 192.0.2.1:1080`. */
  readonly peer: string;
  readonly #socket: Socket;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  /** The rest of the last chunk: never more than the socket gave at once. */
  #unread: Uint8Array = new Uint8Array(0);

  /** Takes `socket`, until {@linkcode release}. */
  constructor(socket: Socket, peer: string) {
    this.peer = peer;
    this.#socket = socket;
    this.#reader = socket.readable.getReader();
    this.#writer = socket.writable.getWriter();
    // Every write is awaited; that the stream as a whole has failed is no news then.
    this.#writer.closed.catch(() => {});
  }

  /** What is known of the connection. */
  async info(): Promise<SocketInfo> {
    return await this.#socket.opened ?? {};
  }

  /**
   * Writes `octets` at once.
   *
   * @throws {SmtpProtocolError} When the peer has answered already what it was not asked yet. {SmtpConnectionError} When the connection is lost.
   */
  async write(octets: Uint8Array): Promise<void> {
    if (this.#unread.length > 0) throw this.broken("it answered before it was asked");
    try {
      await this.#writer.write(octets);
    } catch (cause) {
      throw this.#lost(cause);
    }
  }

  /**
   * The next `length` octets.
   *
   * @throws {SmtpConnectionError} When the connection ends before.
   */
  async take(length: number): Promise<Uint8Array> {
    while (this.#unread.length < length) await this.#fill();
    return this.#cut(length);
  }

  /**
   * The next line, its end included.
   *
   * @throws {SmtpProtocolError} When it has more than `limit` octets. {SmtpConnectionError} When the connection ends before.
   */
  async takeLine(limit: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for (let length = 0;;) {
      const lf = this.#unread.indexOf(LF);
      const part = this.#cut(lf < 0 ? this.#unread.length : lf + 1);
      length += part.length;
      if (length > limit) throw this.broken("its answer has no end");
      parts.push(part);
      if (lf >= 0) return concat(parts);
      await this.#fill();
    }
  }

  /**
   * Hands the socket on. What was not taken is the first that its reader reads.
   *
   * @param opened What is known of the connection, where the socket does not say it itself.
   */
  release(opened?: SocketInfo): Socket {
    const socket = this.#socket;
    const rest = this.#unread;
    this.#reader.releaseLock();
    this.#writer.releaseLock();
    const held = rest.length === 0 ? undefined : new HeldBack(rest, socket.readable);
    const info = opened === undefined ? socket.opened : Promise.resolve(opened);
    const startTls = async (options: StartTlsOptions) => {
      if (socket.startTls === undefined) throw noTlsInside(this.peer);
      if (held !== undefined && !held.letGo()) {
        closeQuietly(socket);
        throw new SmtpProtocolError("The server sent octets in the clear before TLS was started", { phase: "connect" });
      }
      return await socket.startTls(options);
    };
    return withDirect({
      readable: held?.stream ?? socket.readable,
      writable: socket.writable,
      // Never "on": what protects the way to the peer does not protect the way from there to the server.
      secureTransport: socket.startTls === undefined ? "off" : "starttls",
      ...(info && { opened: info }),
      ...((socket.startTls !== undefined || socket.secureTransport === "on") && { startTls }),
      close: () => socket.close(),
      // Past what was read early there is a way by the stream alone.
    }, held === undefined ? socket.direct : undefined);
  }

  /** Closes the socket at once. */
  close(): void {
    // Not before: workerd forgets to close a socket whose writer is aborted meanwhile, until the request ends.
    closeQuietly(this.#socket).then(() => {
      // A socket that closes by its streams cannot: we hold their locks.
      this.#reader.cancel().catch(() => {});
      this.#writer.abort().catch(() => {});
    });
  }

  /** The error of a peer that does not keep to its protocol. */
  broken(how: string, hint?: string): SmtpProtocolError {
    return new SmtpProtocolError(`The answer of ${this.peer} cannot be understood: ${how}`, { phase: "connect", hint });
  }

  async #fill(): Promise<void> {
    const chunk = await this.#reader.read().catch((cause: unknown) => {
      throw this.#lost(cause);
    });
    if (chunk.done) throw this.#lost("it ended before there was an answer");
    this.#unread = concat(this.#unread.length === 0 ? [chunk.value] : [this.#unread, chunk.value]);
  }

  #cut(length: number): Uint8Array {
    const octets = this.#unread.subarray(0, length);
    this.#unread = this.#unread.subarray(length);
    return octets;
  }

  #lost(cause: unknown): SmtpConnectionError {
    return new SmtpConnectionError("connect", `The connection to ${this.peer} was lost: ${messageOf(cause)}`, { phase: "connect", cause });
  }
}

/** Why TLS cannot begin on the socket that leads to `peer`. */
export function noTlsInside(peer: string): SmtpUnsupportedError {
  return new SmtpUnsupportedError("unsupported", `TLS cannot be started inside the connection to ${peer}: this runtime's sockets do not nest it`, {
    phase: "connect",
    hint: 'reach the proxy without TLS of its own, or with the dialer dialNode of "@posthorn/smtp/transport/node"',
  });
}

/** Octets that came too early, and the stream they were read from, as one stream. Nothing is read ahead, so that TLS can begin at any octet. */
class HeldBack {
  readonly stream: ReadableStream<Uint8Array>;
  #octets: Uint8Array | undefined;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;

  constructor(octets: Uint8Array, readable: ReadableStream<Uint8Array>) {
    this.#octets = octets;
    const reader = () => this.#reader ??= readable.getReader();
    this.stream = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        const early = this.#octets;
        this.#octets = undefined;
        if (early !== undefined) return controller.enqueue(early);
        const { done, value } = await reader().read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => reader().cancel(reason),
    }, { highWaterMark: 0 });
  }

  /** Lets go of the stream below; `false` when there are octets that nobody has read. */
  letGo(): boolean {
    this.#reader?.releaseLock();
    this.#reader = undefined;
    return this.#octets === undefined;
  }
}
