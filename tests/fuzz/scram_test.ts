/** SCRAM with a server that is honest, and with one that knows nothing and changes what an honest one has said. */
import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { SmtpAuthError } from "@posthorn/smtp";
import { saslPrep } from "@posthorn/smtp/sasl";
import { scram, type ScramHash } from "../../src/sasl/scram.ts";
import { holds, holdsInTime } from "../support/fuzz.ts";
import { contextOf, octets, text } from "../support/sasl.ts";
import { type ScramMessages, scramMessages } from "../support/scram.ts";

const HASHES: Readonly<Record<ScramHash, string>> = { "SHA-1": "sha1", "SHA-256": "sha256", "SHA-512": "sha512" };
const name = fc.array(fc.constantFrom("a", "B", "0", " ", ",", "=", "=2C", "=3D", "@x.test", "é", "ß", "漢", "😀", "~", "n=", "r="), {
  minLength: 1,
  maxLength: 8,
}).map((all) => all.join(""));
const nonce = fc.array(fc.constantFrom("a", "Z", "/", "+", "=", "!", "~", "0", "%", "\\"), { minLength: 1, maxLength: 30 }).map((all) =>
  all.join("")
);
const salt = fc.uint8Array({ minLength: 1, maxLength: 40 }).map((all) => Buffer.from(all).toString("base64"));

const exchange = fc.record({
  hash: fc.constantFrom<ScramHash>("SHA-1", "SHA-256", "SHA-512"),
  username: name,
  password: name,
  authzid: fc.option(name, { nil: undefined }),
  nonces: fc.tuple(nonce, nonce),
  salt,
  iterations: fc.integer({ min: 4096, max: 4200 }),
  binding: fc.option(fc.record({ type: fc.constantFrom("tls-exporter", "tls-server-end-point"), data: fc.uint8Array({ maxLength: 40 }) }), {
    nil: undefined,
  }),
});
type Exchange = typeof exchange extends fc.Arbitrary<infer T> ? T : never;

const escaped = (one: string) => Array.from(one, (letter) => letter === "," ? "=2C" : letter === "=" ? "=3D" : letter).join("");

/** The client's side, and what an honest server makes of it. */
async function begin({ hash, username, password, authzid, nonces, salt, iterations, binding }: Exchange) {
  const mechanism = scram(hash, { username, password, ...(authzid !== undefined && { authzid }) }, { plus: binding !== undefined }, () => nonces[0]);
  const client = await mechanism.start(contextOf(binding === undefined ? {} : { channelBinding: binding }));
  const flag = binding === undefined ? "n" : `p=${binding.type}`;
  const honest = scramMessages({
    hash: HASHES[hash],
    username: escaped(username),
    password,
    nonces,
    salt,
    iterations,
    header: `${flag},${authzid === undefined ? "" : `a=${escaped(authzid)}`},`,
    ...(binding !== undefined && { binding: binding.data }),
  });
  return { client, honest };
}

Deno.test("SCRAM says to an honest server what an independent client says, and believes its proof, for any names, passwords, nonces, salts and bindings", async () => {
  await holdsInTime(exchange, 1_200, async (facts) => {
    const { client, honest } = await begin(facts);
    assertEquals(text(client.initialResponse), honest.clientFirst);
    assertEquals(text(await client.respond(octets(honest.serverFirst))), honest.clientFinal);
    assertEquals(client.isComplete, false);
    assertEquals(text(await client.respond(octets(honest.serverFinal))), "");
    assertEquals(client.isComplete, true);
  });
});

/** One message with one thing changed. */
const mutation: fc.Arbitrary<(message: string) => string> = fc.oneof(
  fc.tuple(fc.nat(), fc.constantFrom(..."abZ019+/=,-~ !\0\r\né")).map(([at, one]) => (message: string) => replaced(message, at, 1, one)),
  fc.tuple(fc.nat(), fc.integer({ min: 1, max: 9 })).map(([at, length]) => (message: string) => replaced(message, at, length, "")),
  fc.tuple(
    fc.nat(),
    fc.constantFrom(",", "=", "A", "1", ",m=x", "m=x,", ",x=y", ",e=other-error", "e=no,", "r=", ",i=1", "v=,", "v=AAAA,", "\0", " "),
  ).map(([at, one]) => (message: string) => replaced(message, at, 0, one)),
  fc.constantFrom<(message: string) => string>(
    (message) => message.split(",").reverse().join(","),
    (message) => `${message},x=ignored`,
    (message) => `${message},m=needed`,
    (message) => message.replace(/i=\d+/, "i=4095"),
    (message) => message.replace(/i=\d+/, "i=1"),
    (message) => message.replace(/i=\d+/, "i=99999999999999999999"),
    (message) => message.replace(/i=/, "i=0"),
    (message) => message.replace(/,i=\d+/, ""),
    (message) => message.replace(/r=[^,]+/, "r=server"),
    (message) => message.replace(/s=[^,]+/, "s="),
    (message) => message.toUpperCase(),
    (message) => message + message,
    (message) => message.replace(/^v=/, "e="),
    () => "",
    () => "v=",
    () => "e=invalid-proof",
  ),
);

