/** Runs one simulator as a process: `simulator-process NAME DATA_FOLDER [with-parent]`. */
import { mkdirSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { demoWorld } from './demo-world.ts';
import { handleSignals } from './kit/signals.ts';
import { replaceFile } from './kit/testing/atomic-file.ts';
import type { Simulator } from './kit/testing/simulator.ts';
import {
  assertSimulatorName,
  type RunFile,
  readRunFile,
  runFolder,
  runPath,
  SIMULATORS,
  stateFolder,
} from './simulator-list.ts';

/** Milliseconds: 60 days. */
const HISTORY = 60 * 86_400_000;
/** Milliseconds. After this the process exits even if the simulator has not closed. */
const CLOSE_TIMEOUT = 25_000;

/**
 * Starts the simulator in this process and writes its run file. SIGTERM, SIGINT or SIGHUP, also during the start, closes it and exits
 * with code 0; a second signal exits at once. With `withParent`, the end of the parent has the same effect.
 */
export async function runSimulator(name: string, data: string, options: { withParent?: boolean } = {}): Promise<void> {
  const load = SIMULATORS[assertSimulatorName(name)] as () => Promise<{ simulator: Simulator }>;
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
    control.abort(new Error('Simulator start was interrupted.'));
    setTimeout(() => process.exit(1), CLOSE_TIMEOUT).unref();
    void (async () => {
      const running = await started?.catch(() => null);
      await running?.close();
    })().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`${errorText(error)}\n`);
        process.exit(1);
      },
    );
  };
  handleSignals(() => (control.signal.aborted ? process.exit(0) : end()));
  if (options.withParent) {
    process.on('disconnect', end);
    // The parent may have exited while this module was loading.
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
  // It contains the demo's secrets.
  replaceFile(runPath(data, name), `${JSON.stringify(file, null, 2)}\n`);
  if (process.connected) process.send?.('ready');
}

const [, main, childName, childData, mode] = process.argv;
if (main && childName && childData && isThisFile(main)) {
  runSimulator(childName, childData, { withParent: mode === 'with-parent' }).catch((error: unknown) => {
    process.stderr.write(`${errorText(error)}\n`);
    process.exit(1);
  });
}

/** The message of a database or file system error; other errors with their stack. */
function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const external = error.name === 'DatabaseError' || (error as NodeJS.ErrnoException).syscall !== undefined;
  return (external ? error.message : error.stack) ?? error.message;
}

function isThisFile(path: string): boolean {
  try {
    return realpathSync(path) === realpathSync(fileURLToPath(import.meta.url));
  } catch {
    return false;
  }
}
