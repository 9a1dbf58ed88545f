/**
 * SCRAM: both ends prove that they know the password, and neither tells it.
 *
 * ```
 *   C: gs2-header, n=name, r=nonce                     (client-first)
 *   S: r=nonce and more, s=salt, i=iterations          (server-first)
 *   C: c=gs2-header and channel binding, r=, p=proof   (client-final)
 *   S: v=signature | e=error                           (server-final)
 * ```
 *
 * The gs2-header says what we make of channel binding, and the proof covers it: `p=` with a -PLUS mechanism; `y` where we could bind and the server
 * offers no -PLUS, so that a server whose -PLUS was cut out of its list notices; `n` where we cannot, or were told not to (RFC 5802 section 6).
 */
import { SmtpAuthError, type SmtpErrorFacts, SmtpUnsupportedError } from "../errors.ts";
import { decodeBase64, encodeBase64 } from "../wire/base64.ts";
import { concat } from "../wire/octets.ts";
import { encodeText, printable } from "../wire/text.ts";
import { checkCredentials } from "./credentials.ts";
import type { Credentials, SaslContext, SaslExchange, SaslMechanism } from "./mechanism.ts";
import { saslPrep } from "./sasl_prep.ts";

/** Iterations at least: what every server is asked to demand (RFC 5802 section 5.1, RFC 7677 section 4). Fewer make the proof cheap to guess from. */
const MIN_ITERATIONS = 4_096;
/** Iterations at most, seconds of work: a hostile server must not keep a processor busy. */
const MAX_ITERATIONS = 10_000_000;
/** Random octets of the client's nonce. */
const NONCE_LENGTH = 18;

/** Options of the SCRAM mechanisms. */
export interface ScramOptions {
  /** Whether it is the -PLUS variant, tied to the TLS connection below; default `false`. It needs a socket with `channelBinding`. */
  readonly plus?: boolean;
}

/**
 * SCRAM-SHA-1, or SCRAM-SHA-1-PLUS.
 *
 * Source: RFC 5802.
 *
 * @throws {TypeError} When name or password is empty, has control characters, or cannot be prepared with {@linkcode saslPrep}.
 *
 * @example
 * ```ts
 * import { scramSha1 } from "@posthorn/smtp/sasl";
 *
 * scramSha1({ username: "alice", password: "s3cret" }).name; // "SCRAM-SHA-1"
 * ```
 */
export function scramSha1(credentials: Credentials, options: ScramOptions = {}): SaslMechanism {
  return scram("SHA-1", credentials, options);
}

/**
 * SCRAM-SHA-256, or SCRAM-SHA-256-PLUS.
 *
 * Source: RFC 7677, RFC 5802.
 *
 * @throws {TypeError} When name or password is empty, has control characters, or cannot be prepared with {@linkcode saslPrep}.
 *
 * @example
 * ```ts
 * import { scramSha256 } from "@posthorn/smtp/sasl";
 *
 * scramSha256({ username: "alice", password: "s3cret" }, { plus: true }).name; // "SCRAM-SHA-256-PLUS"
 * ```
 */
export function scramSha256(credentials: Credentials, options: ScramOptions = {}): SaslMechanism {
  return scram("SHA-256", credentials, options);
}

/**
 * SCRAM-SHA-512, or SCRAM-SHA-512-PLUS.
 *
 * Source: draft-melnikov-scram-sha-512, RFC 5802.
 *
 * @throws {TypeError} When name or password is empty, has control characters, or cannot be prepared with {@linkcode saslPrep}.
 *
 * @example
 * ```ts
 * import { scramSha512 } from "@posthorn/smtp/sasl";
 *
 * scramSha512({ username: "alice", password: "s3cret" }).name; // "SCRAM-SHA-512"
 * ```
 */
export function scramSha512(credentials: Credentials, options: ScramOptions = {}): SaslMechanism {
  return scram("SHA-512", credentials, options);
}

/** The hash functions that there is a SCRAM with. */
export type ScramHash = "SHA-1" | "SHA-256" | "SHA-512";

