/** docs/errors.md says what the errors are, and what becomes of a message when a session goes wrong. */
import { assert, assertEquals } from "@std/assert";
import { deliveries, deliveryTable, PAGE } from "../faults/deliveries.ts";

const page = await Deno.readTextFile(PAGE);
const source = await Deno.readTextFile(new URL("../../src/errors.ts", import.meta.url));

Deno.test("docs/errors.md shows what comes of each fault in each phase, as it is", async () => {
  assertEquals(deliveryTable.shownIn(page), await deliveries(), "run: deno task faults");
});

Deno.test("docs/errors.md names every kind with its class, and no other", () => {
  const [, union = ""] = /export type SmtpErrorKind =([^;]+);/.exec(source) ?? [];
  const kinds = Array.from(union.matchAll(/"([\w-]+)"/g), ([, kind]) => kind);
  const shown = Array.from(page.matchAll(/^\| `([\w-]+)` +\| `(Smtp\w+)` +\|/gm));
  assertEquals(shown.map(([, kind]) => kind), kinds);
  for (const [, kind, name] of shown) {
    const [, own = ""] = new RegExp(`class ${name} extends SmtpError<([^>]+)>`).exec(source) ?? [];
    assert(own.includes(`"${kind}"`), `${name} is of no kind ${kind}`);
  }
});
