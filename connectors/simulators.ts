/**
 * Starts and stops the simulators of the demo park, each as a process, while the hub keeps running. A simulator that is killed is not
 * restarted automatically.
 *
 * In the data folder, `run/<name>.json` holds process id and ports, `simulators/<name>/` the simulator's state, and
 * `simulators/story.json` the first start of the demo, from which all simulators play the scenario.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { killOnExit } from '../schema/database/embedded/on-exit.ts';
import { demoWorld } from './demo-world.ts';
import {
  assertSimulatorName,
  isRunning,
  type RunFile,
  readRunFile,
  runFolder,
  SimulatorError,
  simulatorEnvironment,
  simulatorNames,
  stateFolder,
} from './simulator-list.ts';
import { runSimulator } from './simulator-process.ts';

export {
  isRunning,
  type RunFile,
  readRunFile,
  SIMULATORS,
  SimulatorError,
  simulatorEnvironment,
  simulatorNames,
} from './simulator-list.ts';

/** Milliseconds. The first start creates a database, which takes long on a busy machine. */
const START_TIMEOUT = 300_000;
/** Milliseconds from SIGTERM to SIGKILL: stopping a database takes long on a busy machine. */
const STOP_TIMEOUT = 30_000;
/** Milliseconds between progress messages while waiting for simulators. */
const PROGRESS_INTERVAL = 10_000;

/** The running simulators. */
export interface Simulators {
  /** Environment variables of all simulators. */
  readonly env: Readonly<Record<string, string>>;
  /** Names of the simulators that this call started; the others were running already. */
  readonly started: readonly string[];
  /** Stops the simulators that this call started. */
  stop(): Promise<void>;
}

/**
 * Starts all simulators that are not running, in parallel, and waits until each is ready. With `withParent`, they stop when this
 * process ends in whatever way; otherwise they keep running. Rejects with the end of the log if one fails to start, and with the
 * signal's reason if it is aborted; the simulators started by this call are stopped then.
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
  const names = (options.names ?? simulatorNames()).map(assertSimulatorName);
  const missing = names.filter((name) => !isRunning(data, name));
  signal?.throwIfAborted();
  demoWorld(data);
  const pending = new Set(missing);
  if (missing.length > 0) progress(`starting ${missing.length}: ${missing.join(', ')}`);
  const progressTimer = setInterval(
    () => progress(`${names.length - pending.size} of ${names.length} ready, waiting for: ${[...pending].join(', ')}`),
    PROGRESS_INTERVAL,
  );
  signal?.addEventListener('abort', () => clearInterval(progressTimer));
  const launched = missing.map((name) => launch(data, name, withParent));
  const outcomes = await Promise.allSettled(
    launched.map(async (simulator, i) => {
      await simulator.ready(signal);
      pending.delete(missing[i] as string);
    }),
  );
  clearInterval(progressTimer);
  const stop = async (): Promise<void> => {
    await Promise.all(missing.map((name) => stopSimulator(data, name)));
  };
  const failure = outcomes.find((outcome) => outcome.status === 'rejected');
  if (signal?.aborted || failure) {
    await stop();
    throw signal?.aborted ? signal.reason : failure?.reason;
  }
  if (!withParent) for (const simulator of launched) simulator.detach();
  progress(`${names.length} of ${names.length} ready`);
  return { env: simulatorEnvironment(data), started: missing, stop };
}

/** Node arguments of the child: with tsx if this process runs from source. Heaps are small because the demo runs seven simulators. */
function commandLine(): string[] {
  const entry = fileURLToPath(import.meta.url).replace(/simulators(\.[jt]s)$/, 'simulator-process$1');
  if (!entry.endsWith('.ts')) return ['--max-old-space-size=64', '--max-semi-space-size=1', entry];
  return ['--max-old-space-size=128', '--max-semi-space-size=1', '--import', import.meta.resolve('tsx'), entry];
}

interface Launched {
  /** Resolves when the simulator is ready. Before it rejects, the process has ended. */
  ready(signal: AbortSignal | undefined): Promise<void>;
  /** Lets the simulator keep running after this process ends. */
  detach(): void;
}

