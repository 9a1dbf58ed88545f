/**
 * A whole session in the RFC's notation, taken apart: what the client says in which flight, and what the server answers to each of it. A flight is what
 * stands between two answers. `{tls}` is a handshake, `{long 0 9}` the first nine octets of a long content, `{stuffed}` all of it with its dots doubled.
 */
import { HANDSHAKE } from "../../support/cut_socket.ts";

/** One reply, and how many octets the server has said behind it. */
export interface Answer {
  readonly text: string;
  readonly end: number;
}

/** What is answered as one: a command, a command with its chunk, a whole content, a handshake; and the beginning, upon which the server greets. */
export interface Unit {
  /** The command; `"."` for content, `"greeting"` and `"tls"`; `"AUTH"` for what follows upon a 334 too. */
  readonly verb: string;
  readonly octets: string;
  /** How many octets the client has said behind it, and behind all that it says without waiting for an answer. */
  readonly end: number;
  flightEnd: number;
  readonly isSecure: boolean;
  /** The message, from 0. */
  readonly message: number | undefined;
  /** The recipient. */
  readonly to: string | undefined;
  /** Whether the message is whole with it. */
  readonly endsMessage: boolean;
  readonly answers: Answer[];
}

/** See the head of the file. */
export interface Script {
  readonly units: readonly Unit[];
  readonly clientOctets: number;
  readonly serverOctets: number;
  readonly messages: number;
}

/** `count` lines of content, some of which begin with a dot; without their dots doubled. */
export function lines(count: number): string {
  return Array.from({ length: count }, (_, index) => `${index % 100 === 7 ? ".".repeat(40) : "abcdefgh".repeat(9)}\r\n`).join("");
}

/** Reads a conversation, in which `long` is the long content. */
export function parseScript(text: string, protocol: "smtp" | "lmtp" = "smtp", long = ""): Script {
  const parser = new Parser(protocol, long);
  for (const line of text.split("\n").map((line) => line.trim()).filter((line) => line !== "")) {
    const [, from, said = ""] = /^([SC]):(?: (.*))?$/.exec(line) ?? [];
    if (from === "C") parser.onClient(said);
    else if (from === "S") parser.onServer(said);
    else throw new Error(`no line of a conversation: ${line}`);
  }
  return parser.script;
}

class Parser {
  readonly #isLmtp: boolean;
  readonly #long: string;
  readonly #units: Unit[] = [];
  #clientOctets = 0;
  #serverOctets = 0;
  #messages = 0;
  #isSecure = false;
  /** Of a unit or a reply that goes on. */
  #begun = "";
  #reply = "";
  #isAnswered = true;
  /** Units of the flight that is being said. */
  #flight: Unit[] = [];

  constructor(protocol: "smtp" | "lmtp", long: string) {
    this.#isLmtp = protocol === "lmtp";
    this.#long = long;
    this.#add("greeting", "");
  }

  get script(): Script {
    const last = this.#waiting();
    if (last !== undefined) throw new Error(`${last.verb} has no answer`);
    return { units: this.#units, clientOctets: this.#clientOctets, serverOctets: this.#serverOctets, messages: this.#messages };
  }

  onClient(said: string): void {
    if (said === "{tls}") return this.#add("tls", HANDSHAKE);
    const [, from, to] = /^\{long (\d+) (\d+)\}$/.exec(said) ?? [];
    const isContent = this.#isData;
    if (to !== undefined) this.#begun += this.#long.slice(Number(from), Number(to));
    else this.#begun += said === "{stuffed}" ? this.#long.replace(/^\./gm, "..") : `${said}\r\n`;
    if (isContent) {
      if (said === ".") this.#add(".", this.#begun);
      return;
    }
    const [, octets] = /^BDAT (\d+)(?: LAST)?\r\n/.exec(this.#begun) ?? [];
    if (octets !== undefined && this.#begun.length < this.#begun.indexOf("\n") + 1 + Number(octets)) return;
    const isAuth = this.#units.at(-1)?.answers.at(-1)?.text.startsWith("334");
    this.#add(isAuth ? "AUTH" : this.#begun.split(/[ \r]/)[0]!, this.#begun);
  }

  onServer(said: string): void {
    this.#reply += said === "{tls}" ? HANDSHAKE : `${said}\r\n`;
    if (said[3] === "-") return;
    const unit = this.#waiting();
    if (unit === undefined) throw new Error(`nobody has asked for ${said}`);
    this.#serverOctets += this.#reply.length;
    unit.answers.push({ text: this.#reply, end: this.#serverOctets });
    this.#reply = "";
    if (unit.verb === "tls") this.#isSecure = true;
    this.#isAnswered = true;
  }

  /** Whether the server has asked for content that has not come. */
  get #isData(): boolean {
    const data = this.#units.findLast(({ verb }) => verb === "DATA" || verb === ".");
    return data?.verb === "DATA" && (data.answers[0]?.text.startsWith("354") ?? false);
  }

  #add(verb: string, octets: string): void {
    if (this.#isAnswered) this.#flight = [];
    this.#isAnswered = false;
    this.#begun = "";
    this.#clientOctets += octets.length;
    if (verb === "MAIL") this.#messages++;
    const isOfMessage = ["RSET", "MAIL", "RCPT", "DATA", "BDAT", "."].includes(verb);
    const unit: Unit = {
      verb,
      octets,
      end: this.#clientOctets,
      flightEnd: this.#clientOctets,
      isSecure: this.#isSecure,
      message: isOfMessage ? this.#messages - (verb === "RSET" ? 0 : 1) : undefined,
      to: /^RCPT TO:<([^>]*)>/.exec(octets)?.[1],
      endsMessage: verb === "." || /^BDAT \d+ LAST/.test(octets),
      answers: [],
    };
    this.#units.push(unit);
    this.#flight.push(unit);
    for (const other of this.#flight) other.flightEnd = this.#clientOctets;
  }

  /** The first that has not all its answers: LMTP gives one to each recipient that it took (RFC 2033 section 4.2). */
  #waiting(): Unit | undefined {
    return this.#units.find(({ answers, endsMessage, message }) => {
      if (!this.#isLmtp || !endsMessage) return answers.length < 1;
      const taken = this.#units.filter((unit) => unit.to !== undefined && unit.message === message && unit.answers[0]?.text.startsWith("2"));
      return answers.length < taken.length;
    });
  }
}
