/** The thin shell for runtimes with a process: runs every case and prints one line of JSON for each. */
import * as smtp from "@posthorn/smtp";
import * as extensions from "@posthorn/smtp/extensions";
import * as proxy from "@posthorn/smtp/proxy";
import * as sasl from "@posthorn/smtp/sasl";
import type { Environment } from "./case.ts";
import { cases, runCase } from "./suite.ts";

const process: { readonly env: Record<string, string | undefined> } = Reflect.get(globalThis, "process");
const env: Environment = JSON.parse(process.env["POSTHORN_ENVIRONMENT"] ?? "");
for (const { name } of cases) {
  const fault = await runCase(name, { ...smtp, extensions, proxy, sasl }, env);
  console.log(JSON.stringify({ case: name, ...(fault !== undefined && { fault }) }));
}
