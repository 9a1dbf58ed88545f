import { assertEquals, assertRejects } from "@std/assert";
import { type Auth, connect, type ConnectOptions, SmtpAuthError, SmtpSecurityError, SmtpUnsupportedError } from "@posthorn/smtp";
import { cramMd5, external, plain, scramSha256 } from "@posthorn/smtp/sasl";
import { BYE, connectTo } from "../support/client.ts";
import { DialogServer } from "../support/dialog_server.ts";
import { base64 } from "../support/sasl.ts";
import { conversation } from "../support/script.ts";

const auth = { username: "alice", password: "s3cret" };
const channelBinding = () => Promise.resolve({ type: "tls-exporter", data: new Uint8Array(32) });
const ALL = [
  ...["GSSAPI", "login", "PLAIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512", "SCRAM-SHA-1-PLUS"],
  ...["SCRAM-SHA-256-PLUS", "scram-sha-512-plus", "SCRAM-SHA3-512", "XOAUTH2", "OAUTHBEARER", "ANONYMOUS", "EXTERNAL"],
].join(" ");

interface Circumstances extends Pick<ConnectOptions, "allowCleartextAuth"> {
  readonly auth?: Auth;
  readonly offers?: string;
  readonly hasTls?: boolean;
  readonly hasBinding?: boolean;
  readonly reply?: string;
}

/** What a client tries, one mechanism behind the other, on a server that offers `offers` and knows none of it: names, and what SCRAM says of binding. */
async function tried(given: Circumstances): Promise<string[]> {
  const { offers = ALL, hasTls = true, hasBinding = false, reply = "504 5.5.4 unrecognized" } = given;
  const server = new DialogServer([
    { expect: null, reply: "220 mx.example\r\n" },
    { expect: "^EHLO", reply: `250-mx.example\r\n250 AUTH ${offers}\r\n` },
    { expect: "^AUTH", reply: `${reply}\r\n`, repeat: true },
    { expect: "^QUIT$", reply: "221 bye\r\n", then: "close" },
  ], "whole");
  const dial = async () => {
    const socket = await server.dial();
    return { ...socket, secureTransport: hasTls ? "on" as const : "off" as const, ...(hasBinding && { channelBinding }) };
  };
  const { allowCleartextAuth = false, auth: who = auth } = given;
  await assertRejects(
    () => connect({ hostname: "mx.example", tls: "none", name: "client.test", dial, auth: who, allowCleartextAuth }),
    SmtpAuthError,
  );
  return server.lines.filter((line) => line.startsWith("AUTH ")).map((line) => {
    const [, name = "", message = ""] = line.split(" ");
    return name.startsWith("SCRAM") ? `${name} ${atob(message).split(",")[0]}` : name;
  });
}

const SCRAMS = ["SCRAM-SHA-512 n", "SCRAM-SHA-256 n", "SCRAM-SHA-1 n"];

Deno.test("connect tries SCRAM, PLAIN, LOGIN and CRAM-MD5 in this order over TLS, and nothing else with a password", async () => {
  assertEquals(await tried({}), [...SCRAMS, "PLAIN", "LOGIN", "CRAM-MD5"]);
});

Deno.test("connect tries the -PLUS mechanisms first where the socket has a binding, and lets the server know that it refused them", async () => {
  const plus = ["SCRAM-SHA-512-PLUS p=tls-exporter", "SCRAM-SHA-256-PLUS p=tls-exporter", "SCRAM-SHA-1-PLUS p=tls-exporter"];
  const suspicious = SCRAMS.map((attempt) => attempt.replace(" n", " y"));
  assertEquals(await tried({ hasBinding: true }), [...plus, ...suspicious, "PLAIN", "LOGIN", "CRAM-MD5"]);
  assertEquals(await tried({ hasBinding: true, offers: "SCRAM-SHA-256 PLAIN" }), ["SCRAM-SHA-256 y", "PLAIN"]);
  assertEquals(await tried({ hasBinding: true, offers: "SCRAM-SHA-256 SCRAM-SHA-1-PLUS", reply: "535 no" }), ["SCRAM-SHA-1-PLUS p=tls-exporter"]);
});

Deno.test("connect tries what tells no secret and nothing else without TLS", async () => {
  assertEquals(await tried({ hasTls: false }), [...SCRAMS, "CRAM-MD5"]);
  assertEquals(await tried({ hasTls: false, hasBinding: true }), [...SCRAMS, "CRAM-MD5"]);
  assertEquals(await tried({ hasTls: false, allowCleartextAuth: true }), [...SCRAMS, "CRAM-MD5", "PLAIN", "LOGIN"]);
});

Deno.test("connect tries no other mechanism once the credentials were refused", async () => {
  for (const reply of ["535 5.7.8 no", "454 4.7.0 later", "501 5.5.2 what", "432 4.7.12 a password transition is needed"]) {
    assertEquals(await tried({ reply }), ["SCRAM-SHA-512 n"]);
  }
  assertEquals((await tried({ reply: "534 5.7.9 too weak" })).length, 6);
});

Deno.test("connect matches mechanisms by their whole name", async () => {
  assertEquals(await tried({ offers: "XPLAIN PLAIN-X SCRAM-SHA-256X SCRAM-SHA-2 CRAM-MD5-PLUS LOGIN" }), ["LOGIN"]);
});

