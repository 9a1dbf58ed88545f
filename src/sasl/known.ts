/** Which mechanisms a name goes with, the preferred first. Each is loaded when it is chosen, so that nobody carries those that nobody uses. */
import { login } from "./login.ts";
import type { Credentials, SaslMechanism, TokenCredentials } from "./mechanism.ts";
import { plain } from "./plain.ts";
import type { ScramHash } from "./scram.ts";

/** A mechanism that is not loaded yet; its members are those of {@linkcode SaslMechanism}. */
export interface KnownMechanism {
  readonly name: string;
  readonly isPlaintext: boolean;
  readonly needsChannelBinding?: boolean | undefined;
  load(): SaslMechanism | Promise<SaslMechanism>;
}

/** What is known of a mechanism that is there already. */
export function loaded(mechanism: SaslMechanism): KnownMechanism {
  const { name, isPlaintext, needsChannelBinding } = mechanism;
  return { name, isPlaintext, needsChannelBinding, load: () => mechanism };
}

/**
 * The mechanisms for a password: what proves most first. CRAM-MD5 is last where nobody can listen, since the server proves nothing by it and has to keep
 * the password itself; where somebody can, it still comes before those that tell the password.
 */
export function passwordMechanisms(credentials: Credentials, isPrivate: boolean): readonly KnownMechanism[] {
  const scrams = [true, false].flatMap((plus) => HASHES.map((hash) => scram(credentials, hash, plus)));
  // Nothing else has a place for somebody else to act as.
  if (credentials.authzid !== undefined) return [...scrams, loaded(plain(credentials))];
  const cramMd5: KnownMechanism = {
    name: "CRAM-MD5",
    isPlaintext: false,
    load: async () => (await import("./cram_md5.ts")).cramMd5(credentials),
  };
  const telling = [loaded(plain(credentials)), loaded(login(credentials))];
  return isPrivate ? [...scrams, ...telling, cramMd5] : [...scrams, cramMd5, ...telling];
}

/** The mechanisms for an access token. */
export function tokenMechanisms(credentials: TokenCredentials): readonly KnownMechanism[] {
  const bearer = { name: "OAUTHBEARER", isPlaintext: true, load: async () => (await import("./oauth_bearer.ts")).oauthBearer(credentials) };
  if (credentials.authzid !== undefined) return [bearer];
  return [bearer, { name: "XOAUTH2", isPlaintext: true, load: async () => (await import("./xoauth2.ts")).xoauth2(credentials) }];
}

const HASHES: readonly ScramHash[] = ["SHA-512", "SHA-256", "SHA-1"];

function scram(credentials: Credentials, hash: ScramHash, plus: boolean): KnownMechanism {
  return {
    name: `SCRAM-${hash}${plus ? "-PLUS" : ""}`,
    isPlaintext: false,
    needsChannelBinding: plus,
    load: async () => (await import("./scram.ts")).scram(hash, credentials, { plus }),
  };
}
