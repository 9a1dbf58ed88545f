/** The harness of a program in workerd: its task is in the query of the URL, steps and answers are messages of a WebSocket, which is one request. */
import { type Step, Stepper, type Ways } from "./steps.ts";

/** What is used of workerd's own WebSocket. */
interface ServerSocket {
  accept(): void;
  send(text: string): void;
  addEventListener(type: "message", listener: (event: { readonly data: string }) => void): void;
}

export interface Worker {
  fetch(request: Request): Response;
}

/** A Worker that answers the driver. */
export function worker(ways: Ways): Worker {
  return {
    fetch(request) {
      const task = new URL(request.url).searchParams.get("task");
      if (task === null) return new Response("ready");
      const stepper = new Stepper(ways, JSON.parse(task));
      const pair: { readonly 0: unknown; readonly 1: ServerSocket } = new (Reflect.get(globalThis, "WebSocketPair"))();
      const { 0: theirs, 1: ours } = pair;
      ours.accept();
      ours.addEventListener("message", async ({ data }) => {
        const step: Step = JSON.parse(data);
        ours.send(JSON.stringify(await stepper.answer(step)));
      });
      const init: ResponseInit = Object.assign({ status: 101 }, { webSocket: theirs });
      return new Response(null, init);
    },
  };
}
