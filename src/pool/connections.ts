/**
 * The connections of a pool: those being opened, those that stand, and those being ended, each counted until it is gone.
 *
 * ```
 *   open() --> opening --> open: ready <--> busy --> retire() --> ending (QUIT) --> gone
 *                 |                 \_________________ lost ___________________/
 *               failed
 * ```
 */
import { openClient } from "../connect.ts";
import { closeWindow, type SmtpClient } from "../client.ts";
import { SmtpConnectionError } from "../errors.ts";
import { Member } from "./member.ts";
import { type PoolSettings, traceOf } from "./options.ts";
import { emit } from "../session/trace.ts";
import type { PoolTraceEvent, RetireReason } from "./trace.ts";

/** Whoever uses the connections. */
export interface ConnectionsObserver {
  /** One is ready to send. */
  onOpen(): void;
  /** One is gone, or there is no counting on it any more: another may be opened. */
  onRoom(): void;
  /** One could not be opened. */
  onOpenFailed(error: unknown): void;
  /** One was lost with the first message that it was given: that is as good as refused. */
  onUseless(error: unknown): void;
}

/** How long one may be opened, in milliseconds, before another is: a server that says nothing has minutes for its greeting. */
const LATE = 5_000;

/** One that is being opened. */
interface Opening {
  readonly ending: AbortController;
  /** Whether it takes so long that nobody should wait for it. */
  isLate: boolean;
}

/** See the head of the file. */
export class Connections {
  readonly #settings: PoolSettings;
  readonly #observer: ConnectionsObserver;
  readonly #openings = new Map<number, Opening>();
  readonly #open = new Set<Member>();
  /** Those that wait for messages, the most recently used last: so those that are not needed become idle and end. */
  #ready: Member[] = [];
  readonly #ending = new Set<SmtpClient>();
  #lastId = 0;
  #cancelIdle: (() => void) | undefined;
  /** Messages on one connection at most: those under way, and with a window as many again, which are made ready meanwhile. */
  #capacity: number;
  /** Messages that are left on a connection when it is given more, so that several leave in one write. */
  #refillAt: number;

  constructor(settings: PoolSettings, observer: ConnectionsObserver) {
    this.#settings = settings;
    this.#observer = observer;
    const { window } = settings;
    this.#capacity = window === 1 ? 1 : 2 * window;
    this.#refillAt = window === 1 ? 0 : window;
  }

  /** All of them. */
  get total(): number {
    return this.#openings.size + this.#open.size + this.#ending.size;
  }

  /** How many are being opened. */
  get opening(): number {
    return this.#openings.size;
  }

  /** How many of those that are being opened there is no counting on; of those newer than number `id`, where one is given. */
  late(id = 0): number {
    return [...this.#openings].filter(([other, { isLate }]) => other > id && isLate).length;
  }

  /** How many stand. */
  get open(): number {
    return this.#open.size;
  }

  /** How many are being ended. */
  get ending(): number {
    return this.#ending.size;
  }

  /** How many stand and carry no message. */
  get idle(): number {
    return this.#ready.filter(({ load }) => load === 0).length;
  }

  /** See the field. */
  get capacity(): number {
    return this.#capacity;
  }

  /** The number of the newest. */
  get lastId(): number {
    return this.#lastId;
  }

  /** The one that is to be given the next message. */
  get next(): Member | undefined {
    return this.#ready[this.#ready.length - 1];
  }

  /** One that is ready and newer than number `id`. */
  nextAfter(id: number): Member | undefined {
    return this.#ready.find((member) => member.id > id);
  }

  /** How many are newer than number `id`, or will be. */
  countAfter(id: number): number {
    return [...this.#openings.keys(), ...[...this.#open].map((member) => member.id)].filter((other) => other > id).length;
  }

  /** Begins to open one. */
  openOne(): void {
    const id = ++this.#lastId;
    const opening = { ending: new AbortController(), isLate: false };
    this.#openings.set(id, opening);
    const cancel = this.#settings.clock.schedule(() => {
      opening.isLate = true;
      this.#observer.onRoom();
    }, LATE);
    void this.#dial(id, opening.ending.signal, cancel);
  }

