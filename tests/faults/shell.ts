/** The thin shell for runtimes with a process: runs every case in memory. */
import { runCases } from "../runtimes/case_process.ts";
import { runFault } from "./fault.ts";
import { faults } from "./faults.ts";

await runCases(faults, (name) => runFault(faults, name));
