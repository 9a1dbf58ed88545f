/**
 * A scripted server in memory. A conversation stands in the RFC's own notation, and is delivered whole, by line and by byte:
 *
 * ```
 * S: 220 mx.example ESMTP
 * C: EHLO client.test
 * S: 250-mx.example
 * S: 250 PIPELINING
 * ```
 *
 * The server speaks when the client has said exactly the lines before. In braces stands what is no line: `S: {close}` ends the server's side,
 * `S: {reset}` breaks the connection, `S: {silence}` says nothing more, `C: {tls}` waits for the client to start TLS, and `S: {part} 25` sends `25`
 * with no line end, `S: {octets} 05 00` two octets in hexadecimal.
 */
import type { Socket } from "@posthorn/smtp";
import { settled } from "./fake_clock.ts";
import { shown, type Step, steps } from "./steps.ts";

/** How the server's octets are cut. */
export type Delivery = "whole" | "line" | "byte" | ((reply: Uint8Array) => Iterable<Uint8Array>);

export class ScriptedServer {
  readonly #steps: Step[];
  readonly #delivery: Delivery;
  #unread = "";
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #queue: Uint8Array[] = [];
  #wanted: (() => void) | undefined;
  #hasEnded = false;
  /** Every write of the client, as text. */
  readonly writes: string[] = [];
  /** Whether the client has closed the socket. */
  isClosed = false;
  /** What the client said that the script does not have. */
  mismatch: string | undefined;

  constructor(script: string, delivery: Delivery = "whole") {
    this.#steps = steps(script);
    this.#delivery = delivery;
    this.#go();
  }

  /** Whether the client waits for octets. */
  get isAsked(): boolean {
    return this.#wanted !== undefined;
  }

  /** Everything that the client wrote. */
  get received(): string {
    return this.writes.join("");
  }

  /** Steps that have not come to pass. */
  get rest(): string {
    return this.#steps.map(shown).join("\n");
  }

  /** The client's end. */
  socket(secureTransport: "starttls" | "on" = "starttls"): Socket {
    this.#queue = [];
    const socket: Socket = {
      secureTransport,
      opened: Promise.resolve({ localAddress: "192.0.2.7:40000", remoteAddress: "192.0.2.1:587" }),
      readable: new ReadableStream<Uint8Array>({
        start: (controller) => void (this.#controller = controller),
        pull: () => this.#pull(),
      }, { highWaterMark: 0 }),
      writable: new WritableStream<Uint8Array>({
        write: (chunk) => {
          if (this.isClosed) throw new Error("written after close");
          this.writes.push(latin1(chunk));
          this.#unread += latin1(chunk);
          this.#go();
        },
      }),
      startTls: ({ serverName }) => {
        const [step] = this.#steps;
        if (step === undefined || !("event" in step) || step.event !== "tls") throw new Error(`no TLS with ${serverName} here`);
        this.#steps.shift();
        const secure = this.socket("on");
        this.#go();
        return secure;
      },
      close: () => {
        if (this.isClosed) return;
        this.isClosed = true;
        this.#wanted?.();
        if (!this.#hasEnded) this.#controller?.error(new Error("closed by the client"));
      },
    };
    this.#go();
    return socket;
  }

  /** Throws unless the client said what the script has, all of it, and has closed the socket. */
  check(): void {
    if (this.mismatch !== undefined) throw new Error(this.mismatch);
    const rest = this.rest.replace(/^S: \{(silence|close|reset)\}$/, "");
    if (rest !== "") throw new Error(`the conversation stopped before:\n${rest}`);
    if (!this.isClosed) throw new Error("the client left the socket open");
  }

  /** A dialer to this server. */
  readonly dial = (): Promise<Socket> => Promise.resolve(this.socket());

  #go(): void {
    if (this.#controller === undefined) return;
    for (let step = this.#steps[0]; step !== undefined; step = this.#steps[0]) {
      if ("event" in step) {
        if (step.event === "silence" || step.event === "tls") return;
        // What was said before comes before the end.
        if (this.#queue.length > 0) return;
        this.#steps.shift();
        this.#hasEnded = true;
        if (step.event === "close") this.#controller.close();
        else this.#controller.error(new Error("connection reset"));
        this.#wanted?.();
        continue;
      }
      if (step.from === "C") {
        const said = this.#unread.slice(0, step.text.length);
        if (said !== step.text.slice(0, said.length)) {
          return this.#break(`expected ${JSON.stringify(step.text)}, got ${JSON.stringify(this.#unread)}`);
        }
        if (said.length < step.text.length) return;
        this.#unread = this.#unread.slice(said.length);
        this.#steps.shift();
        continue;
      }
      this.#steps.shift();
      let text = step.text;
      for (let next = this.#steps[0]; next !== undefined && !("event" in next) && next.from === "S"; next = this.#steps[0]) {
        text += next.text;
        this.#steps.shift();
      }
      this.#queue.push(...cut(octets(text), this.#delivery));
      this.#wanted?.();
    }
    if (this.#unread !== "" && this.#steps.length === 0) this.#break(`the client went on: ${JSON.stringify(this.#unread)}`);
  }

  /** The client does not keep to the script: nothing good can come of it, so it is told at once. */
  #break(mismatch: string): void {
    this.mismatch ??= mismatch;
    if (this.#hasEnded || this.isClosed) return;
    this.#hasEnded = true;
    this.#controller?.error(new Error(mismatch));
    this.#wanted?.();
  }

  async #pull(): Promise<void> {
    this.#go();
    while (this.#queue.length === 0 && !this.isClosed && !this.#hasEnded) {
      await new Promise<void>((resolve) => this.#wanted = resolve);
      this.#wanted = undefined;
    }
    const chunk = this.#queue.shift();
    if (chunk !== undefined && !this.isClosed) this.#controller?.enqueue(chunk);
  }
}

/** Registers a test of `run` for each way to deliver the replies of `script`, and checks that the whole script came to pass. */
export function conversation(name: string, script: string, run: (server: ScriptedServer) => Promise<void>): void {
  for (const delivery of ["whole", "line", "byte"] as const) {
    Deno.test(`${name} (replies ${delivery === "whole" ? "whole" : `by ${delivery}`})`, async () => {
      const server = new ScriptedServer(script, delivery);
      await run(server);
      await settled();
      server.check();
    });
  }
}

function* cut(reply: Uint8Array, delivery: Delivery): Generator<Uint8Array> {
  if (typeof delivery === "function") yield* delivery(reply);
  else if (delivery === "whole") yield reply;
  else {
    let start = 0;
    for (const [index, octet] of reply.entries()) {
      if (delivery === "line" && octet !== 10 && index < reply.length - 1) continue;
      yield reply.slice(start, index + 1);
      start = index + 1;
    }
  }
}

/** One character an octet, so that a script may hold any octets. */
function latin1(chunk: Uint8Array): string {
  return Array.from(chunk, (octet) => String.fromCharCode(octet)).join("");
}

function octets(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
