/**
 * Decides which request starts next. The hub has one event loop: first come, first served would let one caller's thousand requests
 * delay every other caller. So each round of the event loop starts one request, and callers take turns. A caller with more requests
 * than all others together starts one only after the loop was idle for a share of the time.
 */
import { performance } from 'node:perf_hooks';
import { callerKey, type Principal } from '../../../connectors/kit/auth/principal.ts';
import { HubError } from '../../../connectors/kit/errors.ts';

/** Waiting requests per caller. */
const MAX_QUEUED = 500;
/** Milliseconds. Starts are counted over the current window and the one before. */
const WINDOW = 1_000;
/** The dominant caller starts when the loop was idle for 1/3 of its busy time; while requests of others run, for all of it. */
const IDLE_RATIO = 3;
/** A background request starts when the loop was idle for twice its busy time. */
const BACKGROUND_IDLE_RATIO = 2;
/** Milliseconds. A background request starts after this wait even if the loop is never idle. */
const MAX_BACKGROUND_WAIT = 250;
/** Milliseconds between checks whether the loop was idle enough. */
const RECHECK_INTERVAL = 2;

/** Requests started in one window. */
interface StartCounts {
  total: number;
  readonly byCaller: Map<string, number>;
}

interface CallerQueue {
  readonly caller: string;
  readonly background: boolean;
  readonly starts: (() => void)[];
  /** When the queue was created or its last request was started. */
  since: number;
}

const newCounts = (): StartCounts => ({ total: 0, byCaller: new Map() });

/** Starts requests in fair order between callers. */
export class Scheduler {
  /** In the order of their next start. Background requests of a caller have a queue of their own. */
  readonly #queues = new Map<string, CallerQueue>();
  #startedThisRound = false;
  #timer: NodeJS.Timeout | undefined;
  /** Of the current window and the one before. */
  #counts: [StartCounts, StartCounts] = [newCounts(), newCounts()];
  #windowStart = 0;
  /** Started requests that have not been released, by caller. */
  readonly #running = new Map<string, number>();
  #runningTotal = 0;
  /** Utilization of the event loop when the last request was started. */
  #lastUtilization = performance.eventLoopUtilization();

  /**
   * Resolves when the request may start; returns null if it may start at once. Call `release` once when it has ended.
   * Throws `LIMIT_RATE` if 500 requests of the caller are queued. Anonymous callers on this machine never wait.
   * `logRead`: a read of the event log for a subscription, which is not counted against the queue; with `background` it yields to
   * other requests.
   */
  acquire(principal: Principal | null, logRead?: { readonly background: boolean }): Promise<void> | null {
    if (principal?.client === 'anonymous') return null;
    const caller = callerKey(principal);
    const background = logRead?.background ?? false;
    if (!this.#startedThisRound && this.#queues.size === 0 && this.#mayStart(caller, background)) {
      this.#recordStart(caller);
      return null;
    }
    const key = background ? `${caller}\0background` : caller;
    const queue = this.#queues.get(key) ?? { caller, background, starts: [], since: performance.now() };
    if (!logRead && queue.starts.length >= MAX_QUEUED) {
      throw new HubError(
        'LIMIT_RATE',
        `Too many queued requests: at most ${MAX_QUEUED} per caller. Wait for responses before sending more.`,
        { limit: MAX_QUEUED, retryAfter: 1, retryable: true },
      );
    }
    this.#queues.set(key, queue);
    return new Promise((start) => {
      queue.starts.push(start);
      if (!this.#startedThisRound) this.#startNext();
    });
  }

  /** Ends a request that was started. */
  release(principal: Principal | null): void {
    if (principal?.client === 'anonymous') return;
    const caller = callerKey(principal);
    const running = (this.#running.get(caller) ?? 1) - 1;
    if (running > 0) this.#running.set(caller, running);
    else this.#running.delete(caller);
    this.#runningTotal -= 1;
  }

  /** Whether the caller does not dominate, or the loop was idle long enough since the last start. */
  #mayStart(caller: string, background: boolean): boolean {
    const now = performance.now();
    if (now - this.#windowStart > WINDOW) {
      this.#counts = [newCounts(), now - this.#windowStart > 2 * WINDOW ? newCounts() : this.#counts[0]];
      this.#windowStart = now;
    }
    const [current, previous] = this.#counts;
    const own = (current.byCaller.get(caller) ?? 0) + (previous.byCaller.get(caller) ?? 0);
    const total = current.total + previous.total;
    if (own === total || (!background && own * 2 <= total)) return true;
    const { idle, active } = performance.eventLoopUtilization(this.#lastUtilization);
    const othersRun = this.#runningTotal > (this.#running.get(caller) ?? 0);
    return background ? idle >= active * BACKGROUND_IDLE_RATIO : idle * (othersRun ? 1 : IDLE_RATIO) >= active;
  }

  #recordStart(caller: string): void {
    const [current] = this.#counts;
    current.total += 1;
    current.byCaller.set(caller, (current.byCaller.get(caller) ?? 0) + 1);
    this.#running.set(caller, (this.#running.get(caller) ?? 0) + 1);
    this.#runningTotal += 1;
    this.#lastUtilization = performance.eventLoopUtilization();
    this.#startedThisRound = true;
    setImmediate(() => this.#startNext());
  }

  #startNext(): void {
    this.#startedThisRound = false;
    clearTimeout(this.#timer);
    for (const [key, queue] of this.#queues) {
      const isOverdue = queue.background && performance.now() - queue.since > MAX_BACKGROUND_WAIT;
      if (!isOverdue && !this.#mayStart(queue.caller, queue.background)) continue;
      const start = queue.starts.shift();
      queue.since = performance.now();
      this.#queues.delete(key);
      // To the end of the order.
      if (queue.starts.length > 0) this.#queues.set(key, queue);
      if (!start) continue;
      this.#recordStart(queue.caller);
      start();
      return;
    }
    if (this.#queues.size > 0) this.#timer = setTimeout(() => this.#startNext(), RECHECK_INTERVAL);
  }
}