  /** Takes `member` out of those that are ready when it is full. Called behind each message it was given. */
  settleLoad(member: Member): void {
    if (member.load >= Math.min(this.#capacity, member.capacity) || !member.hasRoom) this.#unready(member);
  }

  /** `member` is done with a message; where it is of more use, to one of at most `limit`, it waits for the next. */
  free(member: Member, limit: number): void {
    member.load--;
    if (!this.#open.has(member)) return;
    const reason = !member.hasRoom ? "messages" : this.#open.size > limit ? "limit" : undefined;
    if (reason !== undefined) {
      this.#unready(member);
      if (member.load === 0) this.retire(member, reason);
      return;
    }
    if (member.load <= this.#refillAt) this.#makeReady(member);
  }

  /** Ends `member`, which carries nothing, with QUIT. */
  retire(member: Member, reason: RetireReason): void {
    const { id, client } = member;
    // Whoever listens to what is done with one may have ended them all.
    if (!this.#open.delete(member)) return;
    this.#unready(member);
    this.#ending.add(client);
    this.#trace({ type: "retire", connection: id, reason });
    void client.quit().then(() => {
      this.#ending.delete(client);
      this.#trace({ type: "close", connection: id });
      this.#observer.onRoom();
    });
  }

  /** Ends the idle one that was used the longest ago, where there is one. */
  retireOne(reason: RetireReason): void {
    const member = this.#ready.find(({ load }) => load === 0);
    if (member !== undefined) this.retire(member, reason);
  }

  /** Ends all that carry nothing, and those that are being opened. */
  retireAll(): void {
    this.#stopIdling();
    for (const { ending } of this.#openings.values()) ending.abort();
    for (const member of [...this.#open]) if (member.load === 0) this.retire(member, "drain");
  }

  /** Ends idle ones until there are no more than `limit`. */
  trim(limit: number): void {
    for (const member of [...this.#ready]) if (member.load === 0 && this.#open.size > limit) this.retire(member, "limit");
  }

  /** Ends everything at once. */
  close(): void {
    this.#stopIdling();
    for (const { ending } of this.#openings.values()) ending.abort();
    for (const client of this.#ending) client.close();
    const members = [...this.#open];
    this.#open.clear();
    this.#ready = [];
    for (const { id, client } of members) {
      client.close();
      this.#trace({ type: "close", connection: id });
    }
  }

  /** From now on each carries one message at a time. */
  narrow(): void {
    this.#capacity = 1;
    for (const { client } of this.#open) closeWindow(client);
    this.#refillAt = 0;
    for (const member of [...this.#ready]) if (member.load > 0) this.#unready(member);
  }

  async #dial(id: number, ending: AbortSignal, cancelLate: () => void): Promise<void> {
    const { connect: options, maxMessages } = this.#settings;
    const trace = traceOf(this.#settings, id);
    const signal = options.signal === undefined ? ending : AbortSignal.any([options.signal, ending]);
    let client: SmtpClient;
    try {
      client = await openClient({ ...options, ...(trace && { trace }), signal });
    } catch (error) {
      return this.#failed(id, error, ending);
    } finally {
      cancelLate();
    }
    // It may have ended in the same breath, or nobody needs it any more.
    const member = new Member(id, client, maxMessages);
    if (ending.aborted) client.close();
    if (client.isClosed) return this.#failed(id, member.failure, ending);
    this.#openings.delete(id);
    this.#open.add(member);
    member.onEnd(() => this.#lost(member));
    this.#makeReady(member);
    this.#trace({ type: "open", connection: id });
    this.#observer.onOpen();
  }

  #failed(id: number, error: unknown, ending: AbortSignal): void {
    this.#openings.delete(id);
    if (!ending.aborted) {
      this.#trace({ type: "open-failed", connection: id, error });
      this.#observer.onOpenFailed(error);
    }
    this.#observer.onRoom();
  }

  /** A connection has ended, and nobody here has ended it; what it carried is told by the client. */
  #lost(member: Member): void {
    if (!this.#open.delete(member)) return;
    member.endedAt = this.#lastId;
    this.#unready(member);
    const { failure, isProven, load } = member;
    this.#trace({ type: "close", connection: member.id, error: failure });
    const isLost = failure instanceof SmtpConnectionError && (failure.kind === "disconnected" || failure.kind === "timeout");
    // A server that says 421 tells the message why, and that is heard there.
    if (isLost && failure.reply === undefined && load > 0 && !isProven) this.#observer.onUseless(failure);
    this.#observer.onRoom();
  }

  #makeReady(member: Member): void {
    if (!member.isReady) this.#ready.push(member);
    member.isReady = true;
    if (member.load > 0) return;
    const { clock, idleTimeout } = this.#settings;
    member.idleSince = clock.now();
    if (this.#cancelIdle === undefined) this.#scheduleIdle(idleTimeout);
  }

  #unready(member: Member): void {
    if (!member.isReady) return;
    member.isReady = false;
    if (this.next === member) this.#ready.pop();
    else this.#ready = this.#ready.filter((other) => other !== member);
  }

  /** One timer for all, set when none runs: it looks who is idle for too long, and when the next will be. */
  #scheduleIdle(milliseconds: number): void {
    this.#cancelIdle = this.#settings.clock.schedule(() => {
      this.#cancelIdle = undefined;
      const { clock, idleTimeout } = this.#settings;
      const now = clock.now();
      let next = Infinity;
      for (const member of [...this.#ready]) {
        const due = member.load > 0 ? Infinity : member.idleSince + idleTimeout;
        if (due <= now) this.retire(member, "idle");
        else next = Math.min(next, due);
      }
      if (next < Infinity && this.#cancelIdle === undefined) this.#scheduleIdle(next - now);
    }, milliseconds);
  }

  #stopIdling(): void {
    this.#cancelIdle?.();
    this.#cancelIdle = undefined;
  }

  #trace(event: PoolTraceEvent): void {
    emit(this.#settings.trace, event);
  }
}
