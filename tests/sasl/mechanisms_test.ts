import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type AccessTokenContext, type SaslMechanism, SmtpAuthError, SmtpUnsupportedError } from "@posthorn/smtp";
import { anonymous, cramMd5, external, login, oauthBearer, plain, xoauth2 } from "@posthorn/smtp/sasl";
import { contextOf, octets, text } from "../support/sasl.ts";

async function first(mechanism: SaslMechanism): Promise<string | undefined> {
  return text((await mechanism.start(contextOf())).initialResponse);
}

Deno.test("CRAM-MD5 has the example of RFC 2195 section 2", async () => {
  const exchange = await cramMd5({ username: "tim", password: "tanstaaftanstaaf" }).start(contextOf());
  assertEquals([exchange.initialResponse, exchange.isComplete], [undefined, false]);
  const answer = await exchange.respond(octets("<1896.697170952@postoffice.reston.mci.net>"));
  assertEquals([text(answer), exchange.isComplete], ["tim b913a602c7eda7a495b4e6e7334d3890", true]);
});

Deno.test("CRAM-MD5 answers one challenge, and none that is empty or no base64", async () => {
  for (const challenge of [undefined, new Uint8Array(0)]) {
    const exchange = await cramMd5({ username: "tim", password: "x" }).start(contextOf());
    await assertRejects(async () => await exchange.respond(challenge), SmtpAuthError, "CRAM-MD5");
    assertEquals(exchange.isComplete, false);
  }
  const exchange = await cramMd5({ username: "tim", password: "x" }).start(contextOf());
  await exchange.respond(octets("<1@x>"));
  await assertRejects(async () => await exchange.respond(octets("<2@x>")), SmtpAuthError, "CRAM-MD5");
});

Deno.test("CRAM-MD5 does not start where the runtime has no MD5", async () => {
  const loadHmacMd5 = () => Promise.reject(new SmtpUnsupportedError("unsupported", "no MD5", { phase: "auth" }));
  await assertRejects(
    async () => await cramMd5({ username: "tim", password: "x" }).start(contextOf({ loadHmacMd5 })),
    SmtpUnsupportedError,
    "no MD5",
  );
});

Deno.test("PLAIN, EXTERNAL, ANONYMOUS, XOAUTH2 and OAUTHBEARER say their one message first", async () => {
  const credentials = { username: "tim", password: "tanstaaftanstaaf" };
  const accessToken = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==";
  assertEquals(await first(plain(credentials)), "\0tim\0tanstaaftanstaaf");
  assertEquals(await first(plain({ username: "Kurt", password: "xipj3plmq", authzid: "Ursel" })), "Ursel\0Kurt\0xipj3plmq");
  assertEquals(await first(external()), "");
  assertEquals(await first(external({ authzid: "fred@example.com" })), "fred@example.com");
  assertEquals(await first(anonymous()), "");
  assertEquals(await first(anonymous({ trace: "sirhc" })), "sirhc");
  const bearer = (identity: string) => `n,a=${identity},\x01host=server.example.com\x01port=587\x01auth=Bearer ${accessToken}\x01\x01`;
  assertEquals(await first(oauthBearer({ username: "user@example.com", accessToken })), bearer("user@example.com"));
  assertEquals(await first(oauthBearer({ username: "user@example.com", accessToken, authzid: "a,b=c" })), bearer("a=2Cb=3Dc"));
  const xoauth = await first(xoauth2({ username: "someuser@example.com", accessToken: "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg" }));
  assertEquals(xoauth, "user=someuser@example.com\x01auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\x01\x01");
});

Deno.test("PLAIN, EXTERNAL and ANONYMOUS say it again to a server that asks for it all the same", async () => {
  for (const mechanism of [plain({ username: "a", password: "b" }), external({ authzid: "a" }), anonymous({ trace: "a" })]) {
    const exchange = await mechanism.start(contextOf());
    assertEquals(await exchange.respond(new Uint8Array(0)), exchange.initialResponse);
    assertEquals(exchange.isComplete, true);
  }
});

