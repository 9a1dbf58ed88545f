/** The thin shell for runtimes with a process: runs every case on sockets. */
import * as smtp from "@posthorn/smtp";
import * as extensions from "@posthorn/smtp/extensions";
import * as proxy from "@posthorn/smtp/proxy";
import * as sasl from "@posthorn/smtp/sasl";
import { runCase } from "../runtimes/case.ts";
import { runCases } from "../runtimes/case_process.ts";
import type { SocketEnvironment } from "./puppet/puppet.ts";
import { socketFaults } from "./socket_faults.ts";

await runCases(socketFaults, (name, env: SocketEnvironment) => runCase(socketFaults, name, { ...smtp, extensions, proxy, sasl }, env));
