/** A: text of the caller that would be a command, or a part of one. */
import { assertEquals } from "@std/assert";
import type { SmtpClient, SmtpConnection } from "@posthorn/smtp";
import { clientOf, connectionOf, OctetServer, octetText } from "../../support/octet_server.ts";
import type { Fault } from "../fault.ts";
import { assertRefused, assertUsable } from "../refusals.ts";

/** What ends a line, for some server. */
const LINE_ENDS = ["\r\n", "\n", "\r", "\r\r\n", "\n\r"];
/** C0 and DEL, what RFC 5321 section 4.1.2 has no place for, and halves of characters. */
const CONTROLS = [...Array.from({ length: 32 }, (_, code) => String.fromCharCode(code)), "\x7f", "\ud800", "\udfff", "\udc00\ud800"];

/** A way of the low level from text to a command line; `text` stands where the caller's own is put. */
type Verb = (connection: SmtpConnection, text: string) => Promise<unknown>;

/** Every verb that takes an address. */
const ADDRESSES: Readonly<Record<string, Verb>> = {
  mail: (connection, text) => connection.mail(text),
  send: (connection, text) => connection.send(text),
  soml: (connection, text) => connection.soml(text),
  saml: (connection, text) => connection.saml(text),
  rcpt: (connection, text) => connection.rcpt(text),
};

/** Every other place of a command line that text can get to. */
const PLACES: Readonly<Record<string, Verb>> = {
  ehlo: (connection, text) => connection.ehlo(`x${text}`),
  helo: (connection, text) => connection.helo(`x${text}`),
  lhlo: (connection, text) => connection.lhlo(`x${text}`),
  vrfy: (connection, text) => connection.vrfy(`x${text}`),
  expn: (connection, text) => connection.expn(`x${text}`),
  help: (connection, text) => connection.help(`x${text}`),
  etrn: (connection, text) => connection.etrn(`x${text}`),
  atrn: (connection, text) => connection.atrn([`x${text}`]),
  burl: (connection, text) => connection.burl(`imap://x.test/${text}`),
  "xclient value": (connection, text) => connection.xclient({ NAME: `x${text}` }),
  "xclient name": (connection, text) => connection.xclient({ [`X${text}`]: "x" }),
  "xforward value": (connection, text) => connection.xforward({ NAME: `x${text}` }),
  "xforward name": (connection, text) => connection.xforward({ [`X${text}`]: "x" }),
  "auth mechanism": (connection, text) => connection.auth(`PLAIN${text}`),
  "command verb": (connection, text) => connection.command(`NOOP${text}`),
  "command argument": (connection, text) => connection.command("NOOP", `x${text}`),
  "command AUTH": (connection, text) => connection.command("AUTH", `PLAIN x${text}`),
  "command MAIL": (connection, text) => connection.command("MAIL", `FROM:<a@x.test>${text}`),
  "mail parameter": (connection, text) => connection.mail("a@x.test", { parameters: { X: `x${text}` } }),
  "mail keyword": (connection, text) => connection.mail("a@x.test", { parameters: { [`X${text}`]: true } }),
  "rcpt parameter": (connection, text) => connection.rcpt("b@y.test", { parameters: { X: `x${text}` } }),
  "rcpt keyword": (connection, text) => connection.rcpt("b@y.test", { parameters: { [`X${text}`]: "1" } }),
};

/** Every way of the high level from an address to a command line. */
const ENVELOPES: Readonly<Record<string, (client: SmtpClient, address: string) => Promise<unknown>>> = {
  from: (client, address) => client.send({ from: address, to: "b@y.test", body: "hello" }),
  to: (client, address) => client.send({ from: "a@x.test", to: address, body: "hello" }),
  "one of to": (client, address) => client.send({ from: "a@x.test", to: ["b@y.test", address], body: "hello" }),
  "to, as an object": (client, address) => client.send({ from: "a@x.test", to: { address }, body: "hello" }),
  "one of to, as an object": (client, address) => client.send({ from: "a@x.test", to: ["b@y.test", { address }], body: "hello" }),
  "from of sendAll": async (client, address) => {
    for await (const outcome of client.sendAll([{ from: address, to: "b@y.test", body: "hello" }])) {
      if (outcome.status === "failed") throw outcome.error;
    }
  },
  "to of sendAll with a window": async (client, address) => {
    for await (const outcome of client.sendAll([{ from: "a@x.test", to: [address], body: "hello" }], { window: 4 })) {
      if (outcome.status === "failed") throw outcome.error;
    }
  },
};

