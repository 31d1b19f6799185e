/** Timeouts, deadlines and pauses of source calls. */
import { setMaxListeners } from 'node:events';
import type { Call } from '../call.ts';
import { systemClock } from '../clock.ts';
import { type SourceError, timeout } from '../errors.ts';
import { onAbort } from './abort-listeners.ts';
import type { SourceRequest } from './guard-types.ts';

/** A pause-tolerant timer ticks this often in its time, and at least every MAX_TICK milliseconds. */
const TICKS = 8;
const MAX_TICK = 50;
/** Concurrent requests of one guarded call: each adds a listener to the call's own signal and removes it when it ends. */
const MAX_REQUESTS = 256;

/** Calls `callback` after so many milliseconds; returns a function that cancels the timer. */
type Timer = (milliseconds: number, callback: () => void) => () => void;

/**
 * A timer that measures only time in which this process could receive data. Between two ticks at most two tick lengths count: after a
 * pause of the process (a long computation, a busy machine) a response may be received but unread, and is not late.
 */
export const pauseTolerantTimer: Timer = (milliseconds, callback) => {
  const tickLength = Math.min(milliseconds / TICKS, MAX_TICK);
  let left = milliseconds;
  let previous = performance.now();
  let timer: NodeJS.Timeout;
  const schedule = () => {
    timer = setTimeout(tick, Math.max(Math.min(left, tickLength), 0));
  };
  const tick = () => {
    const now = performance.now();
    left -= Math.min(now - previous, 2 * tickLength);
    previous = now;
    if (left > 0.5) schedule();
    else callback();
  };
  schedule();
  return () => clearTimeout(timer);
};

const exactTimer: Timer = (milliseconds, callback) => {
  const timer = setTimeout(callback, Math.max(milliseconds, 0));
  return () => clearTimeout(timer);
};

/** SOURCE_TIMEOUT because the caller's time is used up; not a failure of the source. */
export function deadlineExceeded(detail: string): SourceError {
  const error = timeout(detail);
  error.causedByCaller = true;
  return error;
}

/**
 * Sends the request with a signal that aborts after `limit` milliseconds or with `outer`, and rejects with SOURCE_TIMEOUT then, even
 * if the request does not stop. `limitedBy: 'caller'`: the limit is the caller's deadline, and the error is not a failure of the
 * source. `'source'` (default): the limit is the source's timeout, and pauses of this process do not count.
 */
export function withTimeout<T>(
  limit: number,
  outer: AbortSignal,
  send: SourceRequest<T>,
  { limitedBy = 'source' }: { readonly limitedBy?: 'caller' | 'source' } = {},
): Promise<T> {
  return limitedBy === 'caller'
    ? race(limit, outer, send, deadlineExceeded, exactTimer)
    : race(limit, outer, send, timeout, pauseTolerantTimer);
}

async function race<T>(
  limit: number,
  outer: AbortSignal,
  send: SourceRequest<T>,
  timeoutError: (detail: string) => SourceError,
  timer: Timer,
): Promise<T> {
  const controller = new AbortController();
  setMaxListeners(MAX_REQUESTS, controller.signal);
  let expire: () => void = () => undefined;
  const expired = new Promise<never>((_, reject) => {
    expire = () => {
      reject(
        outer.aborted
          ? deadlineExceeded('client disconnected')
          : timeoutError(`no response within ${Math.round(limit)} ms`),
      );
    };
  });
  const abort = () => {
    expire();
    controller.abort(deadlineExceeded('call cancelled: no caller is waiting'));
  };
  const cancelTimer = timer(limit, abort);
  if (outer.aborted) abort();
  const removeListener = onAbort(outer, abort);
  try {
    return await Promise.race([send(controller.signal), expired]);
  } finally {
    cancelTimer();
    removeListener();
  }
}

/** The result of a shared call, limited by this caller's own deadline and signal. */
export function withDeadline<T>(shared: Promise<T>, call: Call): Promise<T> {
  return race(call.deadline - systemClock.monotonic(), call.signal, () => shared, timeout, exactTimer);
}

/**
 * The live result if it arrives within `serveStaleAfter` milliseconds or if `getStale` resolves with null; otherwise the stale value,
 * while the live call continues.
 */
export async function withStaleFallback<T>(
  live: Promise<T>,
  serveStaleAfter: number,
  getStale: () => Promise<T | null>,
): Promise<T> {
  let cancelTimer: () => void = () => undefined;
  const late = new Promise<'late'>((resolve) => {
    cancelTimer = pauseTolerantTimer(serveStaleAfter, () => resolve('late'));
  });
  try {
    const first = await Promise.race([live, late]);
    if (first !== 'late') return first as T;
  } finally {
    cancelTimer();
  }
  const stale = await getStale();
  if (stale === null) return live;
  live.catch(() => undefined);
  return stale;
}

/** Resolves after so many milliseconds, or when the signal aborts. */
export function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeListener();
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    const removeListener = onAbort(signal, done);
  });
}
