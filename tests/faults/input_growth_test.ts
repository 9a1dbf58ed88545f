/**
 * F14: the cost of hostile input grows with its length and no faster. The growth is measured over three sizes, each the least of several runs; what is
 * asked of it is far from what is expected, since the machine is shared: linear is 1, quadratic 2.
 */
import { assert } from "@std/assert";
import { DotStuffer, Extensions, type Message, parseMailbox, SmtpPool } from "@posthorn/smtp";
import { dsn, solicit, submitter } from "@posthorn/smtp/extensions";
import { httpConnect, proxyProtocol, socks5 } from "@posthorn/smtp/proxy";
import { plain, saslPrep, scramSha256 } from "@posthorn/smtp/sasl";
import { prepareBody } from "../../src/body.ts";
import { prepareMessage } from "../../src/message.ts";
import { optionsOfUrl } from "../../src/options.ts";
import { checkLine, commandLine, formatAttributes, formatParameters } from "../../src/wire/command.ts";
import { asciiMailbox, checkClientName, checkDomains, checkUrl } from "../../src/wire/path.ts";
import { quoted } from "../../src/wire/text.ts";

const SIZES = [10_000, 40_000, 160_000];
/** The exponent that is let pass. */
const MOST = 1.6;
/** Below it a clock tells nothing, in milliseconds. */
const LEAST = 0.5;
const RUNS = 3;

/** How long `run` takes, in milliseconds, at the best of several times. */
function cost(run: () => unknown): number {
  let best = Infinity;
  for (let count = 0; count < RUNS; count++) {
    const start = performance.now();
    try {
      run();
    } catch {
      // Most of it is refused.
    }
    best = Math.min(best, performance.now() - start);
  }
  return Math.max(best, LEAST);
}

/** Texts of about `length` characters that have cost somebody dearly. */
const HOSTILE: Readonly<Record<string, (length: number) => string>> = {
  "groups": (length) => "g:".repeat(length / 2),
  "brackets": (length) => "(".repeat(length / 2) + "<".repeat(length / 2),
  "dots": (length) => `${"a.".repeat(length / 2)}@x`,
  "hyphens": (length) => `a@${"b-".repeat(length / 2)}!`,
  "labels": (length) => `a@${"b.".repeat(length / 2)}!`,
  "labels beyond ASCII": (length) => `a@${"\u00e9\u0301-".repeat(length / 3)}!`,
  "marks": (length) => `a@a${"\u0301".repeat(length)}`,
  "escapes": (length) => `"${"\\a".repeat(length / 2)}`,
  "quotes": (length) => '"'.repeat(length),
  "at signs": (length) => "@".repeat(length),
  "routes": (length) => `${"@a,".repeat(length / 3)}:a@b`,
  "a literal": (length) => `a@[${"x-".repeat(length / 2)}]`,
  "an IPv6 literal": (length) => `a@[IPv6:${"1:".repeat(length / 2)}]`,
  "zeros": (length) => `a@[${"0".repeat(length)}.0.0.1]`,
  "spaces": (length) => `${" ".repeat(length)}!`,
  "tabs in a value": (length) => `x${"\t ".repeat(length / 2)}\u0001`,
  "halves of characters": (length) => "\ud800".repeat(length),
  "letters": (length) => "a".repeat(length),
  "equals and pluses": (length) => "+=".repeat(length / 2),
  "percent signs": (length) => `smtp://${"%41".repeat(length / 3)}@`,
  "right-to-left": (length) => `${"\u05d0".repeat(length)}a`,
  "semicolons": (length) => "a;".repeat(length / 2),
};

