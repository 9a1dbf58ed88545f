import type { ConnectOptions, Socket } from "@posthorn/smtp";
import { bytes } from "./splits.ts";

/** What a {@linkcode ManualServer} does with one write of the client; a promise it returns holds the write back, an error fails it. */
export type OnWrite = (text: string, server: ManualServer) => void | Promise<void>;

/** A server in memory that is told what to do by hand, where a script is too orderly. It greets at once. */
export class ManualServer {
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  readonly writes: string[] = [];
  isClosed = false;
  readonly socket: Socket;

  constructor(onWrite: OnWrite, greeting = "220 mx\r\n") {
    this.socket = {
      secureTransport: "starttls",
      readable: new ReadableStream<Uint8Array>({ start: (controller) => void (this.#controller = controller) }),
      writable: new WritableStream<Uint8Array>({
        write: (chunk) => {
          const text = new TextDecoder().decode(chunk);
          this.writes.push(text);
          return onWrite(text, this);
        },
      }),
      close: () => {
        if (this.isClosed) return;
        this.isClosed = true;
        this.#controller.error(new Error("closed by the client"));
      },
    };
    if (greeting !== "") this.say(greeting);
  }

  say(text: string): void {
    this.sayOctets(bytes(text));
  }

  sayOctets(octets: Uint8Array): void {
    if (!this.isClosed) this.#controller.enqueue(octets);
  }

  end(): void {
    if (!this.isClosed) this.#controller.close();
  }

  /** Breaks the connection with `cause`, which may be anything. */
  reset(cause: unknown): void {
    if (!this.isClosed) this.#controller.error(cause);
  }

  /** Options that reach this server. */
  options(more: ConnectOptions = {}): ConnectOptions {
    return { hostname: "mx.example", tls: "none", name: "client.test", dial: () => Promise.resolve(this.socket), ...more };
  }
}

/** The reply to EHLO of a server with PIPELINING. */
export const PIPELINING = "250-mx\r\n250 PIPELINING\r\n";
