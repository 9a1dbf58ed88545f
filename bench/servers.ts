/** The sink and the delay proxy, as processes of their own. */
import { Authority } from "../tests/support/certificates.ts";
import { command, kill } from "./processes.ts";
import { TLS_NAME } from "./programs/job.ts";
import { CACHE } from "./tools.ts";
import type { Contender, Offer } from "./workloads.ts";

/** What the sink has counted since it was reset. */
export interface Counters {
  readonly connections: number;
  readonly messages: number;
  readonly recipients: number;
  readonly octets: number;
  readonly commands: number;
  readonly handshakes: number;
  readonly resumed: number;
  readonly faults: number;
  /** Groups in which the client wrote. */
  readonly reads: number;
  /** Writes of replies: the round trips that the client waited for. */
  readonly flushes: number;
  /** Seconds of processor time, since it began. */
  readonly cpu: number;
}

/** A server that prints its port. */
class Server implements AsyncDisposable {
  readonly port: number;
  readonly #child: Deno.ChildProcess;

  protected constructor(child: Deno.ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  protected static async spawn(name: string, args: readonly string[], core: number): Promise<[Deno.ChildProcess, number]> {
    const [program, ...rest] = command([`${CACHE}/${name}`, ...args], core);
    const child = new Deno.Command(program, { args: rest, stdin: "null", stdout: "piped", stderr: "inherit" }).spawn();
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const { value = "" } = await reader.read();
    await reader.cancel();
    if (!/^\d+\n$/.test(value)) throw new Error(`${name} did not start: ${value}`);
    return [child, Number(value)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    kill(this.#child);
    await this.#child.status;
  }
}

/** A mail server that takes everything and counts. */
export class Sink extends Server {
  readonly #control: Deno.Conn;

  private constructor(child: Deno.ChildProcess, port: number, control: Deno.Conn) {
    super(child, port);
    this.#control = control;
  }

  static async start(args: readonly string[], core: number): Promise<Sink> {
    const [child, port] = await Server.spawn("sink", args, core);
    const sink = new Sink(child, port, await Deno.connect({ hostname: "127.0.0.1", port }));
    // From the first XRST on the connection itself is not counted.
    await sink.#line();
    await sink.reset();
    return sink;
  }

  /** Sets every counter to nought. */
  async reset(): Promise<void> {
    await this.#ask("XRST");
  }

  /** What it has counted. */
  async counters(): Promise<Counters> {
    return JSON.parse(await this.#ask("XSTAT"));
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    this.#control.close();
    await super[Symbol.asyncDispose]();
  }

  async #ask(verb: string): Promise<string> {
    await this.#control.write(new TextEncoder().encode(`${verb}\r\n`));
    return (await this.#line()).slice("250 ".length);
  }

  async #line(): Promise<string> {
    const octets = new Uint8Array(4096);
    let said = "";
    while (!said.endsWith("\n")) said += new TextDecoder().decode(octets.subarray(0, await this.#control.read(octets) ?? 0));
    return said;
  }
}

/** What carries connections to a server and makes every octet late. */
export class DelayProxy extends Server {
  static async start(target: number, milliseconds: number, core: number): Promise<DelayProxy> {
    return new DelayProxy(...await Server.spawn("delay_proxy", [`${target}`, `${milliseconds}`], core));
  }
}

/** Where a contender sends to. */
export interface Place {
  readonly port: number;
  /** Who counts. */
  readonly sink: Sink;
  /** The authority of its certificate, PEM; absent where there is no TLS. */
  readonly authority?: string;
}

/** Every server of a run. Each is started when it is first asked for. */
export class Servers implements AsyncDisposable {
  /** The processor on which they run. */
  readonly core: number;
  readonly #stack = new AsyncDisposableStack();
  readonly #sinks = new Map<Offer, { readonly sink: Sink; readonly authority?: string }>();
  readonly #proxies = new Map<string, DelayProxy>();

  constructor(core: number) {
    this.core = core;
  }

  /** Where to find what `contender` is to talk to. */
  async place({ offer, roundTrip }: Contender): Promise<Place> {
    const started = this.#sinks.get(offer) ?? await this.#startSink(offer);
    if (roundTrip === undefined) return { ...started, port: started.sink.port };
    const name = `${offer} ${roundTrip}`;
    const proxy = this.#proxies.get(name) ?? this.#stack.use(await DelayProxy.start(started.sink.port, roundTrip, this.core));
    this.#proxies.set(name, proxy);
    return { ...started, port: proxy.port };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  async #startSink(offer: Offer): Promise<{ readonly sink: Sink; readonly authority?: string }> {
    const secured = offer === "starttls" ? await certified() : undefined;
    const args = offer === "pipelining" ? ["-C"] : secured?.args ?? [];
    const sink = this.#stack.use(await Sink.start(args, this.core));
    const started = { sink, ...(secured !== undefined && { authority: secured.authority }) };
    this.#sinks.set(offer, started);
    return started;
  }
}

/** The options of a sink that speaks TLS, and who has signed its certificate. */
async function certified(): Promise<{ readonly args: readonly string[]; readonly authority: string }> {
  const authority = await Authority.create("Posthorn Benchmark CA");
  const { cert, key } = await authority.leaf([TLS_NAME]);
  const [certFile, keyFile] = [`${CACHE}/sink.pem`, `${CACHE}/sink.key`];
  await Deno.writeTextFile(certFile, cert);
  await Deno.writeTextFile(keyFile, key);
  return { args: ["-E", certFile, "-K", keyFile], authority: authority.cert };
}