/** SCRAM with any of the hash functions; `nonceOf` is for tests, which need a nonce that is none. */
export function scram(hash: ScramHash, credentials: Credentials, { plus = false }: ScramOptions = {}, nonceOf: () => string = nonce): SaslMechanism {
  const { username, password, authzid } = checkCredentials(credentials);
  const [name, secret] = [saslPrep(username), saslPrep(password)];
  const mechanism = `SCRAM-${hash}${plus ? "-PLUS" : ""}`;
  return {
    name: mechanism,
    isPlaintext: false,
    needsChannelBinding: plus,
    start: (context) => {
      const { flag, data } = bindingOf(mechanism, plus, context);
      const header = `${flag},${authzid === undefined ? "" : `a=${escaped(authzid)}`},`;
      const [user, nonce] = [escaped(name), nonceOf()];
      return new ScramExchange({ hash, secret, nonce, header, bare: `n=${user},r=${nonce}`, binding: concat([encodeText(header), data]) });
    },
  };
}

/** What is known before the server has spoken. */
interface Beginning {
  readonly hash: ScramHash;
  readonly secret: string;
  readonly nonce: string;
  /** The gs2-header. */
  readonly header: string;
  /** The client-first message without it. */
  readonly bare: string;
  /** What `c=` stands for. */
  readonly binding: Uint8Array;
}

class ScramExchange implements SaslExchange {
  readonly initialResponse: Uint8Array;
  readonly #beginning: Beginning;
  /** What the server has to say next: its first message, its final one, or nothing. */
  #step: "first" | "final" | "over" = "first";
  /** Whether a signature of the server's is the proof that is due. */
  #verify: (signature: Uint8Array<ArrayBuffer>) => Promise<boolean> = () => Promise.resolve(false);
  #isVerified = false;
  #error: string | undefined;

  constructor(beginning: Beginning) {
    this.#beginning = beginning;
    this.initialResponse = encodeText(beginning.header + beginning.bare);
  }

  get isComplete(): boolean {
    return this.#isVerified;
  }

  get details(): Readonly<Record<string, string>> | undefined {
    return this.#error === undefined ? undefined : { error: this.#error };
  }

  async respond(challenge: Uint8Array | undefined): Promise<Uint8Array> {
    const step = this.#step;
    this.#step = "over";
    if (step === "over") throw fault("The server goes on behind the end of SCRAM");
    const message = textOf(challenge);
    const [, error] = /^e=([^,]+)/.exec(message) ?? [];
    if (error !== undefined) {
      // What it answers to this is its refusal, with a code.
      this.#error = printable(error);
      return new Uint8Array(0);
    }
    return step === "first" ? await this.#prove(message) : await this.#believe(message);
  }

  async conclude(challenge: Uint8Array): Promise<void> {
    if (this.#step === "final") await this.respond(challenge);
  }

  /** The client-final message (RFC 5802 section 3). */
  async #prove(serverFirst: string): Promise<Uint8Array> {
    const { hash, secret, nonce, bare, binding } = this.#beginning;
    const { nonce: both, salt, iterations } = parseServerFirst(serverFirst, nonce);
    const key = await crypto.subtle.importKey("raw", new Uint8Array(encodeText(secret)), "PBKDF2", false, ["deriveBits"]);
    const salted = await crypto.subtle.deriveBits({ name: "PBKDF2", hash, salt, iterations }, key, BITS[hash]);
    const clientKey = await hmac(hash, salted, "Client Key");
    const storedKey = await crypto.subtle.digest(hash, clientKey);
    const withoutProof = `c=${encodeBase64(binding)},r=${both}`;
    const authMessage = `${bare},${serverFirst},${withoutProof}`;
    const signature = await hmac(hash, storedKey, authMessage);
    const proof = clientKey.map((octet, index) => octet ^ signature[index]!);
    const serverKey = await hmacKey(hash, await hmac(hash, salted, "Server Key"));
    // WebCrypto compares in constant time.
    const verify = (given: Uint8Array<ArrayBuffer>) => crypto.subtle.verify("HMAC", serverKey, given, new Uint8Array(encodeText(authMessage)));
    this.#verify = verify;
    this.#step = "final";
    return encodeText(`${withoutProof},p=${encodeBase64(proof)}`);
  }

