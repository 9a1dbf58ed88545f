/** The thin shell for workerd: runs the case that a request names. */
import * as main from "@posthorn/smtp";
import * as proxy from "@posthorn/smtp/proxy";
import { type Environment, runCase } from "./suite.ts";

const worker: { fetch(request: Request): Promise<Response> } = {
  async fetch(request): Promise<Response> {
    const { name, env }: { name: string; env: Environment } = await request.json();
    const fault = await runCase(name, { ...main, ...proxy }, env);
    return Response.json({ case: name, ...(fault !== undefined && { fault }) });
  },
};

export default worker;
