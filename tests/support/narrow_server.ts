/** A server in memory with little room for what it says: while that is full it reads nothing, and then a write of the client is not done. */
import type { ConnectOptions, Socket } from "@posthorn/smtp";
import { FakeClock } from "./fake_clock.ts";

export interface NarrowOptions {
  readonly keywords: readonly string[];
  /** Octets of a reply. */
  readonly replyLength: number;
  /** Octets of what it said that the client has not read, at most. */
  readonly room: number;
}

export class NarrowServer {
  readonly #options: NarrowOptions;
  readonly clock: FakeClock = new FakeClock();
  #unread = "";
  #said: Uint8Array[] = [];
  #length = 0;
  #missing = 0;
  #isContent = false;
  #wake = () => {};
  #onRoom = () => {};
  /** Commands that were written, and replies that were read. */
  #written = 0;
  #answered = 0;
  mostOwed = 0;
  taken = 0;
  isClosed = false;

  constructor(options: NarrowOptions) {
    this.#options = options;
    this.#say("220 mx\r\n");
  }

  options(): ConnectOptions {
    return { hostname: "mx.example", tls: "none", name: "client.test", clock: this.clock, dial: () => Promise.resolve(this.#socket()) };
  }

  #socket(): Socket {
    const decoder = new TextDecoder();
    return {
      readable: new ReadableStream<Uint8Array>({
        pull: async (controller): Promise<void> => {
          if (this.#said.length === 0) await new Promise<void>((resolve) => this.#wake = resolve);
          const chunk = this.#said.shift();
          if (chunk === undefined) return;
          this.#length -= chunk.length;
          this.#answered++;
          controller.enqueue(chunk);
          this.#onRoom();
        },
      }, { highWaterMark: 0 }),
      writable: new WritableStream<Uint8Array>({
        write: async (octets): Promise<void> => {
          this.#unread += decoder.decode(octets);
          this.#written += decoder.decode(octets).match(/^(MAIL|RCPT)/gm)?.length ?? 0;
          this.mostOwed = Math.max(this.mostOwed, this.#written - this.#answered);
          while (this.#hear()) if (this.#length >= this.#options.room) await new Promise<void>((resolve) => this.#onRoom = resolve);
        },
      }),
      close: () => {
        this.isClosed = true;
        this.#wake();
      },
    };
  }

  #say(text: string): void {
    const octets = new TextEncoder().encode(text);
    this.#said.push(octets);
    this.#length += octets.length;
    this.#wake();
  }

  /** Hears one line, or a chunk. */
  #hear(): boolean {
    const end = this.#missing > 0 ? this.#missing : this.#unread.indexOf("\r\n") + 2;
    if (end < 2 || end > this.#unread.length) return false;
    const line = this.#unread.slice(0, end);
    this.#unread = this.#unread.slice(end);
    const [, size] = /^BDAT (\d+)/.exec(line) ?? [];
    const isEnd = this.#missing > 0 || (this.#isContent && line === ".\r\n");
    if (isEnd) this.taken++;
    if (size === undefined && (!this.#isContent || isEnd)) this.#say(this.#reply(line));
    this.#isContent = line === "DATA\r\n" || (this.#isContent && !isEnd);
    this.#missing = Number(size ?? 0);
    return true;
  }

  #reply(line: string): string {
    if (line.startsWith("EHLO")) {
      return ["mx", ...this.#options.keywords, "HELP"].map((word, index, all) => `250${index < all.length - 1 ? "-" : " "}${word}\r\n`).join("");
    }
    const code = line === "DATA\r\n" ? 354 : line === "QUIT\r\n" ? 221 : 250;
    return `${code} ${"x".repeat(this.#options.replyLength - 6)}\r\n`;
  }
}
