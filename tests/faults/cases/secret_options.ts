/** F36 and F38: what is told in confidence as an option, to a proxy or in a URL is in no trace and in no error either. */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { connect, type ConnectOptions, type SmtpConnection, SmtpPool } from "@posthorn/smtp";
import { httpConnect, socks5 } from "@posthorn/smtp/proxy";
import { cramMd5, login, oauthBearer, plain, scramSha256, xoauth2 } from "@posthorn/smtp/sasl";
import { openTo, rejection } from "../../support/client.ts";
import { settled } from "../../support/fake_clock.ts";
import { ECHOES, leaksIn, seen } from "../../support/leaks.ts";
import { ManualServer } from "../../support/manual.ts";
import { base64 } from "../../support/sasl.ts";
import { ScriptedServer } from "../../support/script.ts";
import type { Fault } from "../fault.ts";

const PASSWORD = "Zq7%kürbis+Gh/x9";
const TOKEN = "ya29.kQ7-vF9dft4qmTc2Nvb3~lck";
const SECRETS = [PASSWORD, TOKEN];
const auth = { username: "alice", password: PASSWORD };

function assertHidden(what: string, ...values: readonly unknown[]): void {
  assertEquals(leaksIn(seen(...values), SECRETS), [], what);
}

/** What `call` throws or rejects with, whatever its types say of the arguments. */
function refusalOf(call: (...given: never[]) => unknown, ...given: readonly unknown[]): Promise<unknown> {
  return rejection(Promise.resolve().then(() => Reflect.apply(call, undefined, given)));
}

/** Credentials of the wrong kind, with a secret in every place of theirs. */
const WRONG: readonly unknown[] = [
  PASSWORD,
  [PASSWORD],
  { username: PASSWORD },
  { username: "alice", password: [PASSWORD] },
  { username: "alice", password: { toString: () => PASSWORD } },
  { username: "alice", password: `${PASSWORD}\n` },
  { username: "alice\0", password: PASSWORD },
  { username: "alice", password: PASSWORD, accessToken: TOKEN },
  { username: "alice", password: PASSWORD, authzid: 7 },
  { username: "alice", password: PASSWORD.repeat(1_000) },
  { username: "alice", accessToken: `${TOKEN} ` },
  { username: "alice", accessToken: `${TOKEN}ä` },
  { username: "alice", accessToken: TOKEN.repeat(1_000) },
  { username: "alice", accessToken: { token: TOKEN } },
  { username: "alice", accessToken: Promise.resolve(TOKEN) },
];

const URLS: readonly string[] = [
  "smtp://alice:{}@",
  "smtp://alice:{}@host:99999",
  "smtp://alice:{}@ho st",
  "smtp://alice:{}@host/path",
  "smtp://alice:{}@host?{}",
  "smtp://alice:{}@host#{}",
  "smtp://:{}@host",
  "smtp://{}@host",
  "smtp:alice:{}@host",
  "//alice:{}@host",
  "alice:{}@host",
  "http://alice:{}@host",
  "lmtp+unix://alice:{}@/run/lmtp",
  "smtp://alice:%E4{}@host",
  "smtp://alice:{}%00@host",
];

