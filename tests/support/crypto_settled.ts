/** Some times as many as any login of the tests has. */
const ITERATIONS = 20_000;

/**
 * Resolves when what WebCrypto was asked for before is done, since it takes longer than any of that: a login that is given up leaves a derivation
 * behind for which nobody waits, and which the leak checks would find.
 */
export async function cryptoSettled(): Promise<void> {
  const key = await crypto.subtle.importKey("raw", new Uint8Array(8), "PBKDF2", false, ["deriveBits"]);
  await crypto.subtle.deriveBits({ name: "PBKDF2", hash: "SHA-256", salt: new Uint8Array(8), iterations: ITERATIONS }, key, 256);
}
