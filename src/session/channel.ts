import { SmtpProtocolError, SmtpUnsupportedError } from "../errors.ts";
import {
  type ChannelBinding,
  checkSocket,
  closeQuietly,
  type DirectAccess,
  type Socket,
  type StartTlsOptions,
  type TlsOptions,
} from "../transport/socket.ts";
import { isGone } from "../wire/octets.ts";
import type { Reply } from "../wire/reply.ts";
import { ReplyDecoder } from "../wire/reply_decoder.ts";
import { bounded, type Bounds } from "./bounded.ts";
import { handshakeFailed } from "./failures.ts";

/** The pipeline's hold on a socket: its two ends, and the decoder between the octets and the replies. */
export class Channel {
  #socket: Socket;
  #ends!: Ends;
  #decoder!: ReplyDecoder;
  /** Ends the handshake under way when the channel is closed. */
  #handshake: AbortController | undefined;
  /** How many writes there were. */
  writes = 0;
  /** Resolves when the socket has closed, once it was told to. */
  closed: Promise<void> = Promise.resolve();

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#take(socket);
  }

  /** Whether everything that came has become whole replies. */
  get isClean(): boolean {
    return this.#decoder.isIdle;
  }

  /**
   * The replies that the next octets complete; `undefined` at the end of the stream.
   *
   * @throws {SmtpProtocolError} At what is no reply; where good ones came before it, they are returned and {@linkcode fault} is set. Whatever the
   * socket itself rejects with.
   */
  async read(): Promise<readonly Reply[] | undefined> {
    const octets = await this.#ends.read();
    return octets && this.#decoder.push(octets);
  }

  /** What is wrong with the octets behind the replies that were read. */
  get fault(): SmtpProtocolError | undefined {
    return this.#decoder.fault;
  }

  /** Whether the socket keeps nothing of a write that has resolved, so that the octets may be written over. */
  get keepsNothing(): boolean {
    return this.#socket.direct !== undefined;
  }

  /** Resolves when the socket has taken `octets`. */
  write(octets: Uint8Array): Promise<void> {
    this.writes++;
    // What was announced would not come, and what is written next would be taken for it.
    if (isGone(octets)) return Promise.reject(new TypeError("Octets are gone that were to be written: their buffer was handed on"));
    try {
      // A socket of the caller's own may give what is no promise; one that is costs nothing here.
      return Promise.resolve(this.#ends.write(octets));
    } catch (cause) {
      return Promise.reject(cause);
    }
  }

  /**
   * Starts TLS. A new decoder begins behind it: not an octet from before is carried over (RFC 3207 section 4.2).
   *
   * @throws {SmtpProtocolError} When octets came in the clear that belong to no reply. {SmtpSecurityError} When the handshake failed.
   * Whatever else of the library's the socket rejects with.
   */
  async upgrade(options: TlsOptions & Pick<StartTlsOptions, "serverName">, bounds: Bounds): Promise<void> {
    const { facts } = bounds;
    if (!this.isClean) throw new SmtpProtocolError("The server sent octets in the clear behind its reply to STARTTLS", facts);
    this.#ends.release();
    this.#handshake = new AbortController();
    const ends = [this.#handshake.signal, ...(bounds.signal === undefined ? [] : [bounds.signal])];
    const secure = await bounded({ ...bounds, signal: AbortSignal.any(ends) }, async (signal) => {
      if (this.#socket.startTls === undefined) throw new SmtpUnsupportedError("unsupported", "This socket cannot start TLS", facts);
      const fresh = checkSocket("what startTls gave", await this.#socket.startTls({ ...options, signal }));
      // Nobody waits for it any more.
      if (signal.aborted) closeQuietly(fresh);
      return fresh;
    }).catch((cause) => {
      throw handshakeFailed(cause, facts);
    });
    this.#handshake = undefined;
    this.#socket = secure;
    this.#take(secure);
  }

  /** See `Socket.channelBinding`. */
  async channelBinding(): Promise<ChannelBinding | undefined> {
    return await this.#socket.channelBinding?.();
  }

  /** Closes the socket at once. */
  close(): void {
    this.#handshake?.abort();
    const ends = this.#ends;
    this.closed = closeQuietly(this.#socket);
    // Not before: workerd forgets to close a socket whose writer is aborted meanwhile, until the request ends.
    this.closed.then(() => ends.close());
  }

  #take(socket: Socket): void {
    this.#ends = endsOf(socket);
    this.#decoder = new ReplyDecoder();
  }
}

/** Where octets come from and go to. */
interface Ends extends DirectAccess {
  /** Lets go of the socket. */
  release(): void;
  /** Ends what the socket's own `close` leaves open. */
  close(): void;
}

/** The socket's octets directly where it offers that, since streams cost by the item; else its streams. */
function endsOf(socket: Socket): Ends {
  const { direct } = socket;
  if (direct !== undefined) {
    return { read: () => direct.read(), write: (octets) => direct.write(octets), release: () => {}, close: () => {} };
  }
  const reader = socket.readable.getReader();
  const writer = socket.writable.getWriter();
  // Every write is awaited; that the stream as a whole has failed is no news then.
  writer.closed.catch(() => {});
  return {
    read: async () => (await reader.read()).value,
    write: (octets) => writer.write(octets),
    release(): void {
      reader.releaseLock();
      writer.releaseLock();
    },
    close(): void {
      // A socket that closes by its streams cannot: we hold their locks.
      reader.cancel().catch(() => {});
      writer.abort().catch(() => {});
    },
  };
}
