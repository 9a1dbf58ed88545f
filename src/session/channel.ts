import { SmtpProtocolError, SmtpUnsupportedError } from "../errors.ts";
import { type ChannelBinding, closeQuietly, type Socket, type StartTlsOptions, type TlsOptions } from "../transport/socket.ts";
import type { Reply } from "../wire/reply.ts";
import { ReplyDecoder } from "../wire/reply_decoder.ts";
import { bounded, type Bounds } from "./bounded.ts";

/** The pipeline's hold on a socket: its reader, its writer, and the decoder between the octets and the replies. */
export class Channel {
  #socket: Socket;
  #reader!: ReadableStreamDefaultReader<Uint8Array>;
  #writer!: WritableStreamDefaultWriter<Uint8Array>;
  #decoder!: ReplyDecoder;
  /** Ends a handshake under way when the channel is closed. */
  readonly #closing = new AbortController();
  /** How many writes there were. */
  writes = 0;

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
   * socket's own stream rejects with.
   */
  async read(): Promise<readonly Reply[] | undefined> {
    const { done, value } = await this.#reader.read();
    return done ? undefined : this.#decoder.push(value);
  }

  /** What is wrong with the octets behind the replies that were read. */
  get fault(): SmtpProtocolError | undefined {
    return this.#decoder.fault;
  }

  /** Resolves when the socket has taken `octets`. */
  async write(octets: Uint8Array): Promise<void> {
    this.writes++;
    await this.#writer.write(octets);
  }

  /**
   * Starts TLS. A new decoder begins behind it: not an octet from before is carried over (RFC 3207 section 4.2).
   *
   * @throws {SmtpProtocolError} When octets came in the clear that belong to no reply. Whatever the socket's own handshake rejects with.
   */
  async upgrade(options: TlsOptions & Pick<StartTlsOptions, "serverName">, bounds: Bounds): Promise<void> {
    const { facts } = bounds;
    if (!this.isClean) throw new SmtpProtocolError("The server sent octets in the clear behind its reply to STARTTLS", facts);
    this.#reader.releaseLock();
    this.#writer.releaseLock();
    const ends = [this.#closing.signal, ...(bounds.signal === undefined ? [] : [bounds.signal])];
    const secure = await bounded({ ...bounds, signal: AbortSignal.any(ends) }, async (signal) => {
      if (this.#socket.startTls === undefined) throw new SmtpUnsupportedError("unsupported", "This socket cannot start TLS", facts);
      const fresh = await this.#socket.startTls({ ...options, signal });
      // Nobody waits for it any more.
      if (signal.aborted) closeQuietly(fresh);
      return fresh;
    });
    this.#socket = secure;
    this.#take(secure);
  }

  /** See `Socket.channelBinding`. */
  async channelBinding(): Promise<ChannelBinding | undefined> {
    return await this.#socket.channelBinding?.();
  }

  /** Closes the socket at once. */
  close(): void {
    this.#closing.abort();
    closeQuietly(this.#socket);
    // A socket that closes by its streams cannot: we hold their locks.
    this.#reader.cancel().catch(() => {});
    this.#writer.abort().catch(() => {});
  }

  #take(socket: Socket): void {
    this.#reader = socket.readable.getReader();
    this.#writer = socket.writable.getWriter();
    // Every write is awaited; that the stream as a whole has failed is no news then.
    this.#writer.closed.catch(() => {});
    this.#decoder = new ReplyDecoder();
  }
}
