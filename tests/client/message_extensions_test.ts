/** What extensions add to an envelope, and what becomes of those that the server lacks. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type Message, type MessageExtension, SmtpSecurityError, SmtpUnsupportedError } from "@posthorn/smtp";
import { deliverBy, dsn, futureRelease, ifOffered, priority, requireTls, rrvs, solicit, submitter } from "@posthorn/smtp/extensions";
import { anonymous, external, plain } from "@posthorn/smtp/sasl";
import { BYE, connectTo, rejection } from "../support/client.ts";
import { contextOf } from "../support/sasl.ts";
import { conversation, ScriptedServer } from "../support/script.ts";

const MESSAGE: Message = { from: "a@x.test", to: "b@y.test", body: "hello" };

function script(keywords: readonly string[], mail: string, rcpt = ""): string {
  return `
  S: 220 mx.example ESMTP
  C: EHLO client.test
  ${["mx.example", ...keywords].map((line) => `S: 250-${line}`).join("\n")}
  S: 250 HELP
  C: MAIL FROM:<a@x.test>${mail}
  S: 250 ok
  C: RCPT TO:<b@y.test>${rcpt}
  S: 250 ok
  C: DATA
  S: 354 go
  C: hello
  C: .
  S: 250 ok
  ${BYE}`;
}

const CASES: readonly (readonly [name: string, keywords: readonly string[], wished: readonly MessageExtension[], mail: string, rcpt?: string])[] = [
  [
    "DSN",
    ["DSN"],
    [dsn({ return: "headers", envelopeId: "a+b=c d", notify: ["success", "failure"], originalRecipient: "bob@old.test" })],
    " RET=HDRS ENVID=a+2Bb+3Dc+20d",
    " NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob@old.test",
  ],
  ["DSN with full returns and no notification", ["DSN"], [dsn({ return: "full", notify: "never" })], " RET=FULL", " NOTIFY=NEVER"],
  [
    "DSN for a recipient of another kind",
    ["DSN"],
    [dsn({ originalRecipient: "x400;/C=de/ADMD= /O=a+b" })],
    "",
    " ORCPT=x400;/C+3Dde/ADMD+3D+20/O+3Da+2Bb",
  ],
  [
    "DSN for a recipient beyond ASCII without SMTPUTF8",
    ["DSN"],
    [dsn({ originalRecipient: "bücher@x.test" })],
    "",
    " ORCPT=utf-8;b\\x{FC}cher@x.test",
  ],
  ["DELIVERBY", ["DELIVERBY 60"], [deliverBy({ seconds: 60, onExpiry: "return", trace: true })], " BY=60;RT"],
  ["DELIVERBY with a time that is over", ["DELIVERBY"], [deliverBy({ seconds: -5, onExpiry: "notify" })], " BY=-5;N"],
  ["FUTURERELEASE by seconds", ["FUTURERELEASE 86400 2030-01-01T00:00:00Z"], [futureRelease({ seconds: 86_400 })], " HOLDFOR=86400"],
  [
    "FUTURERELEASE by date",
    ["FUTURERELEASE 86400 2030-01-01T00:00:00Z"],
    [futureRelease({ until: new Date("2029-12-31T23:59:59.900Z") })],
    " HOLDUNTIL=2029-12-31T23:59:59Z",
  ],
  ["MT-PRIORITY", ["MT-PRIORITY MIXER"], [priority(-4)], " MT-PRIORITY=-4"],
  ["RRVS", ["RRVS"], [rrvs(new Date("2014-04-03T23:01:00Z"), "reject")], "", " RRVS=2014-04-03T23:01:00Z;R"],
  ["AUTH", ["AUTH PLAIN"], [submitter("e=mc2@example.com")], " AUTH=e+3Dmc2@example.com"],
  ["AUTH of nobody", ["AUTH PLAIN"], [submitter(undefined)], " AUTH=<>"],
  [
    "NO-SOLICITING",
    ["NO-SOLICITING org.example:ADV:ADLT"],
    [solicit(["org.example:ADV", "net.example:X"])],
    " SOLICIT=org.example:ADV,net.example:X",
  ],
  ["several at once", ["DSN", "MT-PRIORITY"], [priority(9), dsn({ envelopeId: "1" })], " MT-PRIORITY=9 ENVID=1"],
  ["one of the caller's own", ["X-TRACE"], [{ keyword: "x-trace", mail: () => ({ "X-TRACE": true }) }], " X-TRACE"],
  ["none where it may go without", [], [ifOffered(dsn({ notify: "never" })), ifOffered(requireTls())], ""],
];

for (const [name, keywords, extensions, mail, rcpt] of CASES) {
  conversation(`SmtpClient.send asks for ${name}`, script(keywords, mail, rcpt), async (server) => {
    await using client = await connectTo(server);
    assertEquals((await client.send({ ...MESSAGE, extensions })).accepted.length, 1);
  });
}

conversation(
  "SmtpClient.send lets a recipient's own wishes outrank the message's",
  `
  S: 220 mx.example ESMTP
  C: EHLO client.test
  S: 250-mx.example
  S: 250-PIPELINING
  S: 250 DSN
  C: MAIL FROM:<a@x.test> RET=HDRS
  C: RCPT TO:<b@y.test> NOTIFY=FAILURE
  C: RCPT TO:<c@y.test> NOTIFY=NEVER
  C: DATA
  S: 250 ok
  S: 250 ok
  S: 250 ok
  S: 354 go
  C: hello
  C: .
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server);
    const carol = { address: "c@y.test", extensions: [dsn({ return: "full", notify: "never" })] };
    const { accepted } = await client.send({ ...MESSAGE, to: ["b@y.test", carol], extensions: [dsn({ return: "headers", notify: ["failure"] })] });
    assertEquals(accepted.map(({ address }) => address), ["b@y.test", "c@y.test"]);
  },
);

conversation(
  "SmtpClient.send sends nothing at all without an extension that was asked for",
  `
  S: 220 mx.example ESMTP
  C: EHLO client.test
  S: 250-mx.example
  S: 250-DELIVERBY 60
  S: 250-FUTURERELEASE 100 2030-01-01T00:00:00Z
  S: 250 REQUIRETLS
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server);
    const all: readonly [MessageExtension, string][] = [
      [dsn({}), "DSN"],
      [rrvs(new Date()), "RRVS"],
      [priority(0), "MT-PRIORITY"],
      [submitter("a@x.test"), "AUTH"],
      [solicit(["net.example:ADV"]), "NO-SOLICITING"],
      [deliverBy({ seconds: 59, onExpiry: "return" }), "60 s"],
      [futureRelease({ seconds: 101 }), "100 s"],
      [futureRelease({ until: new Date("2030-01-01T00:00:01Z") }), "2030-01-01T00:00:00Z"],
    ];
    for (const [extension, words] of all) {
      const error = await assertRejects(() => client.send({ ...MESSAGE, extensions: [extension] }), SmtpUnsupportedError, words);
      assertEquals([error.phase, error.delivery], ["local", "not-sent"]);
      const to = [{ address: "b@y.test", extensions: [extension] }];
      if (!extension.mail) await assertRejects(() => client.send({ ...MESSAGE, to }), SmtpUnsupportedError, words);
    }
    const error = await assertRejects(() => client.send({ ...MESSAGE, extensions: [requireTls()] }), SmtpSecurityError, "REQUIRETLS");
    assertEquals(error.kind, "insecure");
  },
);

conversation(
  "SmtpClient.send says REQUIRETLS over TLS",
  `
  S: 220 mx.example ESMTP
  C: EHLO client.test
  S: 250-mx.example
  S: 250 STARTTLS
  C: STARTTLS
  S: 220 go
  C: {tls}
  C: EHLO client.test
  S: 250-mx.example
  S: 250 REQUIRETLS
  C: MAIL FROM:<a@x.test> REQUIRETLS
  S: 250 ok
  C: RCPT TO:<b@y.test>
  S: 250 ok
  C: DATA
  S: 354 go
  C: hello
  C: .
  S: 250 ok
  ${BYE}`,
  async (server) => {
    await using client = await connectTo(server, { tls: "starttls" });
    assertEquals((await client.send({ ...MESSAGE, extensions: [requireTls()] })).accepted.length, 1);
  },
);

Deno.test("extensions and mechanisms are not swayed by a polluted prototype", async () => {
  const server = new ScriptedServer("S: 220 mx\nC: EHLO client.test\nS: 250-mx\nS: 250-DSN\nS: 250-DELIVERBY\nS: 250 FUTURERELEASE\nS: {silence}");
  const client = await connectTo(server);
  const { extensions } = client;
  const offer = { extensions, isSecure: true, isUtf8: false };
  const polluted: Record<string, unknown> = {
    isOptional: true,
    notify: "never",

    envelopeId: "x",
    trace: "@",
    seconds: 1,
    authzid: "evil",
  };
  for (const [name, value] of Object.entries(polluted)) Object.defineProperty(Object.prototype, name, { value, configurable: true });
  let seen: unknown;
  let error: unknown;
  try {
    error = await rejection(client.send({ ...MESSAGE, extensions: [requireTls()] }));
    seen = [
      dsn({ originalRecipient: "b@y.test" }).mail?.(offer),
      dsn({}).rcpt?.("b@y.test", offer),
      deliverBy({ seconds: 5, onExpiry: "notify" }).mail?.(offer),
      futureRelease({ until: new Date(0) }).mail?.(offer),
      new TextDecoder().decode((await plain({ username: "u", password: "p" }).start(contextOf())).initialResponse),
      new TextDecoder().decode((await external().start(contextOf())).initialResponse),
      new TextDecoder().decode((await anonymous().start(contextOf())).initialResponse),
    ];
  } finally {
    for (const name of Object.keys(polluted)) Reflect.deleteProperty(Object.prototype, name);
  }
  client.close();
  const loggedIn = new ScriptedServer(
    "S: 220 mx\nC: EHLO client.test\nS: 250-mx\nS: 250 AUTH PLAIN\nC: AUTH PLAIN AHUAcA==\nS: 235 ok\nS: {silence}",
  );
  Object.defineProperty(Object.prototype, "authzid", { value: "evil", configurable: true });
  try {
    (await connectTo(loggedIn, { auth: { username: "u", password: "p" }, allowCleartextAuth: true })).close();
  } finally {
    Reflect.deleteProperty(Object.prototype, "authzid");
  }
  loggedIn.check();
  assertEquals(error instanceof SmtpUnsupportedError, true, `${error}`);
  assertEquals(seen, [
    { RET: undefined, ENVID: undefined },
    { NOTIFY: undefined, ORCPT: undefined },
    { BY: "5;N" },
    { HOLDUNTIL: "1970-01-01T00:00:00Z" },
    "\0u\0p",
    "",
    "",
  ]);
});

Deno.test("extensions refuse what the protocol cannot say, when they are made", () => {
  const bad: readonly [() => MessageExtension, typeof TypeError | typeof RangeError][] = [
    [() => dsn({ envelopeId: "x\r\nRCPT TO:<evil@x.test>" }), TypeError],
    [() => dsn({ envelopeId: "" }), TypeError],
    [() => dsn({ envelopeId: "é" }), TypeError],
    [() => dsn({ envelopeId: "x".repeat(101) }), RangeError],
    [() => dsn({ envelopeId: "+".repeat(34) }), RangeError],
    [() => dsn({ notify: [] }), TypeError],
    [() => Reflect.apply(dsn, undefined, [{ notify: ["NEVER"] }]), TypeError],
    [() => Reflect.apply(dsn, undefined, [{ return: "HDRS" }]), TypeError],
    [() => dsn({ originalRecipient: "a\r\nb" }), TypeError],
    [() => dsn({ originalRecipient: "" }), TypeError],
    [() => deliverBy({ seconds: 0, onExpiry: "return" }), RangeError],
    [() => deliverBy({ seconds: 1e9, onExpiry: "notify" }), RangeError],
    [() => Reflect.apply(deliverBy, undefined, [{ seconds: "1\r\nRSET", onExpiry: "notify" }]), TypeError],
    [() => Reflect.apply(deliverBy, undefined, [{ seconds: 1, onExpiry: "R" }]), TypeError],
    [() => futureRelease({ seconds: 1.5 }), RangeError],
    [() => futureRelease({ until: new Date(NaN) }), TypeError],
    [() => futureRelease({ until: new Date(8.64e15) }), TypeError],
    [() => priority(10), RangeError],
    [() => Reflect.apply(priority, undefined, ["3"]), TypeError],
    [() => rrvs(new Date(NaN)), TypeError],
    [() => Reflect.apply(rrvs, undefined, [new Date(), "C"]), TypeError],
    [() => submitter("not a mailbox"), TypeError],
    [() => solicit([]), TypeError],
    [() => solicit(["a b"]), TypeError],
  ];
  for (const [make, expected] of bad) assertThrows(make, expected);
});
