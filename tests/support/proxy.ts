/** A real proxy on the loopback that speaks SOCKS5 and HTTP CONNECT, whichever a client begins with. It keeps where it was asked to lead. */
import type { Leaf } from "./certificates.ts";

/** What is unusual about a proxy. */
export interface TestProxyOptions {
  /** Address it listens on; default 127.0.0.1. */
  readonly hostname?: string;
  /** Who may use it; default everybody. */
  readonly credentials?: { readonly username: string; readonly password: string };
  /** Where a host leads; default to itself. The proxy is the only one to know. */
  readonly route?: (hostname: string, port: number) => { readonly hostname: string; readonly port: number };
  /** Whether it waits for the server's first octets and sends them in one write with its own last answer. */
  readonly coalesces?: boolean;
  /** Its certificate, where it speaks TLS itself. */
  readonly leaf?: Leaf;
}

export class TestProxy implements AsyncDisposable {
  readonly #listener: Deno.Listener<Deno.Conn>;
  readonly #options: TestProxyOptions;
  readonly #open = new Set<Deno.Conn>();
  readonly #served: Promise<void>;
  readonly port: number;
  /** Every tunnel that was opened: `socks5 alice mail.test:587`. */
  readonly tunnels: string[] = [];

  constructor(options: TestProxyOptions = {}) {
    const place = { hostname: options.hostname ?? "127.0.0.1", port: 0 };
    this.#options = options;
    this.#listener = options.leaf === undefined ? Deno.listen(place) : Deno.listenTls({ ...place, ...options.leaf });
    this.port = (this.#listener.addr as Deno.NetAddr).port;
    this.#served = this.#serve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const conn of this.#open) close(conn);
    await this.#served;
  }

  async #serve(): Promise<void> {
    const clients: Promise<void>[] = [];
    for (;;) {
      let conn: Deno.Conn;
      try {
        conn = await this.#listener.accept();
      } catch (error) {
        if (error instanceof Deno.errors.BadResource) break;
        // A client that does not like the certificate.
        continue;
      }
      this.#open.add(conn);
      // The client may go at any time; how the library takes a proxy's failure is tested elsewhere.
      clients.push(this.#lead(conn).catch(() => {}).finally(() => close(conn)));
    }
    await Promise.all(clients);
  }

  async #lead(client: Deno.Conn): Promise<void> {
    const [first = 0] = await read(client, 1);
    const wish = first === 5 ? await this.#socks5(client) : await this.#http(client, first);
    if (wish === undefined) return;
    const { hostname, port } = this.#options.route?.(wish.hostname, wish.port) ?? wish;
    let server: Deno.Conn;
    try {
      server = await Deno.connect({ hostname, port });
    } catch {
      return await write(client, wish.failure);
    }
    this.#open.add(server);
    this.tunnels.push(`${wish.how} ${wish.hostname}:${wish.port}`);
    const begin = new Uint8Array(this.#options.coalesces ? 1000 : 0);
    const length = begin.length === 0 ? 0 : await server.read(begin) ?? 0;
    await write(client, Uint8Array.of(...wish.success, ...begin.subarray(0, length)));
    await Promise.allSettled([client.readable.pipeTo(server.writable), server.readable.pipeTo(client.writable)]);
    close(server);
  }

  async #socks5(client: Deno.Conn): Promise<Wish | undefined> {
    const { credentials } = this.#options;
    const [count = 0] = await read(client, 1);
    const methods = await read(client, count);
    const method = credentials === undefined ? 0 : 2;
    if (!methods.includes(method)) return void await write(client, [5, 0xff]);
    await write(client, [5, method]);
    let user = "-";
    if (credentials !== undefined) {
      await read(client, 1);
      user = await readText(client);
      const isRight = user === credentials.username && await readText(client) === credentials.password;
      await write(client, [1, isRight ? 0 : 1]);
      if (!isRight) return undefined;
    }
    const [, , , kind] = await read(client, 4);
    const hostname = kind === 3 ? await readText(client) : kind === 1 ? (await read(client, 4)).join(".") : await ipv6(client);
    const [high = 0, low = 0] = await read(client, 2);
    const bound = [0, 1, 127, 0, 0, 1, 0x80, 0x00];
    return { how: `socks5 ${user}`, hostname, port: high * 256 + low, success: [5, 0, ...bound], failure: [5, 5, ...bound] };
  }

  async #http(client: Deno.Conn, first: number): Promise<Wish | undefined> {
    let head = String.fromCharCode(first);
    while (!head.endsWith("\r\n\r\n")) head += String.fromCharCode(...await read(client, 1));
    const { credentials } = this.#options;
    const [, hostname = "", port = ""] = /^CONNECT \[?([^ ]+?)\]?:(\d+) HTTP\/1\.1\r\nHost: /.exec(head) ?? [];
    const [, basic = ""] = /\r\nProxy-Authorization: Basic (\S+)\r\n/.exec(head) ?? [];
    const user = new TextDecoder().decode(Uint8Array.from(atob(basic), (character) => character.charCodeAt(0)));
    if (credentials !== undefined && user !== `${credentials.username}:${credentials.password}`) {
      return void await write(client, text("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=test\r\n\r\n"));
    }
    const success = text("HTTP/1.1 200 Connection established\r\nProxy-Agent: test\r\n\r\n");
    const failure = text("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
    return { how: `http ${user.split(":")[0] || "-"}`, hostname, port: Number(port), success, failure };
  }
}

/** What a client asks for, and what it is answered. */
interface Wish {
  readonly how: string;
  readonly hostname: string;
  readonly port: number;
  readonly success: Iterable<number>;
  readonly failure: Iterable<number>;
}

async function read(conn: Deno.Conn, length: number): Promise<Uint8Array> {
  const octets = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const count = await conn.read(octets.subarray(at));
    if (count === null) throw new Error("the client is gone");
    at += count;
  }
  return octets;
}

/** A text with its length in one octet before it. */
async function readText(conn: Deno.Conn): Promise<string> {
  const [length = 0] = await read(conn, 1);
  return new TextDecoder().decode(await read(conn, length));
}

async function ipv6(conn: Deno.Conn): Promise<string> {
  const view = new DataView((await read(conn, 16)).buffer);
  return Array.from({ length: 8 }, (_, index) => view.getUint16(index * 2).toString(16)).join(":");
}

async function write(conn: Deno.Conn, octets: Iterable<number>): Promise<void> {
  const whole = Uint8Array.from(octets);
  for (let at = 0; at < whole.length;) at += await conn.write(whole.subarray(at));
}

function text(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function close(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // A pipe has closed it.
  }
}
