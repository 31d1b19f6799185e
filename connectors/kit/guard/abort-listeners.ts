/** Waiting for a signal to abort: however many wait for one signal, it has one listener. */

/** Those who wait for one signal, and the one listener that tells them. */
interface Waiting {
  readonly callbacks: Set<() => void>;
  readonly listener: () => void;
}

const waiting = new WeakMap<AbortSignal, Waiting>();

/**
 * Calls `callback` once when the signal aborts; not when it has aborted already. Returns what ends the wait; call it when the work is
 * over. An operation calls many systems at once with one signal, and Node takes more than ten listeners on a signal for a leak.
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  if (signal.aborted) return () => undefined;
  let all = waiting.get(signal);
  if (!all) {
    const callbacks = new Set<() => void>();
    const listener = () => {
      waiting.delete(signal);
      for (const one of callbacks) one();
    };
    all = { callbacks, listener };
    waiting.set(signal, all);
    signal.addEventListener('abort', listener, { once: true });
  }
  const { callbacks, listener } = all;
  // Its own function, so that the same callback given twice is told twice.
  const one = () => callback();
  callbacks.add(one);
  return () => {
    if (!callbacks.delete(one) || callbacks.size > 0 || waiting.get(signal)?.callbacks !== callbacks) return;
    waiting.delete(signal);
    signal.removeEventListener('abort', listener);
  };
}
