import { SmtpConnectionError, type SmtpErrorFacts } from "./errors.ts";
import { Queue } from "./session/queue.ts";
import { checkSignal } from "./session/signal.ts";
import type { Reply } from "./wire/reply.ts";

/** How a turn is asked for. */
export interface TurnOptions {
  /** Fires when it is given up; without effect while it is there. */
  readonly signal?: AbortSignal | undefined;
  /** The same, noticed only when the turn comes: for one that nobody waits for. */
  readonly withdrawn?: AbortSignal | undefined;
  /** Turns that may be under way at once with this one; default 1. */
  readonly window?: number | undefined;
  /** Octets it keeps in memory. */
  readonly octets?: number | undefined;
}

/** Octets of the turns under way at once at most, apart from one that has more by itself: what stands in memory, and may be lost in doubt. */
const MAX_OCTETS = 1_048_576;

/** No options, not even those that somebody has put into the prototype of all objects. */
const NO_OPTIONS: TurnOptions = Object.create(null);

/**
 * Turns at a connection, in the order in which they were asked for: what takes several commands must not be mixed with another that does. Where a
 * window is open, the next turn begins as soon as the one before has queued the last of its commands.
 */
export class Turns {
  readonly #waiting = new Queue<Turn>();
  /** Those that were taken once and are wanted again, in their old order: they come before all others. */
  #again: Turn[] = [];
  #underWay = 0;
  #octets = 0;
  #asked = 0;
  #last: Turn | undefined;
  /** Whose commands were queued last. */
  writer: Turn | undefined;
  /** Whether the server was seen to take a transaction behind another that was not answered. */
  #isProven = false;
  #hasFailed = false;

  /** Whether the server has failed at a window: from then on each turn waits for the end of the one before. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /**
   * Runs `task`, which rejects and never throws, when its turn has come, in the very tick in which it has.
   *
   * @throws {SmtpConnectionError} Of kind `aborted` when a signal fires before the turn comes; `task` is not run then. {TypeError} The signal is none.
   */
  take<T>(task: (turn: Turn) => Promise<T>, options: TurnOptions = NO_OPTIONS): Promise<T> {
    const { signal, withdrawn } = options;
    checkSignal(signal);
    const given = signal?.aborted ? signal : withdrawn;
    if (given?.aborted) return Promise.reject(abortedBefore(given));
    const turn = new Turn(this, ++this.#asked, options);
    const isFree = this.#waiting.length === 0 && this.#again.length === 0 && this.#mayBegin(turn);
    if (!isFree) return this.#wait(turn, task, signal);
    this.#begin(turn);
    return this.#run(turn, task);
  }

  #run<T>(turn: Turn, task: (turn: Turn) => Promise<T>): Promise<T> {
    const running = task(turn);
    const onEnd = () => this.#end(turn);
    running.then(onEnd, onEnd);
    return running;
  }

  #wait<T>(turn: Turn, task: (turn: Turn) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const forget = () => signal?.removeEventListener("abort", onAbort);
      const onAbort = () => {
        this.#waiting.remove(turn);
        turn.giveUp(signal);
      };
      // Not written where they are given to `turn`: V8 takes a function that stands behind a property's "=" for one that stays, and puts it among what
      // is old. There each would keep its whole message, and what came behind that, until all is collected, which slows all down by a third.
      const start = () => {
        forget();
        this.#run(turn, task).then(resolve, reject);
      };
      const giveUp = (given: AbortSignal | undefined) => {
        forget();
        reject(abortedBefore(given));
      };
      turn.start = start;
      turn.giveUp = giveUp;
      signal?.addEventListener("abort", onAbort);
      this.#waiting.push(turn);
    });
  }

  /**
   * Gives `turn` back, and resolves when it has come again, with nobody else under way.
   *
   * @throws {SmtpConnectionError} Of kind `aborted` when nobody waits for it any more by then.
   */
  async retake(turn: Turn, told?: Partial<SmtpErrorFacts>): Promise<void> {
    const { signal, withdrawn } = turn;
    let onAbort = () => {};
    await new Promise<void>((resolve, reject) => {
      this.#octets -= turn.octets;
      this.#underWay--;
      turn.restart(resolve);
      this.#again.push(turn);
      this.#again.sort((one, other) => one.number - other.number);
      onAbort = () => {
        this.#again = this.#again.filter((other) => other !== turn);
        // Whoever ends a turn has had it.
        this.#underWay++;
        this.#octets += turn.octets;
        reject(abortedBefore(signal, told));
      };
      signal?.addEventListener("abort", onAbort);
      if (signal?.aborted) onAbort();
      this.#next();
    }).finally(() => signal?.removeEventListener("abort", onAbort));
    if (withdrawn?.aborted) throw abortedBefore(withdrawn, told);
  }

  /** No window from now on: the server has failed at it. */
  fail(): void {
    this.#hasFailed = true;
  }

  /** See {@linkcode Turn.isOnTrial}. */
  get isProven(): boolean {
    return this.#isProven;
  }

  /** See {@linkcode Turn.heard}. */
  prove(): void {
    this.#isProven = true;
  }

  /** See {@linkcode Turn.release}. */
  next(): void {
    this.#next();
  }

  #mayBegin(turn: Turn): boolean {
    if (this.#underWay === 0) return true;
    const window = this.#hasFailed ? 1 : turn.window;
    return this.#underWay < window && this.#last?.isReleased === true && this.#octets + turn.octets <= MAX_OCTETS;
  }

  #begin(turn: Turn): void {
    turn.isRiding = this.#underWay > 0;
    this.#underWay++;
    this.#octets += turn.octets;
    this.#last = turn;
  }

  #end(turn: Turn): void {
    this.#underWay--;
    this.#octets -= turn.octets;
    turn.isReleased = true;
    this.#next();
  }

  #next(): void {
    for (;;) {
      const [again] = this.#again;
      const turn = again ?? this.#waiting.peek();
      if (turn === undefined || !this.#mayBegin(turn)) return;
      if (again !== undefined) this.#again.shift();
      else this.#waiting.shift();
      if (again === undefined && turn.withdrawn?.aborted) turn.giveUp(turn.withdrawn);
      else {
        this.#begin(turn);
        turn.begin();
      }
    }
  }
}

