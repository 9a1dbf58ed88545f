/**
 * A server on real sockets that says and does what it is told. It runs on Node, which alone can do all of it to TLS and to TCP, as a process of its own:
 * its certificates come in a line on its input, the address of its control server is printed, and it ends when its input does.
 *
 * `POST /` a {@linkcode Play} and get the port on which it is played; `GET /<port>` tells of its connections when all have ended;
 * `GET /<port>/<octets>` answers when the last of them has said as many octets.
 */
import { createServer as createHttpServer, type IncomingMessage } from "node:http";
import { createServer, type Server } from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";
import { createSecureContext } from "node:tls";
import { Player } from "./player.ts";
import { Wire } from "./wire.ts";

/** What is played. */
export interface Play {
  /** A script for each connection; the last is for all that come behind. */
  readonly scripts: readonly string[];
  /** Whether TLS begins with the first octet. */
  readonly isImplicit?: boolean;
  /** The name of the certificate; default `"good"`. */
  readonly certificate?: string;
  /** The highest version of TLS: with `"TLSv1.1"`, also what no client should speak any more. */
  readonly maxVersion?: "TLSv1.1" | "TLSv1.2";
}

/** The certificates by their names. */
type Certificates = Readonly<Record<string, { readonly key: string; readonly cert: string }>>;

/** How long it is waited for connections to end, in milliseconds: they are told of as they are then. */
const PATIENCE = 5_000;

const lines = createInterface({ input: process.stdin });
const certificates: Certificates = JSON.parse(String((await lines[Symbol.asyncIterator]().next()).value));
/** The stages by their ports, and on each its connections. */
const stages = new Map<number, Player[]>();
/** Called when a connection begins or ends. */
const listeners = new Set<() => void>();

async function open({ scripts, isImplicit = false, certificate = "good", maxVersion = undefined }: Play): Promise<number> {
  const context = createSecureContext({
    ...certificates[certificate],
    ...(maxVersion && { maxVersion }),
    ...(maxVersion === "TLSv1.1" && { minVersion: "TLSv1", ciphers: "DEFAULT@SECLEVEL=0" }),
  });
  const players: Player[] = [];
  const server: Server = createServer({ allowHalfOpen: true }, (raw) => {
    const script = scripts[Math.min(players.length, scripts.length - 1)] ?? "";
    const wire: Wire = new Wire(raw, {
      onOctets: (octets) => player.onOctets(octets),
      onEnd(how) {
        player.onEnd(how);
        // What is still to be said is said to nobody.
        setTimeout(() => wire.destroy(), 100).unref();
        tell();
      },
    });
    const player: Player = new Player(script, wire, context);
    players.push(player);
    tell();
    (isImplicit ? wire.accept(context) : Promise.resolve()).then(() => player.play()).catch((error) => {
      console.error(error);
      wire.reset();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  stages.set(port, players);
  return port;
}

function tell(): void {
  for (const listener of listeners) listener();
  listeners.clear();
}

/** Resolves when `isTrue`, looked at whenever something happens, or when it has been waited for long enough. */
async function until(isTrue: () => boolean): Promise<void> {
  const end = Date.now() + PATIENCE;
  while (!isTrue() && Date.now() < end) {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      listeners.add(resolve);
      timer = setTimeout(resolve, end - Date.now());
    });
    clearTimeout(timer);
  }
}

async function answer(request: IncomingMessage): Promise<unknown> {
  if (request.method === "POST") {
    let text = "";
    for await (const chunk of request) text += chunk;
    return { port: await open(JSON.parse(text)) };
  }
  const [, port = "", octets] = (request.url ?? "").split("/");
  const players = stages.get(Number(port)) ?? [];
  if (octets !== undefined) {
    await until(() => players.length > 0);
    await players.at(-1)?.heard(Number(octets));
  } else await until(() => players.every(({ report }) => report.end !== undefined));
  return players.map(({ report }) => report);
}

const control = createHttpServer((request, response) => {
  response.setHeader("connection", "close");
  answer(request).then((told) => response.end(JSON.stringify(told)), (error) => {
    response.statusCode = 500;
    response.end(String(error));
  });
});
control.listen(0, "127.0.0.1", () => {
  const address = control.address();
  console.log(`http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`);
});
lines.on("close", () => process.exit(0));
