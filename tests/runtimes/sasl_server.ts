/**
 * A server for the logins of the suite, with every mechanism, over TLS. It checks what it is given with `node:crypto`. It runs on Node, which alone can
 * tell the channel binding of the server's side, as a process of its own: what it needs stands in `SASL_SERVER`, its ports are printed, and it ends when
 * its input does. VRFY tells whom it takes the client for, HELP, and its refusal of MAIL, whether it knows the TLS session from before.
 */
import { createHash, createHmac, randomBytes } from "node:crypto";
import { createServer, type Server, type TLSSocket } from "node:tls";
import process from "node:process";
import { ScramServer } from "../support/scram.ts";

interface Given {
  readonly key: string;
  readonly cert: string;
  /** A certificate of the same authority for another host. */
  readonly other: { readonly key: string; readonly cert: string };
  readonly user: { readonly username: string; readonly password: string };
  readonly token: string;
}

interface Kind {
  /** Whether it keeps quiet about the -PLUS mechanisms, as if somebody had cut them out of its list. */
  readonly isStripped?: boolean;
  readonly maxVersion?: "TLSv1.2";
  /** Whether the second of three connections meets another host's certificate, and each a server that knows no session of before. */
  readonly isTurning?: boolean;
}

/** What a server is known by in the environment of the suite. */
const KINDS: Readonly<Record<string, Kind>> = {
  sasl: {},
  saslTls12: { maxVersion: "TLSv1.2" },
  saslStripped: { isStripped: true },
  saslTurning: { isTurning: true },
};
const SCRAMS = ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"];
const PLUS = SCRAMS.map((name) => `${name}-PLUS`);
const OTHERS = ["PLAIN", "LOGIN", "CRAM-MD5", "EXTERNAL", "ANONYMOUS", "XOAUTH2", "OAUTHBEARER"];

const given: Given = JSON.parse(process.env["SASL_SERVER"] ?? "");

/** Says `challenge` and resolves with the answer. */
type Ask = (challenge: string) => Promise<string>;

/** The login of one client by `name`; resolves with whom it is taken for, and throws what is wrong. */
async function login(name: string, first: string | undefined, ask: Ask, socket: TLSSocket): Promise<string> {
  const { username, password } = given.user;
  const message = first ?? (name === "CRAM-MD5" ? "" : await ask(""));
  const isRight = (expected: string) => {
    if (message !== expected) throw new Error("wrong");
    return username;
  };
  if (SCRAMS.includes(name) || PLUS.includes(name)) return await scram(name, message, ask, socket);
  if (name === "PLAIN") return isRight(`\0${username}\0${password}`);
  if (name === "EXTERNAL") return isRight(username);
  if (name === "ANONYMOUS") return message === "" ? "nobody" : `nobody, ${message}`;
  if (name === "CRAM-MD5") {
    const challenge = "<1896.697170952@mx.test>";
    const digest = createHmac("md5", password).update(challenge).digest("hex");
    if (await ask(challenge) !== `${username} ${digest}`) throw new Error("wrong");
    return username;
  }
  const isBearer = name === "OAUTHBEARER";
  const prefix = isBearer ? `n,a=${username},\x01host=localhost\x01port=${socket.localPort}` : `user=${username}`;
  if (message === `${prefix}\x01auth=Bearer ${given.token}\x01\x01`) return username;
  const dummy = await ask(JSON.stringify({ status: "invalid_token", schemes: "bearer", scope: "mail" }));
  throw new Error(dummy === (isBearer ? "\x01" : "") ? "no such token" : "that is no answer to an error");
}

async function scram(name: string, message: string, ask: Ask, socket: TLSSocket): Promise<string> {
  const hash = name.replace("-PLUS", "").replace("SCRAM-SHA-", "sha");
  const { username, password } = given.user;
  const server = new ScramServer({ hash, passwords: { [username]: password }, isPlus: PLUS.includes(name), bindings: bindingsOf(socket) });
  try {
    const final = server.final(await ask(server.first(message)));
    if (await ask(final) !== "") throw new Error("other-error");
  } catch (error) {
    await ask(`e=${error instanceof Error ? error.message : error}`);
    throw error;
  }
  return server.identity ?? "";
}

function bindingsOf(socket: TLSSocket): Record<string, Uint8Array> {
  const der = Buffer.from(given.cert.replace(/-----[^-]+-----|\s/g, ""), "base64");
  const endPoint = { "tls-server-end-point": createHash("sha256").update(der).digest() };
  if (socket.getProtocol() !== "TLSv1.3") return endPoint;
  return { ...endPoint, "tls-exporter": socket.exportKeyingMaterial(32, "EXPORTER-Channel-Binding", Buffer.alloc(0)) };
}

async function serve(socket: TLSSocket, { isStripped = false }: Kind): Promise<void> {
  const lines = linesOf(socket);
  const say = (line: string) => void socket.write(`${line}\r\n`);
  const hear = async () => String((await lines.next()).value ?? "QUIT");
  let identity = "nobody known";
  say("220 mx.test");
  for (let line = await hear();; line = await hear()) {
    const [verb = "", name = "", initial] = line.split(" ");
    if (verb === "QUIT") return void socket.end("221 bye\r\n");
    else if (verb === "EHLO") say(`250-mx.test\r\n250 AUTH ${[...SCRAMS, ...(isStripped ? [] : PLUS), ...OTHERS].join(" ")}`);
    else if (verb === "VRFY") say(`252 ${identity}`);
    else if (verb === "HELP" || verb === "MAIL") say(`${verb === "HELP" ? 214 : 550} ${socket.isSessionReused() ? "resumed" : "fresh"}`);
    else if (verb !== "AUTH") say("502 no");
    else {
      const ask = async (challenge: string) => {
        say(`334 ${Buffer.from(challenge).toString("base64")}`);
        return decoded(await hear());
      };
      try {
        identity = `${await login(name, initial === undefined ? undefined : decoded(initial), ask, socket)} by ${name}`;
        say("235 welcome");
      } catch (error) {
        say(`535 ${error instanceof Error ? error.message : error}`);
      }
    }
  }
}

function decoded(text: string): string {
  if (text === "*") throw new Error("given up");
  return text === "=" ? "" : Buffer.from(text, "base64").toString();
}

async function* linesOf(socket: TLSSocket): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of socket) {
    const lines = (rest + chunk).split("\r\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

function start(kind: Kind): Promise<number> {
  const { key, cert, other } = given;
  const server: Server = createServer({ key, cert, ...(kind.maxVersion && { maxVersion: kind.maxVersion }) }, (socket) => {
    // A client that gives up is part of the suite.
    socket.on("error", () => {});
    serve(socket, kind).catch(() => socket.destroy());
  });
  let connections = 0;
  if (kind.isTurning) {
    server.prependListener("connection", () => {
      server.setSecureContext(++connections % 3 === 2 ? other : { key, cert });
      server.setTicketKeys(randomBytes(48));
    });
  }
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
}

const ports: Record<string, number> = {};
for (const [name, kind] of Object.entries(KINDS)) ports[name] = await start(kind);
process.stdin.on("end", () => process.exit(0)).resume();
console.log(JSON.stringify(ports));
