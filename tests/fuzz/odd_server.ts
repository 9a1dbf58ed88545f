/**
 * A server in memory that says by chance what servers say, and worse: any code to any command, 421, silence, hanging up, a TLS that fails. It writes down
 * what it was told, so that what a client reports can be held against what the server saw. One that lies (`isLiar`) also says what it was not asked, twice
 * or not at all; of it less can be asked.
 */
import { setImmediate } from "node:timers";
import type { ConnectOptions, Socket } from "@posthorn/smtp";
import type { Chance } from "../support/chance.ts";
import { latin1, octetsOf } from "../support/fuzz.ts";
import { undotted } from "./content_reference.ts";

/** What became of one end of a message. */
export interface End {
  readonly number: number;
  readonly content: string;
  /** Who had been accepted. */
  readonly to: readonly string[];
  /** Those of them who got it. */
  readonly taken: readonly string[];
  /** What was said; with LMTP to each. Nothing where it fell silent or hung up. */
  readonly codes: readonly number[];
}

export interface OddOptions {
  readonly keywords: readonly string[];
  readonly protocol: "smtp" | "lmtp";
  /** How often a command meets something odd. */
  readonly trouble: number;
  readonly isLiar: boolean;
  readonly delivery: "whole" | "line" | "byte";
}

const YES: Readonly<Record<string, string>> = { DATA: "354", STARTTLS: "220", AUTH: "235", QUIT: "221" };
const CODES = [
  "200",
  "211",
  "251",
  "252",
  "299",
  "300",
  "334",
  "354",
  "399",
  "421",
  "450",
  "451",
  "452",
  "454",
  "499",
  "500",
  "502",
  "503",
  "530",
  "535",
  "550",
  "552",
  "554",
  "571",
  "599",
];
const LIES = [
  "250 ok\r\n",
  "550 no\r\n",
  "354 go\r\n",
  "421 bye\r\n",
  "250-and\r\n",
  "junk\r\n",
  "\r\n",
  "250-a\r\n550 b\r\n",
  "2",
  `250 ${"x".repeat(20_000)}\r\n`,
  "\0",
  "250 ok\n\r\n",
];

export class OddServer {
  readonly options: OddOptions;
  readonly #chance: Chance;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #unread = "";
  #reading: "command" | "data" | { readonly octets: number; readonly isLast: boolean } = "command";
  #transaction: { readonly number: number; readonly to: string[]; content: string } | undefined;
  #number = 0;
  #isSilent = false;
  /** Whether the content that comes was refused before its end. */
  #isRefused = false;
  isSecure = false;
  /** Whether the server, or the client, has ended the connection. */
  isGone = false;
  isClosed = false;
  readonly commands: string[] = [];
  readonly ends: End[] = [];
  /** Every code that was said of a message: those to its MAIL, its RCPTs, DATA and chunks included. */
  readonly said: [number: number, code: number][] = [];
  socket: Socket;

