/** A CA and leaves, made anew for each run: nothing to expire, and no key in the repository. */
import "reflect-metadata";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type JsonGeneralName,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const HOUR = 3_600_000;

/** A key and its certificate, PEM. */
export interface Leaf {
  readonly key: string;
  readonly cert: string;
}

/** What is unusual about a leaf. */
export interface LeafOptions {
  /** How far its time of validity lies in the past, in milliseconds. */
  readonly age?: number;
  /** Whether it is for a client; default `false`, for a server. */
  readonly isClient?: boolean;
}

/** An authority of our own. */
export class Authority {
  readonly #keys: CryptoKeyPair;
  readonly #certificate: X509Certificate;

  private constructor(keys: CryptoKeyPair, certificate: X509Certificate) {
    this.#keys = keys;
    this.#certificate = certificate;
  }

  static async create(name = "Posthorn Test CA"): Promise<Authority> {
    const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
    const certificate = await X509CertificateGenerator.createSelfSigned({
      name: `CN=${name}`,
      keys,
      signingAlgorithm: ALGORITHM,
      notBefore: new Date(Date.now() - HOUR),
      notAfter: new Date(Date.now() + 24 * HOUR),
      extensions: [new BasicConstraintsExtension(true, undefined, true), new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true)],
    });
    return new Authority(keys, certificate);
  }

  /** The authority's own certificate, PEM. */
  get cert(): string {
    return this.#certificate.toString("pem");
  }

  /** A leaf for `names`, IP addresses written `ip:127.0.0.1`. */
  async leaf(names: readonly string[], options: LeafOptions = {}): Promise<Leaf> {
    const { age = 0, isClient = false } = options;
    const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
    const certificate = await X509CertificateGenerator.create({
      subject: `CN=${names[0]}`,
      issuer: this.#certificate.subject,
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: ALGORITHM,
      notBefore: new Date(Date.now() - HOUR - age),
      notAfter: new Date(Date.now() + HOUR - age),
      extensions: [
        alternatives(names),
        new ExtendedKeyUsageExtension([isClient ? ExtendedKeyUsage.clientAuth : ExtendedKeyUsage.serverAuth]),
      ],
    });
    return await leafOf(keys, certificate);
  }
}

/** A certificate for `names` that vouches for itself. */
export async function selfSigned(names: readonly string[]): Promise<Leaf> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: `CN=${names[0]}`,
    keys,
    signingAlgorithm: ALGORITHM,
    notBefore: new Date(Date.now() - HOUR),
    notAfter: new Date(Date.now() + HOUR),
    extensions: [alternatives(names)],
  });
  return await leafOf(keys, certificate);
}

function alternatives(names: readonly string[]): SubjectAlternativeNameExtension {
  return new SubjectAlternativeNameExtension(names.map((name): JsonGeneralName => {
    return name.startsWith("ip:") ? { type: "ip", value: name.slice(3) } : { type: "dns", value: name };
  }));
}

async function leafOf({ privateKey }: CryptoKeyPair, certificate: X509Certificate): Promise<Leaf> {
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", privateKey);
  return { key: PemConverter.encode(pkcs8, "PRIVATE KEY"), cert: certificate.toString("pem") };
}
