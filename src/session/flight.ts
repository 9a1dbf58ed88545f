import { concat, gathered } from "../wire/octets.ts";
import { encodeText } from "../wire/text.ts";
import type { Task } from "./task.ts";

/** Octets of one write of commands at most. */
export const MAX_FLIGHT = 65_536;

const encoder = new TextEncoder();

/** What leaves in one write: the lines of commands as text, encoded together, and octets between them. */
export class Flight {
  readonly tasks: Task[] = [];
  /** Octets, about: a character may be more than one. */
  length = 0;
  #text = "";
  readonly #parts: (string | Uint8Array)[] = [];

  add(task: Task): void {
    const { line, payload } = task.command;
    this.tasks.push(task);
    if (line !== undefined) {
      this.#text += `${line}\r\n`;
      this.length += line.length + 2;
    }
    if (payload === undefined) return;
    if (this.#text !== "") this.#parts.push(this.#text);
    this.#text = "";
    for (const part of payload) {
      this.#parts.push(part);
      this.length += part.length;
    }
  }

  /** The octets, in as few arrays as need not be copied much. */
  octets(): readonly Uint8Array[] {
    if (this.#text !== "") this.#parts.push(this.#text);
    if (this.length > 2 * MAX_FLIGHT) return gathered(this.#parts.map(encoded));
    return [this.#whole()];
  }

  #whole(): Uint8Array {
    const whole = new Uint8Array(this.length);
    let length = 0;
    for (const part of this.#parts) {
      if (typeof part !== "string") whole.set(part, length);
      else {
        const { read, written } = encoder.encodeInto(part, whole.subarray(length));
        // A character beyond ASCII needs more room than was thought.
        if (written !== part.length || read !== part.length) return concat(this.#parts.map(encoded));
      }
      length += part.length;
    }
    return whole;
  }
}

function encoded(part: string | Uint8Array): Uint8Array {
  return typeof part === "string" ? encodeText(part) : part;
}
