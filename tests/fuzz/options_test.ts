/** What a caller may say, and everything else: it is taken, or it is a TypeError or a RangeError before anything is dialled. */
import { assert, assertEquals } from "@std/assert";
import { inspect } from "node:util";
import fc from "fast-check";
import { connect, type ConnectOptions, type Message, SmtpError, SmtpPool } from "@posthorn/smtp";
import { optionsOfUrl } from "../../src/options.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { holds, holdsInTime } from "../support/fuzz.ts";
import { ManualServer, PIPELINING } from "../support/manual.ts";

const SECRET = "s3cret-Pa55";
const odd: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    undefined,
    null,
    0,
    1,
    -1,
    1.5,
    NaN,
    Infinity,
    2 ** 31,
    "",
    " ",
    "mx.example",
    "a\r\nb",
    "\0",
    "\ud800",
    "[::1]",
    "none",
    "starttls",
    true,
    false,
  ),
  fc.constantFrom<unknown>(
    [],
    [null],
    [undefined],
    ["x"],
    {},
    { __proto__: null },
    () => {},
    new Date(0),
    Symbol("s"),
    5n,
    new Uint8Array(3),
    new Map(),
    new String("mx"),
  ),
  fc.string({ unit: "binary", maxLength: 4 }),
);

/** Each option with what it may be, or with anything. */
function optionsWith(good: Readonly<Record<string, readonly unknown[]>>): fc.Arbitrary<Record<string, unknown>> {
  const value = (values: readonly unknown[]) => fc.oneof({ weight: 12, arbitrary: fc.constantFrom(...values) }, { weight: 1, arbitrary: odd });
  return fc.record(Object.fromEntries(Object.entries(good).map(([name, values]) => [name, value(values)])), {
    requiredKeys: ["hostname", "username", "password", "from", "to", "body"].filter((name) => name in good),
  });
}

/** One of `good`, or anything. */
function mostly(...good: readonly fc.Arbitrary<unknown>[]): fc.Arbitrary<unknown> {
  return fc.oneof(...good.map((arbitrary) => ({ weight: 5, arbitrary })), { weight: 1, arbitrary: odd });
}

const credentials = optionsWith({
  username: ["alice"],
  password: [SECRET],
  accessToken: [SECRET],
  authzid: ["bob"],
  forceMechanism: ["PLAIN", "plain"],
});
const mechanisms = optionsWith({ mechanisms: [[], [{ name: "X", isPlaintext: false, start: () => {} }], [{ name: SECRET + "!" }]] });
const timeouts = optionsWith({ mail: [1, 1000], rcpt: [5], final: [2 ** 31 - 1], nobody: [1] });
const tls = optionsWith({ serverName: ["mx.example"], caCerts: [["PEM"], []], cert: ["PEM"], key: [SECRET] });
const options = fc.tuple(
  optionsWith({
    hostname: ["mx.example", "192.0.2.1", "::1"],
    port: [25, 465, 587],
    path: [undefined],
    tls: ["implicit", "starttls", "opportunistic", "none"],
    pipelining: [true, false],
    protocol: ["smtp", "lmtp"],
    name: ["client.test", "[192.0.2.1]"],
    allowCleartextAuth: [true],
    trace: [() => {}],
    signal: [new AbortController().signal],
    clock: [new FakeClock()],
    socket: [undefined],
  }),
  fc.record({ auth: mostly(credentials, mechanisms), timeouts: mostly(timeouts), tlsOptions: mostly(tls) }, {
    requiredKeys: [],
  }),
).map(([one, other]) => ({ ...one, ...other }));

function assertRefusal(error: unknown): void {
  assert(error instanceof TypeError || error instanceof RangeError, `${inspect(error)}`);
  assert(error.message.startsWith("Cannot use "), error.message);
  assert(!/\p{Cc}/u.test(error.message) && !inspect(error).includes(SECRET), inspect(error));
}

Deno.test("connect refuses any options that are none before it dials, and takes the others", async () => {
  let taken = 0;
  await holdsInTime(options, 20_000, async (given) => {
    let dialled = 0;
    const dial = () => Promise.reject(new Error(`dialled ${++dialled}`));
    const error = await Reflect.apply(connect, undefined, [{ dial, ...given }]).then(() => undefined, (cause: unknown) => cause);
    if (dialled === 0) return assertRefusal(error);
    taken++;
    assert(error instanceof SmtpError, inspect(error));
    assertEquals(dialled, 1);
  });
  assert(taken > 500, `${taken} were taken`);
});

Deno.test("SmtpPool refuses any options that are none when it is made", () => {
  const pool = optionsWith({
    maxConnections: [1, 5],
    maxMessages: [1, 100],
    window: [1, 64],
    maxQueued: [1],
    queueTimeout: [1, 5_000],
    idleTimeout: [30_000],
    rateLimit: [{ messages: 5 }, { octets: 0.5, burst: 2 }, { messages: NaN }, { nobody: 1 }],
    trace: [() => {}],
    connectionTrace: [() => {}],
    random: [Math.random],
    connect: [{ tls: "none" }, { port: 0 }, { dial: 5 }],
  });
  let taken = 0;
  holds(fc.tuple(options, pool), 12_000, ([target, given]) => {
    try {
      const made: unknown = Reflect.construct(SmtpPool, [target, given]);
      taken++;
      assert(made instanceof SmtpPool);
      made.close();
    } catch (error) {
      assertRefusal(error);
    }
  });
  assert(taken > 20, `${taken} were taken`);
});