const wrongKinds: readonly Fault[] = [
  {
    name: "F36 Credentials of the wrong kind are refused, and not shown",
    run: async () => {
      for (const wrong of WRONG) {
        for (const call of [connect, (options: { auth: never }) => new SmtpPool({ hostname: "x.test" }, { connect: options })]) {
          const error = await refusalOf(call, { hostname: "x.test", auth: wrong });
          assert(error instanceof TypeError || error instanceof RangeError, `${error}`);
          assertHidden("an option", error);
        }
        for (const make of [plain, login, cramMd5, scramSha256, xoauth2, oauthBearer]) {
          // Some of them are in order for some of the mechanisms.
          const outcome = await Promise.resolve().then(() => Reflect.apply(make, undefined, [wrong])).catch((error: unknown) => error);
          assertHidden(make.name, outcome);
        }
      }
    },
  },
  {
    name: "F36 A URL that is wrong, or that stands in the place of a host's name, is refused and not shown",
    run: async () => {
      for (const url of URLS) {
        for (const text of [url.replaceAll("{}", PASSWORD), url.replaceAll("{}", encodeURIComponent(PASSWORD))]) {
          for (const given of [text, ...(URL.canParse(text) ? [new URL(text)] : [])]) {
            const error = await refusalOf(connect, given, { dial: () => Promise.reject(new Error("nobody is there")) });
            assertHidden(text, error);
          }
        }
      }
      const places = [`alice:${PASSWORD}@host`, `smtp://alice:${PASSWORD}@host`, `alice:${encodeURIComponent(PASSWORD)}@host`];
      for (const hostname of places) {
        for (
          const error of [
            await refusalOf(connect, { hostname }),
            await refusalOf(connect, { hostname: "x.test", tlsOptions: { serverName: hostname } }),
            await refusalOf(socks5, { hostname }),
            await refusalOf(httpConnect, { hostname, port: 3128 }),
          ]
        ) {
          assertInstanceOf(error, TypeError);
          assertHidden(hostname, error);
        }
      }
    },
  },
];

/** Servers at which a login fails before it is begun, and the options that make it so. */
const BEFORE: readonly (readonly [what: string, offer: string, options: ConnectOptions])[] = [
  ["AUTH is not offered", "250 HELP", {}],
  ["no mechanism is known", "250 AUTH GSSAPI X-PLAIN", {}],
  ["TLS is missing", "250 AUTH PLAIN LOGIN", { allowCleartextAuth: false }],
  ["TLS is missing and required", "250 AUTH PLAIN", { tls: "starttls" }],
  ["a mechanism is forced that needs what is not there", "250 AUTH SCRAM-SHA-256-PLUS", { auth: { ...auth, forceMechanism: "SCRAM-SHA-256-PLUS" } }],
  ["a mechanism is forced that does not exist", "250 AUTH PLAIN", { auth: { ...auth, forceMechanism: "DIGEST-MD5" } }],
];

const unsaid: readonly Fault[] = [
  {
    name: "F36 No secret is in a trace or an error where a login fails before it is begun",
    run: async () => {
      for (const [what, offer, options] of BEFORE) {
        const server = new ManualServer((text, server) => server.say(text.startsWith("EHLO") ? `250-mx\r\n${offer}\r\n` : "221 bye\r\n"));
        const events: unknown[] = [];
        const error = await rejection(connect(server.options({ auth, allowCleartextAuth: true, trace: (event) => events.push(event), ...options })));
        assertInstanceOf(error, Error);
        assert(events.length > 3 && !server.writes.some((line) => line.startsWith("AUTH")), what);
        assertHidden(what, error, events);
      }
    },
  },
  {
    name: "F38 An error of the function that gives a token is the cause as it is, and nothing else shows what is in it",
    run: async () => {
      for (const thrown of [new Error(`no luck with ${TOKEN}`), TOKEN, { request: { token: TOKEN } }]) {
        const server = new ManualServer((text, server) => server.say(text.startsWith("EHLO") ? "250-mx\r\n250 AUTH XOAUTH2\r\n" : "221 bye\r\n"));
        const events: unknown[] = [];
        const accessToken = () => Promise.reject(thrown);
        const trace = (event: unknown) => events.push(event);
        const error = await rejection(connect(server.options({ auth: { username: "alice", accessToken }, allowCleartextAuth: true, trace })));
        assertInstanceOf(error, Error);
        assert(error.cause === thrown);
        const { cause: _given, ...rest } = { ...error, message: error.message, text: String(error), json: JSON.stringify(error) };
        assertHidden("the error without its cause", rest, error.stack?.split("[cause]")[0], events);
        assertEquals(server.writes.some((line) => line.startsWith("AUTH")), false);
      }
    },
  },
  {
    name: "F38 What gives a token gives nothing that is none, and it is not shown",
    run: async () => {
      for (const given of [`${TOKEN} ${TOKEN}`, `${TOKEN}\r\nRCPT TO:<evil@x.test>`, "", 7, undefined, [TOKEN], { token: TOKEN }]) {
        const server = new ManualServer((text, server) => server.say(text.startsWith("EHLO") ? "250-mx\r\n250 AUTH XOAUTH2\r\n" : "221 bye\r\n"));
        const accessToken = () => given;
        const options = server.options({ allowCleartextAuth: true });
        const error = await rejection(Promise.resolve(Reflect.apply(connect, undefined, [{ ...options, auth: { username: "alice", accessToken } }])));
        assertEquals(Reflect.get(Object(error), "kind"), "authentication");
        assertHidden("a token of the wrong kind", error);
        assertEquals(server.writes.some((line) => line.startsWith("AUTH")), false);
      }
    },
  },
];