  constructor(chance: Chance, options: OddOptions) {
    this.#chance = chance;
    this.options = options;
    this.socket = this.#open();
    if (!this.#isOdd()) this.#put("220 mx.example ESMTP");
    else this.#reply(this.#code("220"), "mx.example");
  }

  reached(more: ConnectOptions): ConnectOptions {
    const { protocol } = this.options;
    return { hostname: "mx.example", tls: "none", name: "client.test", protocol, dial: () => Promise.resolve(this.socket), ...more };
  }

  hangUp(): void {
    if (this.isGone || this.isClosed) return;
    this.isGone = true;
    if (this.#chance.is(0.3)) this.#controller.error(new Error("connection reset"));
    else this.#controller.close();
  }

  #open(): Socket {
    return {
      secureTransport: this.isSecure ? "on" : "starttls",
      readable: new ReadableStream<Uint8Array>({ start: (controller) => void (this.#controller = controller) }),
      writable: new WritableStream<Uint8Array>({ write: (octets) => this.#hear(latin1(octets)) }),
      startTls: () => this.#startTls(),
      close: () => {
        if (this.isClosed) return;
        this.isClosed = true;
        if (!this.isGone) this.#controller.error(new Error("closed by the client"));
      },
    };
  }

  async #startTls(): Promise<Socket> {
    if (this.#isOdd()) {
      if (this.#chance.is(0.5)) throw new Error("the certificate is somebody else's");
      // The handshake never ends; the deadline does.
      await new Promise(() => {});
    }
    this.isSecure = true;
    this.#transaction = undefined;
    return this.socket = this.#open();
  }

  async #hear(text: string): Promise<void> {
    if (this.isClosed) throw new Error("written after close");
    if (this.isGone) throw new Error("broken pipe");
    this.#unread += text;
    while (this.#step());
    // A socket whose buffers are full.
    if (this.#chance.is(0.1)) {
      for (let turns = this.#chance.from(1, 3); turns > 0; turns--) await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  #step(): boolean {
    if (this.isGone) return false;
    if (this.#reading === "data") return this.#readData();
    if (this.#reading !== "command") return this.#readChunk(this.#reading);
    const end = this.#unread.indexOf("\r\n");
    if (end < 0) return false;
    const line = this.#unread.slice(0, end);
    this.#unread = this.#unread.slice(end + 2);
    this.commands.push(line);
    this.#obey(line);
    return true;
  }

  #readData(): boolean {
    if (!`\r\n${this.#unread}`.includes("\r\n.\r\n")) {
      // The early reply of a server that has had enough of it.
      if (!this.#isRefused && this.#unread !== "" && this.#isOdd() && this.#chance.is(0.5)) {
        this.#isRefused = true;
        this.#say("552", "too much");
      }
      return false;
    }
    const { content, rest } = undotted(this.#unread);
    this.#unread = rest;
    this.#reading = "command";
    if (!this.#isRefused) this.#end(content);
    else {
      this.ends.push({ number: this.#number, content, to: this.#transaction?.to ?? [], taken: [], codes: [552] });
      this.#transaction = undefined;
    }
    this.#isRefused = false;
    return true;
  }

  #readChunk({ octets, isLast }: { readonly octets: number; readonly isLast: boolean }): boolean {
    if (this.#unread.length < octets) return false;
    const chunk = this.#unread.slice(0, octets);
    this.#unread = this.#unread.slice(octets);
    this.#reading = "command";
    const transaction = this.#transaction;
    if (transaction === undefined || transaction.to.length === 0) {
      if (isLast) this.ends.push({ number: this.#number, content: chunk, to: [], taken: [], codes: [503] });
      this.#say("503", "nobody");
      return true;
    }
    transaction.content += chunk;
    if (isLast) this.#end(transaction.content);
    // A chunk that was refused is the end of the transaction.
    else if (!this.#say(this.#isOdd() ? this.#code("250") : "250", "chunk").startsWith("2")) this.#transaction = undefined;
    return true;
  }

  #end(content: string): void {
    const transaction = this.#transaction;
    const to = transaction?.to ?? [];
    this.#transaction = undefined;
    const fate = this.#isOdd() ? this.#chance.from(1, 4) : 0;
    const isUnanswered = fate === 1 || fate === 2;
    const replies = this.options.protocol === "lmtp" ? to.length : 1;
    const codes = isUnanswered ? [] : Array.from({ length: replies }, () => to.length === 0 ? "554" : fate === 0 ? "250" : this.#code("250"));
    // 421 is the last word, also to those who come behind.
    const last = codes.indexOf("421");
    const heard = last < 0 ? codes : codes.slice(0, last + 1);
    const isTaken = isUnanswered && this.#chance.is(0.5);
    const taken = to.filter((_, index) => isTaken || heard[this.options.protocol === "lmtp" ? index : 0]?.startsWith("2"));
    this.ends.push({ number: this.#number, content, to, taken, codes: heard.map(Number) });
    if (fate === 1) this.hangUp();
    if (fate === 2) this.#isSilent = true;
    for (const code of heard) this.#say(code, "end");
  }

  #obey(line: string): void {
    const [verb = "", rest = ""] = line.toUpperCase().split(/ (.*)/s);
    if (verb === "BDAT") {
      const [octets = "0", last] = rest.split(" ");
      this.#reading = { octets: Number(octets), isLast: last === "LAST" };
      return;
    }
    if (verb === "MAIL") this.#number = Number(/<m(\d+)@/.exec(line)?.[1] ?? 0);
    const address = /^RCPT TO:<([^>]*)>/.exec(line)?.[1];
    const isLegal = verb === "MAIL"
      ? this.#transaction === undefined
      : verb === "RCPT"
      ? this.#transaction !== undefined
      : verb !== "DATA" || (this.#transaction?.to.length ?? 0) > 0;
    const wanted = YES[verb] ?? "250";
    const code = !isLegal ? "503" : this.#isOdd() ? this.#odd(wanted) : wanted;
    if (code === undefined) return;
    const said = verb === "EHLO" || verb === "LHLO" ? this.#reply(code, "mx.example", ...this.#offer()) : this.#say(code, "words");
    if (verb === "DATA" && said === "354") this.#reading = "data";
    if (!said.startsWith("2")) return;
    if (verb === "MAIL") this.#transaction = { number: this.#number, to: [], content: "" };
    if (address !== undefined) this.#transaction?.to.push(address);
    if (verb === "RSET") this.#transaction = undefined;
    if (verb === "QUIT") this.hangUp();
  }

  #offer(): readonly string[] {
    return this.options.keywords.filter((keyword) => keyword !== "STARTTLS" || !this.isSecure);
  }

  /** Something odd in the place of `wanted`: a code, or `undefined` where nothing is said. */
  #odd(wanted: string): string | undefined {
    const kind = this.#chance.from(1, 8);
    if (kind === 1) this.hangUp();
    if (kind === 2) this.#isSilent = true;
    return kind <= 2 ? undefined : this.#code(wanted);
  }

  #isOdd(): boolean {
    return this.#chance.is(this.options.trouble);
  }

  /** Any code but one that would be a yes to something else than what was asked, or where the server would wait for content that it did not ask for. */
  #code(wanted: string): string {
    const code = this.#chance.one(CODES);
    return code === "354" && wanted !== "354" ? "250" : code;
  }

  #say(code: string, words: string): string {
    this.said.push([this.#number, Number(code)]);
    return this.#reply(code, words);
  }

  #reply(code: string, ...lines: readonly string[]): string {
    if (this.options.isLiar && this.#isOdd()) {
      const kind = this.#chance.from(1, 3);
      if (kind === 1) return code;
      if (kind === 2) this.#put(this.#chance.one(LIES).replace(/\r\n$/, ""));
      else setImmediate(() => this.#put(this.#chance.one(LIES).replace(/\r\n$/, "")));
    }
    const enhanced = /^[245]/.test(code) && this.#chance.is(0.5) ? `${code[0]}.0.0 ` : "";
    this.#put(lines.map((line, index) => `${code}${index < lines.length - 1 ? "-" : " "}${index === 0 ? enhanced : ""}${line}`).join("\r\n"));
    if (code === "421") this.hangUp();
    return code;
  }

  #put(lines: string): void {
    if (this.isGone || this.isClosed || this.#isSilent) return;
    const { delivery } = this.options;
    const text = `${lines}\r\n`;
    const parts = delivery === "whole" ? [text] : delivery === "line" ? text.split(/(?<=\n)/) : [...text];
    for (const part of parts) this.#controller.enqueue(octetsOf(part));
  }
}
