/** The thin shell for workerd: runs the case that a request names. */
import * as library from "@posthorn/smtp";
import { type Environment, runCase } from "./suite.ts";

const worker: { fetch(request: Request): Promise<Response> } = {
  async fetch(request): Promise<Response> {
    const { name, env }: { name: string; env: Environment } = await request.json();
    const fault = await runCase(name, library, env);
    return Response.json({ case: name, ...(fault !== undefined && { fault }) });
  },
};

export default worker;
