/**
 * Plays a script on a real connection. Besides what stands in tests/support/script.ts a script may hold:
 *
 * - `S: {half}` says no more and reads on; `S: {drop}` closes TCP without a word of TLS; `S: {deaf}` reads no more, `S: {hear}` reads on
 * - `S: {clear} text` a line below TLS; `S: {alert}` has TLS end by an alert
 * - `S: {wait} 20` waits so many milliseconds; `S: {drip} 20 text` says an octet each
 * - `S: {repeat} 3000 text` a line so many times, `S: {flood} text` for ever; with `{noise} text` there is no end of the line either
 * - `S: {answers} 5000 text` a line for each of as many of the client's; it reads only when the line before has drained
 * - `C: {like} pattern` a line by a regular expression; `C: {message}` all up to the final dot; `C: {taken} 300000` so many octets of whatever
 *
 * Lines of the server in a row leave in one write.
 */
import { shown, type Step, steps } from "../../support/steps.ts";
import type { SecureContext } from "node:tls";
import type { Wire, WireEnd } from "./wire.ts";

/** What came of one connection. */
export interface Report {
  /** What the client said, one character an octet, up to a bound. */
  readonly said: string;
  /** How many octets that was without the bound. */
  readonly octets: number;
  /** What the script has and did not come to pass. */
  readonly rest: string;
  /** What the client said that the script does not have. */
  readonly mismatch?: string | undefined;
  /** How the client's side ended. */
  readonly end?: WireEnd | undefined;
  readonly serverName?: string | false | undefined;
  readonly version?: string | undefined;
  readonly tlsError?: string | undefined;
}

/** Octets of what the client said that are kept. */
const KEPT = 262_144;
/** Octets of one write of a flood. */
const FLOOD = 65_536;
const DOT = Buffer.from("\r\n.\r\n");

export class Player {
  readonly #steps: Step[];
  readonly #wire: Wire;
  readonly #context: SecureContext;
  #unread: Buffer = Buffer.alloc(0);
  /** Called when the client has said something, or has ended. */
  #onNews = () => {};
  #said = "";
  #octets = 0;
  #end: WireEnd | undefined;
  #mismatch: string | undefined;
  /** Whether nothing of the script is left, so that nobody looks at what the client says. */
  #isOver = false;
  readonly #listeners = new Set<() => void>();

  constructor(script: string, wire: Wire, context: SecureContext) {
    this.#steps = steps(script);
    this.#wire = wire;
    this.#context = context;
  }

  get report(): Report {
    const { serverName, version, tlsError } = this.#wire;
    return {
      said: this.#said,
      octets: this.#octets,
      // Whoever has no more to say to each other may close in either order.
      rest: this.#steps.map(shown).join("\n").replace(/^S: \{(silence|close)\}$/, ""),
      mismatch: this.#mismatch,
      end: this.#end,
      serverName,
      version,
      tlsError,
    };
  }

