/** The thin shell for workerd: runs the case that a request names. */
import * as smtp from "@posthorn/smtp";
import * as extensions from "@posthorn/smtp/extensions";
import * as proxy from "@posthorn/smtp/proxy";
import * as sasl from "@posthorn/smtp/sasl";
import type { Environment } from "./case.ts";
import { runCase } from "./suite.ts";

const worker: { fetch(request: Request): Promise<Response> } = {
  async fetch(request): Promise<Response> {
    const { name, env }: { name: string; env: Environment } = await request.json();
    const fault = await runCase(name, { ...smtp, extensions, proxy, sasl }, env);
    return Response.json({ case: name, ...(fault !== undefined && { fault }) });
  },
};

export default worker;
