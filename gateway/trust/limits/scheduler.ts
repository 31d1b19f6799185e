/**
 * Whose request is worked on next. The hub does one thing at a time: were requests begun in the order of their coming, one caller's
 * thousand would stand before another's one. So at each round of the event loop one is begun, and callers take turns; and who asks
 * more than all others together leaves the hub idle for a part of the time, so that others find it so.
 */
import { performance } from 'node:perf_hooks';
import { callerOf, type Principal } from '../../../connectors/kit/auth/principal.ts';
import { HubError } from '../../../connectors/kit/errors.ts';

/** Requests of one caller that may wait to be begun. */
const MOST_WAITING = 500;
/** So long a caller's requests are counted, once or twice, in milliseconds. */
const SPAN = 1_000;
/** Beside others the greedy one may keep the hub at work for so many times as long as it is idle; while theirs are under way, for as long. */
const IDLE = 3;
/** What gives way begins when the hub has been idle for so many times as long as it was at work. */
const YIELDING = 2;
/** But one of each caller's so often at least, in milliseconds: no other's work keeps it out for ever. */
const LONGEST = 250;
/** How often it is looked whether the hub has been idle enough, in milliseconds. */
const LOOK = 2;

/** Requests begun, by caller. */
interface Span {
  all: number;
  readonly of: Map<string, number>;
}

interface Queue {
  readonly who: string;
  readonly yielding: boolean;
  readonly begins: (() => void)[];
  /** When it began to wait, or the last of it was begun. */
  since: number;
}

const span = (): Span => ({ all: 0, of: new Map() });

export class Turns {
  /** Who waits, in the order of their turns; what gives way apart from the rest of its caller's. */
  readonly #waiting = new Map<string, Queue>();
  /** One has been begun in this round. */
  #taken = false;
  #timer: NodeJS.Timeout | undefined;
  /** Requests begun in this span and in the one before. */
  #spans: [Span, Span] = [span(), span()];
  #turned = 0;
  /** Requests under way, by caller. */
  readonly #under = new Map<string, number>();
  #all = 0;
  /** What the event loop had done when the last request was begun. */
  #done = performance.eventLoopUtilization();

  /**
   * Resolves when the request may begin; null: at once. To be followed by one `leave`. Throws LIMIT_RATE when too many of the caller's
   * wait already. Callers of this machine without a token are its owners and never wait. `reading`: it is the hub that asks, for a
   * subscription, and counts itself how many wait; `yielding`: it begins as the greedy one's do, however little its caller asks.
   */
  enter(principal: Principal | null, reading?: { readonly yielding: boolean }): Promise<void> | null {
    if (principal?.client === 'anonymous') return null;
    const who = callerOf(principal);
    const yielding = reading?.yielding ?? false;
    if (!this.#taken && this.#waiting.size === 0 && this.#mayBegin(who, yielding)) {
      this.#begun(who);
      return null;
    }
    const key = yielding ? `${who}\0yielding` : who;
    const queue = this.#waiting.get(key) ?? { who, yielding, begins: [], since: performance.now() };
    if (!reading && queue.begins.length >= MOST_WAITING) {
      throw new HubError(
        'LIMIT_RATE',
        `${MOST_WAITING} of your requests wait already. Ask again when they are answered.`,
        { limit: MOST_WAITING, retryAfter: 1, retryable: true },
      );
    }
    this.#waiting.set(key, queue);
    return new Promise((begin) => {
      queue.begins.push(begin);
      if (!this.#taken) this.#next();
    });
  }

  /** The request has been answered. */
  leave(principal: Principal | null): void {
    if (principal?.client === 'anonymous') return;
    const who = callerOf(principal);
    const rest = (this.#under.get(who) ?? 1) - 1;
    if (rest > 0) this.#under.set(who, rest);
    else this.#under.delete(who);
    this.#all -= 1;
  }

  /** Whether this caller is not the greedy one, or the hub has been idle for its part of the time since the last request was begun. */
  #mayBegin(who: string, yielding: boolean): boolean {
    const now = performance.now();
    if (now - this.#turned > SPAN) {
      this.#spans = [span(), now - this.#turned > 2 * SPAN ? span() : this.#spans[0]];
      this.#turned = now;
    }
    const [present, before] = this.#spans;
    const mine = (present.of.get(who) ?? 0) + (before.of.get(who) ?? 0);
    const all = present.all + before.all;
    if (mine === all || (!yielding && mine * 2 <= all)) return true;
    const { idle, active } = performance.eventLoopUtilization(this.#done);
    const others = this.#all > (this.#under.get(who) ?? 0);
    return yielding ? idle >= active * YIELDING : idle * (others ? 1 : IDLE) >= active;
  }

  #begun(who: string): void {
    const [present] = this.#spans;
    present.all += 1;
    present.of.set(who, (present.of.get(who) ?? 0) + 1);
    this.#under.set(who, (this.#under.get(who) ?? 0) + 1);
    this.#all += 1;
    this.#done = performance.eventLoopUtilization();
    this.#taken = true;
    setImmediate(() => this.#next());
  }

  #next(): void {
    this.#taken = false;
    clearTimeout(this.#timer);
    for (const [key, queue] of this.#waiting) {
      const late = queue.yielding && performance.now() - queue.since > LONGEST;
      if (!late && !this.#mayBegin(queue.who, queue.yielding)) continue;
      const begin = queue.begins.shift();
      queue.since = performance.now();
      this.#waiting.delete(key);
      // Behind all others.
      if (queue.begins.length > 0) this.#waiting.set(key, queue);
      if (!begin) continue;
      this.#begun(queue.who);
      begin();
      return;
    }
    if (this.#waiting.size > 0) this.#timer = setTimeout(() => this.#next(), LOOK);
  }
}
