/**
 * Simulators of the demo park, each a process of its own: started, stopped and started again by name, while the hub runs
 * on. A simulator that is killed stays down; nobody starts it again but a person.
 *
 * Below the data folder: `run/<name>.json` says what runs and where, `simulators/<name>/` is its own, and
 * `simulators/story.json` holds the instant since which the demo's cadence goes on, the same for all.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type World, world } from './kit/testing/park.ts';
import type { Simulator } from './kit/testing/simulator.ts';

/** The list; literal imports, so that the build can rewrite them. */
export const SIMULATORS: Readonly<Record<string, () => Promise<{ simulator: Simulator }>>> = {
  'access-control': () => import('./access-control/simulator/index.ts'),
  environment: () => import('./mesh/simulator/environment.ts'),
  energy: () => import('./energy/simulator/index.ts'),
  parking: () => import('./parking/simulator/index.ts'),
  registration: () => import('./registration/simulator.ts'),
  tax: () => import('./tax/simulator/index.ts'),
  'work-orders': () => import('./mesh/simulator/work-orders.ts'),
};

/** Names of the demo's simulators, in the order in which they are started. */
export const simulatorNames = (): string[] => Object.keys(SIMULATORS);

/** 60 days. */
const HISTORY = 60 * 86_400_000;
/** How long one may take to answer: the first start makes a database. */
const PATIENCE = 60_000;
/** How long one may take to end before it is killed. */
const FAREWELL = 10_000;

/** A simulator cannot be started or stopped as asked; the message is a sentence for people. */
export class SimulatorError extends Error {
  override name = 'CommandError';
}

/** What `run/<name>.json` says. It stays after the end, so that a hub still finds the address of a dark island. */
export interface RunFile {
  readonly name: string;
  readonly pid: number;
  readonly ports: Readonly<Record<string, number>>;
  readonly env: Readonly<Record<string, string>>;
  /** ISO 8601. */
  readonly started: string;
}

const runFolder = (data: string): string => join(data, 'run');
const runPath = (data: string, name: string): string => join(runFolder(data), `${name}.json`);
const stateFolder = (data: string, name: string): string => join(data, 'simulators', name);

function known(name: string): string {
  if (Object.hasOwn(SIMULATORS, name)) return name;
  throw new SimulatorError(`There is no simulator ${name}. Known are ${simulatorNames().join(', ')}.`);
}

/** What the run file says, whether or not that process still lives; null when there is none that can be read. */
export function readRunFile(data: string, name: string): RunFile | null {
  try {
    return JSON.parse(readFileSync(runPath(data, name), 'utf8')) as RunFile;
  } catch {
    return null;
  }
}

/** Whether the simulator's process lives. A number that the system has given to another process since does not count. */
export function isRunning(data: string, name: string): boolean {
  const file = readRunFile(data, name);
  if (!file) return false;
  try {
    process.kill(file.pid, 0);
  } catch {
    return false;
  }
  const command = `/proc/${file.pid}/cmdline`;
  try {
    // A zombie has no command line any more: it has ended, only nobody has asked how.
    return !existsSync('/proc/self/cmdline') || readFileSync(command, 'utf8').includes(name);
  } catch {
    return false;
  }
}

/** Settings of all simulators that have ever said where they are, for `${NAME}` in isthmus.demo.yaml. */
export function simulatedEnvironment(data: string): Record<string, string> {
  return Object.assign({}, ...simulatorNames().map((name) => readRunFile(data, name)?.env ?? {}));
}

function writeWhole(path: string, text: string): void {
  // Secrets of the demo are in it.
  writeFileSync(`${path}.${process.pid}`, text, { mode: 0o600 });
  renameSync(`${path}.${process.pid}`, path);
}

