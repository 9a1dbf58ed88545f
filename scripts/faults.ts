/**
 * Prints which tests every entry of the catalogue of faults has, and writes them into docs/faults.md: `deno task faults`. It fails where an entry that
 * applies has no test, or one that is about sockets or TLS has none on real ones. What comes of each fault in each phase goes into docs/errors.md.
 */
import { deliveries, deliveryTable, PAGE as ERRORS } from "../tests/faults/deliveries.ts";
import { lackOf, PAGE, shownFaults, table, testsOf } from "../tests/faults/tests_of.ts";

const all = await testsOf();
for (const tests of all) {
  const { entry, inMemory, onSockets } = tests;
  console.log(`${entry.id} ${entry.threat}`);
  if (entry.exempt !== undefined) console.log(`      does not apply: ${entry.exempt}`);
  for (const name of inMemory) console.log(`      in memory:  ${name}`);
  for (const name of onSockets) console.log(`      on sockets: ${name}`);
  const lack = lackOf(tests);
  if (lack !== undefined) console.log(`      MISSING: ${lack}`);
}
const lacking = all.filter((tests) => lackOf(tests) !== undefined);
const count = (side: "inMemory" | "onSockets") => all.reduce((sum, tests) => sum + tests[side].length, 0);
console.log(`${all.length} entries, ${count("inMemory")} tests in memory, ${count("onSockets")} on sockets, ${lacking.length} entries without`);
await Deno.writeTextFile(PAGE, shownFaults.writtenTo(await Deno.readTextFile(PAGE), table(all)));
await Deno.writeTextFile(ERRORS, deliveryTable.writtenTo(await Deno.readTextFile(ERRORS), await deliveries()));
if (lacking.length > 0) console.log(`missing: ${lacking.map((tests) => `${tests.entry.id} (${lackOf(tests)})`).join(", ")}`);
Deno.exitCode = lacking.length === 0 ? 0 : 1;
