/** The thin shell for workerd: runs the case that a request names. */
import * as smtp from "@posthorn/smtp";
import * as extensions from "@posthorn/smtp/extensions";
import * as proxy from "@posthorn/smtp/proxy";
import * as sasl from "@posthorn/smtp/sasl";
import { type Environment, runCase } from "./case.ts";
import { caseWorker, type Worker } from "./case_worker.ts";
import { cases } from "./suite.ts";

const worker: Worker = caseWorker((name, env: Environment) => runCase(cases, name, { ...smtp, extensions, proxy, sasl }, env));

export default worker;