/** The demo's world: the cadence goes on from the first start on, the past is the quieter office rhythm. */
export function demoWorld(data: string): World {
  const path = join(data, 'simulators', 'story.json');
  mkdirSync(join(data, 'simulators'), { recursive: true });
  try {
    const story = { seed: 'lakeside', liveFrom: new Date().toISOString() };
    writeFileSync(path, JSON.stringify(story), { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const { seed, liveFrom } = JSON.parse(readFileSync(path, 'utf8')) as { seed: string; liveFrom: string };
  return world(seed, new Date(liveFrom));
}

/**
 * The child's body: starts the simulator in this process, says so in the run file, and stops on SIGTERM or SIGINT (or when
 * the parent is gone, if it was started `withParent`), ending the process with code 0.
 */
export async function runSimulator(name: string, data: string, options: { withParent?: boolean } = {}): Promise<void> {
  const load = SIMULATORS[known(name)] as () => Promise<{ simulator: Simulator }>;
  const directory = stateFolder(data, name);
  mkdirSync(directory, { recursive: true });
  mkdirSync(runFolder(data), { recursive: true });
  const started = load().then(({ simulator }) =>
    simulator.start({
      directory,
      world: demoWorld(data),
      now: () => new Date(),
      history: HISTORY,
      ports: readRunFile(data, name)?.ports ?? {},
      live: true,
    }),
  );
  let ending = false;
  const end = (): void => {
    if (ending) return;
    ending = true;
    started
      .then((running) => running.close())
      .then(
        () => process.exit(0),
        (error: unknown) => {
          process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
          process.exit(1);
        },
      );
  };
  process.on('SIGTERM', end).on('SIGINT', end);
  if (options.withParent) process.on('disconnect', end);
  const { ports, env } = await started;
  if (ending) return;
  const file: RunFile = { name, pid: process.pid, ports, env, started: new Date().toISOString() };
  writeWhole(runPath(data, name), `${JSON.stringify(file, null, 2)}\n`);
  if (process.connected) process.send?.('ready');
}

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
 * Starts the simulators that do not run yet, together, and waits until each answers. They outlive a crash of this process
 * unless `withParent`. Rejects with the end of its log when one cannot start; those that this call started are ended then.
 */
export async function startSimulators(options: {
  readonly data: string;
  readonly names?: readonly string[];
  readonly withParent?: boolean;
}): Promise<Simulators> {
  const data = resolve(options.data);
  const names = (options.names ?? simulatorNames()).map(known);
  const missing = names.filter((name) => !isRunning(data, name));
  demoWorld(data);
  const outcomes = await Promise.allSettled(missing.map((name) => launch(data, name, options.withParent ?? false)));
  const stop = async (): Promise<void> => {
    await Promise.all(missing.map((name) => stopSimulator(data, name)));
  };
  const fault = outcomes.find((outcome) => outcome.status === 'rejected');
  if (fault) {
    await stop();
    throw fault.reason;
  }
  return { env: simulatedEnvironment(data), started: missing, stop };
}

/** Under tsx the child needs tsx as well; built, it is plain node. Small heaps: five of these share the demo's memory. */
function commandLine(): string[] {
  const entry = fileURLToPath(import.meta.url);
  if (!entry.endsWith('.ts')) return ['--max-old-space-size=64', '--max-semi-space-size=1', entry];
  return ['--max-old-space-size=128', '--max-semi-space-size=1', '--import', import.meta.resolve('tsx'), entry];
}

async function launch(data: string, name: string, withParent: boolean): Promise<void> {
  mkdirSync(runFolder(data), { recursive: true });
  const log = join(runFolder(data), `${name}.log`);
  const output = openSync(log, 'w', 0o600);
  const child = spawn(process.execPath, [...commandLine(), name, data, ...(withParent ? ['with-parent'] : [])], {
    // A process group of its own: Ctrl-C on the hub's terminal does not reach it; the hub stops it in its own order.
    detached: true,
    stdio: ['ignore', output, output, 'ipc'],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  try {
    await ready(child);
  } catch (error) {
    if (child.pid !== undefined && child.exitCode === null) child.kill('SIGKILL');
    const tail = readFileSync(log, 'utf8').trim().split('\n').slice(-12).join('\n');
    throw new SimulatorError(`The simulator ${name} did not start: ${(error as Error).message}\n${tail}`);
  }
  if (!withParent) child.disconnect();
  child.unref();
  child.channel?.unref();
}

/** Resolves when the child says that it answers. */
function ready(child: ChildProcess): Promise<void> {
  return new Promise((done, fail) => {
    const timer = setTimeout(() => fail(new Error(`it did not answer within ${PATIENCE / 1_000} s`)), PATIENCE);
    const settle = (end: () => void) => {
      clearTimeout(timer);
      child.removeAllListeners();
      end();
    };
    child.on('message', () => settle(done));
    child.on('error', (error) => settle(() => fail(error)));
    child.on('exit', (code, signal) => settle(() => fail(new Error(`it ended with ${signal ?? `code ${code}`}`))));
  });
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

// Started as a child: this very file with the name, the data folder and how it ends.
const [, main, childName, childData, manner] = process.argv;
if (main && childName && childData && isThisFile(main)) {
  runSimulator(childName, childData, { withParent: manner === 'with-parent' }).catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(1);
  });
}

function isThisFile(path: string): boolean {
  try {
    return realpathSync(path) === realpathSync(fileURLToPath(import.meta.url));
  } catch {
    return false;
  }
}
