/** What is read out of replies: the extensions of EHLO, enhanced codes, queue ids. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Extensions, formatEnhancedCode, parseEhlo, parseEnhancedCode, Reply, ReplyDecoder } from "@posthorn/smtp";
import { queueId } from "../../src/wire/queue_id.ts";
import { holds, octetsOf } from "../support/fuzz.ts";

const word = fc.constantFrom(
  ...[
    "SIZE",
    "size",
    "AUTH",
    "auth=",
    "AUTH=LOGIN",
    "AUTH==",
    "PLAIN",
    "plain",
    "LIMITS",
    "RCPTMAX=5",
    "rcptmax=0",
    "MAILMAX=1000000",
    "RCPTMAX=",
    "=",
    "1000",
    "0",
  ],
  ...[
    "99999999999999999999999",
    "9007199254740993",
    "-1",
    "1e3",
    "+5",
    "0x10",
    "s\u0131ze",
    "\u017fize",
    "AUT\u212a",
    "PIPELINING",
    "__proto__",
    "constructor",
    "é",
  ],
);
const gap = fc.constantFrom(" ", " ", " ", "  ", "\t", " \t ", "", "\u00a0", "\v");
const limit = fc.constantFrom("RCPTMAX=5", "rcptmax=7", "RCPTMAX=0", "RCPTMAX", "RCPTMAX=5=6", "MAILMAX=1");
const limits = fc.array(limit, { maxLength: 4 }).map((all) => `LIMITS ${all.join(" ")}`);
const line = fc.oneof({ weight: 5, arbitrary: words() }, { weight: 1, arbitrary: limits });

/** A line of any words. */
function words(): fc.Arbitrary<string> {
  return fc.array(fc.tuple(word, gap), { maxLength: 5 }).chain((words) => gap.map((before) => before + words.flat().join("")));
}

/** The lines of an EHLO reply behind the first, read letter by letter (RFC 5321 section 4.1.1.1). */
function reference(lines: readonly string[]): [keyword: string, parameters: string[]][] {
  const found: [string, string[]][] = [];
  for (const line of lines) {
    const tokens = [""];
    for (const letter of line) letter === " " || letter === "\t" ? tokens.push("") : tokens.push(tokens.pop() + letter);
    const words = tokens.filter((token) => token !== "");
    const old = words[0]?.slice(0, 5) ?? "";
    if (upper(old) === "AUTH=") words.splice(0, 1, "AUTH", ...[words[0]!.slice(5)].filter((rest) => rest !== ""));
    if (words.length === 0) continue;
    const [keyword, ...parameters] = [upper(words[0]!), ...words.slice(1)];
    const known = found.find(([name]) => name === keyword) ?? found[found.push([keyword, []]) - 1]!;
    for (const parameter of parameters) if (!known[1].includes(parameter)) known[1].push(parameter);
  }
  return found;
}

function upper(text: string): string {
  return Array.from(text, (letter) => letter >= "a" && letter <= "z" ? String.fromCharCode(letter.charCodeAt(0) - 32) : letter).join("");
}

Deno.test("parseEhlo reads out of any reply what a reader letter by letter does, and nothing out of the greeting or a refusal", () => {
  holds(
    fc.tuple(fc.constantFrom(250, 250, 250, 251, 220, 354, 421, 500), line, fc.array(line, { maxLength: 6 })),
    60_000,
    ([code, greeting, lines]) => {
      const extensions = parseEhlo(Reply.of(code, greeting, ...lines));
      const wanted = code < 300 ? reference(lines) : [];
      assertEquals([...extensions].map(([keyword, parameters]) => [keyword, [...parameters]]), wanted);
      assertEquals(extensions.size, wanted.length);
      for (const [keyword, parameters] of wanted) {
        assert(extensions.has(keyword) && extensions.has(keyword.toLowerCase()) === (upper(keyword.toLowerCase()) === keyword));
        assertEquals([...extensions.get(keyword) ?? []], parameters);
      }
      const of = (keyword: string) => wanted.find(([name]) => name === keyword)?.[1] ?? [];
      assertEquals([...extensions.authMechanisms], of("AUTH").map(upper));
      const size = of("SIZE").filter((text) => text.length <= 20 && Array.from(text).every((digit) => "0123456789".includes(digit)))[0];
      const isLimit = size !== undefined && BigInt(size) > 0n && BigInt(size) <= BigInt(Number.MAX_SAFE_INTEGER);
      assertEquals(extensions.maxSize, isLimit ? Number(size) : undefined);
      // limit-value = 1-9 and up to five digits (RFC 9422 section 4)
      const limit = of("LIMITS").find((text) => upper(text.split("=")[0]!) === "RCPTMAX")?.split("=")[1] ?? "";
      const isNumber = limit.length >= 1 && limit.length <= 6 && limit.charAt(0) !== "0" &&
        Array.from(limit).every((digit) => "0123456789".includes(digit));
      assertEquals(extensions.limit("RCPTMAX"), isNumber ? Number(limit) : undefined);
    },
  );
});

