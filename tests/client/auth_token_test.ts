import { assertEquals, assertRejects } from "@std/assert";
import { type AccessTokenContext, type Auth, connect, SmtpAuthError, SmtpConnectionError, SmtpSecurityError } from "@posthorn/smtp";
import { xoauth2 } from "@posthorn/smtp/sasl";
import { BYE, connectTo, facts, rejection } from "../support/client.ts";
import { base64 } from "../support/sasl.ts";
import { conversation } from "../support/script.ts";

function hello(mechanisms: string): string {
  return `
  S: 220 mx.example
  C: EHLO client.test
  S: 250-mx.example
  S: 250 AUTH ${mechanisms}
`;
}

function bearer(token: string): string {
  return base64(`n,a=user@example.com,\x01host=mx.example\x01port=587\x01auth=Bearer ${token}\x01\x01`);
}

function xoauth(token: string): string {
  return base64(`user=user@example.com\x01auth=Bearer ${token}\x01\x01`);
}

const username = "user@example.com";
const token = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==";
const REFUSAL = base64('{"status":"invalid_token","schemes":"bearer mac","scope":"https://mail.example.com/"}');
const details = { status: "invalid_token", scope: "https://mail.example.com/", schemes: "bearer mac" };

function connectWith(server: Parameters<typeof connectTo>[0], auth: Auth): ReturnType<typeof connectTo> {
  return connectTo(server, { auth, allowCleartextAuth: true });
}

conversation(
  "connect logs in with a token by OAUTHBEARER, which it prefers to XOAUTH2",
  `
  ${hello("PLAIN XOAUTH2 OAUTHBEARER")}
  C: AUTH OAUTHBEARER ${bearer(token)}
  S: 235 welcome
  ${BYE}`,
  async (server) => {
    await using client = await connectWith(server, { username, accessToken: token });
    assertEquals(client.connection.isAuthenticated, true);
  },
);

conversation(
  "connect logs in with a token by XOAUTH2 where there is nothing else, the name of the mechanism in any case",
  `
  ${hello("PLAIN xoauth2")}
  C: AUTH XOAUTH2 ${xoauth(token)}
  S: 235 welcome
  ${BYE}`,
  async (server) => {
    await using client = await connectWith(server, { username, accessToken: token });
    assertEquals(client.connection.isAuthenticated, true);
  },
);

for (const [mechanism, message, dummy] of [["OAUTHBEARER", bearer, "C: AQ=="], ["XOAUTH2", xoauth, "C:"]] as const) {
  conversation(
    `connect tells why ${mechanism} refuses the token, which is not asked for again where it is text`,
    `
    ${hello(mechanism)}
    C: AUTH ${mechanism} ${message(token)}
    S: 334 ${REFUSAL}
    ${dummy}
    S: 535-5.7.1 Username and Password not accepted. Learn more at
    S: 535 5.7.1 http://support.example.com/mail/oauth
    ${BYE}`,
    async (server) => {
      const error = await assertRejects(() => connectWith(server, { username, accessToken: token }), SmtpAuthError);
      assertEquals([error.code, error.enhancedCode, error.details], [535, "5.7.1", details]);
      assertEquals(`${error.stack}${JSON.stringify(error)}`.includes(token), false);
    },
  );

  conversation(
    `connect asks for one more token when ${mechanism} refuses the first, and says why it does`,
    `
    ${hello(mechanism)}
    C: AUTH ${mechanism} ${message("stale")}
    S: 334 ${REFUSAL}
    ${dummy}
    S: 535 5.7.1 no
    C: AUTH ${mechanism} ${message("fresh")}
    S: 235 welcome
    ${BYE}`,
    async (server) => {
      const asked: AccessTokenContext[] = [];
      const accessToken = (context: AccessTokenContext) => {
        asked.push(context);
        return Promise.resolve(context.wasRefused ? "fresh" : "stale");
      };
      await using client = await connectWith(server, { username, accessToken });
      assertEquals(client.connection.isAuthenticated, true);
      const told = asked.map(({ username, hostname, port, wasRefused }) => [username, hostname, port, wasRefused]);
      assertEquals(told, [[username, "mx.example", 587, false], [username, "mx.example", 587, true]]);
    },
  );
}

conversation(
  "connect shows no token that the server repeats in its refusal",
  `
  ${hello("XOAUTH2")}
  C: AUTH XOAUTH2 ${xoauth(token)}
  S: 535 5.7.8 ${token} has expired
  ${BYE}`,
  async (server) => {
    const events: unknown[] = [];
    const auth = { username, accessToken: token };
    const error = await assertRejects(
      () => connectTo(server, { auth, allowCleartextAuth: true, trace: (event) => events.push(event) }),
      SmtpAuthError,
      "*** has expired",
    );
    assertEquals(`${error.stack}${JSON.stringify(error)}${JSON.stringify(events)}`.includes(token), false);
  },
);

