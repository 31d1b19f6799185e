/** The demo's simulators: which there are, and the files by which processes know of them. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeWholeFile } from './kit/testing/atomic-file.ts';
import { type World, world } from './kit/testing/park/index.ts';
import type { Simulator } from './kit/testing/simulator.ts';

/** The list; literal imports, so that the build can rewrite them. */
export const SIMULATORS: Readonly<Record<string, () => Promise<{ simulator: Simulator }>>> = {
  'access-control': () => import('./access-control/simulator/index.ts'),
  environment: () => import('./configured/simulator/environment.ts'),
  energy: () => import('./energy/simulator/index.ts'),
  parking: () => import('./parking/simulator/index.ts'),
  registration: () => import('./registration/simulator.ts'),
  tax: () => import('./tax/simulator/index.ts'),
  'work-orders': () => import('./configured/simulator/work-orders.ts'),
};

/** Names of the demo's simulators, in the order in which they are started. */
export const simulatorNames = (): string[] => Object.keys(SIMULATORS);

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

export const runFolder = (data: string): string => join(data, 'run');
export const runPath = (data: string, name: string): string => join(runFolder(data), `${name}.json`);
export const stateFolder = (data: string, name: string): string => join(data, 'simulators', name);

/** The name, when there is such a simulator; throws `SimulatorError`. */
export function known(name: string): string {
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

/** The demo's world: the cadence goes on from the first start on, the past is the quieter office rhythm. */
export function demoWorld(data: string): World {
  const path = join(data, 'simulators', 'story.json');
  mkdirSync(join(data, 'simulators'), { recursive: true });
  if (!existsSync(path)) makeWholeFile(path, JSON.stringify({ seed: 'lakeside', liveFrom: new Date().toISOString() }));
  const { seed, liveFrom } = JSON.parse(readFileSync(path, 'utf8')) as { seed: string; liveFrom: string };
  return world(seed, new Date(liveFrom));
}