/** Holds every way that an address can take against every one of `addresses`. */
async function refuseAddresses(addresses: readonly string[]): Promise<void> {
  const server = new OctetServer();
  await using client = await clientOf(server);
  const { connection } = client;
  for (const address of addresses) {
    for (const [name, verb] of Object.entries(ADDRESSES)) {
      if (name === "rcpt") await connection.mail("a@x.test");
      await assertRefused(server, `${name} ${JSON.stringify(address)}`, () => verb(connection, address));
      if (name === "rcpt") await connection.rset();
    }
    for (const [name, send] of Object.entries(ENVELOPES)) {
      await assertRefused(server, `${name} ${JSON.stringify(address)}`, () => send(client, address));
    }
  }
  await assertUsable(server, client);
}

/** Holds every other place against every one of `texts`. */
async function refuseTexts(texts: readonly string[]): Promise<void> {
  const server = new OctetServer();
  await using connection = await connectionOf(server);
  for (const text of texts) {
    for (const [name, verb] of Object.entries(PLACES)) {
      await assertRefused(server, `${name} ${JSON.stringify(text)}`, () => verb(connection, text));
    }
  }
  await assertUsable(server, { connection });
}

/** Verbs, with what is no argument of theirs. */
const BAD_ARGUMENTS: readonly [string, ...unknown[]][] = [
  // It would end the message, and nobody here would know.
  ["burl", "imap://x.test/INBOX LAST"],
  ["burl", ""],
  ["burl", "imap://x.test/\r\nRSET"],
  ["burl", "imap://x.test/ä"],
  ["burl", undefined],
  ["bdat", "abc"],
  ["bdat", new ArrayBuffer(3)],
  ["bdat", undefined],
  ["bdat", new Uint8Array(1), { last: "yes" }],
  ["sendRaw", "QUIT\r\n"],
  ["xclient", {}],
  ["xclient", { "A B": "1" }],
  ["xclient", { ADDR: "1\r\nRSET" }],
  ["xclient", { ADDR: "" }],
  ["xclient", { ADDR: 1 }],
  ["xclient", undefined],
  ["xforward", JSON.parse('{"__proto__":"x y"}')],
  ["atrn", "example.com"],
  ["atrn", ["a b"]],
  ["atrn", ["a\r\nRSET"]],
  ["atrn", ["a,b"]],
  ["atrn", [""]],
  ["atrn", [1]],
];