Deno.test("Extensions says of itself what it was made of, when it is made of what it says", () => {
  holds(fc.array(line, { maxLength: 6 }), 10_000, (lines) => {
    const once = new Extensions(lines);
    const twice = new Extensions(Array.from(once, ([keyword, parameters]) => [keyword, ...parameters].join(" ")));
    // The old form of AUTH is the one that does not stay what it is.
    if (!Array.from(once).some(([keyword]) => keyword.startsWith("AUTH="))) assertEquals([...twice], [...once]);
  });
});

const digits = fc.constantFrom("0", "1", "5", "007", "99", "123", "1000", "", "x", "-1", "٥");

Deno.test("parseEnhancedCode takes what RFC 3463 calls a code and nothing else, and formatEnhancedCode gives it back", () => {
  const parts = fc.tuple(
    fc.constantFrom("2", "4", "5", "3", "6", "25", ""),
    digits,
    digits,
    fc.constantFrom("", " ", " text", "x", ".", ".1", "\n", "\t"),
  );
  holds(parts, 30_000, ([kind, subject, detail, rest]) => {
    const code = parseEnhancedCode(`${kind}.${subject}.${detail}${rest}`);
    const isNumber = (text: string) => text.length >= 1 && text.length <= 3 && Array.from(text).every((digit) => "0123456789".includes(digit));
    const isCode = ["2", "4", "5"].includes(kind) && isNumber(subject) && isNumber(detail) && (rest === "" || rest.startsWith(" "));
    assertEquals(code, isCode ? { class: Number(kind), subject: Number(subject), detail: Number(detail) } as typeof code : undefined);
    if (code === undefined) return;
    assertEquals(parseEnhancedCode(formatEnhancedCode(code)), code);
    const reply = Reply.of(Number(kind) * 100 + 50, `${kind}.${subject}.${detail}${rest}`);
    assertEquals([reply.enhancedCode, reply.text], [formatEnhancedCode(code), rest.slice(1)]);
  });
});

Deno.test("queueId finds names in text that servers write, of characters that names have", () => {
  const words = fc.constantFrom(
    ...[
      "queued as ",
      "queued on ",
      "mx.test ",
      "Ok ",
      "OK  ",
      "id=",
      "Message Queued (",
      ")",
      "ABC123def",
      " Message accepted for delivery",
      "1642091984 ",
      " - gsmtp",
    ],
    ...["[InternalId=", "ok 12 qp 34", "ok: Message 77 accepted", "MSGID=", "<a@b> ", " Saved", "a".repeat(500), "1".repeat(300), "-", " ", "é"],
  );
  holds(fc.array(words, { maxLength: 8 }), 50_000, (pieces) => {
    const text = pieces.join("");
    const id = queueId(text);
    if (id === undefined) return;
    assert(id !== "" && text.includes(id) && !/\s/.test(id), id);
  });
  assertEquals(queueId("queued as ABC123def"), "ABC123def");
});

Deno.test("Reply shows no control character of the server's, and keeps every octet that it was given", () => {
  holds(
    fc.array(fc.uint8Array({ maxLength: 40 }).map((octets) => octets.filter((octet) => octet !== 10)), { minLength: 1, maxLength: 3 }),
    20_000,
    (lines) => {
      const decoder = new ReplyDecoder();
      const wire = lines.map((line, index) => octetsOf(`550${index < lines.length - 1 ? "-" : " "}`, String.fromCharCode(...line), "\r\n"));
      const [reply] = wire.flatMap((chunk) => decoder.push(chunk));
      assert(reply !== undefined && !/\p{Cc}/u.test(`${reply}`));
      assertEquals(reply.lines.map((line, index) => octetsIn(line, lines[index]!)), lines.map((line) => [...line]));
      assertEquals(JSON.parse(JSON.stringify(reply)).lines, JSON.parse(JSON.stringify(reply.lines)));
    },
  );
});

/** The octets that `text` was made of, which were `octets`: in UTF-8, or one a character. */
function octetsIn(text: string, octets: Uint8Array): number[] {
  const utf8 = [...new TextEncoder().encode(text)];
  return utf8.length === octets.length && utf8.every((octet, index) => octet === octets[index])
    ? utf8
    : Array.from(text, (letter) => letter.charCodeAt(0));
}