  /** Resolves when the client has said as many octets, or has ended. */
  async heard(octets: number): Promise<void> {
    while (this.#octets < octets && this.#end === undefined) await new Promise<void>((resolve) => void this.#listeners.add(resolve));
  }

  onOctets(octets: Buffer): void {
    this.#octets += octets.length;
    if (this.#said.length < KEPT) this.#said += octets.toString("latin1");
    if (!this.#isOver) this.#unread = this.#unread.length === 0 ? octets : Buffer.concat([this.#unread, octets]);
    this.#tell();
  }

  onEnd(how: WireEnd): void {
    this.#end ??= how;
    this.#tell();
  }

  async play(): Promise<void> {
    for (let step = this.#steps[0]; step !== undefined && this.#mismatch === undefined; step = this.#steps[0]) {
      if ("event" in step && step.event === "silence") break;
      if (!(await this.#playOne(step))) return;
      // What is written in one write is gone already.
      if (this.#steps[0] === step) this.#steps.shift();
    }
    if (this.#mismatch !== undefined) this.#wire.reset();
    this.#isOver = true;
    this.#unread = Buffer.alloc(0);
  }

  /** Resolves with whether it came to pass. */
  async #playOne(step: Step): Promise<boolean> {
    if ("event" in step) return await (step.from === "S" ? this.#act(step.event, step.argument) : this.#expect(step.event, step.argument));
    if (step.from === "C") return await this.#mustHear(step.text);
    let text = "";
    for (let next = this.#steps[0]; next !== undefined && !("event" in next) && next.from === "S"; next = this.#steps[0]) {
      text += next.text;
      this.#steps.shift();
    }
    await this.#wire.write(Buffer.from(text, "latin1"));
    return true;
  }

  async #act(event: string, argument: string): Promise<boolean> {
    const [, number = "", text = ""] = /^(\d+) ?(.*)$/.exec(argument) ?? [];
    const wire = this.#wire;
    if (event === "close") await wire.close();
    else if (event === "half") await wire.half();
    else if (event === "drop") wire.drop();
    else if (event === "reset") wire.reset();
    else if (event === "alert") wire.alert();
    else if (event === "deaf" || event === "hear") wire.setDeaf(event === "deaf");
    else if (event === "clear") await wire.clear(Buffer.from(`${argument}\r\n`));
    else if (event === "wait") await sleep(Number(number));
    else if (event === "drip") await this.#drip(`${text}\r\n`, Number(number));
    else if (event === "repeat") await wire.write(Buffer.from(`${text}\r\n`.repeat(Number(number))));
    else if (event === "flood") await this.#flood(`${argument}\r\n`);
    else if (event === "noise") await this.#flood(argument);
    else if (event === "answers") return await this.#answers(Number(number), `${text}\r\n`);
    else throw new Error(`no event: ${event}`);
    return true;
  }

  async #expect(event: string, argument: string): Promise<boolean> {
    if (event === "tls") {
      const early = this.#unread;
      this.#unread = Buffer.alloc(0);
      await this.#wire.accept(this.#context, early);
      return this.#wire.version !== undefined;
    }
    if (event === "like") {
      const line = await this.#line();
      if (line !== undefined && !new RegExp(argument).test(line)) this.#mismatch = `expected ${argument}, got ${JSON.stringify(line)}`;
      return line !== undefined;
    }
    if (event === "message") return await this.#message();
    if (event === "taken") return await this.#taken(Number(argument));
    throw new Error(`no event: ${event}`);
  }

  async #mustHear(text: string): Promise<boolean> {
    for (;;) {
      const said = this.#unread.subarray(0, text.length).toString("latin1");
      if (said !== text.slice(0, said.length)) {
        this.#mismatch = `expected ${JSON.stringify(text)}, got ${JSON.stringify(this.#unread.toString("latin1"))}`;
        return true;
      }
      if (said.length === text.length) break;
      if (!await this.#news()) return false;
    }
    this.#unread = this.#unread.subarray(text.length);
    return true;
  }

  async #line(): Promise<string | undefined> {
    for (let end = this.#unread.indexOf(10);; end = this.#unread.indexOf(10)) {
      if (end >= 0) {
        const line = this.#unread.subarray(0, end).toString("latin1").trimEnd();
        this.#unread = this.#unread.subarray(end + 1);
        return line;
      }
      if (!await this.#news()) return undefined;
    }
  }

  async #message(): Promise<boolean> {
    for (;;) {
      const end = this.#unread.indexOf(DOT);
      if (end >= 0) {
        this.#unread = this.#unread.subarray(end + DOT.length);
        return true;
      }
      this.#unread = this.#unread.subarray(Math.max(0, this.#unread.length - DOT.length));
      if (!await this.#news()) return false;
    }
  }

  async #taken(octets: number): Promise<boolean> {
    for (let left = octets; left > 0;) {
      if (this.#unread.length === 0 && !await this.#news()) return false;
      const taken = Math.min(left, this.#unread.length);
      left -= taken;
      this.#unread = this.#unread.subarray(taken);
    }
    return true;
  }

  async #drip(text: string, milliseconds: number): Promise<void> {
    for (const octet of Buffer.from(text)) {
      if (this.#end !== undefined) return;
      await this.#wire.write(Buffer.of(octet));
      await sleep(milliseconds);
    }
  }

  async #flood(text: string): Promise<void> {
    const octets = Buffer.from(text.repeat(Math.ceil(FLOOD / text.length)));
    while (this.#end === undefined) await this.#wire.write(octets);
  }

  async #answers(count: number, text: string): Promise<boolean> {
    for (let answered = 0; answered < count; answered++) {
      if (await this.#line() === undefined) return false;
      this.#wire.setDeaf(true);
      await this.#wire.write(Buffer.from(text));
      if (this.#unread.indexOf(10) < 0) this.#wire.setDeaf(false);
    }
    this.#wire.setDeaf(false);
    return true;
  }

  /** Resolves when there is more of the client; with `false` when it has ended. */
  async #news(): Promise<boolean> {
    if (this.#end !== undefined) return false;
    await new Promise<void>((resolve) => this.#onNews = resolve);
    return true;
  }

  #tell(): void {
    this.#onNews();
    for (const resolve of this.#listeners) resolve();
    this.#listeners.clear();
  }
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