function launch(data: string, name: string, withParent: boolean): Launched {
  mkdirSync(runFolder(data), { recursive: true });
  const log = join(runFolder(data), `${name}.log`);
  const output = openSync(log, 'w', 0o600);
  const child = spawn(process.execPath, [...commandLine(), name, data, ...(withParent ? ['with-parent'] : [])], {
    // Its own process group: Ctrl-C in the hub's terminal does not reach it; the hub stops it in order.
    detached: true,
    stdio: ['ignore', output, output, 'ipc'],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  closeSync(output);
  const forget = killOnExit(child, 'SIGTERM');
  return {
    ready: async (signal) => {
      try {
        await waitUntilReady(child, signal);
      } catch (error) {
        await terminate(child);
        signal?.throwIfAborted();
        const tail = readFileSync(log, 'utf8').trim().split('\n').slice(-12).join('\n');
        throw new SimulatorError(`Failed to start simulator ${name}: ${(error as Error).message}\n${tail}`);
      }
      child.unref();
      child.channel?.unref();
    },
    detach: () => {
      forget();
      if (child.connected) child.disconnect();
    },
  };
}

/** Resolves when the child reports that it is ready. */
function waitUntilReady(child: ChildProcess, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((done, fail) => {
    const timer = setTimeout(
      () => settle(() => fail(new Error(`not ready within ${START_TIMEOUT / 1_000} s`))),
      START_TIMEOUT,
    );
    const interrupted = () => settle(() => fail(new Error('interrupted')));
    const ready = () => settle(done);
    const failed = (error: Error) => settle(() => fail(error));
    const exited = (code: number | null, signalName: string | null) =>
      settle(() => fail(new Error(`process exited with ${signalName ?? `code ${code}`}`)));
    const settle = (how: () => void) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', interrupted);
      child.off('message', ready).off('error', failed).off('exit', exited);
      // Ignore later errors, such as those of the closed channel.
      child.on('error', () => undefined);
      how();
    };
    child.on('message', ready).on('error', failed).on('exit', exited);
    signal?.addEventListener('abort', interrupted);
    if (signal?.aborted) interrupted();
  });
}

/** Terminates the child and waits until it has exited. */
async function terminate(child: ChildProcess): Promise<void> {
  const exited = () => child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
  if (exited()) return;
  child.kill('SIGTERM');
  for (const began = Date.now(); !exited(); await new Promise((wait) => setTimeout(wait, 20)))
    if (Date.now() - began > STOP_TIMEOUT) child.kill('SIGKILL');
}

/** Stops a simulator with SIGTERM, and with SIGKILL after STOP_TIMEOUT. Returns false if it was not running. */
export async function stopSimulator(data: string, name: string): Promise<boolean> {
  const folder = resolve(data);
  if (!isRunning(folder, assertSimulatorName(name))) return false;
  const { pid } = readRunFile(folder, name) as RunFile;
  process.kill(pid, 'SIGTERM');
  for (const began = performance.now(); performance.now() - began < STOP_TIMEOUT; ) {
    await new Promise((wait) => setTimeout(wait, 50));
    if (!isRunning(folder, name)) return true;
  }
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It exited in the meantime.
  }
  return true;
}

/** Runs `isthmus simulate [NAME]`. Throws `SimulatorError` for an unknown name. */
export async function simulateCommand(options: {
  readonly name?: string | undefined;
  readonly stop?: boolean;
  readonly status?: boolean;
  /** Run the simulator in this process. */
  readonly serve?: boolean;
  /** Delete the state first; without a name also the first start of the demo. */
  readonly fresh?: boolean;
  readonly data: string;
  readonly say: (text: string) => void;
}): Promise<void> {
  const { name, say } = options;
  const data = resolve(options.data);
  const names = name === undefined ? simulatorNames() : [assertSimulatorName(name)];
  if (options.serve) {
    if (name === undefined)
      throw new SimulatorError('Missing simulator name. Example: isthmus simulate parking --serve');
    return runSimulator(name, data);
  }
  if (options.status) {
    for (const simulator of names) say(statusOf(data, simulator));
    return;
  }
  if (options.stop) {
    for (const simulator of names)
      say((await stopSimulator(data, simulator)) ? `Stopped ${simulator}.` : `${simulator} was not running.`);
    return;
  }
  if (options.fresh) {
    for (const simulator of names) {
      await stopSimulator(data, simulator);
      rmSync(stateFolder(data, simulator), { recursive: true, force: true });
    }
    if (name === undefined) rmSync(join(data, 'simulators'), { recursive: true, force: true });
  }
  const { started } = await startSimulators({ data, names });
  for (const simulator of names)
    say(started.includes(simulator) ? statusOf(data, simulator) : `${simulator} was already running.`);
}

function statusOf(data: string, name: string): string {
  const file = readRunFile(data, name);
  if (!file || !isRunning(data, name)) return `${name} is not running.`;
  const ports = Object.entries(file.ports).map(([what, port]) => `${what} ${port}`);
  const listed = ports.length > 4 ? [...ports.slice(0, 3), `and ${ports.length - 3} more`] : ports;
  return `${name} is running (process ${file.pid}, ${listed.join(', ')}).`;
}
