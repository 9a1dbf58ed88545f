/** The servers of the behaviour suite: real ones, ones that hang up, ones that fall silent, and one that tells what was stored. */
import { Authority } from "../support/certificates.ts";
import { MailServer, USER } from "../support/mail_server.ts";
import { TestProxy } from "../support/proxy.ts";
import { ChunkingServer } from "./chunking_server.ts";
import { installRuntimes } from "./runtimes.ts";
import { type Environment, type Phase, PHASES, type SaslPorts } from "./case.ts";

/** What the server says until the client waits in each phase. */
const SAID: Readonly<Record<Phase, readonly string[]>> = {
  greeting: [],
  ehlo: ["220 mx\r\n"],
  mail: ["220 mx\r\n", "250-mx\r\n250-8BITMIME\r\n250 PIPELINING\r\n"],
  rcpt: ["220 mx\r\n", "250-mx\r\n250-8BITMIME\r\n250 PIPELINING\r\n", "250 ok\r\n"],
  data: ["220 mx\r\n", "250-mx\r\n250-8BITMIME\r\n250 PIPELINING\r\n", "250 ok\r\n250 ok\r\n"],
  content: ["220 mx\r\n", "250-mx\r\n250-8BITMIME\r\n250 PIPELINING\r\n", "250 ok\r\n250 ok\r\n354 go\r\n"],
};

/** The address of the proxy: on the loopback, and not the one at which the mail servers are found. */
const PROXY = "127.0.0.2";

/** A server that leads every client into one phase, and leaves it there or hangs up. */
class Misbehaving {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #phase: Phase;
  readonly #hangsUp: boolean;
  readonly #served: Promise<void>;

  constructor(phase: Phase, hangsUp: boolean) {
    this.#phase = phase;
    this.#hangsUp = hangsUp;
    this.#served = this.#serve();
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  async close(): Promise<void> {
    this.#listener.close();
    await this.#served;
  }

  async #serve(): Promise<void> {
    for await (const conn of this.#listener) {
      // The client is meant to go; how it goes is not the question here.
      await this.#lead(conn).catch(() => {});
      conn.close();
    }
  }

