import { Reply } from "../wire/reply.ts";
import type { Secrets } from "../wire/secrets.ts";
import type { Task } from "./task.ts";

/** Keeps what was told to a server in confidence out of its replies: those to the exchange, and, until it is believed, all others. */
export class Secrecy {
  #secrets: Secrets | undefined;

  /** Whether what the server says may be a secret, come back. */
  get isOn(): boolean {
    return this.#secrets !== undefined;
  }

  /** `task` is about to be written. */
  begin({ secrets }: Task): void {
    if (secrets !== undefined) this.#secrets = secrets;
  }

  /** `said` as it may be shown: the reply to `task`, or to nothing. A challenge is needed as it is. */
  shown(said: Reply, task: Task | undefined): Reply {
    const secrets = this.#secrets;
    if (secrets === undefined || (said.code === 334 && task?.secrets !== undefined)) return said;
    if (said.code === 235) this.#secrets = undefined;
    const lines = secrets.hide(said.lines);
    return lines.every((line, index) => line === said.lines[index]) ? said : Reply.of(said.code, ...lines);
  }
}
