/** A and F: what is one mailbox, and what is none; addresses beyond ASCII; the limits of paths. */
import { assert, assertEquals } from "@std/assert";
import { parseMailbox, SmtpUnsupportedError } from "@posthorn/smtp";
import { clientOf, OctetServer, octetText } from "../../support/octet_server.ts";
import type { Fault } from "../fault.ts";
import { assertBadArgument, assertRefused, assertUsable, errorOf, untyped } from "../refusals.ts";

/** On which parsers of addresses are known to disagree. */
const DISPUTED = [
  '"xclow3n@gmail.com x"@internal.domain, b@y.test',
  "xclow3n@gmail.com x@internal.domain",
  "a@good.test(@evil.test)",
  "a(@evil.test)@good.test",
  "(comment)a@good.test",
  "a@good.test (comment)",
  "a@(c)good.test",
  "Alice <a@good.test>",
  '"a@evil.test" <b@good.test>',
  "<a@good.test>",
  "a@good.test@evil.test",
  "a@evil.test,b@good.test",
  "g:a@evil.test,b@good.test;",
  "a%b@",
  "@a@b.test",
  "a@b.test>c@d.test",
  "a@[127.0.0.1]@evil.test",
  "a@[127.0.0.1].evil.test",
  "a@good.test\u3002evil.test",
  "a@good\uff0eevil.test",
  "a@good\uff61test",
  "a@\uff45vil.test",
  "a@\u24d4vil.test",
  "a@\u2100.test",
  "a@go\u00adod.test",
  "a@go\u200bod.test",
  "a@go\u2060od.test",
  "a@good.test\ufe0f",
  "a@stra\u1e9ee.test",
  "a@good.test/evil.test",
  "a@good.test#evil.test",
  "a@good.test?evil.test",
  "a@good.test\\evil.test",
  "a@evil%2etest",
  "a@good.test:25",
  "=?utf-8?q?a=40evil.test?=",
  "=?x?q?a=40evil.test=3e=00?=foo@good test",
  "+ACIAPg-@good test",
  "a@good.test\u0085",
  "a\u0085b@good.test",
  "a\u009fb@good.test",
  "a@xn--.test\u0000",
  "\ufeffa@good.test\n",
];

