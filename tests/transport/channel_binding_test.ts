/** The binding by the server's certificate; the one by keying material needs Node or Bun, and is a case of `tests/runtimes/`. */
import "reflect-metadata";
import { X509CertificateGenerator } from "@peculiar/x509";
import { assertEquals } from "@std/assert";
import { connect } from "@posthorn/smtp";
import { dialDeno } from "@posthorn/smtp/transport/deno";
import { dialNode } from "@posthorn/smtp/transport/node";
import { createHash } from "node:crypto";
import { endPointOf } from "../../src/transport/channel_binding.ts";
import { Authority } from "../support/certificates.ts";
import { MailServer } from "../support/mail_server.ts";

type Algorithm = (RsaHashedKeyGenParams & { readonly saltLength?: number }) | (EcKeyGenParams & EcdsaParams) | { readonly name: "Ed25519" };

async function certificate(algorithm: Algorithm): Promise<Uint8Array<ArrayBuffer>> {
  const keys = await crypto.subtle.generateKey(algorithm as RsaHashedKeyGenParams, true, ["sign", "verify"]);
  const { rawData } = await X509CertificateGenerator.createSelfSigned({ name: "CN=mx.test", keys, signingAlgorithm: algorithm });
  return new Uint8Array(rawData);
}

const rsa = (hash: string, name = "RSASSA-PKCS1-v1_5") => ({ name, hash, modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1) });
const ecdsa = (hash: string, namedCurve: string) => ({ name: "ECDSA", hash, namedCurve });

for (
  const [what, algorithm, hash] of [
    ["RSA and SHA-1, which gives way to SHA-256", rsa("SHA-1"), "sha256"],
    ["RSA and SHA-256", rsa("SHA-256"), "sha256"],
    ["RSA and SHA-384", rsa("SHA-384"), "sha384"],
    ["RSA and SHA-512", rsa("SHA-512"), "sha512"],
    ["ECDSA and SHA-256", ecdsa("SHA-256", "P-256"), "sha256"],
    ["ECDSA and SHA-384", ecdsa("SHA-384", "P-384"), "sha384"],
  ] as const
) {
  Deno.test(`endPointOf hashes a certificate signed with ${what}`, async () => {
    const der = await certificate(algorithm);
    assertEquals(await endPointOf(der), { type: "tls-server-end-point", data: new Uint8Array(createHash(hash).update(der).digest()) });
  });
}

Deno.test("endPointOf has no binding by a certificate whose signature names no hash function, and none by nonsense", async () => {
  assertEquals(await endPointOf(await certificate({ name: "Ed25519" })), undefined);
  assertEquals(await endPointOf(await certificate({ ...rsa("SHA-256", "RSA-PSS"), saltLength: 32 })), undefined);
  for (const nonsense of [[], [0x30], [0x30, 0x84, 255, 255, 255, 255], [0x30, 0xff], Array(50).fill(0x30)]) {
    assertEquals(await endPointOf(Uint8Array.from(nonsense)), undefined);
  }
});

Deno.test("a socket of dialNode on Deno is bound by the server's certificate, in STARTTLS too, and one of dialDeno not at all", async () => {
  const authority = await Authority.create();
  const leaf = await authority.leaf(["localhost"]);
  const der = Uint8Array.from(atob(leaf.cert.replace(/-----[^-]+-----|\s/g, "")), (character) => character.charCodeAt(0));
  const expected = { type: "tls-server-end-point", data: new Uint8Array(createHash("sha256").update(der).digest()) };
  for (const secure of [true, false]) {
    await using server = await MailServer.start(leaf, { secure });
    const said: unknown[] = [];
    for (const dial of [dialNode, dialDeno]) {
      const mechanism = {
        name: "PLAIN",
        isPlaintext: false,
        start: ({ channelBinding }: { readonly channelBinding: unknown }) => {
          said.push(channelBinding);
          return { initialResponse: new TextEncoder().encode("\0alice\0s3cret pässwörd"), isComplete: true, respond: () => new Uint8Array(0) };
        },
      };
      const options = {
        hostname: "localhost",
        port: server.port,
        tls: secure ? "implicit" : "starttls",
        tlsOptions: { caCerts: [authority.cert] },
      } as const;
      await using client = await connect({ ...options, dial, auth: { mechanisms: [mechanism] } });
      assertEquals(client.connection.isAuthenticated, true);
    }
    assertEquals(said, [expected, undefined]);
  }
});
