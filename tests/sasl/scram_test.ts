import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type SaslContext, type SaslExchange, SmtpAuthError, SmtpUnsupportedError } from "@posthorn/smtp";
import { scramSha1, scramSha256, scramSha512 } from "@posthorn/smtp/sasl";
import { scram, type ScramHash } from "../../src/sasl/scram.ts";
import { contextOf, octets, text } from "../support/sasl.ts";
import { type ScramFacts, scramMessages } from "../support/scram.ts";

const pencil = { username: "user", password: "pencil" };
const RFC5802 = {
  nonce: "fyko+d2lbbFgONRv9qkxdawL",
  serverFirst: "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
};

async function begin(hash: ScramHash, nonce: string, more: Partial<SaslContext> = {}, plus = false): Promise<SaslExchange> {
  return await scram(hash, pencil, { plus }, () => nonce).start(contextOf(more));
}

/** An exchange that has sent its proof. */
async function proven(): Promise<SaslExchange> {
  const exchange = await begin("SHA-1", RFC5802.nonce);
  await exchange.respond(octets(RFC5802.serverFirst));
  return exchange;
}

Deno.test("SCRAM-SHA-1 has the example of RFC 5802 section 5", async () => {
  const exchange = await begin("SHA-1", RFC5802.nonce);
  assertEquals(text(exchange.initialResponse), "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL");
  const final = await exchange.respond(octets(RFC5802.serverFirst));
  assertEquals(text(final), "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=");
  assertEquals(exchange.isComplete, false);
  assertEquals(text(await exchange.respond(octets("v=rmF9pqV8S7suAoZWja4dJRkFsKQ="))), "");
  assertEquals(exchange.isComplete, true);
});

