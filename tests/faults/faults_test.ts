/** The catalogue of faults in this runtime, under the leak checks of its test runner. */
import { cryptoSettled } from "../support/crypto_settled.ts";
import { faults } from "./faults.ts";

for (const { name, run } of faults) {
  Deno.test(name, async () => {
    await run();
    await cryptoSettled();
  });
}
