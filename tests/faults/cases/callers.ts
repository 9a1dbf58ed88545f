/** A: what changes between the check and its use, what was inherited rather than given, and what would be fetched. */
import { assert, assertEquals } from "@std/assert";
import { connect, type Message, type Recipient, SmtpConnection, SmtpPool } from "@posthorn/smtp";
import { ifOffered } from "@posthorn/smtp/extensions";
import { settled } from "../../support/fake_clock.ts";
import { clientOf, connectionOf, EVERYTHING, OctetServer } from "../../support/octet_server.ts";
import type { Fault } from "../fault.ts";
import { assertRefused, assertUsable, errorOf, untyped } from "../refusals.ts";

const EVIL = "x> SIZE=1\r\nRCPT TO:<evil@x.test";

/** Says one thing when it is read for the first time, and another from then on. */
function changing<T>(first: T, then: T): { readonly value: T } {
  let reads = 0;
  return {
    get value(): T {
      return reads++ === 0 ? first : then;
    },
  };
}

/** Runs `task` while every object seems to have `members`. */
async function polluted(members: Readonly<Record<string, unknown>>, task: () => Promise<void>): Promise<void> {
  for (const [name, value] of Object.entries(members)) Object.defineProperty(Object.prototype, name, { value, configurable: true, writable: true });
  try {
    await task();
  } finally {
    for (const name of Object.keys(members)) Reflect.deleteProperty(Object.prototype, name);
  }
}

/** The envelope of every message that `server` heard of. */
function envelopes(server: OctetServer): readonly string[] {
  return server.commands.filter((line) => /^(MAIL|RCPT)/.test(line));
}

/** What the prototype of all objects may hold once somebody has got to it: options by their names, and what stands in a question of the pipeline. */
const POLLUTION: Readonly<Record<string, unknown>> = {
  parameters: { EVIL: "1" },
  last: true,
  quit: true,
  window: 64,
  lineEndings: "reject",
  requireAllRecipients: true,
  transfer: "data",
  binary: true,
  smtpUtf8: true,
  extensions: [{ keyword: "NOT-OFFERED" }],
  isOptional: true,
  timeout: 1e9,
  isEsmtpRequired: true,
  protocol: "lmtp",
  auth: { username: "evil", password: "evil" },
  allowCleartextAuth: true,
  port: 1,
  tls: "implicit",
  pipelining: false,
  path: "/evil",
  socket: {},
  payload: [new Uint8Array([0x52, 0x53, 0x45, 0x54, 13, 10])],
  content: {},
  label: "evil",
  secrets: ["a"],
  isAnswered: false,
  isFollowable: true,
  isOwed: true,
};

