/** A relay on the loopback that knows nothing of what it carries, and breaks its first connection behind one octet of either direction. */
import { Buffer } from "node:buffer";
import { connect, createServer, type Server, type Socket } from "node:net";

/** Where and how: behind `at` octets of one side, in order (FIN) or not (RST). */
export interface RelayCut {
  readonly of: "server" | "client";
  readonly at: number;
  readonly by: "close" | "reset";
}

/** See the head of the file. */
export class CutRelay implements AsyncDisposable {
  readonly #target: number;
  readonly #server: Server;
  #cut: RelayCut | undefined;
  #carried = { server: 0, client: 0 };
  #open = 0;
  #onIdle: (() => void)[] = [];
  port = 0;

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#carry(client));
  }

  /** Starts one on a free port, to another port of the loopback. */
  static async start(target: number): Promise<CutRelay> {
    const relay = new CutRelay(target);
    await new Promise<void>((resolve) => relay.#server.listen(0, "127.0.0.1", () => resolve()));
    const address = relay.#server.address();
    if (address === null || typeof address === "string") throw new Error("the relay has no port");
    relay.port = address.port;
    return relay;
  }

  /** The next connection is the first, and is cut so. */
  prepare(cut: RelayCut | undefined): void {
    this.#cut = cut;
    this.#carried = { server: 0, client: 0 };
  }

  /** Octets that were carried from each side since then. */
  get carried(): { readonly server: number; readonly client: number } {
    return this.#carried;
  }

  /** Resolves when no connection is open on either side. */
  async idle(): Promise<void> {
    if (this.#open > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  #carry(client: Socket): void {
    const server = connect({ port: this.#target, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    const cut = this.#cut;
    this.#cut = undefined;
    let isCut = false;
    const end = () => {
      isCut = true;
      if (cut?.by === "reset") client.resetAndDestroy();
      else client.end();
      server.end();
    };
    const pass = (of: "server" | "client", octets: Uint8Array, to: Socket) => {
      if (isCut) return;
      const room = cut?.of === of ? cut.at - this.#carried[of] : Infinity;
      this.#carried[of] += Math.min(octets.length, room);
      to.write(octets.subarray(0, room));
      if (octets.length >= room) end();
    };
    for (const [of, from, to] of [["client", client, server], ["server", server, client]] as const) {
      this.#open++;
      from.on("data", (octets) => pass(of, new Uint8Array(Buffer.from(octets)), to));
      from.on("end", () => to.end());
      // What breaks is part of every test. The server is told in order, so that its end comes behind all that it has read.
      from.on("error", () => to.end());
      from.on("close", () => {
        to.end();
        if (--this.#open === 0) { for (const resolve of this.#onIdle.splice(0)) resolve(); }
      });
    }
    if (cut?.at === 0) end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.idle();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
