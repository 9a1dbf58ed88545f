/** The thin shell for workerd: runs the case in memory that a request names. */
import { caseWorker, type Worker } from "../runtimes/case_worker.ts";
import { runFault } from "./fault.ts";
import { faults } from "./faults.ts";

const worker: Worker = caseWorker(async (name) => {
  const found = faults.find((one) => one.name === name);
  return found === undefined ? `there is no case ${name}` : await runFault(found);
});

export default worker;