Deno.test("SCRAM-SHA-256 has the example of RFC 7677 section 3", async () => {
  const exchange = await begin("SHA-256", "rOprNGfwEbeRWgbNEkqO");
  assertEquals(text(exchange.initialResponse), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  const nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
  const final = await exchange.respond(octets(`r=${nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`));
  assertEquals(text(final), `c=biws,r=${nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`);
  await exchange.respond(octets("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
  assertEquals(exchange.isComplete, true);
});

Deno.test("SCRAM of every hash, with a name that needs escapes, a password that needs SASLprep, and a binding, is what an independent server expects", async () => {
  const credentials = { username: "a,b=c\u00ad", password: "\u2168 pa\u0308sswo\u0308rd", authzid: "admin,=" };
  const channelBinding = { type: "tls-exporter", data: Uint8Array.from({ length: 32 }, (_, index) => 255 - index) };
  for (const [name, hash] of [["SHA-1", "sha1"], ["SHA-256", "sha256"], ["SHA-512", "sha512"]] as const) {
    const facts: ScramFacts = {
      hash,
      username: "a=2Cb=3Dc",
      password: "IX pässwörd",
      nonces: ["client", "server"],
      salt: "QSXCR+Q6sek8bf92",
      iterations: 10_000,
      header: "p=tls-exporter,a=admin=2C=3D,",
      binding: channelBinding.data,
    };
    const messages = scramMessages(facts);
    const exchange = await scram(name, credentials, { plus: true }, () => "client").start(contextOf({ channelBinding }));
    assertEquals(text(exchange.initialResponse), messages.clientFirst);
    assertEquals(text(await exchange.respond(octets(messages.serverFirst))), messages.clientFinal);
    await exchange.respond(octets(`${messages.serverFinal},x=ignored`));
    assertEquals(exchange.isComplete, true);
  }
});

Deno.test("SCRAM has a new nonce for each exchange", async () => {
  const mechanism = scramSha256(pencil);
  const [first, second] = [await mechanism.start(contextOf()), await mechanism.start(contextOf())];
  assert(text(first.initialResponse) !== text(second.initialResponse));
  assert(/^n,,n=user,r=[A-Za-z0-9+/]{24}$/.test(text(first.initialResponse) ?? ""), text(first.initialResponse));
});

Deno.test("SCRAM says y where it could bind and nothing with -PLUS is offered, and n otherwise", async () => {
  const channelBinding = { type: "tls-exporter", data: new Uint8Array(32) };
  const flag = async (more: Partial<SaslContext>) => text((await begin("SHA-256", "x", more)).initialResponse)?.slice(0, 2);
  assertEquals(await flag({ channelBinding, offered: ["SCRAM-SHA-256", "PLAIN"] }), "y,");
  assertEquals(await flag({ channelBinding, offered: ["SCRAM-SHA-256", "SCRAM-SHA-1-PLUS"] }), "n,");
  assertEquals(await flag({ offered: ["SCRAM-SHA-256"] }), "n,");
});

Deno.test("SCRAM with -PLUS refuses to start without a channel binding, or with one whose name would break its message", async () => {
  const data = new Uint8Array(1);
  for (const channelBinding of [undefined, { type: "tls,exporter", data }, { type: "", data }]) {
    const error = await assertRejects(() => begin("SHA-256", "x", { channelBinding }, true), SmtpUnsupportedError, "channel binding");
    assertEquals(error.kind, "unsupported");
  }
});

const { nonce } = RFC5802;
for (
  const [what, challenge, words] of [
    ["nothing", "", "malformed"],
    ["no base64", undefined, "not of SCRAM"],
    ["octets that are no UTF-8", Uint8Array.of(0xff, 0xfe), "not of SCRAM"],
    ["JSON", '{"r":1}', "malformed"],
    ["no salt", `r=${nonce}x,i=4096`, "malformed"],
    ["an empty salt", `r=${nonce}x,s=,i=4096`, "malformed"],
    ["a salt that is no base64", `r=${nonce}x,s=QSXCR,i=4096`, "malformed"],
    ["no iteration count", `r=${nonce}x,s=QSXCR+Q6sek8bf92`, "malformed"],
    ["an iteration count of 0", `r=${nonce}x,s=QSXCR+Q6sek8bf92,i=0`, "malformed"],
    ["a negative iteration count", `r=${nonce}x,s=QSXCR+Q6sek8bf92,i=-4096`, "malformed"],
    ["an iteration count in hexadecimal", `r=${nonce}x,s=QSXCR+Q6sek8bf92,i=0x1000`, "malformed"],
    ["a padded iteration count", `r=${nonce}x,s=QSXCR+Q6sek8bf92,i=04096`, "malformed"],
    ["4095 iterations", `r=${nonce}x,s=QSXCR+Q6sek8bf92,i=4095`, "iterations"],
    ["10000001 iterations", `r=${nonce}x,s=QSXCR+Q6sek8bf92,i=10000001`, "iterations"],
    ["iterations without end", `r=${nonce}x,s=QSXCR+Q6sek8bf92,i=1${"0".repeat(400)}`, "iterations"],
    ["attributes in another order", `s=QSXCR+Q6sek8bf92,r=${nonce}x,i=4096`, "malformed"],
    ["an attribute twice", `r=${nonce}x,r=${nonce}y,s=QSXCR+Q6sek8bf92,i=4096`, "malformed"],
    ["a malformed extension", `r=${nonce}x,s=QSXCR+Q6sek8bf92,i=4096,x`, "malformed"],
    ["an extension that must be understood", `m=ext,r=${nonce}x,s=QSXCR+Q6sek8bf92,i=4096`, "extension"],
    ["an extension that must be understood, at the end", `r=${nonce}x,s=QSXCR+Q6sek8bf92,i=4096,m=ext`, "extension"],
    ["another nonce", "r=3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096", "nonce"],
    ["our nonce and no more", `r=${nonce},s=QSXCR+Q6sek8bf92,i=4096`, "nonce"],
    ["our nonce behind its own", `r=x${nonce},s=QSXCR+Q6sek8bf92,i=4096`, "nonce"],
    ["a nonce with a space", `r=${nonce} x,s=QSXCR+Q6sek8bf92,i=4096`, "malformed"],
    ["the final message first", "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=", "malformed"],
  ] as const
) {
  Deno.test(`SCRAM refuses a first message of the server with ${what}`, async () => {
    const exchange = await begin("SHA-1", nonce);
    const given = typeof challenge === "string" ? octets(challenge) : challenge;
    await assertRejects(async () => await exchange.respond(given), SmtpAuthError, words);
    await assertRejects(async () => await exchange.respond(octets(RFC5802.serverFirst)), SmtpAuthError, "end of SCRAM");
    assertEquals(exchange.isComplete, false);
  });
}

for (
  const [what, challenge, words] of [
    ["the signature of somebody else", "v=6rriTRBi23WpRR/wtup+mMhUZUk=", "did not prove"],
    ["a signature with one bit changed", "v=rmF9pqV8S7suAoZWja4dJRkFsKU=", "did not prove"],
    ["the beginning of the signature", "v=rmF9pqV8S7suAoZWja4dJRkF", "did not prove"],
    ["an empty signature", "v=", "malformed"],
    ["a signature that is no base64", "v=rmF9pqV8S7suAoZWja4dJRkFsKQ", "malformed"],
    ["its first message again", RFC5802.serverFirst, "malformed"],
    ["nothing", "", "malformed"],
  ] as const
) {
  Deno.test(`SCRAM does not believe a server whose final message has ${what}`, async () => {
    const exchange = await proven();
    await assertRejects(async () => await exchange.respond(octets(challenge)), SmtpAuthError, words);
    assertEquals(exchange.isComplete, false);
    // The right one comes too late.
    await assertRejects(async () => await exchange.respond(octets("v=rmF9pqV8S7suAoZWja4dJRkFsKQ=")), SmtpAuthError, "end of SCRAM");
    assertEquals(exchange.isComplete, false);
  });
}

Deno.test("SCRAM keeps the server's error, answers with nothing, and takes no proof any more", async () => {
  for (const exchange of [await proven(), await begin("SHA-1", nonce)]) {
    assertEquals(text(await exchange.respond(octets("e=invalid-proof"))), "");
    assertEquals([exchange.isComplete, exchange.details], [false, { error: "invalid-proof" }]);
    await assertRejects(async () => await exchange.respond(octets("v=rmF9pqV8S7suAoZWja4dJRkFsKQ=")), SmtpAuthError, "end of SCRAM");
  }
});

Deno.test("SCRAM's makers refuse credentials that cannot be used, and do not show them", () => {
  for (const make of [scramSha1, scramSha256, scramSha512]) {
    for (const bad of ["", "a\0b", "s3cret\r\n", "s3cret\ue000", "\u0627\u0031"]) {
      for (const credentials of [{ username: bad, password: "x" }, { username: "x", password: bad }]) {
        const error = assertThrows(() => make(credentials), TypeError, "not shown");
        assertEquals(error.message.includes("s3cret"), false);
      }
    }
    assertThrows(() => make({ username: "x", password: "x", authzid: "" }), TypeError, "authzid");
  }
});
