import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { connect, type ConnectOptions, SmtpClient, SmtpConnection } from "@posthorn/smtp";
import { optionsOfUrl, resolveOptions } from "../../src/options.ts";
import { openTo } from "../support/client.ts";
import { ScriptedServer } from "../support/script.ts";

Deno.test("resolveOptions requires TLS unless told otherwise, and picks the port by the mode", () => {
  const resolved = (options: ConnectOptions) => {
    const { tls, port } = resolveOptions({ hostname: "mx.example", ...options });
    return [tls, port];
  };
  assertEquals(resolved({}), ["starttls", 587]);
  assertEquals(resolved({ port: 465 }), ["implicit", 465]);
  assertEquals(resolved({ port: 25 }), ["starttls", 25]);
  assertEquals(resolved({ tls: "implicit" }), ["implicit", 465]);
  assertEquals(resolved({ tls: "starttls", port: 465 }), ["starttls", 465]);
  assertEquals(resolved({ tls: "none" }), ["none", 587]);
  assertEquals(resolved({ path: "/run/smtp.sock" }), ["none", 587]);
  assertEquals(resolved({ path: "/run/smtp.sock", tls: "starttls" }), ["starttls", 587]);
});

const BAD: [name: string, options: Record<string, unknown>, error: typeof TypeError | typeof RangeError][] = [
  ["no host", {}, TypeError],
  ["an empty host", { hostname: "" }, TypeError],
  ["a host with a space", { hostname: "a b" }, TypeError],
  ["a host with CRLF", { hostname: "a\r\nb" }, TypeError],
  ["a host in brackets", { hostname: "[::1]" }, TypeError],
  ["a URL for a host", { hostname: "smtp://mx" }, TypeError],
  ["port 0", { hostname: "mx", port: 0 }, RangeError],
  ["port 65536", { hostname: "mx", port: 65_536 }, RangeError],
  ["port 1.5", { hostname: "mx", port: 1.5 }, RangeError],
  ["a port as text", { hostname: "mx", port: "587" }, TypeError],
  ["an unknown mode of TLS", { hostname: "mx", tls: true }, TypeError],
  ["a deadline of 0", { hostname: "mx", timeouts: { mail: 0 } }, RangeError],
  ["no deadline at all", { hostname: "mx", timeouts: { mail: Infinity } }, RangeError],
  ["a deadline that is no number", { hostname: "mx", timeouts: { mail: "1s" } }, TypeError],
  ["a deadline nobody knows", { hostname: "mx", timeouts: { male: 5 } }, TypeError],
  ["an EHLO name with a line break", { hostname: "mx", name: "x\r\nMAIL FROM:<evil@x.test>" }, TypeError],
  ["a yes for pipelining", { hostname: "mx", pipelining: "yes" }, TypeError],
  ["a yes for allowCleartextAuth", { hostname: "mx", allowCleartextAuth: 1 }, TypeError],
  ["a trace that is no function", { hostname: "mx", trace: "log" }, TypeError],
  ["a dialer that is no function", { hostname: "mx", dial: {} }, TypeError],
  ["a signal that is none", { hostname: "mx", signal: { aborted: false } }, TypeError],
  ["a clock without its methods", { hostname: "mx", clock: Date }, TypeError],
  ["a socket without streams", { hostname: "mx", socket: { close: () => {} } }, TypeError],
  ["a mode of TLS that cannot even be shown", { hostname: "mx", tls: Object.create(null) }, TypeError],
  ["mechanisms that are none", { hostname: "mx", auth: { mechanisms: [null] } }, TypeError],
  ["an empty path", { path: "" }, TypeError],
  ["credentials that are none", { hostname: "mx", auth: { username: "alice" } }, TypeError],
  ["a mechanism that is no text", { hostname: "mx", auth: { username: "alice", password: "x", forceMechanism: "" } }, TypeError],
];

for (const [what, options, error] of BAD) {
  Deno.test(`connect refuses ${what} before it dials`, async () => {
    let dialled = 0;
    const dial = () => Promise.reject(new Error(`dialled ${++dialled}`));
    await assertRejects(() => Reflect.apply(connect, undefined, [{ dial, ...options }]), error, "Cannot use");
    assertEquals(dialled, 0);
  });
}

Deno.test("optionsOfUrl reads scheme, credentials, host and port", () => {
  assertEquals(optionsOfUrl("smtps://mx.example"), { hostname: "mx.example", tls: "implicit" });
  assertEquals(optionsOfUrl("smtp://mx.example:2525/"), { hostname: "mx.example", port: 2525, tls: "starttls" });
  assertEquals(optionsOfUrl(new URL("smtps://alice%40x.test:p%3Ass%2F@[::1]:465")), {
    hostname: "::1",
    port: 465,
    tls: "implicit",
    auth: { username: "alice@x.test", password: "p:ss/" },
  });
});

Deno.test("optionsOfUrl refuses what is no such URL, and shows no password", () => {
  const bad = [
    "mx.example",
    "http://alice:s3cret@mx.example",
    "smtp://",
    "smtps://alice:s3cret@mx.example/path",
    "smtps://alice:s3cret@mx.example?tls=none",
    "smtps://alice:s3cret@mx.example#x",
    "smtps://alice@mx.example",
    "smtps://:s3cret@mx.example",
    "smtps://alice:s3cret%E0%A4%A@mx.example",
    "smtps://alice:s3cret@mx.example:99999",
  ];
  for (const url of bad) {
    const error = assertThrows(() => optionsOfUrl(url), TypeError, "not shown");
    assertEquals(error.message.includes("s3cret"), false);
  }
});

Deno.test("connect takes options beside a URL, which outrank it", async () => {
  const server = new ScriptedServer("S: 220 mx\nC: EHLO client.test\nS: 250 mx\nC: QUIT\nS: 221 bye");
  await using client = await connect("smtp://mx.example:25", { tls: "none", name: "client.test", dial: server.dial });
  assertEquals(client.isSecure, false);
});

Deno.test("SmtpClient checks its own options", async () => {
  const server = new ScriptedServer("S: 220 mx\nS: {silence}");
  const connection = await openTo(server);
  assertThrows(() => new SmtpClient(connection, { name: "a b" }), TypeError);
  assertThrows(() => Reflect.construct(SmtpClient, [connection, { allowCleartextAuth: "yes" }]), TypeError);
  connection.close();
});

Deno.test("SmtpConnection checks a call's own deadline", async () => {
  const server = new ScriptedServer("S: 220 mx\nS: {silence}");
  const connection = await SmtpConnection.open({ hostname: "mx", tls: "none", dial: server.dial });
  for (const timeout of [0, -1, NaN, Infinity]) await assertRejects(() => connection.noop({ timeout }), RangeError, "timeout");
  connection.close();
  assertEquals(server.writes, []);
});