function replaced(message: string, at: number, length: number, by: string): string {
  const from = at % (message.length + 1);
  return message.slice(0, from) + by + message.slice(from + length);
}

/** Whether the client believes in the end; whatever it throws is an {@linkcode SmtpAuthError} that tells no secret. */
async function believes(facts: Exchange, said: (honest: ScramMessages) => readonly string[], isConcluded = false): Promise<boolean> {
  const { client, honest } = await begin(facts);
  for (const [index, message] of said(honest).entries()) {
    try {
      const answer = await (isConcluded && index > 0 ? client.conclude?.(octets(message)) : client.respond(octets(message)));
      if (index === 0 && answer !== undefined && answer.length > 0) assertAnswerable(message, facts);
    } catch (error) {
      assert(error instanceof SmtpAuthError, `${error}`);
      assert(!error.message.includes(honest.clientFinal.slice(-20)));
    }
  }
  for (const value of Object.values(client.details ?? {})) assert(!/\p{Cc}/u.test(value), "what the server says is fit for a log");
  return client.isComplete;
}

/** That a first message to which the proof was given goes on from our nonce, and asks for work that is neither too little nor too much. */
function assertAnswerable(serverFirst: string, { nonces: [ours] }: Exchange): void {
  const [, nonce = "", iterations] = /^r=([^,]+),s=[^,]+,i=(\d+)(?:,|$)/.exec(serverFirst) ?? [];
  assert(nonce.startsWith(ours) && nonce.length > ours.length, `the nonce is another's: ${serverFirst}`);
  assert(Number(iterations) >= 4_096 && Number(iterations) <= 10_000_000 && !/(^|,)m=/.test(serverFirst), serverFirst);
}

Deno.test("SCRAM believes no server whose first message was changed on the way, whatever proof follows it", async () => {
  await holdsInTime(fc.tuple(exchange, mutation), 1_500, async ([facts, mutate]) => {
    let isSame = false;
    const isBelieved = await believes(facts, ({ serverFirst, serverFinal }) => {
      isSame = mutate(serverFirst) === serverFirst;
      return [mutate(serverFirst), serverFinal];
    });
    assertEquals(isBelieved, isSame);
  });
});

/** The octets that a server-final message proves itself with, if it is one: `v=`, base64, and whatever extensions behind a comma. */
function signatureOf(message: string): string | undefined {
  const [proof = ""] = message.split(",");
  const base64 = proof.slice(2);
  const isBase64 = base64.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(base64);
  return proof.startsWith("v=") && isBase64 ? Buffer.from(base64, "base64").toString("hex") : undefined;
}

Deno.test("SCRAM believes a final message, in a 334 or in the 235, if it has the server's signature, however it was changed on the way", async () => {
  await holdsInTime(fc.tuple(exchange, mutation, fc.boolean()), 1_500, async ([facts, mutate, isConcluded]) => {
    let isProof = false;
    const isBelieved = await believes(facts, ({ serverFirst, serverFinal }) => {
      isProof = signatureOf(mutate(serverFinal)) === signatureOf(serverFinal);
      return [serverFirst, mutate(serverFinal)];
    }, isConcluded);
    assertEquals(isBelieved, isProof);
  });
});

Deno.test("SCRAM believes no server that says its messages in another order, twice or not at all", async () => {
  const which = fc.array(fc.constantFrom<keyof ScramMessages>("serverFirst", "serverFinal", "clientFirst", "clientFinal"), { maxLength: 4 });
  await holdsInTime(fc.tuple(exchange, which, fc.boolean()), 500, async ([facts, order, isConcluded]) => {
    const isBelieved = await believes(facts, (honest) => order.map((one) => honest[one]), isConcluded);
    const isRight = order[0] === "serverFirst" && order[1] === "serverFinal";
    // What comes behind the proof is an error, and takes nothing back.
    assertEquals(isBelieved, isRight);
  });
});

Deno.test("saslPrep prepares what is prepared already as it is, and gives no character that it prohibits", () => {
  holds(fc.string({ unit: "binary", maxLength: 8 }), 100_000, (given) => {
    const prepared = prepare(given);
    if (prepared === undefined) return;
    assertEquals(prepare(prepared), prepared);
    assert(!/[\p{Cc}\p{Cs}\p{Co}\u00a0\u3000\u00ad]/u.test(prepared));
  });
});

function prepare(given: string): string | undefined {
  try {
    return saslPrep(given);
  } catch (error) {
    assert(error instanceof TypeError && !/\p{Cc}/u.test(error.message), `${error}`);
    return undefined;
  }
}
