/** The catalogue of faults in this runtime, under the leak checks of its test runner. */
import { faults } from "./faults.ts";

for (const { name, run } of faults) Deno.test(name, run);
