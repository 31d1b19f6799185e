/** Runs a command until a signal stops it; signals are handled from its first moment on. */
import { type EndSignal, handleSignals } from '../../connectors/kit/signals.ts';
import { endBySignal } from './signals.ts';
import { closesSoon, controllingTerminal } from './terminal.ts';

/** Milliseconds. npm forwards Ctrl-C, so it arrives twice; only one after this time is a second Ctrl-C. */
const SECOND_SIGNAL_AFTER = 1_000;
/** Milliseconds for an interrupted start to end. */
const INTERRUPT_TIMEOUT = 60_000;

/** The start was interrupted by a signal. */
export class StartInterrupted extends Error {
  override name = 'StartInterrupted';
}

export interface Lifetime {
  /** Interrupts the start: `start` must reject soon after, with everything closed. */
  readonly signal: AbortSignal;
  /** Calls the handler on SIGHUP unless the terminal was closed. */
  onReload(handler: () => void): void;
}

/**
 * Runs `start`, and the function it resolves with when a signal arrives; then the process ends with code 0. Interrupted during the start,
 * it ends by the signal. A second Ctrl-C ends it at once; handlers of `exit` end the programs that it started. Rejects as `start` does.
 * `reloads`: SIGHUP means "reload the configuration" unless the terminal was closed.
 */
export async function runUntilStopped(
  start: (lifetime: Lifetime) => Promise<() => Promise<void>>,
  options: { readonly print: (text: string) => void; readonly reloads: boolean },
): Promise<void> {
  const { print } = options;
  const interruption = new AbortController();
  const terminal = controllingTerminal();
  let first: { signal: EndSignal; at: number } | null = null;
  let running = false;
  let reload: () => void = () => undefined;
  let requestStop: () => void = () => undefined;
  const stopRequested = new Promise<void>((resolve) => {
    requestStop = resolve;
  });
  const stop = (signal: EndSignal): void => {
    if (first === null) {
      first = { signal, at: performance.now() };
      print(running ? 'Stopping: waiting for requests in progress.' : 'Stopping: interrupting the start.');
      if (!running) interruption.abort(new StartInterrupted('The start was interrupted.'));
      requestStop();
    } else if (signal === 'SIGINT' && performance.now() - first.at >= SECOND_SIGNAL_AFTER) {
      print('Ending immediately.');
      endBySignal(signal);
    }
  };
  handleSignals((signal) => {
    if (signal !== 'SIGHUP' || !options.reloads) return stop(signal);
    reload();
    void closesSoon(terminal).then((closed) => {
      if (closed) stop(signal);
    });
  });
  ignoreOutputErrors();

  let stopCommand: () => Promise<void>;
  try {
    stopCommand = await withInterruptTimeout(
      start({
        signal: interruption.signal,
        onReload: (handler) => {
          reload = handler;
        },
      }),
      interruption.signal,
    );
  } catch (error) {
    if (first === null) throw error;
    print('Stopped.');
    return endBySignal((first as { signal: EndSignal }).signal);
  }
  running = true;
  const interrupted = interruption.signal.aborted;
  await stopRequested;
  await stopCommand().catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  });
  print('Stopped.');
  // Node crashes on a normal exit after its terminal was closed.
  if (interrupted || terminal?.closed()) endBySignal((first as unknown as { signal: EndSignal }).signal);
  process.exit(0);
}

/** As `work`; rejects if it has not ended `INTERRUPT_TIMEOUT` after the interruption. */
function withInterruptTimeout<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    work.then(resolve, reject);
    signal.addEventListener('abort', () => {
      setTimeout(
        () =>
          reject(
            new StartInterrupted(`The start did not end within ${INTERRUPT_TIMEOUT / 1_000} s of the interruption.`),
          ),
        INTERRUPT_TIMEOUT,
      ).unref();
    });
  });
}

/** Continues without output when its reader is gone: a closed terminal, `| head`. */
function ignoreOutputErrors(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.removeAllListeners('error');
    stream.on('error', () => undefined);
  }
}
