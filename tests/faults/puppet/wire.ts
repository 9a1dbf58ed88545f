/**
 * One connection of the puppet's: the TCP connection below, and TLS above it once it stands. Whoever holds both can do to TLS what TLS itself never does.
 */
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { type SecureContext, TLSSocket } from "node:tls";

/** How the client's side ended. */
export type WireEnd = "fin" | "reset";

/** What is told of a connection as it happens. */
export interface WireEvents {
  onOctets(octets: Buffer): void;
  onEnd(how: WireEnd): void;
}

/** A record of TLS that nobody has the key of: whoever gets it answers with an alert, and means it. */
const GARBAGE = Buffer.from([23, 3, 3, 0, 24, ...new Uint8Array(24).fill(0x61)]);

export class Wire {
  readonly #raw: Socket;
  readonly #events: WireEvents;
  #between: Duplex | undefined;
  #secure: TLSSocket | undefined;
  /** The name that the client asked for in its handshake; `false` where it named none. */
  serverName: string | false | undefined;
  /** The version of TLS. */
  version: string | undefined;
  /** Why the handshake failed, or TLS ended. */
  tlsError: string | undefined;

  constructor(raw: Socket, events: WireEvents) {
    this.#raw = raw;
    this.#events = events;
    raw.setNoDelay(true);
    raw.on("data", (octets: Buffer) => this.#between === undefined ? events.onOctets(octets) : void this.#between.push(octets));
    raw.on("end", () => events.onEnd("fin"));
    raw.on("error", () => events.onEnd("reset"));
    raw.on("close", () => events.onEnd("fin"));
  }

  /** Accepts TLS, of which `early` came before; resolves when it stands, or when it is certain that it never will. */
  accept(secureContext: SecureContext, early: Uint8Array = new Uint8Array(0)): Promise<void> {
    const raw = this.#raw;
    const between = new Duplex({ read() {}, write: (octets, _encoding, done) => void raw.write(octets, () => done()) });
    const secure = new TLSSocket(between, { isServer: true, secureContext });
    this.#between = between;
    if (early.length > 0) between.push(early);
    this.#secure = secure;
    secure.on("data", (octets: Buffer) => this.#events.onOctets(octets));
    return new Promise((resolve) => {
      secure.on("secure", () => {
        this.serverName = Reflect.get(secure, "servername") ?? false;
        this.version = secure.getProtocol() ?? undefined;
        resolve();
      });
      secure.on("error", (error) => {
        this.tlsError ??= error.message;
        this.close();
        resolve();
      });
      raw.on("close", () => resolve());
    });
  }

  /** Resolves when the kernel has taken `octets`, or the connection is gone. */
  write(octets: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.#raw.once("close", resolve);
      (this.#secure ?? this.#raw).write(octets, () => {
        this.#raw.off("close", resolve);
        resolve();
      });
    });
  }

  /** Octets below TLS. */
  clear(octets: Uint8Array): Promise<void> {
    return new Promise((resolve) => void this.#raw.write(octets, () => resolve()));
  }

  /** Says no more, as it should be done, and goes on reading. */
  async half(): Promise<void> {
    await new Promise<void>((resolve) => this.#secure === undefined ? resolve() : this.#secure.end(() => resolve()));
    await new Promise<void>((resolve) => this.#raw.end(() => resolve()));
  }

  /** Closes as it should be done. */
  async close(): Promise<void> {
    await this.half();
    this.#raw.destroy();
  }

  /** Closes TCP and says nothing in TLS. */
  drop(): void {
    this.#raw.end(() => this.#raw.destroy());
  }

  /** Breaks the connection. */
  reset(): void {
    this.#raw.resetAndDestroy();
  }

  /** Has TLS end by an alert of its own. */
  alert(): void {
    this.#between?.push(GARBAGE);
  }

  /** Reads no more, so that the client's writes are held up; or reads on. */
  setDeaf(isDeaf: boolean): void {
    if (isDeaf) this.#raw.pause();
    else this.#raw.resume();
  }

  destroy(): void {
    this.#raw.destroy();
  }
}
