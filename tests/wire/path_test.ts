import { assertEquals, assertThrows } from "@std/assert";
import { parseMailbox } from "@posthorn/smtp";
import { addressLiteral, checkClientName, forwardPath, isPlain, parseStrictly, reversePath } from "../../src/wire/path.ts";

const LOCAL_64 = "a".repeat(64);
const DOMAIN_189 = `${`${"d".repeat(62)}.`.repeat(3)}`.slice(0, -1);

const GOOD: [address: string, localPart: string, domain: string][] = [
  ["alice@example.com", "alice", "example.com"],
  ["a@b", "a", "b"],
  ["a.b+c@x-y.example", "a.b+c", "x-y.example"],
  ["!#$%&'*+-/=?^_`{|}~@x.test", "!#$%&'*+-/=?^_`{|}~", "x.test"],
  ['"a b"@x.test', '"a b"', "x.test"],
  ['"a@b"@x.test', '"a@b"', "x.test"],
  ['"b> ORCPT=rfc822;evil"@x.test', '"b> ORCPT=rfc822;evil"', "x.test"],
  ['"\\"\\\\"@x.test', '"\\"\\\\"', "x.test"],
  ['""@x.test', '""', "x.test"],
  ["a@[127.0.0.1]", "a", "[127.0.0.1]"],
  ["a@[IPv6:::1]", "a", "[IPv6:::1]"],
  ["a@[IPv6:2001:db8::192.0.2.1]", "a", "[IPv6:2001:db8::192.0.2.1]"],
  ["a@[IPv6:1:2:3:4:5:6::]", "a", "[IPv6:1:2:3:4:5:6::]"],
  ["a@[x400:abc!def]", "a", "[x400:abc!def]"],
  ["jörg@bücher.test", "jörg", "bücher.test"],
  ["бош@пример.test", "бош", "пример.test"],
  ['"ö ß"@x.test', '"ö ß"', "x.test"],
  ["a@xn--bcher-kva.test", "a", "xn--bcher-kva.test"],
  [`${LOCAL_64}@${DOMAIN_189}`, LOCAL_64, DOMAIN_189],
];

for (const [address, localPart, domain] of GOOD) {
  Deno.test(`parseMailbox takes ${address}`, () => {
    assertEquals(parseMailbox(address), { localPart, domain });
    assertEquals([reversePath(address), forwardPath(address)], [`<${address}>`, `<${address}>`]);
  });
}

const BAD = [
  "",
  "a",
  "@",
  "a@",
  "@b",
  "<>",
  "<a@b>",
  "a@b>",
  "Alice <a@b>",
  "a b@c",
  "a@b c",
  " a@b",
  "a@b ",
  "a@b@c",
  ".a@b",
  "a.@b",
  "a..b@c",
  "a,b@c",
  "a@b,c@d",
  "a@b;c@d",
  "@relay:b@x.test",
  "@relay,@two:b@x.test",
  "a@good.test(@evil.test)",
  "a(c)@b",
  '"a"b@c',
  'a"b"@c',
  '"a',
  '"a"',
  '"a\\"@b',
  '"a"@',
  '"xclow3n@gmail.com x"@internal.domain, b@c',
  "b@x.test>\r\nRCPT TO:<evil@x.test",
  "b@x.test> NOTIFY=NEVER ORCPT=rfc822;<evil",
  '"a\r\nRCPT TO:<evil@x.test>\r\n"@x.test',
  "b\0evil@x.test",
  "b\x7f@x.test",
  "b\u0085@x.test",
  "b\ud800@x.test",
  "a@-b.test",
  "a@b-.test",
  "a@b_c.test",
  "a@.b",
  "a@b.",
  "a@b..c",
  "a@b。c",
  "a@ｂ.test",
  "a@good.test\u3002evil.test",
  "a@b\u00a0c.test",
  "a@[256.0.0.1]",
  "a@[127.0.0.1",
  "a@127.0.0.1]",
  "a@[127.0.0]",
  "a@[::1]",
  "a@[IPv6:::g]",
  "a@[IPv6:1::2::3]",
  "a@[IPv6:1:2:3:4:5:6:7::]",
  "a@[IPv6:1:2:3:4::5:192.0.2.1]",
  "a@[IPv6:]",
  "a@[]",
  "a@[x:]",
  "a@[x:a]b]",
];

for (const address of BAD) {
  Deno.test(`parseMailbox refuses ${JSON.stringify(address)}`, () => {
    assertThrows(() => parseMailbox(address), TypeError);
    assertThrows(() => forwardPath(address), TypeError);
    if (address !== "" && address !== "<>") assertThrows(() => reversePath(address), TypeError);
  });
}

