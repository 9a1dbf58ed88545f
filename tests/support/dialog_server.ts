/**
 * A server in memory that plays the server's part of a dialog of `tests/faults/dialogs.json`. Other than a `ScriptedServer` it knows what it expects by
 * pattern, so that one dialog holds for clients that write the same in different words. The head of the JSON file describes the members.
 */
import type { Socket } from "@posthorn/smtp";
import { settled } from "./fake_clock.ts";

/** How the server's octets are cut. */
export type Cut = "whole" | "line" | "byte";

/** One turn of the server: what it waits for, what it says then, and what it does after that. */
export interface Step {
  readonly expect: string | null;
  readonly reply: string | Repeated | null;
  readonly then?: "close" | "reset" | "hold" | "starttls" | "drain-then-close";
  readonly optional?: boolean;
  readonly repeat?: boolean;
  readonly extra?: string;
  /** Octets of a piece where the reply is to come in pieces. */
  readonly chunk?: number;
  /** What is said instead to content with a lone CR or LF. */
  readonly bareNewline?: string;
  readonly inTls?: boolean;
}

/** Text that is too long to be written down. */
export interface Repeated {
  readonly prefix?: string;
  readonly repeat: string;
  readonly times: number;
}

/** See the head of the file. */
export class DialogServer {
  readonly #steps: readonly Step[];
  readonly #cut: Cut;
  #at = 0;
  /** Whether the current step, one that may match again, has matched. */
  #hasMatched = false;
  #unread = "";
  readonly #queue: Uint8Array[] = [];
  /** Pieces of the queue that were taken: `shift` is slow where there are many. */
  #taken = 0;
  #end: "close" | "reset" | undefined;
  #wanted: (() => void) | undefined;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  /** Whether it listens no more; what is written to it is taken and thrown away. */
  #isDeaf = false;
  #awaitsTls = false;
  #isSecure = false;
  /** How often it was dialled. */
  dialled = 0;
  /** Octets that the client has read. */
  given = 0;
  /** Everything that the client wrote, one character an octet. */
  received = "";
  /** The content between DATA and the final dot, as it came. */
  content: string | undefined;
  isClosed = false;
  /** What the client said that the dialog does not have. */
  mismatch: string | undefined;

  constructor(steps: readonly Step[], cut: Cut) {
    this.#steps = steps;
    this.#cut = cut;
  }

  /** Steps that must come to pass and have not. */
  get rest(): readonly Step[] {
    return this.#steps.slice(this.#at).filter((step, index) => !step.optional && !(index === 0 && this.#hasMatched));
  }

  /** Octets that went over the connection, either way. */
  get moved(): number {
    return this.given + this.received.length;
  }

  /** Every line that the client wrote, content included. */
  get lines(): readonly string[] {
    return utf8(this.received).split("\r\n");
  }

  /** A dialer to this server. */
  readonly dial = (): Promise<Socket> => {
    this.dialled++;
    return Promise.resolve(this.#socket("starttls"));
  };

  /** Whether there are octets that the client has not read. */
  get #hasMore(): boolean {
    return this.#taken < this.#queue.length;
  }

