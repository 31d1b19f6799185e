/** Handlers of the signals that end a process. */

/** Signals that request the end of a process. */
export const END_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
export type EndSignal = (typeof END_SIGNALS)[number];

/** Replaces all handlers of these signals. */
export function handleSignals(handle: (signal: EndSignal) => void): void {
  for (const signal of END_SIGNALS) {
    const replaced = process.listeners(signal);
    // The new one first: without any, Node.js drops a signal that has arrived but is not handled yet.
    process.on(signal, () => handle(signal));
    for (const listener of replaced) process.removeListener(signal, listener);
  }
}