Deno.test("a token mechanism keeps what the server says of a refused token, the token apart, and answers with its dummy once", async () => {
  const error = { "status": "invalid_token", "scope": "mail s3cret-token", "schemes": "bearer\r\nmac", "status_code": 401, "__proto__": "x" };
  const details = { status: "invalid_token", scope: "mail ***", schemes: "bearer\\x0d\\x0amac" };
  for (const [make, dummy] of [[xoauth2, ""], [oauthBearer, "\x01"]] as const) {
    const challenges = [JSON.stringify(error), "no JSON", "null", "[]", '{"status":{}}', '{"status":401}', ""];
    for (const challenge of challenges) {
      const exchange = await make({ username: "user", accessToken: "s3cret-token" }).start(contextOf());
      assertEquals([exchange.isComplete, exchange.details], [true, undefined]);
      assertEquals(text(await exchange.respond(octets(challenge))), dummy);
      const expected = challenge === challenges[0] ? details : challenge.includes("401") ? { status: "401" } : {};
      assertEquals([exchange.isComplete, exchange.details], [false, expected]);
      await assertRejects(async () => await exchange.respond(octets(challenge)), SmtpAuthError, "more to say");
    }
    const exchange = await make({ username: "user", accessToken: "s3cret-token" }).start(contextOf());
    assertEquals(text(await exchange.respond(undefined)), dummy);
  }
});

Deno.test("a token mechanism asks its function for each exchange, and tells it what it knows", async () => {
  const asked: AccessTokenContext[] = [];
  const mechanism = xoauth2({
    username: "user",
    accessToken: (context) => {
      asked.push(context);
      return Promise.resolve(`token${asked.length}`);
    },
  });
  assertEquals(mechanism.isRenewable, true);
  assertEquals(xoauth2({ username: "user", accessToken: "token" }).isRenewable, false);
  const { signal } = new AbortController();
  assertEquals(text((await mechanism.start(contextOf({ signal }))).initialResponse), "user=user\x01auth=Bearer token1\x01\x01");
  assertEquals(text((await mechanism.start(contextOf({ signal, wasRefused: true }))).initialResponse), "user=user\x01auth=Bearer token2\x01\x01");
  const told = { username: "user", hostname: "server.example.com", port: 587 };
  assertEquals(asked.map(({ signal: _, ...rest }) => rest), [{ ...told, wasRefused: false }, { ...told, wasRefused: true }]);
  assertEquals(asked.every((context) => context.signal === signal), true);
});

Deno.test("every mechanism refuses names and secrets with control characters, and does not show them", () => {
  for (const bad of ["", "a\0evil", "a\r\nRCPT", "a\x01auth=Bearer evil\x01\x01", "\x7f", "\ud800"]) {
    const makers = [
      ...[plain, login, cramMd5].flatMap((make) => [
        () => make({ username: bad, password: "s3cret" }),
        () => make({ username: "alice", password: bad }),
      ]),
      ...[xoauth2, oauthBearer].flatMap((make) => [
        () => make({ username: bad, accessToken: "s3cret" }),
        () => make({ username: "alice", accessToken: bad }),
      ]),
      () => plain({ username: "alice", password: "s3cret", authzid: bad }),
      () => oauthBearer({ username: "alice", accessToken: "s3cret", authzid: bad }),
      () => external({ authzid: bad }),
    ];
    for (const make of makers) {
      const error = assertThrows(make, TypeError, "not shown");
      assertEquals(bad !== "" && error.message.includes(bad), false);
    }
  }
  for (const bad of ["a token", "tökén"]) assertThrows(() => xoauth2({ username: "alice", accessToken: bad }), TypeError, "not shown");
  assertThrows(() => xoauth2({ username: "alice", accessToken: "x".repeat(9_001) }), RangeError, "9000");
});

Deno.test("mechanisms without a place for it refuse somebody else to act as", () => {
  const authzid = "root";
  for (const make of [login, cramMd5]) assertThrows(() => make({ username: "alice", password: "s3cret", authzid }), TypeError, "authzid");
  assertThrows(() => xoauth2({ username: "alice", accessToken: "s3cret", authzid }), TypeError, "authzid");
});