  #socket(secureTransport: "starttls" | "on"): Socket {
    const socket: Socket = {
      secureTransport,
      readable: new ReadableStream<Uint8Array>({
        start: (controller) => void (this.#controller = controller),
        pull: (controller) => this.#pull(controller),
      }, { highWaterMark: 0 }),
      writable: new WritableStream<Uint8Array>({
        write: (chunk) => {
          if (this.isClosed) throw new Error("written after close");
          const text = latin1(chunk);
          this.received += text;
          if (this.#isDeaf) return;
          this.#unread += text;
          this.#go();
        },
      }),
      startTls: () => {
        if (!this.#awaitsTls) throw new Error("the server expects no handshake");
        // On a wire, what was said in the clear and not read yet would be taken for the server's side of the handshake.
        if (this.#hasMore) throw new Error("the handshake began with octets that are no TLS");
        this.#awaitsTls = false;
        this.#isSecure = true;
        const secure = this.#socket("on");
        this.#go();
        return secure;
      },
      close: () => {
        if (this.isClosed) return;
        this.isClosed = true;
        this.#wanted?.();
        this.#controller?.error(new Error("closed by the client"));
      },
    };
    this.#go();
    return socket;
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    while (!this.#hasMore && !this.isClosed && this.#end === undefined) {
      await new Promise<void>((resolve) => this.#wanted = resolve);
      this.#wanted = undefined;
    }
    if (this.isClosed) return;
    const chunk = this.#queue[this.#taken];
    if (chunk !== undefined) {
      this.#taken++;
      this.given += chunk.length;
      controller.enqueue(chunk);
    } else if (this.#end === "close") controller.close();
    else controller.error(new Error(this.mismatch ?? "connection reset"));
  }

  #go(): void {
    while (!this.#isDeaf && !this.#awaitsTls) {
      const step = this.#steps[this.#at];
      if (step === undefined) return this.#afterwards();
      const heard = step.expect === null ? "" : this.#hear(step.expect);
      if (heard === undefined) return;
      if (heard !== false) {
        if (step.inTls && !this.#isSecure) return this.#break(`said without TLS: ${JSON.stringify(heard)}`);
        if (step.repeat) this.#hasMatched = true;
        else this.#next();
        this.#play(step, heard);
      } else if (step.optional || this.#hasMatched) this.#next();
      else return this.#break(`expected ${step.expect}, got ${JSON.stringify(this.#unread)}`);
    }
  }

  #next(): void {
    this.#at++;
    this.#hasMatched = false;
  }

  /** Takes what `expect` describes; `undefined` while there is not enough of it, `false` when it is something else. */
  #hear(expect: string): string | undefined | false {
    const [, count] = /^@bytes:(\d+)$/.exec(expect) ?? [];
    if (count !== undefined) return this.#unread.length < Number(count) ? undefined : this.#take(Number(count), 0);
    if (expect === "@data") {
      // Content may consist of nothing but its end.
      const end = `\r\n${this.#unread}`.indexOf("\r\n.\r\n");
      return end < 0 ? undefined : this.content = this.#take(end, 3);
    }
    if (expect === "@bdat") {
      const [line, length] = /^BDAT (\d+)(?: LAST)?\r\n/.exec(this.#unread) ?? [];
      if (line === undefined) return this.#unread.includes("\r\n") ? false : undefined;
      if (this.#unread.length < line.length + Number(length)) return undefined;
      this.#take(line.length, 0);
      return this.#take(Number(length), 0);
    }
    if (expect.startsWith("@")) throw new Error(`this server does not know ${expect}`);
    const end = this.#unread.indexOf("\r\n");
    if (end < 0) return undefined;
    return new RegExp(expect, "u").test(utf8(this.#unread.slice(0, end))) && this.#take(end, 2);
  }

  /** Takes `length` octets, and `end` more that are not given back. */
  #take(length: number, end: number): string {
    const taken = this.#unread.slice(0, length);
    this.#unread = this.#unread.slice(length + end);
    return taken;
  }

  #play(step: Step, heard: string): void {
    const isBare = step.bareNewline !== undefined && /\r(?!\n)|(?<!\r)\n/.test(heard);
    this.#say(isBare ? step.bareNewline : step.reply, step.chunk);
    const { extra } = step;
    // The octets that come later come on a turn of the event loop of their own.
    if (extra !== undefined) settled().then(() => this.#say(extra));
    if (step.then === "hold" || step.then === "drain-then-close") this.#isDeaf = true;
    else if (step.then === "starttls") this.#awaitsTls = true;
    else if (step.then !== undefined) this.#hangUp(step.then);
  }

  /** Behind the end of the dialog nothing is said any more: to QUIT the server hangs up, as servers do, and nothing else may come. */
  #afterwards(): void {
    const heard = this.#hear("");
    if (heard === undefined || heard === false) return;
    if (heard === "QUIT") this.#hangUp("close");
    else this.#break(`the client went on: ${JSON.stringify(heard)}`);
  }

  #hangUp(end: "close" | "reset"): void {
    this.#isDeaf = true;
    this.#end ??= end;
    this.#wanted?.();
  }

  /** The client does not keep to the dialog: nothing good can come of it, so it is told at once. */
  #break(mismatch: string): void {
    this.mismatch ??= mismatch;
    this.#hangUp("reset");
  }

  #say(reply: string | Repeated | null, chunk?: number): void {
    if (reply === null) return;
    for (const piece of pieces(new TextEncoder().encode(unfolded(reply)), this.#cut, chunk)) this.#queue.push(piece);
    this.#wanted?.();
  }
}

/** The text that `text` stands for. */
export function unfolded(text: string | Repeated): string {
  return typeof text === "string" ? text : (text.prefix ?? "") + text.repeat.repeat(text.times);
}

function* pieces(octets: Uint8Array, cut: Cut, chunk = octets.length): Generator<Uint8Array> {
  let start = 0;
  for (const [index, octet] of octets.entries()) {
    const isEnd = cut === "byte" || (cut === "line" && octet === 10) || (cut === "whole" && index + 1 - start === chunk);
    if (!isEnd && index < octets.length - 1) continue;
    yield octets.slice(start, index + 1);
    start = index + 1;
  }
}

/** One character an octet. */
function latin1(octets: Uint8Array): string {
  return Array.from(octets, (octet) => String.fromCharCode(octet)).join("");
}

function utf8(text: string): string {
  return new TextDecoder().decode(Uint8Array.from(text, (character) => character.charCodeAt(0)));
}
