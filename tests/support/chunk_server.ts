import type { ConnectOptions, Socket } from "@posthorn/smtp";
import { ManualServer } from "./manual.ts";

/** A server in memory that reads BDAT, and answers each command with what `answer` says: a line, or nothing. */
export class ChunkServer {
  readonly #manual: ManualServer;
  #unread = "";
  /** The command whose octets are being read, and how many are missing. */
  #command: string | undefined;
  #missing = 0;
  /** Every command, in order. */
  readonly commands: string[] = [];
  /** The octets of every chunk, one behind the other. */
  content = "";

  constructor(answer: (command: string, server: ChunkServer) => string | undefined, keywords: readonly string[] = ["PIPELINING", "CHUNKING"]) {
    const hello = ["250-mx", ...keywords.slice(0, -1).map((keyword) => `250-${keyword}`), `250 ${keywords.at(-1)}`].join("\r\n");
    this.#manual = new ManualServer((text, server) => {
      this.#unread += text;
      for (let command = this.#next(); command !== undefined; command = this.#next()) {
        this.commands.push(command);
        const reply = /^[EL]HLO/.test(command) ? hello : answer(command, this);
        if (reply !== undefined) server.say(`${reply}\r\n`);
      }
    });
  }

  /** The chunks that were announced. */
  get chunks(): readonly string[] {
    return this.commands.filter((command) => command.startsWith("BDAT"));
  }

  /** The client's end. */
  get socket(): Socket {
    return this.#manual.socket;
  }

  /** How often the client has written. */
  get writes(): number {
    return this.#manual.writes.length;
  }

  say(line: string): void {
    this.#manual.say(`${line}\r\n`);
  }

  end(): void {
    this.#manual.end();
  }

  options(more: ConnectOptions = {}): ConnectOptions {
    return this.#manual.options(more);
  }

  /** The next command that is here with all its octets. */
  #next(): string | undefined {
    if (this.#command === undefined) {
      const end = this.#unread.indexOf("\r\n");
      if (end < 0) return undefined;
      this.#command = this.#unread.slice(0, end);
      this.#unread = this.#unread.slice(end + 2);
      this.#missing = Number(/^BDAT (\d+)/.exec(this.#command)?.[1] ?? 0);
    }
    const part = this.#unread.slice(0, this.#missing);
    this.content += part;
    this.#missing -= part.length;
    this.#unread = this.#unread.slice(part.length);
    if (this.#missing > 0) return undefined;
    const command = this.#command;
    this.#command = undefined;
    return command;
  }
}
