/** The thin shell for workerd: runs the case that a request names. */
import * as smtp from "@posthorn/smtp";
import * as extensions from "@posthorn/smtp/extensions";
import * as proxy from "@posthorn/smtp/proxy";
import * as sasl from "@posthorn/smtp/sasl";
import type { Environment } from "./case.ts";
import { caseWorker, type Worker } from "./case_worker.ts";
import { runCase } from "./suite.ts";

const worker: Worker = caseWorker((name, env: Environment) => runCase(name, { ...smtp, extensions, proxy, sasl }, env));

export default worker;
