/** Proxies that say anything: the tunnel begins where their answer ends, or it is an error of the right kind, and nothing hangs. */
import { setImmediate } from "node:timers";
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Dialer, SmtpAuthError, SmtpConnectionError, SmtpProtocolError, type Socket } from "@posthorn/smtp";
import { httpConnect, socks5 } from "@posthorn/smtp/proxy";
import { formatIp, parseEndpoint, parseHost, parseIp } from "../../src/proxy/address.ts";
import { cutAt, cuts, holds, holdsInTime, latin1, octetsOf } from "../support/fuzz.ts";
import { type Fate, httpFate, socksFate } from "./proxy_reference.ts";

/** A proxy in memory: its answer number `n` comes behind write number `n` of the client, cut somewhere, and behind the last one the connection ends. */
function proxyOf(
  answers: readonly string[],
  places: readonly number[],
  ends: boolean,
): Socket & { readonly writes: number; readonly isClosed: boolean; end(): void } {
  let controller: ReadableStreamDefaultController<Uint8Array>;
  let writes = 0;
  let isClosed = false;
  let isOver = false;
  const end = () => {
    if (!isOver) controller.close();
    isOver = true;
  };
  return {
    readable: new ReadableStream<Uint8Array>({ start: (given) => void (controller = given) }),
    writable: new WritableStream<Uint8Array>({
      write(): void {
        const answer = answers[writes++];
        if (answer !== undefined) cutAt(octetsOf(answer), places).filter(({ length }) => length > 0).forEach((chunk) => controller.enqueue(chunk));
        if (ends && writes === answers.length) end();
      },
    }),
    get writes() {
      return writes;
    },
    get isClosed() {
      return isClosed;
    },
    end,
    close: () => void (isClosed = true),
  };
}

const KINDS = { auth: SmtpAuthError, connection: SmtpConnectionError, protocol: SmtpProtocolError };

/** What a dialer comes to with a proxy that says `answers`; one that waits is given up. */
async function fate(dialerOf: (dial: Dialer) => Dialer, proxy: ReturnType<typeof proxyOf>): Promise<Fate> {
  const given = new AbortController();
  const dialer = dialerOf(() => Promise.resolve(proxy));
  const dialling = dialer({ hostname: "mx.example", port: 25, secureTransport: "off", tls: {}, signal: given.signal });
  let isDone = false;
  dialling.then(() => isDone = true, () => isDone = true);
  for (let turns = 0; turns < 20 && !isDone; turns++) await new Promise<void>((resolve) => setImmediate(resolve));
  if (!isDone) given.abort("enough");
  try {
    const socket = await dialling;
    assert(!proxy.isClosed);
    proxy.end();
    return { rest: await restOf(socket) };
  } catch (error) {
    assert(proxy.isClosed, "what leads nowhere is closed");
    if (error === "enough") return "waits";
    assert(error instanceof Error && !/\p{Cc}/u.test(error.message), `${error}`);
    const kind = Object.entries(KINDS).find(([, kind]) => error instanceof kind)?.[0];
    if (kind === "auth" || kind === "connection" || kind === "protocol") return kind;
    throw error;
  }
}

async function restOf({ readable }: Socket): Promise<string> {
  let rest = "";
  for await (const chunk of readable) rest += latin1(chunk);
  return rest;
}

const octet = fc.constantFrom(0, 1, 2, 3, 4, 5, 8, 0xff, 0x48, 0x15, 10, 200);
const junk = fc.array(octet, { maxLength: 4 }).map((octets) => String.fromCharCode(...octets));
const start = (version: number) =>
  fc.tuple(fc.constantFrom(version, version, version, version, 4, 72), fc.constantFrom(0, 0, 0, 2, 0xff, 1, 5)).map((two) =>
    String.fromCharCode(...two)
  );
const tail = fc.constantFrom("", "220 mx.example ESMTP\r\n", "\0", "\x05\x00", "x".repeat(300));
const address = fc.oneof(
  fc.constantFrom(
    "\x01\x7f\0\0\x01\x9c\x40",
    `\x04${"\0".repeat(15)}\x01\x9c\x40`,
    "\x03\x04host\x9c\x40",
    "\x03\0\0\0",
    `\x03\xff${"h".repeat(255)}\0\x19`,
    "\x02\0\0",
    "\x01\x7f",
    "\x03",
    "",
  ),
  junk,
);
const socksReply = fc.tuple(start(5), fc.constantFrom("\0", "\0", "\xff", ""), address, tail).map((parts) => parts.join(""));

