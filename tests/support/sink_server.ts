/** A server on a free port of the loopback that says yes to everything, and keeps nothing but the number of octets of each message. */
export class SinkServer implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #done: Promise<void>;
  /** Octets of content of every message, the final dot included. */
  readonly messages: number[] = [];

  constructor() {
    this.#done = this.#serve();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#done;
  }

  async #serve(): Promise<void> {
    const sessions: Promise<void>[] = [];
    for await (const connection of this.#listener) sessions.push(new Sink(connection, this.messages).run());
    await Promise.all(sessions);
  }
}

const decoder = new TextDecoder();

class Sink {
  readonly #connection: Deno.Conn;
  readonly #messages: number[];
  #line = "";
  /** Octets that are missing of a chunk. */
  #missing = 0;
  /** The last octets behind DATA, until the final dot. */
  #tail: string | undefined;
  #octets = 0;

  constructor(connection: Deno.Conn, messages: number[]) {
    this.#connection = connection;
    this.#messages = messages;
  }

  async run(): Promise<void> {
    const buffer = new Uint8Array(262_144);
    await this.#say("220 sink");
    using connection = this.#connection;
    for (let count = await connection.read(buffer); count !== null; count = await connection.read(buffer)) {
      for (let rest = buffer.subarray(0, count); rest.length > 0;) rest = rest.subarray(await this.#take(rest));
    }
  }

  /** How many of the octets belong together. */
  async #take(octets: Uint8Array): Promise<number> {
    if (this.#missing > 0) {
      const count = Math.min(this.#missing, octets.length);
      this.#missing -= count;
      this.#octets += count;
      if (this.#missing === 0) await this.#say("250 ok");
      return count;
    }
    if (this.#tail !== undefined) {
      this.#octets += octets.length;
      this.#tail = (this.#tail + decoder.decode(octets.subarray(-5))).slice(-5);
      if (this.#tail === "\r\n.\r\n") await this.#end();
      return octets.length;
    }
    const lf = octets.indexOf(10);
    const count = lf < 0 ? octets.length : lf + 1;
    this.#line += decoder.decode(octets.subarray(0, count));
    if (lf >= 0) await this.#obey(this.#line.trimEnd());
    return count;
  }

  async #obey(line: string): Promise<void> {
    this.#line = "";
    const [verb, length] = line.split(" ");
    if (verb === "EHLO") return await this.#say("250-sink\r\n250-PIPELINING\r\n250 CHUNKING");
    if (verb === "DATA") {
      this.#tail = "";
      return await this.#say("354 go");
    }
    if (verb !== "BDAT") return await this.#say(verb === "QUIT" ? "221 bye" : "250 ok");
    this.#missing = Number(length);
    if (line.endsWith("LAST")) this.#messages.push(this.#octets + this.#missing);
    if (line.endsWith("LAST")) this.#octets = -this.#missing;
    if (this.#missing === 0) await this.#say("250 ok");
  }

  async #end(): Promise<void> {
    this.#tail = undefined;
    this.#messages.push(this.#octets);
    this.#octets = 0;
    await this.#say("250 ok");
  }

  async #say(text: string): Promise<void> {
    await this.#connection.write(new TextEncoder().encode(`${text}\r\n`));
  }
}
