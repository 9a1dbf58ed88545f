/** Witnesses of what is left behind: listeners of a signal, the stream of a body, timers, sockets. */
import { assertEquals } from "@std/assert";
import { settled } from "./fake_clock.ts";

/** A signal that tells how many listen to it. */
export class WitnessedSignal {
  readonly #controller = new AbortController();
  readonly #listeners = new Set<unknown>();
  readonly signal: AbortSignal = this.#controller.signal;

  constructor() {
    const add = this.signal.addEventListener.bind(this.signal);
    const remove = this.signal.removeEventListener.bind(this.signal);
    this.signal.addEventListener = (type: string, listener: EventListenerOrEventListenerObject, options?: AddEventListenerOptions | boolean) => {
      this.#listeners.add(listener);
      add(type, listener, options);
      if (typeof options === "object" && options.once) add(type, () => this.#listeners.delete(listener), { once: true });
    };
    this.signal.removeEventListener = (type: string, listener: EventListenerOrEventListenerObject) => {
      this.#listeners.delete(listener);
      remove(type, listener);
    };
  }

  /** How many listen. */
  get listeners(): number {
    return this.#listeners.size;
  }

  abort(reason?: unknown): void {
    this.#controller.abort(reason);
  }
}

/** How a {@linkcode WitnessedBody} behaves besides. */
export interface BodyOptions {
  /** Octets of one chunk. */
  readonly piece: number;
  /** Chunks of it; default 4. Behind them it ends, or where `isEndless` says nothing more. */
  readonly pieces?: number;
  readonly isEndless?: boolean;
  /** What its `cancel` does. */
  readonly onCancel?: () => void | Promise<void>;
  /** Called before chunk number `index` is given. */
  readonly onPull?: (index: number) => void;
}

/** The stream of a body that tells how often it was asked and whether it was let go. */
export class WitnessedBody {
  readonly stream: ReadableStream<Uint8Array>;
  pulls = 0;
  cancelled = 0;
  isFinished = false;

  constructor({ piece, pieces = 4, isEndless = false, onCancel, onPull }: BodyOptions) {
    const chunk = new TextEncoder().encode(`${"x".repeat(62)}\r\n`.repeat(piece / 64));
    this.stream = new ReadableStream<Uint8Array>({
      pull: (controller): void | Promise<void> => {
        onPull?.(this.pulls);
        if (this.pulls === pieces) {
          if (isEndless) return new Promise(() => {});
          this.isFinished = true;
          return controller.close();
        }
        this.pulls++;
        controller.enqueue(chunk);
      },
      cancel: () => {
        this.cancelled++;
        return onCancel?.();
      },
    }, { highWaterMark: 0 });
  }

  /** Whether nobody holds on to it: it was never asked, has come to its end, or was cancelled. */
  get isFree(): boolean {
    return this.pulls === 0 || this.isFinished || this.cancelled === 1;
  }
}

/** What {@linkcode assertNothingLeft} looks at. */
export interface Leftovers {
  readonly clock: { readonly pending: number };
  readonly sockets: readonly { readonly isClosed: boolean }[];
  readonly signal?: { readonly listeners: number } | undefined;
  readonly body?: { readonly isFree: boolean } | undefined;
}

/** That nothing is left: no timer, no open socket, no listener, no stream that somebody waits to be let go. */
export async function assertNothingLeft({ clock, sockets, signal, body }: Leftovers, where = ""): Promise<void> {
  await settled();
  const left = {
    timers: clock.pending,
    open: sockets.filter(({ isClosed }) => !isClosed).length,
    listeners: signal?.listeners ?? 0,
    body: body?.isFree ?? true,
  };
  assertEquals(left, { timers: 0, open: 0, listeners: 0, body: true }, where === "" ? undefined : `${where}: ${JSON.stringify(left)}`);
}
