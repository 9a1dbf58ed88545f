/**
 * A server in memory that says yes to everything and reads strictly, octet by octet: what it makes of the wire is written from the RFCs and from nothing
 * of the library, so that it can judge what was written. Octets are characters here, one each.
 */
import { connect, type ConnectOptions, type SmtpClient, SmtpConnection } from "@posthorn/smtp";
import type { Socket } from "@posthorn/smtp";
import { ManualServer } from "./manual.ts";

/** Everything that may change what the library writes. */
export const EVERYTHING: readonly string[] = [
  "PIPELINING",
  "8BITMIME",
  "SIZE 10000000",
  "SMTPUTF8",
  "DSN",
  "CHUNKING",
  "BINARYMIME",
  "BURL imap",
  "DELIVERBY",
  "FUTURERELEASE 1000000000 2099-01-01T00:00:00Z",
  "MT-PRIORITY",
  "RRVS",
  "NO-SOLICITING",
  "REQUIRETLS",
  "XCLIENT NAME ADDR",
  "XFORWARD NAME ADDR",
  "ATRN",
  "ETRN",
  "X",
  "AUTH PLAIN LOGIN XOAUTH2 OAUTHBEARER EXTERNAL ANONYMOUS",
];

export class OctetServer {
  readonly #keywords: readonly string[];
  readonly #isLmtp: boolean;
  readonly #manual: ManualServer;
  #unread = "";
  #mode: "command" | "data" | "auth" | { readonly octets: number; readonly isLast: boolean } = "command";
  #chunks = "";
  #recipients = 0;
  /** Every octet of the client. */
  received = "";
  /** Every command line, without its end. */
  readonly commands: string[] = [];
  /** Every message that came to its end, dots undoubled. */
  readonly messages: string[] = [];
  /** The same as they stood on the wire, the final dot included. */
  readonly raw: string[] = [];

  constructor(keywords: readonly string[] = EVERYTHING, protocol: "smtp" | "lmtp" = "smtp") {
    this.#keywords = keywords;
    this.#isLmtp = protocol === "lmtp";
    this.#manual = new ManualServer(() => {});
  }

  /** Whether the client has closed the socket. */
  get isClosed(): boolean {
    return this.#manual.isClosed;
  }

  get socket(): Socket {
    return {
      ...this.#manual.socket,
      writable: new WritableStream<Uint8Array>({
        write: (octets) => {
          let text = "";
          for (let at = 0; at < octets.length; at += 8_192) text += String.fromCharCode(...octets.subarray(at, at + 8_192));
          this.received += text;
          this.#unread += text;
          while (this.#step());
        },
      }),
    };
  }

  options(more: ConnectOptions = {}): ConnectOptions {
    const protocol = this.#isLmtp ? "lmtp" : "smtp";
    return { hostname: "mx.example", tls: "none", name: "client.test", protocol, dial: () => Promise.resolve(this.socket), ...more };
  }

  /** Whether there was something whole to be read. */
  #step(): boolean {
    const mode = this.#mode;
    if (mode === "data") return this.#readContent();
    if (typeof mode === "object") return this.#readChunk(mode.octets, mode.isLast);
    const end = this.#unread.indexOf("\r\n");
    if (end < 0) return false;
    const line = this.#unread.slice(0, end);
    this.#unread = this.#unread.slice(end + 2);
    if (mode === "auth") {
      this.#mode = "command";
      this.#say("235 welcome");
    } else this.#obey(line);
    return true;
  }

  #readContent(): boolean {
    const end = this.#unread.startsWith(".\r\n") ? 0 : this.#unread.indexOf("\r\n.\r\n") + 2;
    if (end === 1) return false;
    const stuffed = this.#unread.slice(0, end);
    this.raw.push(this.#unread.slice(0, end + 3));
    this.#unread = this.#unread.slice(end + 3);
    this.#mode = "command";
    // RFC 5321 section 4.5.2: the dot at the beginning of a line goes.
    this.#take(stuffed.split("\r\n").map((line) => line.startsWith(".") ? line.slice(1) : line).join("\r\n"));
    return true;
  }

  #readChunk(octets: number, isLast: boolean): boolean {
    if (this.#unread.length < octets) return false;
    this.#chunks += this.#unread.slice(0, octets);
    this.#unread = this.#unread.slice(octets);
    this.#mode = "command";
    if (!isLast) this.#say("250 chunk");
    else {
      this.raw.push(this.#chunks);
      this.#take(this.#chunks);
    }
    return true;
  }

  #take(content: string): void {
    this.messages.push(content);
    for (let count = this.#isLmtp ? this.#recipients : 1; count > 0; count--) this.#say("250 taken");
    this.#recipients = 0;
    this.#chunks = "";
  }

  #obey(line: string): void {
    this.commands.push(line);
    const [verb = "", argument = ""] = line.toUpperCase().split(" ");
    if (verb === "EHLO" || verb === "LHLO") {
      const lines = ["mx", ...this.#keywords];
      return this.#say(lines.map((text, index) => `250${index === lines.length - 1 ? " " : "-"}${text}`).join("\r\n"));
    }
    if (verb === "RCPT") this.#recipients++;
    if (verb === "RSET") {
      this.#recipients = 0;
      this.#chunks = "";
    }
    if (verb === "BDAT") {
      this.#mode = { octets: Number(argument), isLast: line.endsWith(" LAST") };
      return;
    }
    if (verb === "DATA") this.#mode = "data";
    if (verb === "AUTH" && line.split(" ").length === 2) this.#mode = "auth";
    const codes: Readonly<Record<string, string>> = { DATA: "354 go", QUIT: "221 bye", XCLIENT: "220 mx" };
    this.#say(codes[verb] ?? (verb !== "AUTH" ? "250 ok" : this.#mode === "auth" ? "334 " : "235 welcome"));
    if (verb === "QUIT") this.#manual.end();
  }

  #say(line: string): void {
    this.#manual.say(`${line}\r\n`);
  }
}

/** A client of `server`, ready to send. */
export function clientOf(server: OctetServer, more: ConnectOptions = {}): Promise<SmtpClient> {
  return connect(server.options(more));
}

/** A connection to `server` that has said hello. */
export async function connectionOf(server: OctetServer, more: ConnectOptions = {}): Promise<SmtpConnection> {
  const connection = await SmtpConnection.open(server.options(more));
  await connection.ehlo("client.test");
  return connection;
}

/** `text` in UTF-8, one character an octet, as {@linkcode OctetServer} has it. */
export function octetText(text: string): string {
  return Array.from(new TextEncoder().encode(text), (octet) => String.fromCharCode(octet)).join("");
}