/** One turn, as whoever has it sees it. */
export class Turn {
  readonly #turns: Turns;
  /** Its place in the order in which they were asked for. */
  readonly number: number;
  readonly octets: number;
  window: number;
  /** Whether another was under way when it began, and the server has not answered it yet. */
  isRiding = false;
  /** Whether another may begin. */
  isReleased = false;
  /** See {@linkcode TurnOptions.signal}. */
  readonly signal: AbortSignal | undefined;
  /** See {@linkcode TurnOptions.withdrawn}. */
  readonly withdrawn: AbortSignal | undefined;
  /** It had to wait, and has come. */
  start: () => void = nothing;
  /** It had to wait, and was given up. */
  giveUp: (signal: AbortSignal | undefined) => void = nothing;

  constructor(turns: Turns, number: number, { window = 1, octets = 0, signal, withdrawn }: TurnOptions) {
    this.#turns = turns;
    this.number = number;
    this.window = window;
    this.octets = octets;
    this.signal = signal;
    this.withdrawn = withdrawn;
  }

  /** It has come, and what waited for it is let go. */
  begin(): void {
    const { start } = this;
    this.start = this.giveUp = nothing;
    start();
  }

  /** Says that its commands are queued from now on. */
  write(): void {
    this.#turns.writer = this;
  }

  /** Whether another's commands were queued behind its own. */
  get isFollowed(): boolean {
    return this.#turns.writer !== this;
  }

  /** Whether it rides behind another, and the server was never seen to take that. */
  get isOnTrial(): boolean {
    return this.isRiding && !this.#turns.isProven;
  }

  /** Whether another may begin before it has ended. */
  get isWindowed(): boolean {
    return this.window > 1 && !this.#turns.hasFailed;
  }

  /** Says that the last of its commands is queued: where there is a window, the next turn begins. */
  release(): void {
    if (!this.isWindowed) return;
    this.isReleased = true;
    this.#turns.next();
  }

  /** Says how the server has answered the first of its commands that could be refused. */
  heard(reply: Reply): void {
    if (!this.isRiding || isOutOfSequence(reply.code)) return;
    this.isRiding = false;
    this.#turns.prove();
  }

  /** Once more, for one that does not ride and lets nobody ride. */
  restart(start: () => void): void {
    this.window = 1;
    this.isRiding = false;
    this.isReleased = false;
    this.start = start;
  }

  /** Gives the turn back and resolves when it has come again, with nobody else under way; `told` is what the error says besides when it does not. */
  retake(told?: Partial<SmtpErrorFacts>): Promise<void> {
    return this.#turns.retake(this, told);
  }
}

function nothing(): void {}

/**
 * Whether a reply to MAIL with `code` is that of a server that does not take one transaction behind another: bad sequence (503), or, where it has lost
 * the beginning of what came behind the dot, no command at all (Haraka 3.3; RFC 5321 section 4.2.4).
 */
export function isOutOfSequence(code: number | undefined): boolean {
  return code === 500 || code === 502 || code === 503;
}

function abortedBefore(signal: AbortSignal | undefined, told?: Partial<SmtpErrorFacts>): SmtpConnectionError {
  return new SmtpConnectionError("aborted", "The call was aborted before its turn", { phase: "local", ...told, cause: signal?.reason });
}