/** Everything that looks at a text of the caller. */
const READERS: Readonly<Record<string, (text: string) => unknown>> = {
  parseMailbox: (text) => parseMailbox(text),
  "parseMailbox without limits": (text) => parseMailbox(text, { limits: false }),
  asciiMailbox: (text) => asciiMailbox(`a@${text}`),
  checkClientName,
  checkDomains: (text) => checkDomains([text]),
  checkUrl,
  checkLine: (text) => checkLine(text),
  "a verb": (text) => commandLine(text),
  "a keyword": (text) => formatParameters({ [text]: true }),
  "a value": (text) => formatParameters({ X: text }),
  "an attribute": (text) => formatAttributes({ X: text }),
  quoted,
  "a URL": (text) => optionsOfUrl(text),
  "a URL's password": (text) => optionsOfUrl(`smtp://u:${text}@mx.example`),
  "a pool's host": (text) => new SmtpPool({ hostname: text }),
  "an ENVID": (text) => dsn({ envelopeId: text }),
  "an ORCPT": (text) => dsn({ originalRecipient: text }),
  submitter,
  solicit: (text) => solicit([text]),
  plain: (text) => plain({ username: text, password: text }),
  scram: (text) => scramSha256({ username: text, password: text }),
  saslPrep,
  "a proxy's host": (text) => socks5({ hostname: text }),
  "a proxy's field": (text) => httpConnect({ hostname: "proxy.test", port: 1, headers: { X: text } }),
  "a proxy's field name": (text) => httpConnect({ hostname: "proxy.test", port: 1, headers: { [text]: "x" } }),
  "an endpoint": (text) => proxyProtocol({ version: 1, source: text }),
  "an endpoint's zone": (text) => proxyProtocol({ version: 1, source: `[::1%${text}` }),
  "a keyword of EHLO": (text) => new Extensions([text, `LIMITS ${text}`, `SIZE ${text}`]),
  "a body": (text) => prepareBody(text, "normalize"),
};

/** Things of `length` members. */
const LISTS: Readonly<Record<string, (length: number) => unknown>> = {
  "recipients": (length) => prepareMessage({ ...MESSAGE, to: Array(length / 8).fill("b@y.test") }),
  "recipients as objects": (length) => prepareMessage({ ...MESSAGE, to: Array(length / 8).fill({ address: "b@y.test" }) }),
  "extensions": (length) => prepareMessage({ ...MESSAGE, extensions: Array(length / 8).fill({ keyword: "X" }) }),
  "domains": (length) => checkDomains(Array(length).fill("x.test")),
  "parameters": (length) => formatParameters(Object.fromEntries(Array.from({ length: length / 8 }, (_, index) => [`X${index}`, "1"]))),
  "lines of one octet": (length) => new DotStuffer().push(new Uint8Array(length).fill(10)),
  "dots": (length) => new DotStuffer().push(new Uint8Array(length).map((_, index) => index % 2 === 0 ? 10 : 46)),
  "chunks of one octet": (length) => {
    const stuffer = new DotStuffer();
    for (let count = 0; count < length; count++) stuffer.push(Uint8Array.of(count % 3 === 0 ? 10 : 46));
  },
};

const MESSAGE: Message = { from: "a@x.test", to: "b@y.test", body: "hello" };

for (const [name, read] of Object.entries(READERS)) {
  Deno.test(`F14 The cost of a hostile text grows with its length and no faster: ${name}`, () => {
    for (const [what, make] of Object.entries(HOSTILE)) {
      assertLinear(what, (length) => {
        const text = make(length);
        return () => read(text);
      });
    }
  });
}

Deno.test("F14 The cost of lists and of content grows with their length and no faster", () => {
  for (const [what, run] of Object.entries(LISTS)) assertLinear(what, (length) => () => run(length));
});

Deno.test("F14 What is nested as deep as a stack is refused in the words of any bad argument", () => {
  let nested: unknown = "a@x.test";
  for (let depth = 0; depth < 50_000; depth++) nested = [nested];
  for (const member of ["from", "to", "body", "lineEndings", "transfer", "extensions", "requireAllRecipients"]) {
    const message: Message = Object.assign({}, MESSAGE, { [member]: nested });
    let error: unknown;
    try {
      prepareMessage(message);
    } catch (thrown) {
      error = thrown;
    }
    assert(error instanceof TypeError, `${member}: ${error}`);
  }
});

/** @param make What to run for a length, made ready. */
function assertLinear(what: string, make: (length: number) => () => unknown): void {
  // A machine that is busy with something else may spoil one measurement, and not three.
  for (let attempt = 1;; attempt++) {
    const costs = SIZES.map((size) => cost(make(size)));
    const growth = Math.log(costs.at(-1)! / costs[0]!) / Math.log(SIZES.at(-1)! / SIZES[0]!);
    if (growth < MOST) return;
    assert(attempt < 3, `${what}: it grows with the power ${growth.toFixed(2)}: ${costs.map((one) => one.toFixed(1))} ms`);
  }
}
