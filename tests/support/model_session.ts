/** What the model of a server makes of octets: RFC 5321, 2920, 3030 and 2033, to the letter. */
import type { Fault, ModelConnection, ModelServer, Moment } from "./model_server.ts";

interface Transaction {
  readonly number: number;
  readonly from: string;
  readonly to: string[];
  content: string;
}

/** A chunk that is announced: its octets come, whatever is answered (RFC 3030 section 2). */
interface Chunk {
  readonly octets: number;
  readonly isLast: boolean;
}

export class ModelSession {
  readonly #server: ModelServer;
  readonly #connection: ModelConnection;
  #unread = "";
  #transaction: Transaction | undefined;
  #isData = false;
  #chunk: Chunk | undefined;
  /** The number in the last MAIL, whether it was accepted or not. */
  #number = 0;
  /** Whether nothing more is said. */
  #isSilent = false;
  /** Every command line. */
  readonly commands: string[] = [];
  readonly riding: number[] = [];
  /** The messages whose end came. */
  readonly ends: Set<number> = new Set();

  constructor(server: ModelServer, connection: ModelConnection) {
    this.#server = server;
    this.#connection = connection;
  }

  /** Reads what came in one piece. */
  read(text: string): void {
    this.#unread += text;
    while (this.#step());
  }

  /** Whether there was something whole to be read. */
  #step(): boolean {
    if (this.#isData) return this.#readContent();
    if (this.#chunk !== undefined) return this.#readChunk(this.#chunk);
    const end = this.#unread.indexOf("\r\n");
    if (end < 0) return false;
    const line = this.#unread.slice(0, end);
    this.#unread = this.#unread.slice(end + 2);
    this.commands.push(line);
    this.#obey(line);
    return true;
  }

  #readContent(): boolean {
    const isEmpty = this.#unread.startsWith(".\r\n");
    const end = isEmpty ? 0 : this.#unread.indexOf("\r\n.\r\n") + 2;
    if (!isEmpty && end < 2) return false;
    const content = this.#unread.slice(0, end).replace(/^\./gm, "");
    this.#unread = this.#unread.slice(end + 3);
    this.#isData = false;
    this.#end(content, false);
    return true;
  }

  #readChunk({ octets, isLast }: Chunk): boolean {
    if (this.#unread.length < octets) return false;
    const content = this.#unread.slice(0, octets);
    this.#unread = this.#unread.slice(octets);
    this.#chunk = undefined;
    const transaction = this.#transaction;
    if (transaction !== undefined && transaction.to.length > 0) {
      if (isLast) this.#end(transaction.content + content, true);
      else {
        transaction.content += content;
        this.#say("250 chunk ok");
      }
    } else {
      if (isLast) this.ends.add(this.#number);
      this.#say("503 5.5.1 no recipients", isLast ? this.#number : undefined);
    }
    return true;
  }

  #obey(line: string): void {
    const [verb = ""] = line.toUpperCase().split(" ");
    if (verb === "EHLO" || verb === "LHLO") return this.#hello();
    if (verb === "MAIL") return this.#mail(line);
    if (verb === "RCPT") return this.#rcpt(line);
    if (verb === "DATA") return this.#data();
    if (verb === "BDAT") return this.#bdat(line);
    if (verb === "RSET") {
      return this.#unless("rset", () => {
        this.#transaction = undefined;
        this.#say("250 reset");
      });
    }
    if (verb === "QUIT") {
      this.#say("221 bye");
      return this.#hangUp();
    }
    this.#say(verb === "NOOP" ? "250 ok" : "500 what?");
  }

  #hello(): void {
    const { keywords = ["PIPELINING"] } = this.#server.options;
    const lines = ["mx.example", ...keywords];
    this.#say(lines.map((line, index) => `250${index === lines.length - 1 ? " " : "-"}${line}`).join("\r\n"));
  }

  #mail(line: string): void {
    const from = /^MAIL FROM:<([^>]*)>/i.exec(line)?.[1] ?? "";
    this.#number = Number(/^m(\d+)@/.exec(from)?.[1] ?? 0);
    if (this.#connection.owesAnEnd) this.riding.push(this.#number);
    this.#unless("mail", () => {
      if (this.#transaction !== undefined) return this.#say("503 5.5.1 nested MAIL");
      this.#transaction = { number: this.#number, from, to: [], content: "" };
      this.#say("250 2.1.0 sender ok");
    });
  }

  #rcpt(line: string): void {
    const to = /^RCPT TO:<([^>]*)>/i.exec(line)?.[1] ?? "";
    const { maxRecipients = Infinity } = this.#server.options;
    this.#unless("rcpt", () => {
      if (this.#transaction === undefined) return this.#say("503 5.5.1 MAIL first");
      if (this.#transaction.to.length >= maxRecipients) return this.#say("452 4.5.3 too many recipients");
      this.#transaction.to.push(to);
      this.#say("250 2.1.5 recipient ok");
    }, to);
  }

  #data(): void {
    const { isLax = false } = this.#server.options;
    this.#unless("data", () => {
      if (!isLax && (this.#transaction?.to.length ?? 0) === 0) return this.#say("503 5.5.1 RCPT first");
      this.#isData = true;
      this.#say("354 go ahead");
    });
  }

  #bdat(line: string): void {
    const [, octets = "0", last] = /^BDAT (\d+)( LAST)?$/i.exec(line) ?? [];
    this.#chunk = { octets: Number(octets), isLast: last !== undefined };
  }

  /** The message is whole. */
  #end(content: string, isChunk: boolean): void {
    const transaction = this.#transaction;
    const number = this.#number;
    this.ends.add(number);
    const fault = this.#meet("content");
    const { temper } = this.#server.options;
    if (!(isChunk && fault?.staysOpen)) this.#transaction = undefined;
    else if (transaction !== undefined) transaction.content = "";
    const isAnswered = fault?.hangsUp !== "before" && !fault?.isSilent;
    const isYes = isAnswered ? fault?.says === undefined : fault?.isTaken === true;
    const isSomebodyThere = transaction !== undefined && transaction.to.length > 0;
    if (isYes && isSomebodyThere && !this.#connection.isGone && !this.#isSilent) this.#server.taken.push({ ...transaction, content });
    if (temper === "Dovecot" && this.#unread !== "") return this.#hangUp();
    if (isAnswered) this.#answerEnd(transaction, number, fault?.says);
    this.#behind(fault);
    if (temper !== undefined && this.#unread !== "") this.#refuseRiders();
  }

  #answerEnd(transaction: Transaction | undefined, number: number, says: string | undefined): void {
    const isSomebodyThere = transaction !== undefined && transaction.to.length > 0;
    const replies = this.#server.options.protocol === "lmtp" ? transaction?.to.length ?? 0 : 1;
    for (let count = 0; count < replies; count++) this.#say(says ?? (isSomebodyThere ? "250 2.0.0 taken" : "554 5.5.1 for nobody"), number);
  }

  /** What came behind the end of a message in the same read. */
  #refuseRiders(): void {
    const lines = this.#unread.split("\r\n").slice(0, -1);
    this.#unread = "";
    this.commands.push(...lines);
    let number = this.#number;
    for (const line of lines) {
      const sender = /^MAIL FROM:<m(\d+)@/.exec(line)?.[1];
      if (sender !== undefined) this.riding.push(number = Number(sender));
      if (/^BDAT \d+ LAST/.test(line)) this.ends.add(number);
    }
    if (this.#server.options.temper === "Haraka") { for (const _ of lines) this.#say("503 Bad sequence of commands - pipelined after end of DATA"); }
  }

  /** Goes on, unless the message meets a fault here. */
  #unless(at: Moment, goOn: () => void, to?: string): void {
    const fault = this.#meet(at, to);
    if (fault === undefined) return goOn();
    if (fault.hangsUp !== "before" && !fault.isSilent) {
      if (fault.says === undefined) goOn();
      else this.#say(fault.says);
    }
    this.#behind(fault);
  }

  /** What happens behind the reply, or in the place of one. */
  #behind(fault: Fault | undefined): void {
    if (fault?.isSilent) this.#isSilent = true;
    if (fault?.hangsUp !== undefined || fault?.says?.startsWith("421")) this.#hangUp();
  }

  /** What comes after the end of the connection meets nothing any more. */
  #meet(at: Moment, to?: string): Fault | undefined {
    if (this.#connection.isGone || this.#isSilent) return undefined;
    return this.#server.meet(this.#number, at, to);
  }

  #hangUp(): void {
    this.#connection.hangUp();
  }

  #say(line: string, endOf?: number): void {
    if (!this.#isSilent && !this.#connection.isGone) this.#connection.say(line, endOf);
  }
}