Deno.test("parseMailbox refuses what is no text", () => {
  for (const value of [undefined, null, 5, {}, ["a@b"], new String("a@b")]) {
    for (const take of [parseMailbox, reversePath, forwardPath]) assertThrows(() => Reflect.apply(take, undefined, [value]), TypeError);
  }
});

Deno.test("parseMailbox keeps to the lengths of RFC 5321 section 4.5.3.1 in octets, unless told otherwise", () => {
  const long = [`${LOCAL_64}a@x.test`, `${"ö".repeat(33)}@x.test`, `a@${"d.".repeat(127)}dd`, `${LOCAL_64}@${"d.".repeat(94)}dd`];
  for (const address of long) {
    assertThrows(() => parseMailbox(address), RangeError, "octets");
    assertEquals(parseMailbox(address, { limits: false }).domain, address.slice(address.indexOf("@") + 1));
  }
});

Deno.test("parseMailbox takes time linear in a hostile address", () => {
  for (const hostile of ["(".repeat(100_000), `${"a.".repeat(100_000)}@x`, `"${"\\a".repeat(100_000)}`, `a@${"b-".repeat(100_000)}`]) {
    assertThrows(() => parseMailbox(hostile), Error);
  }
});

Deno.test("isPlain knows no address that the grammar refuses, or reads otherwise", () => {
  const taken = [...NASTY, ...random(20_000)].filter(isPlain);
  for (const address of taken) assertEquals(parseMailbox(address), parseStrictly(address), address);
  assertEquals(taken.length > 1_000, true);
});

Deno.test("isPlain knows an ordinary address up to the limits of its parts, and not beyond", () => {
  const plain = ["alice@example.com", "a.b+c=d@x-y.example", "0@1.2", "o'hara_1@mail--x.test", `${LOCAL_64}@${DOMAIN_189}`, `a@${"d".repeat(252)}`];
  const others = [
    `${LOCAL_64}a@x.test`,
    `a@${"d".repeat(253)}`,
    "jörg@x.test",
    "a@bücher.test",
    '"a b"@x.test',
    "a@[127.0.0.1]",
    "postmaster",
    "",
    "a@b\n",
  ];
  assertEquals([plain.filter((address) => !isPlain(address)), others.filter(isPlain)], [[], []]);
});

/** What is good, what is bad, and each of them with one character more, less or other. */
const NASTY: readonly string[] = [...GOOD.map(([address]) => address), ...BAD].flatMap((address) => {
  const cuts = Array.from(address, (_, at): [before: string, behind: string] => [address.slice(0, at), address.slice(at + 1)]);
  return [
    address,
    ...cuts.flatMap(([before, behind]) => ["", ...'@.-_\\"<> \n\0a0é\u0130\u017f\u212a\uff0e\ud800'].map((one) => `${before}${one}${behind}`)),
  ];
});

/** Strings of what addresses are made of and of what they are not, the same at every run. */
function* random(count: number): Generator<string> {
  const characters = 'aaazZ09...---@@@_+!"\\<>[]():;, \t\r\n\x7f\u0085éß\u017f\u212a\u3002\ud83d';
  let seed = 1;
  const next = (limit: number) => (seed = seed * 48_271 % 2_147_483_647) % limit;
  const part = (length: number, from: string) => Array.from({ length }, () => from[next(from.length)]).join("");
  for (let index = 0; index < count; index++) {
    // Every other one is near to a good one, of any length.
    const isNear = index % 2 === 0;
    yield isNear ? `${part(1 + next(70), "abz09._-")}@${part(1 + next(20), "abZ09.-")}${part(next(190), "d")}` : part(next(12), characters);
  }
}

Deno.test("reversePath writes the null sender, and forwardPath the postmaster", () => {
  assertEquals([reversePath(""), reversePath("<>")], ["<>", "<>"]);
  assertEquals([forwardPath("postmaster"), forwardPath("Postmaster")], ["<postmaster>", "<Postmaster>"]);
  assertThrows(() => reversePath("postmaster"), TypeError);
});

Deno.test("checkClientName takes a domain in ASCII or an address literal", () => {
  for (const name of ["client.test", "localhost", "[127.0.0.1]", "[IPv6:::1]"]) assertEquals(checkClientName(name), name);
  for (const name of ["", "x y z", "x\r\nMAIL FROM:<evil@x.test>", "127.0.0.1]", "bücher.test", "a_b", "a."]) {
    assertThrows(() => checkClientName(name), TypeError, "client's name");
  }
});

Deno.test("addressLiteral writes an IP address as RFC 5321 section 4.1.3 has it", () => {
  assertEquals([addressLiteral("192.0.2.1"), addressLiteral("2001:db8::1")], ["[192.0.2.1]", "[IPv6:2001:db8::1]"]);
  assertEquals([addressLiteral("mx.example"), addressLiteral("fe80::1%eth0"), addressLiteral("")], [undefined, undefined, undefined]);
});