Deno.test("SmtpClient.send refuses any message that is none before it writes, and takes the others", async () => {
  const server = new ManualServer((text, peer) => {
    const replies = text.split("\r\n").map((line) =>
      line.startsWith("EHLO") ? PIPELINING : line.startsWith("DATA") ? "354 go\r\n" : /^(MAIL|RCPT|RSET|QUIT|\.$)/.test(line) ? "250 ok\r\n" : ""
    );
    peer.say(replies.join(""));
  });
  await using client = await connect(server.options());
  const open = () => new Blob(["x\r\n"]).stream();
  const message = optionsWith({
    from: ["a@x.test", "", "<>", "a@x.test>\r\nQUIT"],
    to: ["b@y.test", ["b@y.test", { address: "c@y.test" }], { address: "b@y.test", extensions: [] }, [], [null], [{ address: 5 }], new Array(2)],
    body: ["Subject: x\r\n\r\nx\r\n", new Uint8Array([120]), open, new Blob(["x"])],
    lineEndings: ["normalize", "reject"],
    requireAllRecipients: [true, false],
    transfer: ["auto", "data", "bdat"],
    binary: [false],
    smtpUtf8: [false],
    extensions: [[], [{ keyword: "DSN", isOptional: true }], [null], [{ keyword: "X", isOptional: true, mail: 5 }]],
  }).map((given) => ({ from: "a@x.test", to: "b@y.test", body: "x\r\n", ...given }));
  let taken = 0;
  await holdsInTime(message, 20_000, async (given) => {
    // One that opens something else than a stream fails when it is read, as any source may.
    if (typeof given.body === "function" && given.body !== open) return;
    const { length } = server.writes;
    const error = await client.send(given as Message).then(() => undefined, (cause: unknown) => cause);
    if (error === undefined) return void taken++;
    if (error instanceof SmtpError) return assertEquals([error.kind, client.isClosed], ["unsupported", false]);
    assertRefusal(error);
    assertEquals(server.writes.length, length);
  });
  assert(taken > 500, `${taken} were taken`);
});

Deno.test("optionsOfUrl reads what stands in a URL as it was written there, and refuses all else without a word of it", () => {
  const text = fc.array(fc.constantFrom("a", "B1", "@", ":", "/", "?", "#", "%", "é", " ", "\r\n", "\0", "[", "]", "\\", "+", "&", SECRET), {
    minLength: 1,
    maxLength: 4,
  }).map((all) => all.join(""));
  const wanted = fc.record({
    scheme: fc.constantFrom("smtp", "smtps", "lmtp", "SMTP", "http", "smtp+x"),
    username: text,
    password: text,
    host: fc.constantFrom("mx.example", "[::1]", "192.0.2.1", "localhost", "", "a b", "%00"),
    port: fc.constantFrom("", ":25", ":0", ":65535", ":65536", ":x"),
    rest: fc.constantFrom("", "", "/", "/x", "?x", "#x"),
  });
  holds(wanted, 20_000, ({ scheme, username, password, host, port, rest }) => {
    const url = `${scheme}://${encodeURIComponent(username)}:${encodeURIComponent(password)}@${host}${port}${rest}`;
    let given: ConnectOptions;
    try {
      given = optionsOfUrl(url);
    } catch (error) {
      return assertRefusal(error);
    }
    assert(["smtp", "smtps", "lmtp"].includes(scheme.toLowerCase()) && ["", "/"].includes(rest));
    assertEquals(given, {
      hostname: decodeURIComponent(host).replace(/[[\]]/g, ""),
      ...(port !== "" && { port: Number(port.slice(1)) }),
      tls: scheme === "smtps" ? "implicit" : "starttls",
      ...(scheme === "lmtp" && { protocol: "lmtp" }),
      auth: { username, password },
    });
  });
});

Deno.test("connect refuses any text that is no URL of a server before it dials", async () => {
  const piece = fc.constantFrom(
    "smtp",
    "smtps",
    "lmtp",
    "lmtp+unix",
    ":",
    "//",
    "/",
    "@",
    "mx.example",
    "%0d%0a",
    "%",
    "\r\n",
    "?",
    "#",
    "a",
    "[",
    "]",
    ":25",
    "..",
  );
  await holdsInTime(fc.array(piece, { maxLength: 8 }).map((all) => all.join("")), 20_000, async (url) => {
    let dialled = 0;
    const dial = () => Promise.reject(new Error(`dialled ${++dialled}`));
    const error = await connect(url, { dial }).then(() => undefined, (cause: unknown) => cause);
    if (dialled === 0) assertRefusal(error);
    else assert(error instanceof SmtpError, inspect(error));
  });
});
