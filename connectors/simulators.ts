/**
 * Simulators of the demo park, each a process of its own: started, stopped and started again by name, while the hub runs
 * on. A simulator that is killed stays down; nobody starts it again but a person.
 *
 * Below the data folder: `run/<name>.json` says what runs and where, `simulators/<name>/` is its own, and
 * `simulators/story.json` holds the instant since which the demo's cadence goes on, the same for all.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endOnExit } from '../schema/database/on-exit.ts';
import {
  demoWorld,
  isRunning,
  known,
  type RunFile,
  readRunFile,
  runFolder,
  SimulatorError,
  simulatedEnvironment,
  simulatorNames,
  stateFolder,
} from './simulator-list.ts';
import { runSimulator } from './simulator-process.ts';

export {
  demoWorld,
  isRunning,
  type RunFile,
  readRunFile,
  SIMULATORS,
  SimulatorError,
  simulatedEnvironment,
  simulatorNames,
} from './simulator-list.ts';

/** How long one may take to answer, in milliseconds: the first start makes a database, on a machine that may be busy. */
const PATIENCE = 300_000;
/** How long one may take to end before it is killed, in milliseconds: on a busy machine its database takes its time. */
const FAREWELL = 30_000;
/** Pause between two lines that say who is waited for. */
const STILL = 10_000;

/** What was started, and how to end it. */
export interface Simulators {
  /** Settings that all of them told. */
  readonly env: Readonly<Record<string, string>>;
  /** Names of those that this call started; the others ran already. */
  readonly started: readonly string[];
  /** Ends those that this call started. */
  stop(): Promise<void>;
}

/**
 * Starts the simulators that do not run yet, together, and waits until each answers. They end with this process when they are started
 * `withParent`, in whatever way it ends, and outlive it otherwise. Rejects with the end of its log when one cannot start, and with
 * the signal's reason when that interrupts it; those that this call started are ended then.
 */
export async function startSimulators(options: {
  readonly data: string;
  readonly names?: readonly string[];
  readonly withParent?: boolean;
  readonly signal?: AbortSignal;
  readonly progress?: (text: string) => void;
}): Promise<Simulators> {
  const { signal, progress = () => undefined } = options;
  const data = resolve(options.data);
  const withParent = options.withParent ?? false;
  const names = (options.names ?? simulatorNames()).map(known);
  const missing = names.filter((name) => !isRunning(data, name));
  signal?.throwIfAborted();
  demoWorld(data);
  const waited = new Set(missing);
  if (missing.length > 0) progress(`starting ${missing.length}: ${missing.join(', ')}`);
  const still = setInterval(
    () => progress(`${names.length - waited.size} of ${names.length} answer, not yet: ${[...waited].join(', ')}`),
    STILL,
  );
  signal?.addEventListener('abort', () => clearInterval(still));
  const launched = missing.map((name) => launch(data, name, withParent));
  const outcomes = await Promise.allSettled(
    launched.map(async (one, i) => {
      await one.ready(signal);
      waited.delete(missing[i] as string);
    }),
  );
  clearInterval(still);
  const stop = async (): Promise<void> => {
    await Promise.all(missing.map((name) => stopSimulator(data, name)));
  };
  const fault = outcomes.find((outcome) => outcome.status === 'rejected');
  if (signal?.aborted || fault) {
    await stop();
    throw signal?.aborted ? signal.reason : fault?.reason;
  }
  if (!withParent) for (const one of launched) one.letGo();
  progress(`${names.length} of ${names.length} answer`);
  return { env: simulatedEnvironment(data), started: missing, stop };
}

/** Under tsx the child needs tsx as well; built, it is plain node. Small heaps: seven of these share the demo's memory. */
function commandLine(): string[] {
  const entry = fileURLToPath(import.meta.url).replace(/simulators(\.[jt]s)$/, 'simulator-process$1');
  if (!entry.endsWith('.ts')) return ['--max-old-space-size=64', '--max-semi-space-size=1', entry];
  return ['--max-old-space-size=128', '--max-semi-space-size=1', '--import', import.meta.resolve('tsx'), entry];
}

interface Launched {
  /** Resolves when it answers; when it does not, it has ended before this rejects. */
  ready(signal: AbortSignal | undefined): Promise<void>;
  /** It outlives this process from now on. */
  letGo(): void;
}