  /** Checks the server's proof (RFC 5802 section 5.1, `v`), behind which nothing is left to be said. */
  async #believe(serverFinal: string): Promise<Uint8Array> {
    const [, verifier = ""] = /^v=([A-Za-z0-9+/=]+)(?:,|$)/.exec(serverFinal) ?? [];
    const signature = decodeBase64(verifier);
    if (verifier === "" || signature === undefined) throw fault("The server's final message of SCRAM is malformed");
    this.#isVerified = await this.#verify(new Uint8Array(signature));
    if (!this.#isVerified) throw fault("The server did not prove that it knows the password");
    return new Uint8Array(0);
  }
}

const BITS: Readonly<Record<ScramHash, number>> = { "SHA-1": 160, "SHA-256": 256, "SHA-512": 512 };

/** What the gs2-header says of channel binding, and its data. */
function bindingOf(mechanism: string, plus: boolean, { channelBinding, offered }: SaslContext): { readonly flag: string; readonly data: Uint8Array } {
  if (plus) {
    // A socket of the caller's own may say anything; the name stands between commas.
    if (channelBinding === undefined || !/^[A-Za-z0-9.-]+$/.test(channelBinding.type)) {
      throw new SmtpUnsupportedError("unsupported", `${mechanism} needs a channel binding, and the socket gives none`, AUTH);
    }
    return { flag: `p=${channelBinding.type}`, data: channelBinding.data };
  }
  const isStripped = channelBinding !== undefined && !offered.some((name) => /^SCRAM-.*-PLUS$/.test(name));
  return { flag: isStripped ? "y" : "n", data: new Uint8Array(0) };
}

/** @throws {SmtpAuthError} When it is no server-first message, not one to our nonce, or not one that is safe to answer. */
function parseServerFirst(
  message: string,
  ours: string,
): { readonly nonce: string; readonly salt: Uint8Array<ArrayBuffer>; readonly iterations: number } {
  // Extensions that are not mandatory come last, and are ignored.
  const [, nonce = "", salt64 = "", count = ""] = /^r=([!-+\--~]+),s=([A-Za-z0-9+/]+=*),i=([1-9][0-9]*)(?:,(?!m=)[A-Za-z]=[^,]+)*$/.exec(message) ??
    [];
  if (/(?:^|,)m=/.test(message)) throw fault("The server demands an extension of SCRAM that does not exist");
  const salt = decodeBase64(salt64);
  if (nonce === "" || salt === undefined) throw fault("The server's first message of SCRAM is malformed");
  if (!nonce.startsWith(ours) || nonce.length === ours.length) throw fault("The server answers with a nonce that does not go on from ours");
  const iterations = Number(count);
  if (iterations < MIN_ITERATIONS || iterations > MAX_ITERATIONS) {
    throw fault(`The server asks for ${count.slice(0, 20)} iterations, and ${MIN_ITERATIONS} to ${MAX_ITERATIONS} are accepted`);
  }
  return { nonce, salt: new Uint8Array(salt), iterations };
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function textOf(challenge: Uint8Array | undefined): string {
  try {
    return utf8.decode(challenge ?? new Uint8Array([0xff]));
  } catch {
    throw fault("The server's challenge is not of SCRAM");
  }
}

function nonce(): string {
  return encodeBase64(crypto.getRandomValues(new Uint8Array(NONCE_LENGTH)));
}

/** A name as it stands between commas (RFC 5802 section 5.1). */
function escaped(name: string): string {
  return name.replaceAll("=", "=3D").replaceAll(",", "=2C");
}

async function hmacKey(hash: ScramHash, key: BufferSource): Promise<CryptoKey> {
  return await crypto.subtle.importKey("raw", key, { name: "HMAC", hash }, false, ["sign", "verify"]);
}

async function hmac(hash: ScramHash, key: BufferSource, text: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.sign("HMAC", await hmacKey(hash, key), new Uint8Array(encodeText(text))));
}

function fault(message: string): SmtpAuthError {
  return new SmtpAuthError(message, AUTH);
}

const AUTH: SmtpErrorFacts = { phase: "auth" };
