/** Tokens for XOAUTH2 and OAUTHBEARER: JSON Web Tokens that are signed with a key of our own (RFC 7519, HS256). */
const HOUR = 3600;

/** A token for `user`, and the key that signed it, in base64. */
export async function createToken(user: string): Promise<{ readonly token: string; readonly key: string }> {
  const secret = crypto.getRandomValues(new Uint8Array(32));
  const now = Math.floor(Date.now() / 1000);
  const claims = { sub: user, iss: "test", iat: now - 60, nbf: now - 60, exp: now + 24 * HOUR };
  const signed = [{ alg: "HS256", typ: "JWT" }, claims].map((part) => urlSafe(new TextEncoder().encode(JSON.stringify(part)))).join(".");
  const key = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const signature = await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(signed));
  return { token: `${signed}.${urlSafe(new Uint8Array(signature))}`, key: secret.toBase64() };
}

function urlSafe(octets: Uint8Array): string {
  return octets.toBase64({ alphabet: "base64url", omitPadding: true });
}
