/**
 * A connection in memory that breaks at one octet: of those that the server says, or of those that the client does. What is said up to that octet comes
 * through whole; what becomes of the rest, and what the client notices of it, is the {@linkcode Ending}. The numbers of what crossed it are the truth
 * that an outcome is held against.
 */
import { SmtpSecurityError, type Socket } from "@posthorn/smtp";

/**
 * How it ends. Where the octets of the server end:
 *
 * - `close`, `reset`: the server is gone in the same breath, in order or with a broken connection. It hears nothing more; what is written is refused.
 * - `late close`, `late reset`: the same, once the client has done all that it does upon those octets; the server hears that, and its answer is lost.
 * - `half close`: the server says nothing more, and hears on.
 * - `stall`: it says nothing more, and nobody tells the client.
 * - `split`: nothing is lost; what it says comes in two pieces.
 *
 * Where those of the client end:
 *
 * - `close`: the server has said what it had to say, and is gone; the write that was under way is taken by the runtime all the same.
 * - `reset`: the same, but what it said upon this write is lost, and the write fails.
 * - `refuse`: the write fails, and the server says nothing of it: only what it had to say comes through.
 * - `stall`: the writes are taken, and lead nowhere.
 * - `block`: the writes are taken no more.
 *
 * And of either: `abort` is a `stall` that the caller ends.
 */
export type Ending = "close" | "late close" | "half close" | "reset" | "late reset" | "stall" | "split" | "refuse" | "block" | "abort";

/** Where and how a connection ends: behind `at` octets of one side. */
export interface Cut {
  readonly of: "server" | "client";
  readonly at: number;
  readonly by: Ending;
}

/** A server, as its connection sees it. */
export interface Hearer {
  /** What it says first. */
  readonly greeting: string;
  /** What it says upon the octets that came. */
  hear(octets: string): string;
}

/** What stands for a handshake, the same both ways: octets like all others, so that it can be cut anywhere too. */
export const HANDSHAKE = "\x16\x03\x01 hello";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** See the head of the file. All that crosses it is ASCII. */
export class CutConnection {
  readonly #hearer: Hearer;
  readonly #cut: Cut | undefined;
  readonly #isStreamed: boolean;
  #queue: Uint8Array[] = [];
  #wake = () => {};
  /** What the client finds behind the last octet. */
  #end: "close" | "reset" | undefined;
  #isCut = false;
  #said = 0;
  /** Octets that the client was given, that it gave to the socket, and that reached the server. */
  heard = 0;
  handed = 0;
  reached = 0;
  /** Reads and writes that came to something. */
  steps = 0;
  /** Whether somebody has tried to say more than comes through. */
  isBeyond = false;
  /** Whether the client has closed it. */
  isClosed = false;

  constructor(hearer: Hearer, cut: Cut | undefined, isStreamed: boolean) {
    this.#hearer = hearer;
    this.#cut = cut;
    this.#isStreamed = isStreamed;
    this.#say(hearer.greeting);
    if (cut?.of === "client" && cut.at === 0) this.#cutOff();
  }