conversation(
  "connect asks for one more token on a plain 535 too, and for no third one",
  `
  ${hello("OAUTHBEARER XOAUTH2")}
  C: AUTH OAUTHBEARER ${bearer("token1")}
  S: 535 5.7.3 no
  C: AUTH OAUTHBEARER ${bearer("token2")}
  S: 535 5.7.3 no
  ${BYE}`,
  async (server) => {
    let asked = 0;
    const error = await assertRejects(() => connectWith(server, { username, accessToken: () => `token${++asked}` }), SmtpAuthError);
    assertEquals([error.code, error.details, asked], [535, {}, 2]);
  },
);

for (const reply of ["454 4.7.0 later", "530 5.7.0 TLS first"]) {
  conversation(
    `connect asks for no other token on ${reply}, which says nothing about the token`,
    `
    ${hello("XOAUTH2")}
    C: AUTH XOAUTH2 ${xoauth("token1")}
    S: ${reply}
    ${BYE}`,
    async (server) => {
      let asked = 0;
      const error = await assertRejects(() => connectWith(server, { username, accessToken: () => `token${++asked}` }), SmtpAuthError);
      assertEquals([error.code, asked], [Number(reply.slice(0, 3)), 1]);
    },
  );
}

conversation(
  "connect tries XOAUTH2 where the server does not know OAUTHBEARER after all",
  `
  ${hello("OAUTHBEARER XOAUTH2")}
  C: AUTH OAUTHBEARER ${bearer(token)}
  S: 504 5.5.4 unrecognized
  C: AUTH XOAUTH2 ${xoauth(token)}
  S: 235 welcome
  ${BYE}`,
  async (server) => {
    await using client = await connectWith(server, { username, accessToken: token });
    assertEquals(client.connection.isAuthenticated, true);
  },
);

conversation(
  "connect does not believe a yes behind the server's own refusal of the token",
  `
  ${hello("XOAUTH2")}
  C: AUTH XOAUTH2 ${xoauth(token)}
  S: 334 ${REFUSAL}
  C:
  S: 235 welcome
  S: {silence}`,
  async (server) => {
    assertEquals(facts(await rejection(connectWith(server, { username, accessToken: token }))).name, "SmtpAuthError");
  },
);

conversation(
  "connect never says a token without TLS unless it is told to, and then does not even ask for it",
  `
  ${hello("XOAUTH2 OAUTHBEARER")}
  ${BYE}`,
  async (server) => {
    let asked = 0;
    const auth = { username, accessToken: () => `token${++asked}` };
    const error = await assertRejects(() => connectTo(server, { auth }), SmtpSecurityError, "OAUTHBEARER");
    assertEquals([error.kind, asked], ["insecure", 0]);
  },
);

for (
  const [what, accessToken] of [
    ["that fails", () => Promise.reject(new Error("the token server is down"))],
    ["that gives what is no token", () => "not a token\r\n"],
  ] as const
) {
  conversation(
    `connect says nothing to the server of a source of tokens ${what}`,
    `
    ${hello("XOAUTH2")}
    ${BYE}`,
    async (server) => {
      const error = await assertRejects(() => connectWith(server, { username, accessToken }), SmtpAuthError);
      assertEquals([error.phase, error.cause instanceof Error, error.message.includes("not a token")], ["auth", true, false]);
    },
  );
}

conversation(
  "connect stops waiting for a token when it is aborted, and tells the source of tokens",
  `
  ${hello("XOAUTH2")}`,
  async (server) => {
    const controller = new AbortController();
    let isTold = false;
    const accessToken = ({ signal }: AccessTokenContext) => {
      signal.addEventListener("abort", () => isTold = true);
      queueMicrotask(() => controller.abort(new Error("enough")));
      return new Promise<string>(() => {});
    };
    const connecting = connectTo(server, { auth: { username, accessToken }, allowCleartextAuth: true, signal: controller.signal });
    const error = await assertRejects(() => connecting, SmtpConnectionError);
    assertEquals([error.kind, error.phase, isTold], ["aborted", "auth", true]);
  },
);

conversation(
  "connect asks a mechanism of the caller's list for another token too",
  `
  ${hello("XOAUTH2")}
  C: AUTH XOAUTH2 ${xoauth("stale")}
  S: 535 no
  C: AUTH XOAUTH2 ${xoauth("fresh")}
  S: 235 welcome
  ${BYE}`,
  async (server) => {
    const mechanism = xoauth2({ username, accessToken: ({ wasRefused }) => wasRefused ? "fresh" : "stale" });
    await using client = await connectWith(server, { mechanisms: [mechanism] });
    assertEquals(client.connection.isAuthenticated, true);
  },
);

Deno.test("connect checks a token that is there before it dials", async () => {
  let dialled = 0;
  const dial = () => Promise.reject(new Error(`dialled ${++dialled}`));
  for (const accessToken of ["", "a token", "a\x01b", "a\r\nb"]) {
    const error = await rejection(connect({ hostname: "mx.example", dial, auth: { username, accessToken } }));
    assertEquals([error instanceof TypeError, `${error}`.includes("a token")], [true, false]);
  }
  const both = { username, accessToken: token, password: "s3cret" };
  assertEquals(await rejection(connect({ hostname: "mx.example", dial, auth: both })) instanceof TypeError, true);
  assertEquals(dialled, 0);
});
