/** The thin shell for runtimes with a process: runs every case in memory and prints one line of JSON for each. */
import { runFault } from "./fault.ts";
import { faults } from "./faults.ts";

for (const one of faults) {
  const fault = await runFault(one);
  console.log(JSON.stringify({ case: one.name, ...(fault !== undefined && { fault }) }));
}
