/** A socket that things happen to, around any other: one in memory, or one that was dialled. */
import type { Clock, Dialer, Socket } from "@posthorn/smtp";

/**
 * What happens to a socket. `"close"`: it ends in both directions. `"half"`: the server says no more, and reads on. `"reset"`: it breaks. `"stall"`: nothing
 * crosses any more, although writes are taken. `"deaf"`: writes are held up, replies come. `"refuse"`: writes fail, replies come.
 */
export type Mishap = "close" | "half" | "reset" | "stall" | "deaf" | "refuse";

/** What happens, and when. */
export interface Plan {
  readonly mishap?: Mishap;
  /** Octets that are read before it happens; those behind STARTTLS count on. */
  readonly read?: number;
  /** Octets that are written before it happens. */
  readonly written?: number;
  /** Whether writes reach the server all the same; always so with `"half"`. */
  readonly sparesWrites?: boolean;
  /** How what is read is cut. */
  readonly split?: (octets: Uint8Array) => Iterable<Uint8Array>;
  /** How long everything that is read takes, in milliseconds of `clock`. */
  readonly delay?: { readonly clock: Clock; readonly milliseconds: number };
}

/** Dials by `dialer`, and has `plan` happen to every socket. */
export function faultyDialer(dialer: Dialer, plan: Plan): Dialer {
  return async (options) => faulty(await dialer(options), plan);
}

/** `socket`, to which `plan` happens. */
export function faulty(socket: Socket, plan: Plan): Socket {
  return new FaultySocket(plan).around(socket);
}

class FaultySocket {
  readonly #plan: Plan;
  #read = 0;
  #written = 0;
  #hasHappened = false;
  #isClosed = false;
  /** Resolves when it has happened, or when the client has closed the socket: what waits for the other side waits no longer. */
  readonly #happened: Promise<void>;
  #happen = () => {};
  readonly #closed: Promise<void>;
  #onClose = () => {};

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#happened = new Promise((resolve) => this.#happen = resolve);
    this.#closed = new Promise((resolve) => this.#onClose = resolve);
    this.#look();
  }

  around(socket: Socket): Socket {
    // Taken when they are needed: where TLS begins at once, nobody may hold them.
    const { readable, writable, startTls } = socket;
    let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
    let writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
    const pieces: Uint8Array[] = [];
    return {
      ...(socket.secureTransport && { secureTransport: socket.secureTransport }),
      ...(socket.opened && { opened: socket.opened }),
      readable: new ReadableStream<Uint8Array>({
        pull: async (controller) => {
          const octets = await this.#nextOf(reader ??= readable.getReader(), pieces);
          if (octets !== undefined) controller.enqueue(octets);
          else if (!this.#isClosed) controller.close();
        },
      }, { highWaterMark: 0 }),
      writable: new WritableStream<Uint8Array>({
        write: (octets) => this.#write(writer ??= writable.getWriter(), octets),
      }),
      ...(startTls && {
        startTls: async (options) => {
          reader?.releaseLock();
          writer?.releaseLock();
          return this.around(await startTls.call(socket, options));
        },
      }),
      close: () => {
        this.#isClosed = true;
        this.#onClose();
        this.#happen();
        return socket.close();
      },
    };
  }

  /** The octets that come next; `undefined` at the end. */
  async #nextOf(reader: ReadableStreamDefaultReader<Uint8Array>, pieces: Uint8Array[]): Promise<Uint8Array | undefined> {
    const { mishap, split, delay, read = Infinity } = this.#plan;
    const isHeard = mishap === "deaf" || mishap === "refuse";
    if (pieces.length === 0 && (!this.#hasHappened || isHeard)) {
      const reading = reader.read();
      reading.catch(() => {});
      const { done, value } = await (isHeard ? reading : Promise.race([reading, this.#happened.then(() => NOTHING)]));
      if (done) return undefined;
      if (value !== undefined) pieces.push(...(split?.(value) ?? [value]));
    }
    if (this.#hasHappened && !isHeard) return await this.#end();
    if (delay !== undefined) await Promise.race([new Promise<void>((resolve) => delay.clock.schedule(resolve, delay.milliseconds)), this.#closed]);
    const [piece] = pieces.splice(0, 1);
    if (piece === undefined) return undefined;
    const seen = isHeard ? piece : piece.slice(0, read - this.#read);
    this.#read += seen.length;
    this.#look();
    return seen;
  }

  async #write(writer: WritableStreamDefaultWriter<Uint8Array>, octets: Uint8Array): Promise<void> {
    const { mishap, written = Infinity, sparesWrites = mishap === "half" } = this.#plan;
    const passes = sparesWrites ? octets.length : this.#hasHappened ? 0 : Math.min(octets.length, written - this.#written);
    if (passes > 0) await writer.write(octets.slice(0, passes));
    this.#written += passes;
    this.#look();
    if (passes === octets.length || mishap === "stall") return;
    if (mishap === "deaf") await this.#closed;
    throw new Error(mishap === "reset" ? "connection reset" : "broken pipe");
  }

  /** What is read when it has happened. */
  async #end(): Promise<undefined> {
    if (this.#plan.mishap === "reset") throw new Error("connection reset");
    if (this.#plan.mishap === "stall") await this.#closed;
    return undefined;
  }

  /** Whether it is time. */
  #look(): void {
    const { mishap, read = Infinity, written = Infinity } = this.#plan;
    if (mishap === undefined || this.#hasHappened || (this.#read < read && this.#written < written)) return;
    this.#hasHappened = true;
    this.#happen();
  }
}

const NOTHING = { done: false, value: undefined } as const;
