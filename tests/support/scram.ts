/**
 * The server's side of SCRAM (RFC 5802), on `node:crypto` and apart from the library's code, so that the two can be wrong in different ways only. It also
 * runs on Node alone, without the project's import map.
 */
import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from "node:crypto";

/** What one exchange is about. */
export interface ScramFacts {
  /** As `node:crypto` names it: `"sha256"`. */
  readonly hash: string;
  readonly username: string;
  /** Prepared. */
  readonly password: string;
  /** The client's part of the nonce, and the server's. */
  readonly nonces: readonly [client: string, server: string];
  /** In base64. */
  readonly salt: string;
  readonly iterations?: number;
  /** The gs2-header; default `"n,,"`. */
  readonly header?: string;
  readonly binding?: Uint8Array;
}

/** The four messages of an exchange in which all goes well. */
export interface ScramMessages {
  readonly clientFirst: string;
  readonly serverFirst: string;
  readonly clientFinal: string;
  readonly serverFinal: string;
}

/** Every message of the exchange that `facts` make. */
export function scramMessages(facts: ScramFacts): ScramMessages {
  const { username, nonces, salt, iterations = 4096, header = "n,,", binding = new Uint8Array(0) } = facts;
  const bare = `n=${username},r=${nonces[0]}`;
  const serverFirst = `r=${nonces.join("")},s=${salt},i=${iterations}`;
  const withoutProof = `c=${Buffer.concat([Buffer.from(header), binding]).toString("base64")},r=${nonces.join("")}`;
  const { proof, signature } = proofs(facts, `${bare},${serverFirst},${withoutProof}`);
  return {
    clientFirst: header + bare,
    serverFirst,
    clientFinal: `${withoutProof},p=${proof.toString("base64")}`,
    serverFinal: `v=${signature.toString("base64")}`,
  };
}

function proofs(
  { hash, password, salt, iterations = 4096 }: ScramFacts,
  authMessage: string,
): { readonly proof: Buffer; readonly signature: Buffer } {
  const hmac = (key: Uint8Array, text: string) => createHmac(hash, key).update(text).digest();
  const length = createHash(hash).digest().length;
  const salted = pbkdf2Sync(password, Buffer.from(salt, "base64"), iterations, length, hash);
  const clientKey = hmac(salted, "Client Key");
  const clientSignature = hmac(createHash(hash).update(clientKey).digest(), authMessage);
  const proof = Buffer.from(clientKey.map((octet, index) => octet ^ (clientSignature[index] ?? 0)));
  return { proof, signature: hmac(hmac(salted, "Server Key"), authMessage) };
}

/** What a server knows and offers. */
export interface ScramServerOptions {
  readonly hash: string;
  /** Passwords by name. */
  readonly passwords: Readonly<Record<string, string>>;
  /** Whether this is a -PLUS mechanism. */
  readonly isPlus: boolean;
  /** The data of each channel binding that the server knows of this connection. */
  readonly bindings: Readonly<Record<string, Uint8Array>>;
}

/** One exchange: what the client says goes in, what the server answers comes out. It throws the RFC's word for what is wrong. */
export class ScramServer {
  readonly #options: ScramServerOptions;
  #header = "";
  #facts: ScramFacts | undefined;
  /** Who logs in, and by which binding, once the proof was right. */
  identity: string | undefined;

  constructor(options: ScramServerOptions) {
    this.#options = options;
  }

  first(message: string): string {
    const { hash, passwords, isPlus, bindings } = this.#options;
    const [, header = "", flag = "", username = "", nonce = ""] = /^((n|y|p=[^,]+),(?:a=[^,]*)?,)n=([^,]*),r=([^,]+)$/.exec(message) ?? [];
    if (nonce === "") throw new Error("invalid-encoding");
    if (flag === "y" && Object.keys(bindings).length > 0) throw new Error("server-does-support-channel-binding");
    if (flag.startsWith("p=") !== isPlus) throw new Error("channel-binding-not-supported");
    const binding = isPlus ? bindings[flag.slice(2)] : new Uint8Array(0);
    if (binding === undefined) throw new Error("unsupported-channel-binding-type");
    const password = passwords[username.replaceAll("=2C", ",").replaceAll("=3D", "=")];
    if (password === undefined) throw new Error("unknown-user");
    const nonces = [nonce, randomBytes(12).toString("base64")] as const;
    this.#header = header;
    this.#facts = { hash, username, password, nonces, salt: randomBytes(16).toString("base64"), header, binding };
    return scramMessages(this.#facts).serverFirst;
  }

  final(message: string): string {
    if (this.#facts === undefined) throw new Error("other-error");
    const { clientFinal, serverFinal } = scramMessages(this.#facts);
    const [given, wanted] = [Buffer.from(message), Buffer.from(clientFinal)];
    const isBound = message.split(",")[0] === clientFinal.split(",")[0];
    if (!isBound) throw new Error("channel-bindings-dont-match");
    if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) throw new Error("invalid-proof");
    this.identity = `${this.#facts.username} with ${this.#header.split(",")[0]}`;
    return serverFinal;
  }
}
