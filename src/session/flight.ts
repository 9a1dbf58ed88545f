import { concat, gathered } from "../wire/octets.ts";
import { encodeText } from "../wire/text.ts";
import type { Task } from "./task.ts";

/** Octets of one write of commands at most. */
export const MAX_FLIGHT = 65_536;

/**
 * Octets of a flight that are put together in one array. A flight takes nothing more once it has {@linkcode MAX_FLIGHT}, so only a large chunk of a
 * single message goes beyond: in one array stand the ends of several messages, in several arrays at most one, at the very end.
 */
const MAX_WHOLE = 3 * MAX_FLIGHT;

const encoder = new TextEncoder();

/** Where flights are put together, one after the other: fresh room for each costs more than all that is written into it. */
export class Room {
  #octets = new Uint8Array(1_024);

  /** The first `length` octets of it, which hold whatever was in them. */
  take(length: number): Uint8Array {
    if (length > this.#octets.length) this.#octets = new Uint8Array(Math.max(length, 2 * this.#octets.length));
    return this.#octets.subarray(0, length);
  }
}

/** What leaves in one write: the lines of commands as text, encoded together, and octets between them. */
export class Flight {
  readonly tasks: Task[] = [];
  /** Octets, about: a character may be more than one. */
  length = 0;
  #text = "";
  readonly #parts: (string | Uint8Array)[] = [];

  add(task: Task): void {
    const { line, payload } = task;
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

  /** The octets, in as few arrays as need not be copied much; the first in `room`, if it is given, as long as nothing else is. */
  octets(room: Room | undefined): readonly Uint8Array[] {
    if (this.#text !== "") this.#parts.push(this.#text);
    if (this.length <= MAX_WHOLE) return [together(this.#parts, this.length, room)];
    // The first part of a chunk is copied behind its line: a write of the line alone, and the wake-up of who reads it, cost more.
    let count = 0;
    let length = 0;
    for (let next = this.#parts[0]; next !== undefined && length < MAX_FLIGHT && length + next.length <= MAX_WHOLE; next = this.#parts[count]) {
      length += next.length;
      count++;
    }
    const rest = gathered(this.#parts.slice(count).map(encoded));
    return count === 0 ? rest : [together(this.#parts.slice(0, count), length, room), ...rest];
  }
}

/** `parts`, of `length` octets, about, one behind the other. */
function together(parts: readonly (string | Uint8Array)[], length: number, room: Room | undefined): Uint8Array {
  const whole = room?.take(length) ?? new Uint8Array(length);
  let end = 0;
  for (const part of parts) {
    if (typeof part !== "string") whole.set(part, end);
    else {
      const { read, written } = encoder.encodeInto(part, end === 0 ? whole : whole.subarray(end));
      // A character beyond ASCII needs more room than was thought.
      if (written !== part.length || read !== part.length) return concat(parts.map(encoded));
    }
    end += part.length;
  }
  return whole;
}

function encoded(part: string | Uint8Array): Uint8Array {
  return typeof part === "string" ? encodeText(part) : part;
}
