/** A server in memory that keeps to the protocol until it is told otherwise, hears content while it comes, and may take no octets at all. */
import type { ConnectOptions, Dialer, Socket } from "@posthorn/smtp";
import { FakeClock } from "./fake_clock.ts";
import { ManualServer } from "./manual.ts";

/** What is asked of a {@linkcode HostileServer}. */
export interface HostileOptions {
  /** Default PIPELINING. */
  readonly keywords?: readonly string[];
  readonly protocol?: "smtp" | "lmtp";
  /** What is said to `command`: lines, nothing (`null`), or what servers say when all is well (`undefined`). `"."` is the end of content by DATA. */
  readonly answer?: (command: string, server: HostileServer) => string | null | undefined;
  /** Called with how many octets of the message have come: with none when it may begin, then behind each write that has some of it. */
  readonly onContent?: (octets: number, server: HostileServer) => void;
  /** Called before a write is heard; a promise holds it back behind its octets were heard, an error fails it and nothing is heard. */
  readonly onWrite?: (text: string, server: HostileServer) => void | Promise<void>;
}

/** See the head of the file. */
export class HostileServer {
  readonly #options: HostileOptions;
  readonly #manual: ManualServer;
  #unread = "";
  /** Octets of the chunk under way that are missing, and its command. */
  #missing = 0;
  #chunk: string | undefined;
  /** The last octets behind DATA. */
  #tail: string | undefined;
  #recipients = 0;
  #octets = 0;
  #isDeaf = false;
  readonly clock: FakeClock = new FakeClock();
  readonly commands: string[] = [];
  /** How many messages were taken. */
  taken = 0;

  constructor(options: HostileOptions = {}) {
    this.#options = options;
    this.#manual = new ManualServer((text) => {
      const held = options.onWrite?.(text, this);
      this.#hear(text);
      return held;
    });
  }

  get socket(): Socket {
    return this.#manual.socket;
  }

  /** Whether the client has closed the socket. */
  get isClosed(): boolean {
    return this.#manual.isClosed;
  }

  get writes(): readonly string[] {
    return this.#manual.writes;
  }

  say(lines: string): void {
    this.#manual.say(`${lines}\r\n`);
  }

  end(): void {
    this.#manual.end();
  }

  /** Breaks the connection with `cause`, which may be anything. */
  reset(cause: unknown): void {
    this.#manual.reset(cause);
  }

  /** Hears nothing more. */
  deafen(): void {
    this.#isDeaf = true;
  }

  readonly dial: Dialer = () => Promise.resolve(this.socket);

  options(more: ConnectOptions = {}): ConnectOptions {
    const { protocol = "smtp" } = this.#options;
    return { hostname: "mx.example", tls: "none", name: "client.test", protocol, clock: this.clock, dial: this.dial, ...more };
  }

  #hear(text: string): void {
    this.#unread += text;
    while (this.#unread !== "" && !this.#isDeaf && this.#step());
  }

  /** Hears one line, or what there is of content. */
  #step(): boolean {
    if (this.#tail !== undefined || this.#chunk !== undefined) return this.#hearContent();
    const end = this.#unread.indexOf("\r\n");
    if (end < 0) return false;
    const command = this.#unread.slice(0, end);
    this.#unread = this.#unread.slice(end + 2);
    this.commands.push(command);
    const [, size] = /^BDAT (\d+)/.exec(command) ?? [];
    if (size === undefined) this.#obey(command);
    else {
      this.#chunk = command;
      this.#missing = Number(size);
      this.#options.onContent?.(this.#octets, this);
      if (this.#missing === 0) this.#hearContent();
    }
    return true;
  }

  #hearContent(): boolean {
    if (this.#chunk !== undefined) {
      const part = this.#unread.slice(0, this.#missing);
      this.#unread = this.#unread.slice(part.length);
      this.#missing -= part.length;
      this.#count(part.length);
      if (this.#missing > 0) return false;
      const command = this.#chunk;
      this.#chunk = undefined;
      this.#obey(command);
      return true;
    }
    // What stood before may be the beginning of the end.
    const text = this.#tail + this.#unread;
    const end = text.indexOf("\r\n.\r\n");
    const part = end < 0 ? text : text.slice(0, end + 5);
    this.#unread = text.slice(part.length);
    this.#count(part.length - this.#tail!.length);
    this.#tail = part.slice(-4);
    if (end < 0) return false;
    this.#tail = undefined;
    this.commands.push(".");
    this.#obey(".");
    return true;
  }

  #count(octets: number): void {
    this.#octets += octets;
    if (octets > 0) this.#options.onContent?.(this.#octets, this);
  }

  #obey(command: string): void {
    const answer = this.#options.answer?.(command, this);
    const reply = answer === undefined ? this.usual(command) : answer;
    if (reply !== null) this.say(reply);
    if (reply?.startsWith("2")) this.#onYes(command);
    if (command === "DATA" && reply?.startsWith("354")) {
      // A line end stands before the first line.
      this.#tail = "\r\n";
      this.#options.onContent?.(0, this);
    }
    if (command === "QUIT" && reply !== null) this.end();
  }

  #onYes(command: string): void {
    if (command.startsWith("MAIL")) this.#octets = this.#recipients = 0;
    else if (command.startsWith("RCPT")) this.#recipients++;
    else if (command === "." || /^BDAT \d+ LAST/.test(command)) this.taken++;
  }

  /** What servers say to `command` when all is well. */
  usual(command: string): string {
    const { keywords = ["PIPELINING"], protocol } = this.#options;
    if (/^(EHLO|LHLO)/.test(command)) return [...["mx", ...keywords].map((keyword) => `250-${keyword}`), "250 HELP"].join("\r\n");
    if (command === "DATA") return "354 go";
    if (command === "STARTTLS") return "220 go";
    if (command === "QUIT") return "221 bye";
    const isEnd = command === "." || /^BDAT \d+ LAST/.test(command);
    return Array.from({ length: isEnd && protocol === "lmtp" ? this.#recipients : 1 }, () => "250 ok").join("\r\n");
  }
}

/** A way in which a message travels. */
export interface Way {
  readonly name: string;
  readonly keywords: readonly string[];
  readonly protocol: "smtp" | "lmtp";
  /** Octets of a chunk of a source that are written as they are, by themselves. */
  readonly piece: number;
}

const DATA_PIECE = 16_384;
const BDAT_PIECE = 524_288;

export const WAYS: readonly Way[] = [
  { name: "by DATA", keywords: ["PIPELINING"], protocol: "smtp", piece: DATA_PIECE },
  { name: "by DATA in lockstep", keywords: [], protocol: "smtp", piece: DATA_PIECE },
  { name: "by BDAT", keywords: ["PIPELINING", "CHUNKING"], protocol: "smtp", piece: BDAT_PIECE },
  { name: "by BDAT in lockstep", keywords: ["CHUNKING"], protocol: "smtp", piece: BDAT_PIECE },
  { name: "by LMTP and DATA", keywords: ["PIPELINING"], protocol: "lmtp", piece: DATA_PIECE },
  { name: "by LMTP and BDAT", keywords: ["PIPELINING", "CHUNKING"], protocol: "lmtp", piece: BDAT_PIECE },
];