function launch(data: string, name: string, withParent: boolean): Launched {
  mkdirSync(runFolder(data), { recursive: true });
  const log = join(runFolder(data), `${name}.log`);
  const output = openSync(log, 'w', 0o600);
  const child = spawn(process.execPath, [...commandLine(), name, data, ...(withParent ? ['with-parent'] : [])], {
    // A process group of its own: Ctrl-C on the hub's terminal does not reach it; the hub stops it in its own order.
    detached: true,
    stdio: ['ignore', output, output, 'ipc'],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  closeSync(output);
  const forget = endOnExit(child, 'SIGTERM');
  return {
    ready: async (signal) => {
      try {
        await answered(child, signal);
      } catch (error) {
        await ended(child);
        signal?.throwIfAborted();
        const tail = readFileSync(log, 'utf8').trim().split('\n').slice(-12).join('\n');
        throw new SimulatorError(`The simulator ${name} did not start: ${(error as Error).message}\n${tail}`);
      }
      child.unref();
      child.channel?.unref();
    },
    letGo: () => {
      forget();
      if (child.connected) child.disconnect();
    },
  };
}

/** Resolves when the child says that it answers. */
function answered(child: ChildProcess, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((done, fail) => {
    const timer = setTimeout(
      () => settle(() => fail(new Error(`it did not answer within ${PATIENCE / 1_000} s`))),
      PATIENCE,
    );
    const interrupted = () => settle(() => fail(new Error('it was interrupted')));
    const said = () => settle(done);
    const failed = (error: Error) => settle(() => fail(error));
    const gone = (code: number | null, by: string | null) =>
      settle(() => fail(new Error(`it ended with ${by ?? `code ${code}`}`)));
    const settle = (how: () => void) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', interrupted);
      child.off('message', said).off('error', failed).off('exit', gone);
      // A later error, such as of its channel, is nobody's business any more.
      child.on('error', () => undefined);
      how();
    };
    child.on('message', said).on('error', failed).on('exit', gone);
    signal?.addEventListener('abort', interrupted);
    if (signal?.aborted) interrupted();
  });
}

/** Ends the child, and waits until it is gone. */
async function ended(child: ChildProcess): Promise<void> {
  const gone = () => child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
  if (gone()) return;
  child.kill('SIGTERM');
  for (const began = Date.now(); !gone(); await new Promise((wait) => setTimeout(wait, 20)))
    if (Date.now() - began > FAREWELL) child.kill('SIGKILL');
}

/** Ends a simulator as a person would: SIGTERM, and SIGKILL when it does not listen. Answers whether it ran. */
export async function stopSimulator(data: string, name: string): Promise<boolean> {
  const folder = resolve(data);
  if (!isRunning(folder, known(name))) return false;
  const { pid } = readRunFile(folder, name) as RunFile;
  process.kill(pid, 'SIGTERM');
  for (const began = performance.now(); performance.now() - began < FAREWELL; ) {
    await new Promise((wait) => setTimeout(wait, 50));
    if (!isRunning(folder, name)) return true;
  }
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended in this very moment.
  }
  return true;
}

/** `isthmus simulate [NAME]`. */
export async function simulateCommand(options: {
  readonly name?: string | undefined;
  readonly stop?: boolean;
  readonly status?: boolean;
  /** Be the simulator in this process. */
  readonly serve?: boolean;
  /** Forget what it has kept; without a name also since when the demo goes on. */
  readonly fresh?: boolean;
  readonly data: string;
  readonly say: (text: string) => void;
}): Promise<void> {
  const { name, say } = options;
  const data = resolve(options.data);
  const names = name === undefined ? simulatorNames() : [known(name)];
  if (options.serve) {
    if (name === undefined) throw new SimulatorError('Which one? Example: isthmus simulate parking --serve');
    return runSimulator(name, data);
  }
  if (options.status) {
    for (const one of names) say(statusOf(data, one));
    return;
  }
  if (options.stop) {
    for (const one of names) say((await stopSimulator(data, one)) ? `${one} is stopped.` : `${one} was not running.`);
    return;
  }
  if (options.fresh) {
    for (const one of names) {
      await stopSimulator(data, one);
      rmSync(stateFolder(data, one), { recursive: true, force: true });
    }
    if (name === undefined) rmSync(join(data, 'simulators'), { recursive: true, force: true });
  }
  const { started } = await startSimulators({ data, names });
  for (const one of names) say(started.includes(one) ? statusOf(data, one) : `${one} was running already.`);
}

function statusOf(data: string, name: string): string {
  const file = readRunFile(data, name);
  if (!file || !isRunning(data, name)) return `${name} is not running.`;
  const ports = Object.entries(file.ports).map(([what, port]) => `${what} ${port}`);
  const shown = ports.length > 4 ? [...ports.slice(0, 3), `and ${ports.length - 3} more`] : ports;
  return `${name} runs (process ${file.pid}, ${shown.join(', ')}).`;
}