  async #lead(conn: Deno.Conn): Promise<void> {
    const buffer = new Uint8Array(65_536);
    for (const [index, reply] of SAID[this.#phase].entries()) {
      if (index > 0) await conn.read(buffer);
      await conn.write(new TextEncoder().encode(reply));
    }
    if (this.#phase === "content") await conn.read(buffer);
    if (this.#hangsUp) return;
    while (await conn.read(buffer) !== null);
  }
}

/** The environment of a run, and its end. */
export interface RunningEnvironment extends AsyncDisposable {
  readonly environment: Omit<Environment, "lacks" | "run">;
}

/** Starts every server that the suite needs. */
export async function startEnvironment(): Promise<RunningEnvironment> {
  const stack = new AsyncDisposableStack();
  const authority = await Authority.create();
  const stranger = await Authority.create("A Stranger");
  const leaf = await authority.leaf(["localhost", "ip:127.0.0.1"]);
  const other = await authority.leaf(["other.test"]);
  const proxysName = await authority.leaf(["proxy.test", `ip:${PROXY}`]);
  const wanting = { requestCert: true, rejectUnauthorized: true, ca: [authority.cert] };
  const start = async (...[leaf, options]: Parameters<typeof MailServer.start>) =>
    stack.use(await MailServer.start(leaf, { size: 50_000_000, ...options }));
  const servers = {
    starttls: await start(leaf),
    implicit: await start(leaf, { secure: true }),
    plain: await start(leaf, { hideSTARTTLS: true, allowInsecureAuth: true }),
    otherHost: await start(other, { secure: true }),
    otherHostStarttls: await start(other),
    unknownAuthority: await start(await stranger.leaf(["localhost"]), { secure: true }),
    wantsCertificate: await start(leaf, { secure: true, ...wanting }),
    wantsCertificateStarttls: await start(leaf, wanting),
    proxysName: await start(proxysName, { secure: true }),
    proxysNameStarttls: await start(proxysName),
    proxyProtocol: await start(leaf, { useProxy: true }),
    lmtp: await start(leaf, { lmtp: true, hideSTARTTLS: true }),
    chunking: stack.use(new ChunkingServer(leaf)),
  };
  const proxy = stack.use(new TestProxy({ hostname: PROXY, credentials: USER }));
  const secureProxy = stack.use(new TestProxy({ leaf }));
  const misbehaving = (hangsUp: boolean) => {
    return Object.fromEntries(PHASES.map((phase) => [phase, stack.adopt(new Misbehaving(phase, hangsUp), (server) => server.close())]));
  };
  const [closes, stalls] = [misbehaving(true), misbehaving(false)];
  const portsOf = (servers: Record<string, { readonly port: number }>) => {
    return Object.fromEntries(Object.entries(servers).map(([name, { port }]) => [name, port]));
  };
  const control = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const url = new URL(request.url);
    if (url.pathname === "/logins") return Response.json(Object.values(servers).reduce((count, { logins }) => count + logins.length, 0));
    if (url.pathname === "/tunnels") return Response.json(proxy.tunnels.length + secureProxy.tunnels.length);
    const to = url.searchParams.get("to") ?? "";
    const message = Object.values(servers).flatMap(({ messages }) => messages).find((message) => message.to.includes(to));
    if (message === undefined) return new Response(null, { status: 404 });
    const { from, user, client, isSecure, bytes, parameters } = message;
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes.slice()));
    const sha256 = Array.from(digest, (octet) => octet.toString(16).padStart(2, "0")).join("");
    return Response.json({ from, user, client, isSecure, sha256, length: bytes.length, parameters });
  });
  stack.defer(() => control.shutdown());
  const folder = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const path = `${folder}/smtp.sock`;
  stack.use(relay(path, servers.plain.port));
  const lmtpPath = `${folder}/lmtp.sock`;
  stack.use(relay(lmtpPath, servers.lmtp.port));
  const token = "mF_9.B5f-4.1JqM";
  const sasl = stack.use(await startSaslServers({ ...leaf, other, user: USER, token }));
  const ports = {
    ...portsOf(servers),
    ...sasl.ports,
    closed: closedPort(),
    closes: portsOf(closes),
    stalls: portsOf(stalls),
  } as Environment["ports"];
  const identity = await authority.leaf(["alice"], { isClient: true });
  return {
    environment: {
      ports,
      path,
      lmtpPath,
      proxy: { hostname: PROXY, port: proxy.port },
      secureProxy: { hostname: "localhost", port: secureProxy.port },
      control: `http://127.0.0.1:${control.addr.port}`,
      authority: authority.cert,
      identity,
      user: USER,
      token,
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** The servers of `sasl_server.ts`, in a process of Node's. */
async function startSaslServers(given: object): Promise<AsyncDisposable & { readonly ports: SaslPorts }> {
  const child = new Deno.Command(`${await installRuntimes()}/node_modules/node24/bin/node`, {
    args: ["--disable-warning=MODULE_TYPELESS_PACKAGE_JSON", new URL("sasl_server.ts", import.meta.url).pathname],
    env: { SASL_SERVER: JSON.stringify(given) },
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  return {
    ports: JSON.parse(new TextDecoder().decode(value)),
    async [Symbol.asyncDispose](): Promise<void> {
      await child.stdin.close();
      await reader.cancel();
      await child.status;
    },
  };
}

/** A port of the loopback on which nobody listens. */
function closedPort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

/** A unix socket at `path` that leads to a port. */
function relay(path: string, port: number): AsyncDisposable {
  const listener = Deno.listen({ transport: "unix", path });
  const served = (async () => {
    for await (const conn of listener) {
      const tcp = await Deno.connect({ hostname: "127.0.0.1", port });
      await Promise.allSettled([conn.readable.pipeTo(tcp.writable), tcp.readable.pipeTo(conn.writable)]);
    }
  })();
  return {
    async [Symbol.asyncDispose](): Promise<void> {
      listener.close();
      await served;
    },
  };
}