export const addresses: readonly Fault[] = [
  {
    name: "F13 An address is exactly one mailbox by the strict grammar, or it is refused: nothing is recovered from it",
    run: async () => {
      const server = new OctetServer();
      await using client = await clientOf(server);
      for (const address of DISPUTED) {
        assertBadArgument(await errorOf(() => parseMailbox(address)), JSON.stringify(address));
        for (const to of [address, [address], { address }, ["b@y.test", { address }]]) {
          await assertRefused(server, JSON.stringify(address), () => client.send({ from: "a@x.test", to, body: "hello" }));
        }
        await assertRefused(server, JSON.stringify(address), () => client.send({ from: address, to: "b@y.test", body: "hello" }));
        await assertRefused(server, JSON.stringify(address), () => client.connection.mail(address));
      }
      await assertUsable(server, client);
    },
  },
  {
    name: "F13 What is no text is no address, though it would read as one: objects with toString, lists, numbers, texts in objects",
    run: async () => {
      let reads = 0;
      const values: readonly unknown[] = [
        undefined,
        null,
        5,
        true,
        Symbol("a@x.test"),
        {},
        new String("b@y.test"),
        { toString: () => "b@y.test" },
        // It reads as what is let pass where it is looked at, and as something else where it is written.
        { toString: () => reads++ === 0 ? "postmaster" : "evil@x.test> NOTIFY=NEVER" },
        ["postmaster"],
        Object.create(null),
        new URL("mailto:b@y.test"),
        new Uint8Array([0x61, 0x40, 0x62]),
      ];
      const server = new OctetServer();
      await using client = await clientOf(server);
      for (const value of values) {
        reads = 0;
        const what = Object.prototype.toString.call(value);
        const address: string = untyped(value);
        await assertRefused(server, `mail ${what}`, () => client.connection.mail(address));
        await client.connection.mail("a@x.test");
        await assertRefused(server, `rcpt ${what}`, () => client.connection.rcpt(address));
        await client.connection.rset();
        await assertRefused(server, `from ${what}`, () => client.send({ from: address, to: "b@y.test", body: "hello" }));
        for (const to of [{ address }, [{ address }], ["b@y.test", { address }]]) {
          await assertRefused(server, `to ${what}`, () => client.send({ from: "a@x.test", to, body: "hello" }));
        }
        await assertRefused(server, `to ${what}`, () => client.send({ from: "a@x.test", to: [untyped(value)], body: "hello" }));
        assertBadArgument(await errorOf(() => parseMailbox(address)), what);
      }
      for (const to of [[], new Array(1), new Array(3), ["b@y.test", , "c@y.test"], new Set(["b@y.test"]), [["b@y.test"]], "", undefined, null]) {
        await assertRefused(server, `to ${to}`, () => client.send({ from: "a@x.test", to: untyped(to), body: "hello" }));
      }
      await assertUsable(server, client);
    },
  },
  {
    name: "F68 A domain beyond ASCII goes by its A-labels to a server without SMTPUTF8, and a local part beyond ASCII not at all",
    run: async () => {
      const server = new OctetServer(["PIPELINING", "8BITMIME"]);
      await using client = await clientOf(server);
      await client.send({ from: "b@b\u00fccher.test", to: ["b@B\u00dcCHER.test", '"a b"@\u043f\u0440\u0438\u043c\u0435\u0440.test'], body: "hello" });
      assertEquals(server.commands.filter((line) => /^(MAIL|RCPT)/.test(line)), [
        "MAIL FROM:<b@xn--bcher-kva.test>",
        "RCPT TO:<b@xn--bcher-kva.test>",
        'RCPT TO:<"a b"@xn--e1afmkfd.test>',
      ]);
      const before = server.received;
      for (const address of ["b\u00fccher@x.test", "b\u00fccher@b\u00fccher.test", '"\u00fc"@x.test', "b\u010d\u010a@x.test"]) {
        for (const message of [{ from: address, to: "b@y.test" }, { from: "a@x.test", to: ["b@y.test", address] }]) {
          const error = await errorOf(() => client.send({ ...message, body: "hello" }));
          assert(error instanceof SmtpUnsupportedError, `${error}`);
          assertEquals([error.recipient, error.phase, error.delivery], [address, "local", "not-sent"]);
        }
      }
      assertEquals(server.received, before);
      await assertUsable(server, client);
    },
  },
  {
    name: "F68 With SMTPUTF8 addresses go as they are, in UTF-8, and MAIL says so only where something needs it",
    run: async () => {
      const server = new OctetServer(["PIPELINING", "8BITMIME", "SMTPUTF8"]);
      await using client = await clientOf(server);
      await client.send({ from: "b\u00fccher@x.test", to: "b@b\u00fccher.test", body: "hello" });
      await client.send({ from: "a@x.test", to: "b@y.test", body: "Subject: h\u00e9\r\n\r\nhello" });
      await client.send({ from: "a@x.test", to: "b@y.test", body: "Subject: h\r\n\r\nh\u00e9llo" });
      await client.send({ from: "a@x.test", to: "b@y.test", body: "hello" });
      assertEquals(server.commands.filter((line) => /^(MAIL|RCPT)/.test(line)), [
        octetText("MAIL FROM:<b\u00fccher@x.test> SMTPUTF8"),
        octetText("RCPT TO:<b@b\u00fccher.test>"),
        "MAIL FROM:<a@x.test> BODY=8BITMIME SMTPUTF8",
        "RCPT TO:<b@y.test>",
        "MAIL FROM:<a@x.test> BODY=8BITMIME",
        "RCPT TO:<b@y.test>",
        "MAIL FROM:<a@x.test>",
        "RCPT TO:<b@y.test>",
      ]);
    },
  },
  {
    name: "F68 Headers beyond ASCII go to no server without SMTPUTF8, and to none with it that lacks 8BITMIME",
    run: async () => {
      for (const keywords of [["8BITMIME"], ["SMTPUTF8"], ["PIPELINING"]]) {
        const server = new OctetServer(keywords);
        await using client = await clientOf(server);
        const before = server.received;
        const error = await errorOf(() => client.send({ from: "a@x.test", to: "b@y.test", body: "Subject: h\u00e9\r\n\r\nhello" }));
        assert(error instanceof SmtpUnsupportedError, `${keywords}: ${error}`);
        assertEquals(server.received, before);
        await assertUsable(server, client);
      }
    },
  },
  {
    name: "F70 The null sender is a sender and no recipient; source routes are refused",
    run: async () => {
      const server = new OctetServer();
      await using client = await clientOf(server);
      for (const from of ["", "<>"]) {
        const before = server.commands.length;
        await client.send({ from, to: "Postmaster", body: "hello", transfer: "data" });
        assertEquals(server.commands.slice(before), ["MAIL FROM:<> SIZE=7", "RCPT TO:<Postmaster>", "DATA"]);
      }
      for (
        const to of [
          "",
          "<>",
          "@relay:b@x.test",
          "@one,@two:b@x.test",
          "postmaster@",
          "postmasters",
          "postmaster\n",
          " postmaster",
          "po\u017ftmaster",
        ]
      ) {
        await assertRefused(server, to, () => client.send({ from: "a@x.test", to, body: "hello" }));
        if (to !== "" && to !== "<>") await assertRefused(server, to, () => client.send({ from: to, to: "b@y.test", body: "hello" }));
      }
      await assertRefused(server, "postmaster as a sender", () => client.connection.mail("postmaster"));
      await assertUsable(server, client);
    },
  },
  {
    name: "F70 Local parts of 64 octets, domains of 255 and paths of 256 are the longest, and parseMailbox can be told otherwise",
    run: async () => {
      const domain = (length: number) =>
        `${"d".repeat(59)}.${"d".repeat(59)}.${"d".repeat(59)}.`.repeat(2).slice(0, length - 1).replace(/\.$/, "d") + "d";
      const local = "a".repeat(64);
      const server = new OctetServer();
      await using client = await clientOf(server);
      for (
        const address of [
          `${local}@x.test`,
          `${local}@${domain(189)}`,
          `a@${domain(252)}`,
          `"${"a".repeat(62)}"@x.test`,
          `${"\u00e9".repeat(32)}@x.test`,
        ]
      ) {
        assertEquals((await client.connection.mail(address)).code, 250, address);
        assertEquals((await client.connection.rcpt(address)).code, 250, address);
        await client.connection.rset();
      }
      const long = [
        `${local}a@x.test`,
        `"${"a".repeat(63)}"@x.test`,
        `${"\u00e9".repeat(33)}@x.test`,
        `${local}@${domain(190)}`,
        `a@${domain(253)}`,
        `a@${domain(256)}`,
        `a@${domain(300)}`,
        `${"a".repeat(200)}@${domain(200)}`,
      ];
      for (const address of long) {
        await assertRefused(server, address, () => client.connection.mail(address));
        await assertRefused(server, address, () => client.send({ from: "a@x.test", to: ["b@y.test", { address }], body: "hello" }));
        assertEquals(parseMailbox(address, { limits: false }).localPart.length + 1 <= address.length, true);
      }
      await assertUsable(server, client);
    },
  },
];
