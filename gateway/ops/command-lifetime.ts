/** The life of a command that runs until it is stopped: signals are handled from its first moment on. */
import { type EndSignal, endBySignal, handleSignals } from './signals.ts';
import { closesSoon, ownTerminal } from './terminal.ts';

/** npm hands Ctrl-C on, so that it comes twice; only one that comes this much later, in milliseconds, is a second one. */
const SECOND = 1_000;
/** How long an interrupted start may take to end, in milliseconds. */
const LONGEST_INTERRUPTED = 60_000;

/** Why a start did not go on. */
export class Interrupted extends Error {
  override name = 'Interrupted';
}

export interface Lifetime {
  /** Ends the start: `up` is to reject soon after, with nothing left behind. */
  readonly signal: AbortSignal;
  /** Called on SIGHUP that is no closed terminal; without it every SIGHUP ends the process. */
  onReload(again: () => void): void;
}

/**
 * Runs `up`, and `down` when a signal asks for it; then the process ends, with code 0 when it was up. Interrupted before that, it ends
 * by the signal. A second Ctrl-C ends it at once: what is done on `exit` ends the programs that it has started. Rejects as `up` does.
 * `reloads`: SIGHUP means "read your files again" unless the terminal has been closed.
 */
export async function runUntilStopped(
  up: (lifetime: Lifetime) => Promise<() => Promise<void>>,
  options: { readonly say: (text: string) => void; readonly reloads: boolean },
): Promise<void> {
  const { say } = options;
  const control = new AbortController();
  const terminal = ownTerminal();
  let first: { signal: EndSignal; at: number } | null = null;
  let running = false;
  let reload: () => void = () => undefined;
  let stopped: () => void = () => undefined;
  const asked = new Promise<void>((resolve) => {
    stopped = resolve;
  });
  const stop = (signal: EndSignal): void => {
    if (first === null) {
      first = { signal, at: performance.now() };
      say(running ? 'Stopping: finishing what is under way.' : 'Stopping: the start is interrupted.');
      if (!running) control.abort(new Interrupted('The start was interrupted.'));
      stopped();
    } else if (signal === 'SIGINT' && performance.now() - first.at >= SECOND) {
      say('Ending at once.');
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
  goOnWithoutOutput();

  let down: () => Promise<void>;
  try {
    down = await withinTime(
      up({
        signal: control.signal,
        onReload: (again) => {
          reload = again;
        },
      }),
      control.signal,
    );
  } catch (error) {
    if (first === null) throw error;
    say('Stopped.');
    return endBySignal((first as { signal: EndSignal }).signal);
  }
  running = true;
  const interrupted = control.signal.aborted;
  await asked;
  await down().catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  });
  say('Stopped.');
  // Node crashes when it exits by itself and its terminal is gone.
  if (interrupted || terminal?.closed()) endBySignal((first as unknown as { signal: EndSignal }).signal);
  process.exit(0);
}

/** As `work`; rejects when it has not ended long after it was interrupted. */
function withinTime<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    work.then(resolve, reject);
    signal.addEventListener('abort', () => {
      setTimeout(
        () => reject(new Interrupted('The start did not end when it was interrupted.')),
        LONGEST_INTERRUPTED,
      ).unref();
    });
  });
}

/** Whoever read the output is gone: a closed terminal, `| head`. The process goes on without it. */
function goOnWithoutOutput(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.removeAllListeners('error');
    stream.on('error', () => undefined);
  }
}
