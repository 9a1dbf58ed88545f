import { assertEquals, assertRejects } from "@std/assert";
import { type ConnectOptions, SmtpAuthError } from "@posthorn/smtp";
import { plain } from "@posthorn/smtp/sasl";
import { scram } from "../../src/sasl/scram.ts";
import { BYE, connectTo, facts, rejection } from "../support/client.ts";
import { base64 } from "../support/sasl.ts";
import { scramMessages } from "../support/scram.ts";
import { conversation, type ScriptedServer } from "../support/script.ts";

const credentials = { username: "user", password: "pencil" };
/** RFC 7677 section 3. */
const { clientFirst, serverFirst, clientFinal, serverFinal } = scramMessages({
  hash: "sha256",
  ...credentials,
  nonces: ["rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"],
  salt: "W22ZaJ0SNY7soEsUEjb6gQ==",
});
const scramSha256 = scram("SHA-256", credentials, {}, () => "rOprNGfwEbeRWgbNEkqO");
const auth = { mechanisms: [scramSha256, plain(credentials)] };

const HELLO = `
  S: 220 mx.example
  C: EHLO client.test
  S: 250-mx.example
  S: 250 AUTH PLAIN SCRAM-SHA-256
`;
const FIRST = `
  ${HELLO}
  C: AUTH SCRAM-SHA-256 ${base64(clientFirst)}
`;
const FINAL = `
  ${FIRST}
  S: 334 ${base64(serverFirst)}
  C: ${base64(clientFinal)}
`;

/** A client that may also say PLAIN, should it be led to. */
function connectWith(server: ScriptedServer, more: ConnectOptions = {}): ReturnType<typeof connectTo> {
  return connectTo(server, { auth, allowCleartextAuth: true, ...more });
}

conversation(
  "connect logs in with SCRAM-SHA-256, whose proof of the server comes in a 334, as RFC 4422 section 5 has it",
  `
  ${FINAL}
  S: 334 ${base64(serverFinal)}
  C:
  S: 235 2.7.0 welcome
  ${BYE}`,
  async (server) => {
    await using client = await connectWith(server);
    assertEquals(client.connection.isAuthenticated, true);
  },
);

conversation(
  "connect believes the server's proof of SCRAM in the 235 too",
  `
  ${FINAL}
  S: 235 2.7.0 ${base64(serverFinal)}
  ${BYE}`,
  async (server) => {
    await using client = await connectWith(server);
    assertEquals(client.connection.isAuthenticated, true);
  },
);

for (
  const [what, script] of [
    ["at once", `${FIRST}\nS: 235 2.7.0 welcome`],
    ["at once, with a signature", `${FIRST}\nS: 235 2.7.0 ${base64(serverFinal)}`],
    ["without a signature", `${FINAL}\nS: 235 2.7.0 welcome`],
    ["with the signature of another exchange", `${FINAL}\nS: 235 2.7.0 ${base64("v=rmF9pqV8S7suAoZWja4dJRkFsKQ=")}`],
    ["with an error", `${FINAL}\nS: 235 2.7.0 ${base64("e=other-error")}`],
    ["behind its error", `${FINAL}\nS: 334 ${base64("e=other-error")}\nC:\nS: 235 2.7.0 ${base64(serverFinal)}`],
  ] as const
) {
  conversation(
    `connect does not believe a server that says yes to SCRAM ${what}`,
    `
    ${script}
    S: {silence}`,
    async (server) => {
      const error = await rejection(connectWith(server));
      assertEquals(facts(error), { name: "SmtpAuthError", kind: "authentication", phase: "auth", code: 235, delivery: "not-sent", transient: false });
    },
  );
}

