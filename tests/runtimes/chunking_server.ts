import type { Leaf } from "../support/certificates.ts";
import type { StoredMessage } from "../support/mail_server.ts";

const EHLO = [
  ...["mx.test", "PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "CHUNKING", "BINARYMIME"],
  ...["FUTURERELEASE 86400 2030-01-01T00:00:00Z", "MT-PRIORITY MIXER", "DELIVERBY 60", "LIMITS RCPTMAX=2 MAILMAX=1000"],
];

/** A server over TLS with what no server has that can be installed, and what npm's smtp-server lacks: it keeps the parameters of RCPT as they came. */
export class ChunkingServer implements AsyncDisposable {
  readonly #listener: Deno.TlsListener;
  readonly #served: Promise<void>;
  readonly messages: StoredMessage[] = [];
  readonly logins: readonly string[] = [];

  constructor({ cert, key }: Leaf) {
    this.#listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert, key });
    this.#served = this.#serve();
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#served;
  }

  async #serve(): Promise<void> {
    const sessions: Promise<void>[] = [];
    for await (const conn of this.#listener) {
      // A client that gives up is part of many tests.
      sessions.push(new Session(conn, this.messages).run().catch(() => {}).finally(() => conn.close()));
    }
    await Promise.all(sessions);
  }
}

class Session {
  readonly #conn: Deno.Conn;
  readonly #messages: StoredMessage[];
  #unread = new Uint8Array(0);
  #from = "";
  #to: string[] = [];
  #parameters: Record<string, string | boolean> = {};
  #chunks: Uint8Array[] = [];

  constructor(conn: Deno.Conn, messages: StoredMessage[]) {
    this.#conn = conn;
    this.#messages = messages;
  }

  async run(): Promise<void> {
    await this.#say("220 mx.test");
    for (let line = await this.#line(); line !== undefined; line = await this.#line()) {
      await this.#say(await this.#answer(line));
      if (line === "QUIT") return;
    }
  }

  async #answer(line: string): Promise<string> {
    const [verb = "", ...words] = line.split(" ");
    if (verb === "EHLO") return EHLO.map((text, index) => `250${index < EHLO.length - 1 ? "-" : " "}${text}`).join("\r\n");
    if (verb === "MAIL") this.#reset(/<(.*)>/.exec(line)?.[1]);
    if (verb === "RCPT" && this.#to.length === 2) return "452 4.5.3 too many recipients";
    if (verb === "RCPT") this.#to.push(/<(.*)>/.exec(line)?.[1] ?? "");
    if (verb === "MAIL" || verb === "RCPT") this.#keep(words.slice(1));
    if (verb === "BDAT") {
      const octets = await this.#octets(Number(words[0]));
      if (this.#to.length === 0) return "503 no recipient";
      this.#chunks.push(octets);
      if (words[1] === "LAST") return this.#store();
    }
    return verb === "QUIT" ? "221 bye" : "250 ok";
  }

  #reset(from = ""): void {
    this.#from = from;
    this.#to = [];
    this.#parameters = {};
    this.#chunks = [];
  }

  #keep(parameters: readonly string[]): void {
    for (const parameter of parameters) {
      const [keyword = "", value] = parameter.split("=");
      this.#parameters[keyword] = value ?? true;
    }
  }

  #store(): string {
    const bytes = joined(this.#chunks);
    this.#messages.push({ from: this.#from, to: this.#to, bytes, isSecure: true, user: undefined, client: "", parameters: this.#parameters });
    this.#reset();
    return `250 queued as CHUNK${this.#messages.length}`;
  }

  async #line(): Promise<string | undefined> {
    for (;;) {
      const end = this.#unread.indexOf(10);
      if (end >= 0) return new TextDecoder().decode(this.#take(end + 1)).trimEnd();
      if (!await this.#read()) return undefined;
    }
  }

  async #octets(length: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for (let missing = length; missing > 0;) {
      if (this.#unread.length === 0 && !await this.#read()) throw new Error("the client hung up in a chunk");
      const part = this.#take(Math.min(missing, this.#unread.length));
      parts.push(part);
      missing -= part.length;
    }
    return joined(parts);
  }

  #take(length: number): Uint8Array {
    const taken = this.#unread.slice(0, length);
    this.#unread = this.#unread.slice(length);
    return taken;
  }

  async #read(): Promise<boolean> {
    const buffer = new Uint8Array(65_536);
    const length = await this.#conn.read(buffer);
    if (length === null) return false;
    this.#unread = joined([this.#unread, buffer.subarray(0, length)]);
    return true;
  }

  async #say(text: string): Promise<void> {
    await this.#conn.write(new TextEncoder().encode(`${text}\r\n`));
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}
