/** A server that answers every unit of a script as the script has it, on as many connections as are opened to it, and counts what it stores. */
import type { Dialer } from "@posthorn/smtp";
import { type Cut, CutConnection, HANDSHAKE, type Hearer } from "../../support/cut_socket.ts";
import type { Script, Unit } from "./script.ts";

/** See the head of the file. The first connection is cut. */
export class ScriptServer {
  readonly #script: Script;
  readonly #cut: Cut | undefined;
  readonly #isStreamed: boolean;
  readonly #units: ReadonlyMap<string, Unit>;
  readonly connections: CutConnection[] = [];
  /** How often each message was stored, by its place in the script. */
  readonly stored: number[];
  /** What is not in the script. */
  readonly mismatches: string[] = [];

  constructor(script: Script, cut?: Cut, isStreamed = false) {
    this.#script = script;
    this.#cut = cut;
    this.#isStreamed = isStreamed;
    this.#units = unitsOf(script);
    this.stored = new Array(script.messages).fill(0);
  }

  readonly dial: Dialer = () => {
    const cut = this.connections.length === 0 ? this.#cut : undefined;
    const connection = new CutConnection(new Peer(this, this.#units, this.#script.units[0]!), cut, this.#isStreamed);
    this.connections.push(connection);
    return Promise.resolve(connection.socket());
  };

  /** Reads and writes on all connections. */
  get steps(): number {
    return this.connections.reduce((sum, { steps }) => sum + steps, 0);
  }

  /** See {@linkcode CutConnection.expire}. */
  expire(): boolean {
    return this.connections.some((connection) => connection.expire());
  }

  /** Whether nothing comes any more, unless time passes. */
  get isStuck(): boolean {
    const last = this.connections.at(-1);
    return last === undefined || last.isClosed || last.isBeyond;
  }
}

class Peer implements Hearer {
  readonly #server: ScriptServer;
  readonly #units: ReadonlyMap<string, Unit>;
  readonly greeting: string;
  #unread = "";
  #isSecure = false;
  /** What the next octets are, where they are no command. */
  #expected: "." | "tls" | undefined;

  constructor(server: ScriptServer, units: ReadonlyMap<string, Unit>, first: Unit) {
    this.#server = server;
    this.#units = units;
    this.greeting = said(first);
  }

  hear(octets: string): string {
    this.#unread += octets;
    let answers = "";
    for (let length = this.#length(); length > 0 && length <= this.#unread.length; length = this.#length()) {
      const whole = this.#unread.slice(0, length);
      this.#unread = this.#unread.slice(length);
      answers += this.#answer(whole);
    }
    return answers;
  }

  /** The octets of the unit that comes next; 0 when it is not known yet. */
  #length(): number {
    if (this.#expected === "tls") return HANDSHAKE.length;
    if (this.#expected === ".") {
      if (this.#unread.startsWith(".\r\n")) return 3;
      const end = this.#unread.indexOf("\r\n.\r\n");
      return end < 0 ? 0 : end + 5;
    }
    const line = this.#unread.indexOf("\n") + 1;
    const [, octets = 0] = /^BDAT (\d+)/.exec(this.#unread) ?? [];
    return line === 0 ? 0 : line + Number(octets);
  }

  #answer(octets: string): string {
    const unit = this.#units.get(keyOf(this.#isSecure, octets));
    if (unit === undefined) {
      this.#server.mismatches.push(octets.slice(0, 100));
      return "503 5.5.1 not in the script\r\n";
    }
    const { verb, answers, message, endsMessage } = unit;
    const answer = said(unit);
    if (verb === "tls") this.#isSecure = true;
    this.#expected = verb === "STARTTLS" ? "tls" : verb === "DATA" && answer.startsWith("354") ? "." : undefined;
    if (endsMessage && message !== undefined && answers.some(({ text }) => text.startsWith("2"))) this.#server.stored[message]!++;
    return answer;
  }
}

function unitsOf({ units }: Script): ReadonlyMap<string, Unit> {
  const result = new Map<string, Unit>();
  for (const unit of units) {
    const key = keyOf(unit.isSecure, unit.octets);
    const known = result.get(key);
    if (known !== undefined && said(known) !== said(unit)) throw new Error(`the script has two answers to ${unit.octets}`);
    result.set(key, unit);
  }
  return result;
}

function keyOf(isSecure: boolean, octets: string): string {
  return `${isSecure} ${octets}`;
}

function said({ answers }: Unit): string {
  return answers.map(({ text }) => text).join("");
}
