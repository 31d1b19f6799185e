/** The list of the demo's simulators, and the run files by which processes find them. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Simulator } from './kit/testing/simulator.ts';

/** Simulators by name. The imports are literals, so that the build can rewrite them. `npm run connector:new` adds a line. */
export const SIMULATORS: Readonly<Record<string, () => Promise<{ simulator: Simulator }>>> = {
  'access-control': () => import('./access-control/simulator/index.ts'),
  environment: () => import('./configured/simulator/environment.ts'),
  energy: () => import('./energy/simulator/index.ts'),
  parking: () => import('./parking/simulator/index.ts'),
  registration: () => import('./registration/simulator.ts'),
  tax: () => import('./tax/simulator/index.ts'),
  'work-orders': () => import('./configured/simulator/work-orders.ts'),
};

/** Names of the simulators, in the order in which they are started. */
export const simulatorNames = (): string[] => Object.keys(SIMULATORS);

/** A simulator cannot be started or stopped. The message is for the user. */
export class SimulatorError extends Error {
  override name = 'SimulatorError';
}

/**
 * Content of `run/<name>.json`. It is kept after the simulator stops, so that a hub still finds the address of a source that is
 * down.
 */
export interface RunFile {
  readonly name: string;
  readonly pid: number;
  readonly ports: Readonly<Record<string, number>>;
  readonly env: Readonly<Record<string, string>>;
  /** ISO 8601. */
  readonly started: string;
}

export const runFolder = (data: string): string => join(data, 'run');
export const runPath = (data: string, name: string): string => join(runFolder(data), `${name}.json`);
export const stateFolder = (data: string, name: string): string => join(data, 'simulators', name);

/** Returns the name if there is such a simulator, else throws `SimulatorError`. */
export function assertSimulatorName(name: string): string {
  if (Object.hasOwn(SIMULATORS, name)) return name;
  throw new SimulatorError(`Unknown simulator ${name}. Available: ${simulatorNames().join(', ')}.`);
}

/** Reads the run file, whether or not its process is still running; null if there is no readable one. */
export function readRunFile(data: string, name: string): RunFile | null {
  try {
    return JSON.parse(readFileSync(runPath(data, name), 'utf8')) as RunFile;
  } catch {
    return null;
  }
}

/** Whether the simulator's process is running. A process id that was reused by another process does not count. */
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
    // A zombie has an empty command line: it has ended but was not reaped.
    return !existsSync('/proc/self/cmdline') || readFileSync(command, 'utf8').includes(name);
  } catch {
    return false;
  }
}

/** Environment variables of all simulators with a run file, for `${NAME}` in isthmus.demo.yaml. */
export function simulatorEnvironment(data: string): Record<string, string> {
  return Object.assign({}, ...simulatorNames().map((name) => readRunFile(data, name)?.env ?? {}));
}
