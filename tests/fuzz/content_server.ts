import type { ConnectOptions, Socket } from "@posthorn/smtp";
import { latin1, octetsOf } from "../support/fuzz.ts";
import { undotted } from "./content_reference.ts";

/** A server in memory that says yes to all, and keeps each message as the octets that it is: one character each. */
export class ContentServer {
  readonly #keywords: readonly string[];
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #unread = "";
  #isData = false;
  #chunks = "";
  readonly commands: string[] = [];
  readonly messages: string[] = [];
  readonly socket: Socket;

  constructor(keywords: readonly string[]) {
    this.#keywords = keywords;
    this.socket = {
      readable: new ReadableStream<Uint8Array>({ start: (controller) => void (this.#controller = controller) }),
      writable: new WritableStream<Uint8Array>({
        write: (octets) => {
          this.#unread += latin1(octets);
          while (this.#step());
        },
      }),
      close: () => {},
    };
    this.#say("220 mx");
  }

  options(more: ConnectOptions = {}): ConnectOptions {
    return { hostname: "mx.example", tls: "none", name: "client.test", dial: () => Promise.resolve(this.socket), ...more };
  }

  #say(line: string): void {
    this.#controller.enqueue(octetsOf(line, "\r\n"));
  }

  /** Whether there was something whole to be read. */
  #step(): boolean {
    if (this.#isData) return this.#readData();
    const end = this.#unread.indexOf("\r\n");
    if (end < 0) return false;
    const line = this.#unread.slice(0, end);
    const [verb = "", octets = "", last] = line.split(" ");
    if (verb === "BDAT") return this.#readChunk(line, end + 2, Number(octets), last === "LAST");
    this.#unread = this.#unread.slice(end + 2);
    this.commands.push(line);
    this.#isData = verb === "DATA";
    this.#say(
      verb === "EHLO"
        ? ["250-mx", ...this.#keywords.map((keyword) => `250-${keyword}`), "250 HELP"].join("\r\n")
        : this.#isData
        ? "354 go"
        : "250 ok",
    );
    return true;
  }

  #readData(): boolean {
    if (!`\r\n${this.#unread}`.includes("\r\n.\r\n")) return false;
    const { content, rest } = undotted(this.#unread);
    this.#unread = rest;
    this.#isData = false;
    this.messages.push(content);
    this.#say("250 taken");
    return true;
  }

  #readChunk(line: string, from: number, octets: number, isLast: boolean): boolean {
    if (this.#unread.length < from + octets) return false;
    this.commands.push(line);
    this.#chunks += this.#unread.slice(from, from + octets);
    this.#unread = this.#unread.slice(from + octets);
    if (isLast) this.messages.push(this.#chunks);
    if (isLast) this.#chunks = "";
    this.#say("250 chunk");
    return true;
  }
}
