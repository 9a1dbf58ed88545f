/** A server while it runs: on free ports, with an authority and a folder of its own. */
import { Authority, type Leaf } from "../support/certificates.ts";
import { CACHE, scriptOf } from "./build.ts";
import { MAILBOXES, PORTS, type Server } from "./servers.ts";
import { createToken } from "./token.ts";

/** How long a server may take until it greets, in milliseconds. */
const STARTING = 30_000;
/** How long a message may take from the server's 250 to the disk, in milliseconds. */
const DELIVERY = 20_000;

/** A message on disk. */
export interface Stored {
  readonly mailbox: string;
  readonly octets: Uint8Array;
}

export class RunningServer implements AsyncDisposable {
  /** Its folder, without a slash at the end. */
  readonly folder: string;
  /** The first of its ports. */
  readonly port: number;
  /** The certificate of the authority behind its own, PEM. */
  readonly authority: string;
  /** A certificate for alice. */
  readonly identity: Leaf;
  /** A token for alice, for XOAUTH2 and OAUTHBEARER. */
  readonly token: string;
  readonly #child: Deno.ChildProcess;
  #hasEnded = false;

  private constructor(child: Deno.ChildProcess, fields: Pick<RunningServer, "folder" | "port" | "authority" | "identity" | "token">) {
    this.#child = child;
    this.folder = fields.folder;
    this.port = fields.port;
    this.authority = fields.authority;
    this.identity = fields.identity;
    this.token = fields.token;
    child.status.then(() => this.#hasEnded = true);
  }

  /** Starts `server`, and resolves when each of its services greets. */
  static async start(server: Server): Promise<RunningServer> {
    const folder = await Deno.makeTempDir();
    const authority = await Authority.create();
    const identity = await authority.leaf(["alice"], { isClient: true });
    const { token, key } = await createToken("alice");
    await furnish(folder, {
      "certs/ca.pem": authority.cert,
      ...asFiles("certs/server", await authority.leaf(["localhost", "mail.test", "ip:127.0.0.1"])),
      ...asFiles("certs/client", identity),
      "token": token,
      "token.key": key,
    });
    const port = freePorts();
    // It ends when its standard input does, however this process ends.
    const args = [scriptOf(server), "run", CACHE, folder, String(port)];
    const child = new Deno.Command("sh", { args, stdin: "piped", stdout: "null", stderr: "null" }).spawn();
    const running = new RunningServer(child, { folder, port, authority: authority.cert, identity, token });
    try {
      await Promise.all(server.services.map((service) => running.#greeted(port + service.port)));
      return running;
    } catch (error) {
      const said = await Deno.readTextFile(`${folder}/out.log`).catch(() => "");
      await running[Symbol.asyncDispose]();
      throw new Error(`${server.script} did not start: ${said.trim()}`, { cause: error });
    }
  }

  /** Waits until the message with `token` in it is in `mailbox`, or, without one, in any; resolves with its octets. */
  async stored(token: string, mailbox?: string): Promise<Uint8Array> {
    using watcher = Deno.watchFs(`${this.folder}/mail`);
    const timer = setTimeout(() => watcher.close(), DELIVERY);
    try {
      const changes = watcher[Symbol.asyncIterator]();
      for (;;) {
        const [found] = await this.find(token, mailbox);
        if (found !== undefined) return found.octets;
        const { done } = await changes.next();
        if (done) throw new Error(`no message with ${token} in ${mailbox ?? "any mailbox"} after ${DELIVERY / 1000} s`);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** The messages with `token` in them that are in `mailbox`, or in any, now. */
  async find(token: string, mailbox?: string): Promise<readonly Stored[]> {
    const found: Stored[] = [];
    for await (const { name } of Deno.readDir(`${this.folder}/mail`)) {
      if (mailbox !== undefined && name !== mailbox) continue;
      const folder = `${this.folder}/mail/${name}/new`;
      for await (const file of Deno.readDir(folder)) {
        const octets = await Deno.readFile(`${folder}/${file.name}`);
        if (new TextDecoder().decode(octets).includes(token)) found.push({ mailbox: name, octets });
      }
    }
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stdin.close().catch(() => {});
    await this.#child.status;
    await Deno.remove(this.folder, { recursive: true });
  }

  async #greeted(port: number): Promise<void> {
    const deadline = AbortSignal.timeout(STARTING);
    for (;;) {
      try {
        if ((await firstWord(port, deadline)).startsWith("220")) return;
        throw new Error(`port ${port} does not greet`);
      } catch (error) {
        if (this.#hasEnded || deadline.aborted) throw error;
        // Nothing tells that a port is listened on.
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }
}

/** What a server says first on `port`. */
async function firstWord(port: number, signal: AbortSignal): Promise<string> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port, signal });
  const octets = new Uint8Array(4);
  const onAbort = () => conn.close();
  signal.addEventListener("abort", onAbort);
  try {
    await conn.read(octets);
    return new TextDecoder().decode(octets);
  } finally {
    signal.removeEventListener("abort", onAbort);
    if (!signal.aborted) conn.close();
  }
}

function asFiles(name: string, { cert, key }: Leaf): Readonly<Record<string, string>> {
  return { [`${name}.pem`]: cert, [`${name}.key`]: key };
}

/** Makes the mailboxes and writes `files`, for every user to read. */
async function furnish(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  await Deno.chmod(folder, 0o755);
  await Deno.mkdir(`${folder}/certs`);
  for (const [name, text] of Object.entries(files)) await Deno.writeTextFile(`${folder}/${name}`, text);
  const mail = MAILBOXES.flatMap((mailbox) => ["", "/new", "/cur", "/tmp"].map((part) => `${folder}/mail/${mailbox}${part}`));
  for (const path of [`${folder}/mail`, ...mail]) {
    await Deno.mkdir(path);
    await Deno.chmod(path, 0o777);
  }
}

/** The first of {@linkcode PORTS} ports of the loopback in a row on which nobody listens, below those that the system gives to clients. */
function freePorts(): number {
  for (;;) {
    const first = 20_000 + Math.floor(Math.random() * 10_000);
    const listeners: Deno.Listener[] = [];
    try {
      for (let port = first; port < first + PORTS; port++) listeners.push(Deno.listen({ hostname: "127.0.0.1", port }));
      return first;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    } finally {
      listeners.forEach((listener) => listener.close());
    }
  }
}