Deno.test("connect tries what has a place for somebody else to act as, and nothing else, where that is asked for", async () => {
  assertEquals(await tried({ auth: { ...auth, authzid: "root" } }), [...SCRAMS, "PLAIN"]);
  assertEquals(await tried({ auth: { username: "alice", accessToken: "token", authzid: "root" } }), ["OAUTHBEARER"]);
});

Deno.test("connect uses the mechanism that is forced, in any case and offered or not, and no other", async () => {
  for (const name of ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"]) {
    const [only, ...others] = await tried({ auth: { ...auth, forceMechanism: name.toLowerCase() }, offers: "GSSAPI" });
    assertEquals([only?.split(" ")[0], others], [name, []]);
  }
  for (const name of ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512-PLUS"]) {
    assertEquals(await tried({ auth: { ...auth, forceMechanism: name }, hasBinding: true }), [`${name} p=tls-exporter`]);
  }
  assertEquals(await tried({ auth: { ...auth, forceMechanism: "SCRAM-SHA-256" }, hasBinding: true }), ["SCRAM-SHA-256 n"]);
  for (const name of ["XOAUTH2", "OAUTHBEARER"]) {
    assertEquals(await tried({ auth: { username: "alice", accessToken: "token", forceMechanism: name } }), [name]);
  }
});

Deno.test("connect tries the mechanisms of a list in its order, those that need a binding where there is one", async () => {
  const mechanisms = [plain(auth), scramSha256(auth, { plus: true }), cramMd5(auth), external()];
  assertEquals(await tried({ auth: { mechanisms } }), ["PLAIN", "CRAM-MD5", "EXTERNAL"]);
  assertEquals(await tried({ auth: { mechanisms }, hasBinding: true }), ["PLAIN", "SCRAM-SHA-256-PLUS p=tls-exporter", "CRAM-MD5", "EXTERNAL"]);
});

function offering(mechanisms: string): string {
  return `
  S: 220 mx.example
  C: EHLO client.test
  S: 250-mx.example
  S: 250 AUTH ${mechanisms}
`;
}

conversation(
  "connect rejects where the server wants a channel binding, and the socket has none",
  `
  ${offering("SCRAM-SHA-256-PLUS")}
  ${BYE}`,
  async (server) => {
    const error = await assertRejects(() => connectTo(server, { auth }), SmtpUnsupportedError, "channel binding");
    assertEquals([error.kind, error.phase], ["unsupported", "auth"]);
  },
);

conversation(
  "connect rejects where only PLAIN and LOGIN are left and there is no TLS",
  `
  ${offering("PLAIN LOGIN")}
  ${BYE}`,
  async (server) => {
    const error = await assertRejects(() => connectTo(server, { auth }), SmtpSecurityError, "PLAIN");
    assertEquals(error.kind, "insecure");
  },
);

for (const forceMechanism of ["DIGEST-MD5", "XOAUTH2", "EXTERNAL"]) {
  conversation(
    `connect rejects where ${forceMechanism} is forced, which cannot be had for a password`,
    `
    ${offering("DIGEST-MD5 XOAUTH2 EXTERNAL PLAIN")}
    ${BYE}`,
    async (server) => {
      await assertRejects(
        () => connectTo(server, { auth: { ...auth, forceMechanism }, allowCleartextAuth: true }),
        SmtpUnsupportedError,
        forceMechanism,
      );
    },
  );
}

conversation(
  "connect says nothing of a password that SASLprep refuses, where SCRAM would need it",
  `
  ${offering("SCRAM-SHA-256")}
  ${BYE}`,
  async (server) => {
    const error = await assertRejects(() => connectTo(server, { auth: { username: "alice", password: "s3cret\ue000" } }), SmtpAuthError);
    assertEquals([error.cause instanceof TypeError, error.message.includes("s3cret")], [true, false]);
  },
);

conversation(
  "connect logs in with CRAM-MD5 without TLS, as RFC 2195 section 2 has it",
  `
  ${offering("CRAM-MD5 PLAIN")}
  C: AUTH CRAM-MD5
  S: 334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+
  C: dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw
  S: 235 CRAM authentication successful
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server, { auth: { username: "tim", password: "tanstaaftanstaaf" } });
    assertEquals(client.connection.isAuthenticated, true);
  },
);

conversation(
  "connect logs in with EXTERNAL, whose empty message is written as =",
  `
  ${offering("PLAIN EXTERNAL")}
  C: AUTH EXTERNAL =
  S: 235 welcome
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server, { auth: { mechanisms: [external()] } });
    assertEquals(client.connection.isAuthenticated, true);
  },
);

conversation(
  "connect acts as somebody else with PLAIN",
  `
  ${offering("LOGIN PLAIN")}
  C: AUTH PLAIN ${base64("root\0alice\0s3cret")}
  S: 235 welcome
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server, { auth: { ...auth, authzid: "root" }, allowCleartextAuth: true });
    assertEquals(client.connection.isAuthenticated, true);
  },
);

conversation(
  "connect rejects when the socket fails to tell its channel binding",
  `
  ${offering("SCRAM-SHA-256")}
  ${BYE}`,
  async (server) => {
    const dial = () => Promise.resolve({ ...server.socket("on"), channelBinding: () => Promise.reject(new Error("no exporter")) });
    const error = await assertRejects(() => connectTo(server, { dial, auth }), SmtpAuthError, "channel binding");
    assertEquals(Reflect.get(Object(error.cause), "message"), "no exporter");
  },
);