export const injection: readonly Fault[] = [
  {
    name: "F01 A line end in an address is refused wherever an address can stand, and not an octet is written",
    run: () =>
      refuseAddresses(LINE_ENDS.flatMap((end) => [
        `a@x.test>${end}RCPT TO:<evil@x.test`,
        `a@x.test${end}`,
        `${end}a@x.test`,
        `a${end}b@x.test`,
        `a@x${end}.test`,
        `"a${end}b"@x.test`,
        `a@[127.0.0.1${end}]`,
      ])),
  },
  {
    name: "F02 C0, DEL and lone surrogates are refused in an address, whatever the verb",
    run: () => refuseAddresses(["b\0evil@x.test", ...CONTROLS.flatMap((one) => [`a${one}@x.test`, `a@x.test${one}`, `"a\\${one}"@x.test`])]),
  },
  {
    name: "F02 C0, DEL and lone surrogates are refused wherever text can get to a command line",
    run: () => refuseTexts(CONTROLS),
  },
  {
    name: "F03 Code points whose low octets are CR and LF leave as UTF-8, or not at all",
    run: async () => {
      const server = new OctetServer();
      await using client = await clientOf(server);
      // Capital Latin letters with caron and dot, and others whose low octets are NUL, CR, LF, a dot, an angle bracket.
      for (const low of ["\u010d\u010a", "\u0a0d\u0d0a", "\u{10d0a}", "\u0100", "\u012e", "\u013e", "\uff0d\uff0a"]) {
        const before = server.commands.length;
        await client.connection.vrfy(`x${low}y`);
        await client.connection.mail(`a${low}@x.test`, { parameters: { X: low } });
        await client.connection.rset();
        assertEquals(server.commands.slice(before), [
          octetText(`VRFY x${low}y`),
          octetText(`MAIL FROM:<a${low}@x.test> X=${low}`),
          "RSET",
        ], JSON.stringify(low));
        for (const [name, send] of Object.entries(ENVELOPES)) {
          await assertRefused(server, name, () => send(client, `b@x.test>${low}RCPT TO:<evil@x.test`));
        }
      }
      await assertUsable(server, client);
    },
  },
  {
    name: "F04 An angle bracket or a space ends no path and adds no parameter",
    run: () =>
      refuseAddresses([
        "b@x.test> NOTIFY=NEVER ORCPT=rfc822;<evil",
        "b@x.test> SIZE=1",
        "b@x.test NOTIFY=NEVER",
        "b@x.test>",
        "<b@x.test",
        "<b@x.test>",
        " b@x.test",
        "b@x.test ",
        "b b@x.test",
        "b@x .test",
        "b@x.test,evil@x.test",
        "b@x.test;evil@x.test",
        "b@[127.0.0.1] SIZE=1",
        "b@[x:y> SIZE=1]",
        '"b"> SIZE=1 "@x.test',
        "b@x.test\u00a0SIZE=1",
        "b@x.test\u3000SIZE=1",
      ]),
  },
  {
    name: "F05 A line end in a quoted local part is refused",
    run: () => refuseAddresses(LINE_ENDS.flatMap((end) => [`"a${end}RCPT TO:<evil@x.test>${end}"@x.test`, `"a\\${end}b"@x.test`])),
  },
  {
    name: "F05 A legal quoted local part goes out octet for octet, in its quotes",
    run: async () => {
      const server = new OctetServer();
      await using client = await clientOf(server);
      for (
        const address of ['"b> ORCPT=rfc822;evil"@x.test', '"a b"@x.test', '"a@b"@x.test', '"\\"\\\\"@x.test', '""@x.test', '"a,b;c:d<e"@x.test']
      ) {
        const before = server.commands.length;
        await client.connection.mail(address);
        await client.connection.rcpt(address);
        await client.connection.rset();
        await client.send({ from: address, to: [address, { address }], body: "hello", transfer: "data" });
        assertEquals(server.commands.slice(before), [
          `MAIL FROM:<${address}>`,
          `RCPT TO:<${address}>`,
          "RSET",
          `MAIL FROM:<${address}> SIZE=7`,
          `RCPT TO:<${address}>`,
          `RCPT TO:<${address}>`,
          "DATA",
        ]);
      }
    },
  },
  {
    name: "F06 A client's name that is no domain and no address literal is refused, before anything is dialled where it is an option",
    run: async () => {
      const names = [
        ...LINE_ENDS.map((end) => `x${end}MAIL FROM:<evil@x.test>`),
        "x y z",
        "",
        "x_y",
        "x..y",
        ".x",
        "x.",
        "-x",
        "[]",
        "[127.0.0.256]",
        "[127.0.0.1] SIZE=1",
        "[IPv6:::g]",
        "127.0.0.1]",
        "b\u00fccher.test",
        "\uff4d\uff58.test",
        "x\u3002test",
        `${"a.".repeat(130)}test`,
      ];
      const server = new OctetServer();
      await using connection = await connectionOf(server);
      for (const name of names) {
        await assertRefused(server, `ehlo ${name}`, () => connection.ehlo(name));
        await assertRefused(server, `helo ${name}`, () => connection.helo(name));
        await assertRefused(server, `lhlo ${name}`, () => connection.lhlo(name));
        await assertRefused(server, `name ${name}`, () => clientOf(server, { name }));
      }
      for (const name of ["client.test", "[127.0.0.1]", "[IPv6:::1]", "a".repeat(63)]) assertEquals((await connection.ehlo(name)).code, 250, name);
      await assertUsable(server, { connection });
    },
  },
  {
    name: "F10 A command of the caller's own, and the arguments of VRFY, EXPN, HELP and ETRN, cannot hold a second one",
    run: () => refuseTexts(LINE_ENDS.flatMap((end) => [`${end}QUIT`, `1${end}line2`, end, `x${end}RCPT TO:<evil@x.test>`])),
  },
  {
    name: "F10 What is no argument of a verb is refused, and what is no text is not made one",
    run: async () => {
      const server = new OctetServer();
      await using connection = await connectionOf(server);
      await connection.mail("a@x.test");
      await connection.rcpt("b@y.test");
      const call = (name: string, args: readonly unknown[]): unknown => Reflect.apply(Reflect.get(connection, name), connection, args);
      for (const [name, ...args] of BAD_ARGUMENTS) await assertRefused(server, `${name} ${JSON.stringify(args)}`, () => call(name, args));
      for (const value of [5, true, {}, ["x"], null, new String("x"), { toString: () => "x" }, Symbol("x")]) {
        for (const name of ["vrfy", "expn", "etrn", "ehlo", "helo", "lhlo", "auth", "command"]) {
          await assertRefused(server, `${name} ${String(value)}`, () => call(name, [value]));
        }
        if (value !== null) await assertRefused(server, `help ${String(value)}`, () => call("help", [value]));
        await assertRefused(server, `command ${String(value)}`, () => call("command", ["NOOP", value]));
      }
      await assertUsable(server, { connection });
    },
  },
  {
    name: "F10 A verb is letters, digits and hyphens",
    run: async () => {
      const server = new OctetServer();
      await using connection = await connectionOf(server);
      for (
        const verb of [
          "",
          " ",
          "NO OP",
          "NOOP\r\nQUIT",
          "NOOP\u2028QUIT",
          "*",
          ".",
          "=",
          "1X",
          "-X",
          "\u0130X",
          "N\u00d6OP",
          "auth response",
          "recipient's reply",
        ]
      ) {
        await assertRefused(server, `command ${JSON.stringify(verb)}`, () => connection.command(verb, "x"));
      }
      await assertUsable(server, { connection });
    },
  },
];