export const callers: readonly Fault[] = [
  {
    name: "F01 What an object says of itself is asked once: a getter that changes its mind changes nothing",
    run: async () => {
      const server = new OctetServer();
      await using client = await clientOf(server);
      for (const evil of [EVIL, "evil@x.test"]) {
        const before = envelopes(server).length;
        const from = changing("a@x.test", evil);
        const address = changing("b@y.test", evil);
        const body = changing("hello", `bye\r\n.\r\nMAIL FROM:<${evil}>`);
        const message: Message = {
          get from(): string {
            return from.value;
          },
          to: [{
            get address(): string {
              return address.value;
            },
          }],
          get body(): string {
            return body.value;
          },
        };
        await client.send(message);
        assertEquals(envelopes(server).slice(before), ["MAIL FROM:<a@x.test> SIZE=7", "RCPT TO:<b@y.test>"]);
        assertEquals(server.messages.at(-1), "hello\r\n");
        // The same by a proxy.
        const to = new Proxy<Recipient>({ address: "b@y.test" }, { get: () => address.value });
        const error = await errorOf(() => client.send({ from: "a@x.test", to, body: "hello" }));
        assertEquals(envelopes(server).some((line) => line.includes("evil") && evil === EVIL), false, `${error}`);
      }
      await assertUsable(server, client);
    },
  },
  {
    name: "F01 Parameters by hand are asked once",
    run: async () => {
      const server = new OctetServer();
      await using connection = await connectionOf(server);
      const parameter = changing("1", EVIL);
      const keyword = {
        get X(): string {
          return parameter.value;
        },
      };
      await connection.mail("a@x.test", { parameters: keyword });
      const attribute = changing("1", EVIL);
      await connection.rset();
      await connection.xforward({
        get NAME(): string {
          return attribute.value;
        },
      });
      assertEquals(server.commands.slice(1), ["MAIL FROM:<a@x.test> X=1", "RSET", "XFORWARD NAME=1"]);
      await assertUsable(server, { connection });
    },
  },
  {
    name: "F01 A message that its owner changes while it waits is sent as it was when it was handed over, by a client and by a pool",
    run: async () => {
      const server = new OctetServer();
      const pool = new SmtpPool(server.options(), { maxConnections: 1 });
      await using client = await clientOf(new OctetServer());
      const other = new OctetServer();
      await using lone = await clientOf(other);
      assert(!client.isClosed);
      for (const [send, heard] of [[(message: Message) => pool.send(message), server], [(message: Message) => lone.send(message), other]] as const) {
        const one = { address: "r0@y.test" };
        const to: (string | { address: string })[] = ["r0@x.test", one];
        const message = { from: "s0@x.test", to, body: "0" };
        const sending: Promise<unknown>[] = [];
        // One object for all of them, as a program in a loop may have it.
        for (let number = 0; number < 5; number++) {
          message.from = `s${number}@x.test`;
          message.body = `${number}`;
          to[0] = `r${number}@x.test`;
          one.address = `r${number}@y.test`;
          sending.push(send(message));
        }
        to.push(EVIL);
        message.from = EVIL;
        one.address = EVIL;
        await Promise.all(sending);
        const expected = [0, 1, 2, 3, 4].flatMap((number) => [
          `MAIL FROM:<s${number}@x.test> SIZE=3`,
          `RCPT TO:<r${number}@x.test>`,
          `RCPT TO:<r${number}@y.test>`,
        ]);
        assertEquals(envelopes(heard), expected);
        assertEquals(heard.messages, ["0\r\n", "1\r\n", "2\r\n", "3\r\n", "4\r\n"]);
      }
      await pool.drain();
    },
  },
  {
    name: "F09 Options that are read twice are one thing: a getter cannot have TLS checked and leave it out",
    run: async () => {
      const server = new OctetServer(["STARTTLS"]);
      const tls = changing<"starttls" | "none">("starttls", "none");
      const name = changing("client.test", `x\r\nMAIL FROM:<evil@x.test>`);
      const error = await errorOf(() =>
        connect({
          ...server.options({ timeouts: { greeting: 1_000 } }),
          get tls(): "starttls" | "none" {
            return tls.value;
          },
          get name(): string {
            return name.value;
          },
        })
      );
      // The server cannot start TLS, so there is no client.
      assert(error !== undefined);
      assertEquals(server.received.includes("evil"), false);
    },
  },
  {
    name: "F15 Inherited members are no options, and none of a polluted prototype reaches the wire",
    run: async () => {
      const server = new OctetServer();
      // Without a clock of the caller's the deadline would be the runtime's, which is what the pollution is about.
      await polluted(POLLUTION, async () => {
        const connection = await SmtpConnection.open({ ...server.options(), tls: "none", port: 25 });
        await connection.ehlo("client.test");
        await connection.mail("a@x.test", {});
        await connection.rcpt("b@y.test");
        await connection.bdat(new Uint8Array([120]), {});
        await connection.burl("imap://x.test/INBOX");
        await connection.rset({});
        await connection.noop();
        await connection.command("NOOP", "x", {});
        await connection.mail("a@x.test");
        await connection.rcpt("b@y.test", {});
        await connection.data();
        await connection.dotStuff("a\nb", {});
        await connection.quit({});
        connection.close();
      });
      assertEquals(server.commands, [
        "EHLO client.test",
        "MAIL FROM:<a@x.test>",
        "RCPT TO:<b@y.test>",
        "BDAT 1",
        "BURL imap://x.test/INBOX",
        "RSET",
        "NOOP",
        "NOOP x",
        "MAIL FROM:<a@x.test>",
        "RCPT TO:<b@y.test>",
        "DATA",
        "QUIT",
      ]);
      assertEquals(server.messages, ["a\r\nb\r\n"]);
    },
  },
  {
    name: "F15 A client and a pool are what their own options say, whatever a polluted prototype says",
    run: async () => {
      const server = new OctetServer(EVERYTHING.filter((keyword) => keyword !== "BINARYMIME"));
      const pooled = new OctetServer();
      await polluted(POLLUTION, async () => {
        const client = await connect({ ...server.options(), tls: "none", port: 25 });
        await client.send({ from: "a@x.test", to: "b@y.test", body: "a\nb" }, {});
        await client.send({ from: "a@x.test", to: { address: "b@y.test" }, body: "a\nb" });
        for await (const _ of client.sendAll([{ from: "a@x.test", to: "b@y.test", body: "c" }], {}));
        await client.verify();
        await client.quit();
        const pool = new SmtpPool({ ...pooled.options(), tls: "none", port: 25 });
        await pool.send({ from: "a@x.test", to: ["b@y.test"], body: "d" });
        await pool.drain();
      });
      const transaction = (octets: number) => [`MAIL FROM:<a@x.test> SIZE=${octets}`, "RCPT TO:<b@y.test>", `BDAT ${octets} LAST`];
      assertEquals(server.commands, ["EHLO client.test", ...transaction(6), ...transaction(6), ...transaction(3), "NOOP", "QUIT"]);
      assertEquals(server.messages, ["a\r\nb\r\n", "a\r\nb\r\n", "c\r\n"]);
      assertEquals(pooled.commands, ["EHLO client.test", ...transaction(3), "QUIT"]);
    },
  },
  {
    name: "F15 Options from JSON with members of their own devising are no more than they say",
    run: async () => {
      const server = new OctetServer();
      await using connection = await connectionOf(server);
      const json = `{"line":"${
        EVIL.replace("\r\n", "\\r\\n")
      }","payload":"QUIT","verb":"QUIT","label":"x","isAnswered":false,"__proto__":{"timeout":1}}`;
      const options = JSON.parse(json);
      await connection.noop(options);
      await connection.command("NOOP", "x", options);
      await connection.command("AUTH", "PLAIN AHUAcA==", options);
      await connection.mail("a@x.test", options);
      await connection.rcpt("b@y.test", options);
      await connection.bdat(new Uint8Array([120]), options);
      await connection.rset(options);
      assertEquals(server.commands.slice(1), [
        "NOOP",
        "NOOP x",
        "AUTH PLAIN AHUAcA==",
        "MAIL FROM:<a@x.test>",
        "RCPT TO:<b@y.test>",
        "BDAT 1",
        "RSET",
      ]);
      await connection.sendRaw(new TextEncoder().encode("NOOP\r\n"), options);
      assertEquals((await connection.receive(options)).code, 250);
      for (const parameters of [JSON.parse('{"__proto__":"x"}'), JSON.parse('{"constructor":"a b"}')]) {
        await assertRefused(server, "mail", () => connection.mail("a@x.test", { parameters }));
        await assertRefused(server, "xclient", () => connection.xclient(parameters.constructor === "a b" ? { "a b": "1" } : parameters));
      }
      await connection.mail("a@x.test", { parameters: JSON.parse('{"constructor":"1","toString":true}') });
      assertEquals(server.commands.at(-1), "MAIL FROM:<a@x.test> constructor=1 toString");
      await assertUsable(server, { connection });
      const other = new OctetServer();
      await using client = await clientOf(other);
      const message = JSON.parse(
        '{"from":"a@x.test","to":"b@y.test","body":"hello","__proto__":{"binary":true},"reversePath":"<evil@x.test>","path":"<evil@x.test>"}',
      );
      await client.send(message);
      await client.send({ ...message, to: JSON.parse('{"address":"b@y.test","path":"<evil@x.test>","rcpt":{"line":"RSET"}}') });
      assertEquals(other.messages, ["hello\r\n", "hello\r\n"]);
      assertEquals(other.received.includes("evil"), false);
    },
  },
  {
    name: "F15 A signal that is none is refused before anything is written, and the connection is as it was",
    run: async () => {
      const server = new OctetServer();
      await using client = await clientOf(server);
      for (const value of [5, "abort", {}, { aborted: false }, new AbortController(), null]) {
        const signal: AbortSignal = untyped(value);
        const message: Message = { from: "a@x.test", to: "b@y.test", body: "hello" };
        await assertRefused(server, "send", () => client.send(message, { signal }));
        await assertRefused(server, "send of a stream", () => client.send({ ...message, body: () => new Blob(["x"]).stream() }, { signal }));
        await assertRefused(server, "verify", () => client.verify({ signal }));
        await assertRefused(server, "noop", () => client.connection.noop({ signal }));
        await assertRefused(server, "mail", () => client.connection.mail("a@x.test", { signal }));
        await assertRefused(server, "connect", () => clientOf(server, { signal }));
        await assertUsable(server, client);
      }
      assertEquals((await client.send({ from: "a@x.test", to: "b@y.test", body: "hello" })).accepted.length, 1);
    },
  },
  {
    name: "F15 A call without options takes none that are no object",
    run: async () => {
      const server = new OctetServer();
      await using client = await clientOf(server);
      const { connection } = client;
      for (const value of [null, 5, "timeout", true]) {
        const options: Record<string, never> = untyped(value);
        await assertRefusedAny(server, () => connection.noop(options));
        await assertRefusedAny(server, () => connection.mail("a@x.test", options));
        await assertRefusedAny(server, () => connection.command("NOOP", "", options));
        await assertRefusedAny(server, () => client.send({ from: "a@x.test", to: "b@y.test", body: "hello" }, options));
      }
      for (const value of [undefined, null, 5, "message", []]) await assertRefusedAny(server, () => client.send(untyped(value)));
      await assertUsable(server, client);
    },
  },
  {
    name: "F16 Nothing of a message is a path or a URL that would be opened",
    run: async () => {
      const server = new OctetServer();
      await using client = await clientOf(server);
      const fetched: unknown[] = [];
      const { fetch } = globalThis;
      globalThis.fetch = (input) => {
        fetched.push(input);
        return Promise.reject(new Error("fetched"));
      };
      try {
        const bodies: readonly unknown[] = [
          new URL("file:///etc/passwd"),
          new URL("http://169.254.169.254/"),
          { path: "/etc/passwd" },
          { href: "http://169.254.169.254/" },
          { url: "http://169.254.169.254/" },
          new Request("http://169.254.169.254/"),
          { raw: { path: "/etc/passwd" } },
          [{ path: "/etc/passwd" }],
        ];
        for (const body of bodies) {
          await assertRefused(
            server,
            Object.prototype.toString.call(body),
            () => client.send({ from: "a@x.test", to: "b@y.test", body: untyped(body) }),
          );
        }
        // What looks like one is text.
        for (const body of ["/etc/passwd", "http://169.254.169.254/", "file:///etc/passwd", "data:text/plain,x"]) {
          await client.send({ from: "a@x.test", to: "b@y.test", body, extensions: [ifOffered({ keyword: "http://169.254.169.254/" })] });
          assertEquals(server.messages.at(-1), `${body}\r\n`);
        }
        const message: Record<string, unknown> = {
          from: "a@x.test",
          to: "b@y.test",
          body: "x",
          path: "/etc/passwd",
          href: "http://169.254.169.254/",
          attachments: [{ path: "/etc/passwd" }],
        };
        await client.send(untyped(message));
        assertEquals(server.messages.at(-1), "x\r\n");
      } finally {
        globalThis.fetch = fetch;
      }
      assertEquals(fetched, []);
      await assertUsable(server, client);
    },
  },
];

/** As `assertRefused`, for what is so far from right that its words do not matter. */
async function assertRefusedAny(server: OctetServer, call: () => unknown): Promise<void> {
  const before = server.received;
  const error = await errorOf(call);
  await settled();
  assert(error instanceof TypeError, `${error}`);
  assertEquals(server.received, before);
}