Deno.test("socks5 opens a tunnel where the proxy's answer says so and hands on each octet behind it, and fails as its answer says", async () => {
  const answers = fc.tuple(start(5), fc.oneof(start(1), start(1), junk.map((text) => text.slice(0, 1))), socksReply);
  await holdsInTime(fc.tuple(answers, cuts, fc.boolean()), 15_000, async ([[method, login, reply], places, hasLogin]) => {
    const said = method.charCodeAt(1) === 2 && hasLogin ? [method, login, reply] : [method, reply];
    const proxy = proxyOf(said, places, true);
    const wanted = socksFate(said, hasLogin);
    const actual = await fate((dial) => socks5({ hostname: "proxy.test", dial, ...(hasLogin && { username: "a", password: "b" }) }), proxy);
    // One that ends, where more was due, has lost the connection.
    assertEquals(actual, wanted === "waits" && proxy.writes === said.length ? "connection" : wanted);
    assert(proxy.writes <= said.length);
  });
});

Deno.test("socks5 never hangs, and fails with no other error, at octets that are none of its protocol and come at any time", async () => {
  const answers = fc.array(fc.oneof(start(5), junk, socksReply, fc.uint8Array({ maxLength: 12 }).map(latin1)), { maxLength: 4 });
  await holdsInTime(fc.tuple(answers, cuts, fc.boolean(), fc.boolean()), 8_000, async ([said, places, ends, hasLogin]) => {
    const result = await fate(
      (dial) => socks5({ hostname: "proxy.test", dial, ...(hasLogin && { username: "a", password: "b" }) }),
      proxyOf(said, places, true),
    );
    assert(ends || result !== undefined);
  });
});

const httpLine = fc.constantFrom(
  "HTTP/1.1 200 ok",
  "HTTP/1.0 200",
  "HTTP/1.1 407 no",
  "HTTP/1.1 502 \x1b[0m",
  "HTTP/1.1 100 Continue",
  "HTTP/1.1 101 Switch",
  "HTTP/2 200",
  "HTTP/1.1 2000 x",
  "HTTP/1.1  200",
  "220 mx ESMTP",
  "http/1.1 200 ok",
  "HTTP/1.1 299 \xff",
);
const field = fc.oneof(
  fc.constantFrom("Proxy-Authenticate: Basic realm=x", "proxy-authenticate: NTLM", "X: y", ":", " ", "Content-Length: 5", "\r", "\0"),
  fc.integer({ min: 1, max: 20_000 }).map((length) => `X: ${"y".repeat(length)}`),
);
const end = fc.constantFrom("\r\n", "\r\n", "\r\n", "\n", "\r", "");
const head = fc.tuple(httpLine, end, fc.array(fc.tuple(field, end), { maxLength: 3 }), end).map(([line, first, fields, last]) =>
  `${line}${first}${fields.flat().join("")}${last}`
);

Deno.test("httpConnect opens a tunnel where the answer's head ends and hands on each octet behind it, and fails as the head says", async () => {
  const answer = fc.tuple(
    fc.array(fc.constantFrom("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Hints\r\nX: y\r\n\r\n"), { maxLength: 2 }),
    head,
    tail,
  ).map(([before, ...parts]) => [...before, ...parts].join(""));
  await holdsInTime(fc.tuple(answer, cuts, fc.boolean()), 15_000, async ([said, places, ends]) => {
    const actual = await fate((dial) => httpConnect({ hostname: "proxy.test", port: 3128, dial }), proxyOf([said], places, ends));
    const wanted = httpFate(said);
    assertEquals(actual, ends && wanted === "waits" ? "connection" : wanted);
  });
});

Deno.test("parseIp reads each address that formatIp writes, and parseHost takes a host and nothing that would end one", () => {
  const ip = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
    fc.array(fc.constantFrom(0, 0, 255), { minLength: 16, maxLength: 16 }).map((all) => Uint8Array.from(all)),
  );
  holds(fc.tuple(ip, fc.nat(65_535)), 30_000, ([octets, port]) => {
    const text = formatIp(octets);
    assertEquals([...parseIp(text) ?? []], [...octets]);
    assertEquals(parseEndpoint(octets.length === 4 ? `${text}:${port}` : `[${text}]:${port}`), { ip: octets, port });
  });
  const piece = fc.constantFrom(
    "a",
    "mx.example",
    "1",
    ".",
    "-",
    ":",
    "::",
    "[",
    "]",
    "/",
    "@",
    "\\",
    "?",
    "#",
    "%",
    " ",
    "\0",
    "\r\n",
    "é",
    "。",
    "\u200b",
    "192.0.2.1",
    "x".repeat(200),
    "_",
  );
  holds(fc.array(piece, { maxLength: 5 }).map((all) => all.join("")), 30_000, (text) => {
    let host: ReturnType<typeof parseHost>;
    try {
      host = parseHost(text);
    } catch (error) {
      return assert((error instanceof TypeError || error instanceof RangeError) && !/\p{Cc}/u.test(error.message), `${error}`);
    }
    assert(/^[\w.:-]+$/.test(host.name) && host.name.length <= 255, host.name);
    assertEquals(parseHost(host.name), host);
  });
});
