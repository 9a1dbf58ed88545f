/** A server in memory that many connections may be opened to. It counts what a pool must bound, and answers each command as it is told. */
import type { ConnectOptions, Dialer } from "@posthorn/smtp";
import { ManualServer } from "./manual.ts";

/** What is said to `command`: a line, nothing (`null`), or what servers say when all is well (`undefined`). `"."` is the end of the content. */
export type Answer = (command: string, peer: Peer) => string | null | undefined;

/** One connection, as the server sees it. */
export class Peer {
  readonly #server: PoolServer;
  readonly #manual: ManualServer;
  #unread = "";
  #content: string | undefined;
  /** Its number, from 1 in the order of dialling. */
  readonly id: number;
  /** Every command, in order; `"."` for the end of a message. */
  readonly commands: string[] = [];
  /** The content of every message that was taken. */
  readonly messages: string[] = [];
  #isEnded = false;

  constructor(server: PoolServer, id: number, greeting: string | null) {
    this.#server = server;
    this.id = id;
    this.#manual = new ManualServer((text) => this.#hear(text), greeting === null ? "" : `${greeting}\r\n`);
  }

  get socket(): ManualServer["socket"] {
    return this.#manual.socket;
  }

  /** Whether both ends hold it. */
  get isOpen(): boolean {
    return !this.#isEnded && !this.#manual.isClosed;
  }

  say(line: string): void {
    if (this.isOpen) this.#manual.say(`${line}\r\n`);
  }

  /** Hangs up. */
  end(): void {
    if (!this.isOpen) return;
    this.#isEnded = true;
    this.#manual.end();
  }

  #hear(text: string): void {
    this.#unread += text;
    for (;;) {
      if (this.#content !== undefined) {
        const end = `\r\n${this.#unread}`.indexOf("\r\n.\r\n");
        if (end < 0) return;
        this.#content = this.#unread.slice(0, end);
        this.#unread = this.#unread.slice(end + 3);
        this.#obey(".");
        this.#content = undefined;
      } else {
        const end = this.#unread.indexOf("\r\n");
        if (end < 0) return;
        const command = this.#unread.slice(0, end);
        this.#unread = this.#unread.slice(end + 2);
        this.#obey(command);
      }
    }
  }

  #obey(command: string): void {
    if (!this.isOpen) return;
    this.commands.push(command);
    const answer = this.#server.answer(command, this);
    const reply = answer === undefined ? this.#usual(command) : answer;
    if (reply !== null) this.say(reply);
    // A lone dot is what a client says where nobody was left to send to (RFC 2920 section 3.1).
    if (command === "." && reply?.startsWith("2") && this.#content) this.messages.push(this.#content);
    if (reply?.startsWith("421") || (command === "QUIT" && reply !== null)) this.end();
    else if (command === "DATA" && reply?.startsWith("354")) this.#content = "";
  }

  #usual(command: string): string {
    if (command.startsWith("EHLO")) return ["250-mx", ...this.#server.keywords.map((keyword) => `250-${keyword}`), "250 HELP"].join("\r\n");
    return command === "DATA" ? "354 go" : command === "QUIT" ? "221 bye" : "250 ok";
  }
}

/** See the head of the file. */
export class PoolServer {
  answer: Answer;
  keywords: readonly string[] = ["PIPELINING"];
  /** What is said first to the connection of that number; `null` is silence, an error refuses the connection. */
  greet: (id: number) => string | null | Error = () => "220 mx";
  /** Every connection that was dialled, refused ones apart. */
  readonly peers: Peer[] = [];
  /** How often it was dialled. */
  dialled = 0;
  /** The most that were open at the same time. */
  peak = 0;

  constructor(answer: Answer = () => undefined) {
    this.answer = answer;
  }

  /** The connections that are open. */
  get open(): readonly Peer[] {
    return this.peers.filter(({ isOpen }) => isOpen);
  }

  /** The content of every message that was taken, by connection. */
  get messages(): readonly string[] {
    return this.peers.flatMap(({ messages }) => messages);
  }

  /** How many messages each connection took. */
  get shares(): readonly number[] {
    return this.peers.map(({ messages }) => messages.length);
  }

  readonly dial: Dialer = () => {
    const greeting = this.greet(++this.dialled);
    if (greeting instanceof Error) return Promise.reject(greeting);
    const peer = new Peer(this, this.peers.length + 1, greeting);
    this.peers.push(peer);
    this.peak = Math.max(this.peak, this.open.length);
    return Promise.resolve(peer.socket);
  };

  /** Options that reach this server. */
  options(more: ConnectOptions = {}): ConnectOptions {
    return { hostname: "mx.example", tls: "none", name: "client.test", dial: this.dial, ...more };
  }
}

/** A message whose content is `text`. */
export function saying(text: string): { readonly from: string; readonly to: string; readonly body: string } {
  return { from: "a@x.test", to: "b@y.test", body: `${text}\r\n` };
}
