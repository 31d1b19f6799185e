/** Waiting with an end. */
import { setMaxListeners } from 'node:events';
import { systemClock } from '../clock.ts';
import type { Call } from '../connector.ts';
import { type SourceError, timeout } from '../errors.ts';
import { onAbort } from './abort-listeners.ts';

type Call1<T> = (signal: AbortSignal) => Promise<T>;

/** A pause is waited for in so many pieces, none longer than that many milliseconds. */
const PIECES = 8;
const LONGEST = 50;
/** Requests of one guarded call at once: each has a listener on the call's own signal, and takes it away when it ends. */
const MOST_REQUESTS = 256;

/**
 * Calls `done` when `milliseconds` have passed in which this process could listen. Time in which it stood still itself (a long
 * computation, a busy machine) counts as two pieces at most: what a source said meanwhile lies unread, and is not late. Answers what
 * cancels it.
 */
export const attentively: Timer = (milliseconds, done) => {
  const piece = Math.min(milliseconds / PIECES, LONGEST);
  let left = milliseconds;
  let before = performance.now();
  let timer: NodeJS.Timeout;
  const next = () => {
    timer = setTimeout(tick, Math.max(Math.min(left, piece), 0));
  };
  const tick = () => {
    const now = performance.now();
    left -= Math.min(now - before, 2 * piece);
    before = now;
    if (left > 0.5) next();
    else done();
  };
  next();
  return () => clearTimeout(timer);
};

/** A fault of the caller's own time; says nothing of the source. */
export function outOfTime(detail: string): SourceError {
  const fault = timeout(detail);
  fault.callers = true;
  return fault;
}

/**
 * Runs `ask` with a signal that aborts after `limit` milliseconds or with `outer`; rejects then even if `ask` does not stop.
 * `hurried`: the limit is the caller's own, so that running out of it says nothing of the source; else it is what the source
 * is given, and our own pauses are not counted against it.
 */
export function within<T>(limit: number, outer: AbortSignal, ask: Call1<T>, hurried = false): Promise<T> {
  return limited(limit, outer, ask, hurried ? outOfTime : timeout, hurried ? onTheClock : attentively);
}

/** Calls `done` after so long; answers what cancels it. */
type Timer = (milliseconds: number, done: () => void) => () => void;

const onTheClock: Timer = (milliseconds, done) => {
  const timer = setTimeout(done, Math.max(milliseconds, 0));
  return () => clearTimeout(timer);
};

async function limited<T>(
  limit: number,
  outer: AbortSignal,
  ask: Call1<T>,
  fault: (detail: string) => SourceError,
  timer: Timer,
): Promise<T> {
  const control = new AbortController();
  setMaxListeners(MOST_REQUESTS, control.signal);
  let late: () => void = () => undefined;
  const over = new Promise<never>((_, reject) => {
    late = () => {
      const detail = outer.aborted ? 'the caller went away' : `no answer within ${Math.round(limit)} ms`;
      reject(outer.aborted ? outOfTime(detail) : fault(detail));
    };
  });
  const abort = () => {
    late();
    control.abort(outOfTime('nobody waits any more'));
  };
  const cancel = timer(limit, abort);
  if (outer.aborted) abort();
  const leave = onAbort(outer, abort);
  try {
    return await Promise.race([ask(control.signal), over]);
  } finally {
    cancel();
    leave();
  }
}

/** A shared flight, but no longer than this caller's own deadline. */
export function withDeadline<T>(flight: Promise<T>, call: Call): Promise<T> {
  return limited(call.deadline - systemClock.monotonic(), call.signal, () => flight, timeout, onTheClock);
}

/** The live answer if it comes in time or there is nothing else; the live question goes on by itself then. */
export async function patiently<T>(live: Promise<T>, patience: number, other: () => Promise<T | null>): Promise<T> {
  let cancel: () => void = () => undefined;
  const late = new Promise<'late'>((resolve) => {
    cancel = attentively(patience, () => resolve('late'));
  });
  try {
    const first = await Promise.race([live, late]);
    if (first !== 'late') return first as T;
  } finally {
    cancel();
  }
  const kept = await other();
  if (kept === null) return live;
  live.catch(() => undefined);
  return kept;
}

export function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      leave();
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    const leave = onAbort(signal, done);
  });
}
