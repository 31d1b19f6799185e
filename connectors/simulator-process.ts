/** One simulator as a process of its own: `simulator-process NAME FOLDER [with-parent]`. */
import { mkdirSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { writeWholeFile } from './kit/testing/atomic-file.ts';
import type { Simulator } from './kit/testing/simulator.ts';
import {
  demoWorld,
  known,
  type RunFile,
  readRunFile,
  runFolder,
  runPath,
  SIMULATORS,
  stateFolder,
} from './simulator-list.ts';

/** 60 days. */
const HISTORY = 60 * 86_400_000;
/** How long its end may take, in milliseconds; what it has started is ended then with the process. */
const LONGEST_END = 25_000;

/**
 * Starts the simulator in this process, says so in the run file, and stops on SIGTERM, SIGINT or SIGHUP, at any moment of the start
 * (or when the parent is gone, if it was started `withParent`), ending the process with code 0. A second signal ends it at once.
 */
export async function runSimulator(name: string, data: string, options: { withParent?: boolean } = {}): Promise<void> {
  const load = SIMULATORS[known(name)] as () => Promise<{ simulator: Simulator }>;
  const control = new AbortController();
  const start = async () => {
    const directory = stateFolder(data, name);
    mkdirSync(directory, { recursive: true });
    mkdirSync(runFolder(data), { recursive: true });
    const { simulator } = await load();
    control.signal.throwIfAborted();
    return simulator.start({
      directory,
      world: demoWorld(data),
      now: () => new Date(),
      history: HISTORY,
      ports: readRunFile(data, name)?.ports ?? {},
      live: true,
      signal: control.signal,
    });
  };
  let started: ReturnType<typeof start> | null = null;
  const end = (): void => {
    if (control.signal.aborted) return;
    control.abort(new Error('The start of the simulator was interrupted.'));
    setTimeout(() => process.exit(1), LONGEST_END).unref();
    void (async () => {
      const running = await started?.catch(() => null);
      await running?.close();
    })().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`${sentenceOf(error)}\n`);
        process.exit(1);
      },
    );
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.removeAllListeners(signal);
    process.on(signal, () => (control.signal.aborted ? process.exit(0) : end()));
  }
  if (options.withParent) {
    process.on('disconnect', end);
    // It may have gone while this file was loaded.
    if (!process.connected) return end();
  }
  started = start();
  let running: Awaited<ReturnType<typeof start>>;
  try {
    running = await started;
  } catch (error) {
    if (control.signal.aborted) return;
    throw error;
  }
  if (control.signal.aborted) return;
  const file: RunFile = {
    name,
    pid: process.pid,
    ports: running.ports,
    env: running.env,
    started: new Date().toISOString(),
  };
  // Secrets of the demo are in it.
  writeWholeFile(runPath(data, name), `${JSON.stringify(file, null, 2)}\n`);
  if (process.connected) process.send?.('ready');
}

const [, main, childName, childData, manner] = process.argv;
if (main && childName && childData && isThisFile(main)) {
  runSimulator(childName, childData, { withParent: manner === 'with-parent' }).catch((error: unknown) => {
    process.stderr.write(`${sentenceOf(error)}\n`);
    process.exit(1);
  });
}

/** What went wrong; with the stack where it is a fault of ours, and not of the database or the file system. */
function sentenceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const foreign = error.name === 'DatabaseError' || (error as NodeJS.ErrnoException).syscall !== undefined;
  return (foreign ? error.message : error.stack) ?? error.message;
}

function isThisFile(path: string): boolean {
  try {
    return realpathSync(path) === realpathSync(fileURLToPath(import.meta.url));
  } catch {
    return false;
  }
}