/** Connects through a proxy that answers the request that holds a secret with `reply`. */
async function throughProxy(
  make: (dial: NonNullable<ConnectOptions["dial"]>) => NonNullable<ConnectOptions["dial"]>,
  reply: (text: string) => string,
) {
  const server = new ManualServer((text, server) => server.say(reply(text)), "");
  const events: unknown[] = [];
  const dial = make(() => Promise.resolve(server.socket));
  const error = await rejection(
    connect({ hostname: "mx.example", tls: "none", dial, auth, allowCleartextAuth: true, trace: (event) => events.push(event) }),
  );
  return { error, events, server };
}

const elsewhere: readonly Fault[] = [
  {
    name: "F38 What would begin another line of a request to a proxy is refused before anything is dialled",
    run: async () => {
      let dialled = 0;
      const dial = () => Promise.reject(new Error(`dialled ${++dialled}`));
      const proxy = { hostname: "proxy.test", port: 3128, dial };
      for (const end of ["\r\n", "\n", "\r", "\0", "\u010a", " "]) {
        const hostname = `x.test:25 HTTP/1.1${end}Host: evil`;
        for (const through of [httpConnect(proxy), socks5(proxy)]) {
          assertInstanceOf(await rejection(connect({ hostname, dial: through })), TypeError);
          // Around the checks of connect, as another dialer may call it.
          const { signal } = new AbortController();
          assertInstanceOf(await refusalOf(through, { hostname, port: 25, secureTransport: "off", tls: {}, signal }), TypeError);
        }
        for (const more of [{ headers: { "X-A": `1${end}X-Evil: 1${end}` } }, { headers: { [`X-A${end}`]: "1" } }]) {
          assertInstanceOf(await refusalOf(httpConnect, { ...proxy, ...more }), TypeError);
        }
      }
      for (const username of ["a\r\nb", "a:b", "a\0b"]) {
        assertInstanceOf(await refusalOf(httpConnect, { ...proxy, username, password: "x" }), TypeError);
      }
      assertEquals(dialled, 0);
    },
  },
  {
    name: "F36 No secret of a proxy is in an error, whatever the proxy repeats",
    run: async () => {
      const ways = [
        { username: "alice", password: PASSWORD },
        { headers: { "Proxy-Authorization": `Basic ${base64(`alice:${PASSWORD}`)}` } },
        { headers: { "Proxy-Authorization": `Bearer ${TOKEN}` } },
      ];
      for (const way of ways) {
        const secret = "headers" in way && way.headers["Proxy-Authorization"].endsWith(TOKEN) ? TOKEN : PASSWORD;
        for (const echo of [...Object.values(ECHOES), (secret: string) => base64(`alice:${secret}`)]) {
          const words = echo(secret).replaceAll("\n", " ");
          for (const head of [`407 ${words}`, `502 ${words}`, `407 no\r\nProxy-Authenticate: ${words}`]) {
            const { error } = await throughProxy(
              (dial) => httpConnect({ hostname: "proxy.test", port: 3128, dial, ...way }),
              () => `HTTP/1.1 ${head}\r\n\r\n`,
            );
            assertInstanceOf(error, Error);
            assertHidden(head, error);
          }
        }
      }
      for (const reply of [`\x01\x01`, PASSWORD, `\x05\x02${PASSWORD}`, "\x05\xff"]) {
        const make = (dial: NonNullable<ConnectOptions["dial"]>) => socks5({ hostname: "proxy.test", username: "alice", password: PASSWORD, dial });
        const { error } = await throughProxy(make, (text) => text.length < 5 ? "\x05\x02" : reply);
        assertInstanceOf(error, Error);
        assertHidden("SOCKS5", error);
      }
    },
  },
  {
    name: "F36 No secret is in the traces, the numbers or the errors of a pool, or in the pool itself",
    run: async () => {
      const events: unknown[] = [];
      const server = new ManualServer((text, server) => {
        if (text.startsWith("EHLO")) server.say("250-mx\r\n250 AUTH PLAIN\r\n");
        else server.say(text.startsWith("QUIT") ? "221 bye\r\n" : `535 5.7.8 not ${text.slice(11)}, nor ${PASSWORD}\r\n`.replace(/\r\n,/, ","));
      });
      const pool = new SmtpPool(server.options({ auth, allowCleartextAuth: true }), {
        trace: (event) => events.push(event),
        connectionTrace: (event) => events.push(event),
      });
      const error = await rejection(pool.send({ from: "a@x.test", to: "b@y.test", body: "hi" }));
      assertEquals(Reflect.get(Object(error), "code"), 535);
      assertHidden("the pool", error, events, pool.stats, pool);
      await pool.close();
      assertHidden("the closed pool", events, pool);
    },
  },
  {
    name: "F36 No secret is in a client that has logged in, nor in its mechanisms and dialers",
    run: async () => {
      const server = new ScriptedServer(
        `S: 220 mx\nC: EHLO client.test\nS: 250-mx\nS: 250 AUTH PLAIN\nC: AUTH PLAIN ${base64(`\0alice\0${PASSWORD}`)}\nS: 235 ok\nS: {silence}`,
      );
      const options: ConnectOptions = { hostname: "mx.example", tls: "none", name: "client.test", dial: server.dial };
      const client = await connect({ ...options, auth, allowCleartextAuth: true });
      const token = { username: "alice", accessToken: TOKEN };
      assertHidden(
        "objects",
        client,
        client.connection,
        plain(auth),
        login(auth),
        cramMd5(auth),
        scramSha256(auth),
        xoauth2(token),
        oauthBearer(token),
      );
      const proxies = [socks5({ hostname: "p.test", ...auth }), httpConnect({ hostname: "p.test", port: 1, ...auth })];
      assertHidden("proxies", ...proxies);
      client.close();
    },
  },
  {
    name: "F36 The token of an IMAP URL is in no trace and in no error, and the rest of it is",
    run: async () => {
      const url = `imap://joe@imap.example/INBOX/;uid=20/;section=1.2;urlauth=submit+joe:internal:${TOKEN}`;
      const calls: readonly ((connection: SmtpConnection) => Promise<unknown>)[] = [
        (connection) => connection.burl(url, { last: true }),
        (connection) => connection.command("BURL", `${url} LAST`),
      ];
      for (const call of calls) {
        for (const end of [`S: 554 5.7.0 who are you to show ${TOKEN}`, `S: ${TOKEN}`, "S: {reset}"]) {
          const server = new ScriptedServer(`
            S: 220 mx
            C: EHLO client.test
            S: 250-mx
            S: 250 BURL imap
            C: MAIL FROM:<a@x.test>
            S: 250 ok
            C: RCPT TO:<b@y.test>
            S: 250 ok
            C: BURL ${url} LAST
            ${end}
            S: {silence}`);
          const events: unknown[] = [];
          const connection = await openTo(server, { trace: (event) => events.push(event) });
          await connection.ehlo("client.test");
          await connection.mail("a@x.test");
          await connection.rcpt("b@y.test");
          const outcome = await call(connection).catch((error: unknown) => error);
          connection.close();
          await settled();
          assert(JSON.stringify(events).includes("imap.example"));
          assertHidden(end, outcome, events);
        }
      }
    },
  },
];

export const secretOptions: readonly Fault[] = [...wrongKinds, ...unsaid, ...elsewhere];
