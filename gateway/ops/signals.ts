/** How this process ends by a signal. */
import { constants } from 'node:os';

/** Signals that ask a process to end. */
export const END_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
export type EndSignal = (typeof END_SIGNALS)[number];

/** In place of all handlers so far. */
export function handleSignals(handle: (signal: EndSignal) => void): void {
  for (const signal of END_SIGNALS) {
    process.removeAllListeners(signal);
    process.on(signal, () => handle(signal));
  }
}

/**
 * Ends this process by the signal, as whoever sent it expects: a shell sees 130 after Ctrl-C and 143 after SIGTERM, and npm is silent.
 * What is done on `exit` is done before.
 */
export function endBySignal(signal: EndSignal): never {
  process.on('exit', () => {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
  // Where the signal does not end it, as in the first process of a container, the code says the same.
  process.exit(128 + constants.signals[signal]);
}

/** For commands that do one thing: a signal ends them at once, and the programs that they have started end with them. */
export function endOnSignals(): void {
  handleSignals(endBySignal);
}
