/** Waiting with an end. */
import type { Call } from './connector.ts';
import { type SourceError, timeout } from './errors.ts';

type Call1<T> = (signal: AbortSignal) => Promise<T>;

/** A fault of the caller's own time; says nothing of the source. */
export function outOfTime(detail: string): SourceError {
  const fault = timeout(detail);
  fault.callers = true;
  return fault;
}

/**
 * Runs `ask` with a signal that aborts after `limit` milliseconds or with `outer`; rejects then even if `ask` does not stop.
 * `hurried`: the limit is the caller's own, so that running out of it says nothing of the source.
 */
export async function within<T>(limit: number, outer: AbortSignal, ask: Call1<T>, hurried = false): Promise<T> {
  const control = new AbortController();
  let late: () => void = () => undefined;
  const over = new Promise<never>((_, reject) => {
    late = () => {
      const detail = outer.aborted ? 'the caller went away' : `no answer within ${Math.round(limit)} ms`;
      reject(outer.aborted || hurried ? outOfTime(detail) : timeout(detail));
    };
  });
  const abort = () => {
    late();
    control.abort(outOfTime('nobody waits any more'));
  };
  const timer = setTimeout(abort, Math.max(limit, 0));
  if (outer.aborted) abort();
  else outer.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([ask(control.signal), over]);
  } finally {
    clearTimeout(timer);
    outer.removeEventListener('abort', abort);
  }
}

/** A shared flight, but no longer than this caller's own deadline. */
export function withDeadline<T>(flight: Promise<T>, call: Call): Promise<T> {
  return within(Math.max(call.deadline - Date.now(), 0), call.signal, () => flight);
}

/** The live answer if it comes in time or there is nothing else; the live question goes on by itself then. */
export async function patiently<T>(live: Promise<T>, patience: number, other: () => Promise<T | null>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), patience);
  });
  try {
    const first = await Promise.race([live, late]);
    if (first !== 'late') return first as T;
  } finally {
    clearTimeout(timer);
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
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener('abort', done, { once: true });
  });
}
