/** What the thin shells for workerd share. */

/** A Worker. */
export interface Worker {
  fetch(request: Request): Promise<Response>;
}

/** A Worker that runs the case that a request names; a promise that rejects and that nobody handles fails the case in which it does. */
export function caseWorker<E>(run: (name: string, env: E) => Promise<string | undefined>): Worker {
  const unhandled: unknown[] = [];
  addEventListener("unhandledrejection", (event) => void unhandled.push(event.reason));
  return {
    async fetch(request): Promise<Response> {
      const { name, env }: { name: string; env: E } = await request.json();
      const fault = await run(name, env);
      await new Promise((resolve) => setTimeout(resolve, 0));
      const [rejection] = unhandled.splice(0);
      return Response.json({ fault: fault ?? (rejection === undefined ? undefined : `nobody handles ${rejection}`) });
    },
  };
}
