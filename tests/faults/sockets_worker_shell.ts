/** The thin shell for workerd: runs the case on sockets that a request names. */
import * as smtp from "@posthorn/smtp";
import * as extensions from "@posthorn/smtp/extensions";
import * as proxy from "@posthorn/smtp/proxy";
import * as sasl from "@posthorn/smtp/sasl";
import { runCase } from "../runtimes/case.ts";
import { caseWorker, type Worker } from "../runtimes/case_worker.ts";
import type { SocketEnvironment } from "./puppet/puppet.ts";
import { socketFaults } from "./socket_faults.ts";

const worker: Worker = caseWorker((name, env: SocketEnvironment) => runCase(socketFaults, name, { ...smtp, extensions, proxy, sasl }, env));

export default worker;