  /** The client's end. */
  socket(secureTransport: "starttls" | "on" = "starttls"): Socket {
    const common = {
      secureTransport,
      close: () => this.#close(),
      ...(secureTransport === "starttls" && { startTls: () => this.#startTls() }),
    };
    if (!this.#isStreamed) {
      const direct = { read: () => this.#read(), write: (octets: Uint8Array) => this.#write(octets) };
      return { ...common, direct, readable: NO_READABLE, writable: NO_WRITABLE };
    }
    return {
      ...common,
      readable: new ReadableStream<Uint8Array>({
        pull: async (controller) => {
          const octets = await this.#read();
          if (octets === undefined) controller.close();
          else controller.enqueue(octets);
        },
      }, { highWaterMark: 0 }),
      writable: new WritableStream<Uint8Array>({ write: (octets) => this.#write(octets) }),
    };
  }

  #say(text: string): void {
    const octets = encoder.encode(text);
    if (this.#cut?.by === "split") return this.#sayInTwo(octets, this.#cut.at);
    const room = this.#cut?.of === "server" ? this.#cut.at - this.#said : Infinity;
    if (octets.length > room) this.isBeyond = true;
    const through = octets.subarray(0, room);
    this.#said += through.length;
    if (through.length > 0) this.#queue.push(through);
    if (octets.length >= room) this.#cutOff();
    this.#wake();
  }

  #sayInTwo(octets: Uint8Array, at: number): void {
    const border = Math.min(Math.max(at - this.#said, 0), octets.length);
    this.#queue.push(...[octets.subarray(0, border), octets.subarray(border)].filter(({ length }) => length > 0));
    this.#said += octets.length;
    this.#wake();
  }

  /** The last octet has passed. */
  #cutOff(): void {
    if (this.#isCut || this.#cut === undefined) return;
    this.#isCut = true;
    const { of, by } = this.#cut;
    if (by === "close" || by === "half close") this.#end = "close";
    if (by === "reset") this.#end = "reset";
    if (by === "reset" && of === "client") this.#queue = [];
    this.#wake();
  }

  /** Says that the client has done all that it does by itself; whether that was waited for. */
  expire(): boolean {
    const late = this.#isCut ? LATE.get(this.#cut!.by) : undefined;
    if (late === undefined || this.#end !== undefined) return false;
    this.#end = late;
    this.#wake();
    return true;
  }

  async #read(): Promise<Uint8Array | undefined> {
    for (;;) {
      if (this.isClosed) throw new Error("read after close");
      const octets = this.#queue.shift();
      if (octets !== undefined) {
        this.steps++;
        this.heard += octets.length;
        return octets;
      }
      if (this.#end === "close") return undefined;
      if (this.#end === "reset") throw new Error("connection reset");
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  async #write(octets: Uint8Array): Promise<void> {
    if (this.isClosed) throw new Error("written after close");
    this.steps++;
    this.handed += octets.length;
    const { of, at, by } = this.#cut ?? { of: undefined, at: 0, by: undefined };
    if (this.#end !== undefined && by !== "half close") {
      this.isBeyond = true;
      throw new Error("broken pipe");
    }
    const room = of === "client" ? at - this.reached : Infinity;
    const through = octets.subarray(0, room);
    this.reached += through.length;
    if (through.length > 0) this.#say(this.#hearer.hear(decoder.decode(through)));
    if (octets.length >= room) this.#cutOff();
    if (octets.length <= room) return;
    this.isBeyond = true;
    if (by === "refuse" || by === "reset") throw new Error("broken pipe");
    if (by !== "block") return;
    while (!this.isClosed) await new Promise<void>((resolve) => this.#closed.push(resolve));
    throw new Error("closed");
  }

  readonly #closed: (() => void)[] = [];

  /** @throws {SmtpSecurityError} As the library's own sockets do where the connection ends in the handshake. */
  async #startTls(): Promise<Socket> {
    try {
      await this.#write(encoder.encode(HANDSHAKE));
      for (let left = HANDSHAKE.length; left > 0;) {
        const octets = await this.#read();
        if (octets === undefined) throw new Error("the end in the middle of the handshake");
        left -= octets.length;
      }
    } catch (cause) {
      throw new SmtpSecurityError("tls", "TLS failed", { phase: "connect", transient: true, cause });
    }
    return this.socket("on");
  }

  #close(): void {
    this.isClosed = true;
    this.#wake();
    for (const resolve of this.#closed.splice(0)) resolve();
  }
}

const LATE: ReadonlyMap<Ending, "close" | "reset"> = new Map([["late close", "close"], ["late reset", "reset"]]);
/** What has direct access needs no streams; nobody touches these. */
const NO_READABLE = new ReadableStream<Uint8Array>();
const NO_WRITABLE = new WritableStream<Uint8Array>();
