/** The thin shell for workerd: runs the case in memory that a request names. */
import { caseWorker, type Worker } from "../runtimes/case_worker.ts";
import { runFault } from "./fault.ts";
import { faults } from "./faults.ts";

const worker: Worker = caseWorker((name) => runFault(faults, name));

export default worker;