for (
  const [what, challenge] of [
    ["a signature that is not right", "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="],
    ["the right signature, cut", serverFinal.slice(0, -5)],
    ["nothing that it should", "hello"],
  ] as const
) {
  for (const [reply, end] of [["501 cancelled", BYE], ["235 2.7.0 welcome all the same", "S: {silence}"]] as const) {
    conversation(
      `connect cancels SCRAM when the server's proof is ${what}, and says no to a ${reply.slice(0, 3)}`,
      `
      ${FINAL}
      S: 334 ${base64(challenge)}
      C: *
      S: ${reply}
      ${end}`,
      async (server) => {
        await assertRejects(() => connectWith(server), SmtpAuthError);
        assertEquals(server.received.includes("AUTH PLAIN"), false);
      },
    );
  }
}

conversation(
  "connect does not go on with PLAIN when SCRAM is refused: whoever stands between can refuse it too",
  `
  ${FINAL}
  S: 535 5.7.8 no
  ${BYE}`,
  async (server) => {
    const error = facts(await rejection(connectWith(server)));
    assertEquals([error.name, error.code], ["SmtpAuthError", 535]);
  },
);

conversation(
  "connect tells why the server refuses SCRAM, in the mechanism's own word",
  `
  ${FINAL}
  S: 334 ${base64("e=invalid-proof")}
  C:
  S: 535 5.7.8 no
  ${BYE}`,
  async (server) => {
    const error = await assertRejects(() => connectWith(server), SmtpAuthError);
    assertEquals([error.code, error.details], [535, { error: "invalid-proof" }]);
  },
);

conversation(
  "connect cancels SCRAM when its answer to a nonce without end has no room in a line",
  `
  ${FIRST}
  S: 334 ${base64(serverFirst.replace(",s=", `${"x".repeat(9_200)},s=`))}
  C: *
  S: 501 cancelled
  ${BYE}`,
  async (server) => {
    await assertRejects(() => connectWith(server), SmtpAuthError, "no room");
  },
);

const LONG = "x".repeat(500);
const long = scramMessages({ hash: "sha1", username: LONG, password: "pencil", nonces: ["abc", "def"], salt: "QSXCR+Q6sek8bf92" });
conversation(
  "connect keeps SCRAM's first message back when it has no room in the AUTH line",
  `
  S: 220 mx.example
  C: EHLO client.test
  S: 250-mx.example
  S: 250 AUTH SCRAM-SHA-1
  C: AUTH SCRAM-SHA-1
  S: 334
  C: ${base64(long.clientFirst)}
  S: 334 ${base64(long.serverFirst)}
  C: ${base64(long.clientFinal)}
  S: 334 ${base64(long.serverFinal)}
  C:
  S: 235 welcome
  ${BYE}`,
  async (server) => {
    const mechanism = scram("SHA-1", { username: LONG, password: "pencil" }, {}, () => "abc");
    await using client = await connectTo(server, { auth: { mechanisms: [mechanism] } });
    assertEquals(client.connection.isAuthenticated, true);
  },
);

const bound = scramMessages({
  hash: "sha512",
  ...credentials,
  nonces: ["abc", "def"],
  salt: "QSXCR+Q6sek8bf92",
  header: "p=tls-exporter,,",
  binding: new Uint8Array(32).fill(7),
});
conversation(
  "connect ties SCRAM-SHA-512-PLUS to the channel binding of its socket",
  `
  S: 220 mx.example
  C: EHLO client.test
  S: 250-mx.example
  S: 250 AUTH SCRAM-SHA-512 SCRAM-SHA-512-PLUS
  C: AUTH SCRAM-SHA-512-PLUS ${base64(bound.clientFirst)}
  S: 334 ${base64(bound.serverFirst)}
  C: ${base64(bound.clientFinal)}
  S: 334 ${base64(bound.serverFinal)}
  C:
  S: 235 welcome
  ${BYE}`,
  async (server) => {
    const channelBinding = () => Promise.resolve({ type: "tls-exporter", data: new Uint8Array(32).fill(7) });
    const mechanism = scram("SHA-512", credentials, { plus: true }, () => "abc");
    const dial = () => Promise.resolve({ ...server.socket("on"), channelBinding });
    await using client = await connectTo(server, { dial, auth: { mechanisms: [mechanism] } });
    assertEquals(client.connection.isAuthenticated, true);
  },
);
