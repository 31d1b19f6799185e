/** Callbacks for an abort signal. All callbacks of one signal share one listener. */

interface Registration {
  readonly callbacks: Set<() => void>;
  readonly listener: () => void;
}

const registrations = new WeakMap<AbortSignal, Registration>();

/**
 * Calls `callback` once when the signal aborts; never if it is aborted already. Returns a function that removes the callback: call it
 * when the work is done. An operation makes many calls with one signal, and Node warns of a leak above ten listeners.
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  if (signal.aborted) return () => undefined;
  let registration = registrations.get(signal);
  if (!registration) {
    const callbacks = new Set<() => void>();
    const listener = () => {
      registrations.delete(signal);
      for (const each of callbacks) each();
    };
    registration = { callbacks, listener };
    registrations.set(signal, registration);
    signal.addEventListener('abort', listener, { once: true });
  }
  const { callbacks, listener } = registration;
  // A function of its own, so that a callback that is registered twice is called twice.
  const own = () => callback();
  callbacks.add(own);
  return () => {
    if (!callbacks.delete(own) || callbacks.size > 0 || registrations.get(signal)?.callbacks !== callbacks) return;
    registrations.delete(signal);
    signal.removeEventListener('abort', listener);
  };
}
