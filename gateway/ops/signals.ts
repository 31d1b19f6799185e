/** Ends this process by a signal. */
import { constants } from 'node:os';
import { type EndSignal, handleSignals } from '../../connectors/kit/signals.ts';

/**
 * Ends this process by the signal, as its sender expects: a shell sees 130 after Ctrl-C and 143 after SIGTERM, and npm prints no error.
 * Handlers of `exit` run before.
 */
export function endBySignal(signal: EndSignal): never {
  process.on('exit', () => {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
  // The exit code is the same where the signal does not end the process, as for the first process of a container.
  process.exit(128 + constants.signals[signal]);
}

/** For commands that run to completion: a signal ends them, and the programs that they started, at once. */
export function endOnSignals(): void {
  handleSignals(endBySignal);
}
