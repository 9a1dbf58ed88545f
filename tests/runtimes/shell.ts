/** The thin shell for runtimes with a process: runs every case and prints one line of JSON for each. */
import * as smtp from "@posthorn/smtp";
import * as extensions from "@posthorn/smtp/extensions";
import * as proxy from "@posthorn/smtp/proxy";
import * as sasl from "@posthorn/smtp/sasl";
import { type Environment, runCase } from "./case.ts";
import { runCases } from "./case_process.ts";
import { cases } from "./suite.ts";

await runCases(cases, (name, env: Environment) => runCase(cases, name, { ...smtp, extensions, proxy, sasl }, env));
