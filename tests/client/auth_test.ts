import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { connect, type ConnectOptions, SmtpAuthError, type SmtpConnection } from "@posthorn/smtp";
import { login, plain } from "@posthorn/smtp/sasl";
import { BYE, connectTo, facts, openTo, rejection } from "../support/client.ts";
import { conversation, ScriptedServer } from "../support/script.ts";

const auth = { username: "alice", password: "s3cret" };
const open: ConnectOptions = { auth, allowCleartextAuth: true };

function offering(mechanisms: string): string {
  return `
  S: 220 mx.example
  C: EHLO client.test
  S: 250-mx.example
  S: 250 AUTH ${mechanisms}
`;
}

conversation(
  "connect logs in with PLAIN and an initial response",
  `
  ${offering("LOGIN PLAIN")}
  C: AUTH PLAIN AGFsaWNlAHMzY3JldA==
  S: 235 2.7.0 welcome
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server, open);
    assertEquals(client.connection.isAuthenticated, true);
  },
);

const LONG = "x".repeat(500);
conversation(
  "connect keeps the initial response back when the AUTH line would be longer than 512 octets",
  `
  ${offering("PLAIN")}
  C: AUTH PLAIN
  S: 334
  C: ${btoa(`\0alice\0${LONG}`)}
  S: 235 welcome
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server, { ...open, auth: { username: "alice", password: LONG } });
    assertEquals(client.connection.isAuthenticated, true);
  },
);

for (const [code, transient] of [[535, false], [454, true], [538, false]] as const) {
  conversation(
    `connect rejects on ${code}, keeps the words, and sends nothing more`,
    `
    ${offering("PLAIN")}
    C: AUTH PLAIN AGFsaWNlAHMzY3JldA==
    S: ${code}-Invalid credentials
    S: ${code} please see www.example.com
    ${BYE}`,
    async (server) => {
      const error = await rejection(connectTo(server, open));
      assertEquals(facts(error), { name: "SmtpAuthError", kind: "authentication", phase: "auth", code, delivery: "not-sent", transient });
      assertEquals(Reflect.get(Object(Reflect.get(Object(error), "reply")), "text"), "Invalid credentials\nplease see www.example.com");
    },
  );
}

conversation(
  "connect tries the next mechanism when the server does not know the first after all",
  `
  ${offering("PLAIN LOGIN")}
  C: AUTH PLAIN AGFsaWNlAHMzY3JldA==
  S: 504 5.5.4 unrecognized
  C: AUTH LOGIN
  S: 334
  C: YWxpY2U=
  S: 334
  C: czNjcmV0
  S: 235 welcome
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server, open);
    assertEquals(client.connection.isAuthenticated, true);
  },
);

for (const reply of ["250 ok", "354 go"]) {
  conversation(
    `connect takes ${reply} to AUTH for a breach of the protocol`,
    `
    ${offering("PLAIN")}
    C: AUTH PLAIN AGFsaWNlAHMzY3JldA==
    S: ${reply}
    S: {silence}`,
    async (server) => {
      assertEquals(facts(await rejection(connectTo(server, open))).kind, "protocol");
    },
  );
}

conversation(
  "connect cancels when the server asks for more than the mechanism has",
  `
  ${offering("LOGIN")}
  C: AUTH LOGIN
  S: 334
  C: YWxpY2U=
  S: 334
  C: czNjcmV0
  S: 334 more
  C: *
  S: 501 cancelled
  ${BYE}`,
  async (server) => {
    await assertRejects(() => connectTo(server, open), SmtpAuthError, "more than a name and a password");
  },
);

conversation(
  "connect cancels after eight challenges",
  `
  ${offering("PLAIN")}
  C: AUTH PLAIN AGFsaWNlAHMzY3JldA==
  ${"S: 334\nC: AGFsaWNlAHMzY3JldA==\n".repeat(8)}
  S: 334
  C: *
  S: 501 cancelled
  ${BYE}`,
  async (server) => {
    await assertRejects(() => connectTo(server, open), SmtpAuthError, "more than 8 times");
  },
);

conversation(
  "connect uses a mechanism of the caller's own, and cancels when it throws",
  `
  ${offering("XTOKEN PLAIN")}
  C: AUTH XTOKEN =
  S: 334 ${btoa("what?")}
  C: ${btoa("what?!")}
  S: 334 not base64
  C: *
  S: 501 cancelled
  ${BYE}`,
  async (server) => {
    const mechanism = {
      name: "XTOKEN",
      isPlaintext: false,
      start: () => ({
        initialResponse: new Uint8Array(0),
        isComplete: true,
        respond: (challenge: Uint8Array | undefined) => {
          if (challenge === undefined) throw new Error("that is no challenge");
          return Promise.resolve(Uint8Array.of(...challenge, 33));
        },
      }),
    };
    const error = await assertRejects(() => connectTo(server, { auth: { mechanisms: [mechanism] } }), SmtpAuthError, "given up");
    assertEquals(Reflect.get(Object(error.cause), "message"), "that is no challenge");
  },
);

conversation(
  "SmtpConnection answers a 334 by hand, and may do nothing else there",
  `
  ${offering("LOGIN")}
  C: AUTH LOGIN
  S: 334
  C: YWxpY2U=
  S: 334
  C: *
  S: 501 cancelled
  ${BYE}`,
  async (server) => {
    await using connection: SmtpConnection = await openTo(server);
    await connection.ehlo("client.test");
    assertEquals((await connection.auth("LOGIN")).code, 334);
    assertEquals(facts(await rejection(connection.mail("a@x.test"))).name, "SmtpStateError");
    assertEquals((await connection.authRespond(new TextEncoder().encode("alice"))).code, 334);
    assertEquals((await connection.authCancel()).code, 501);
    assertEquals(facts(await rejection(connection.authCancel())).name, "SmtpStateError");
  },
);

Deno.test("plain and login refuse names and passwords with control characters, and do not show them", () => {
  for (const bad of ["", "a\0evil", "a\r\nRCPT", "a\x01", "\x7f"]) {
    for (const mechanism of [plain, login]) {
      for (const credentials of [{ username: bad, password: "s3cret" }, { username: "alice", password: bad }]) {
        const error = assertThrows(() => mechanism(credentials), TypeError, "not shown");
        assertEquals(bad !== "" && error.message.includes(bad), false);
      }
    }
  }
});

Deno.test("connect checks credentials before it dials", async () => {
  const server = new ScriptedServer("S: {silence}");
  let dialled = 0;
  const dial = () => {
    dialled++;
    return server.dial();
  };
  for (const auth of [{ username: "", password: "x" }, { username: "a\0b", password: "x" }, { mechanisms: [] }]) {
    await assertRejects(() => connect({ hostname: "mx.example", dial, auth }), TypeError);
  }
  assertEquals(dialled, 0);
});
