import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { demoWorld } from './demo-world.ts';
import {
  isRunning,
  readRunFile,
  type Simulators,
  simulateCommand,
  simulatorEnvironment,
  simulatorNames,
  startSimulators,
  stopSimulator,
} from './simulators.ts';

/** Ids of processes with the folder in their command line; empty where /proc does not exist. */
const processesIn = (folder: string): string[] =>
  (existsSync('/proc') ? readdirSync('/proc') : []).filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder);
    } catch {
      return false;
    }
  });

let data: string;
let started: Simulators | undefined;
const NAME = simulatorNames().find((name) => name !== 'access-control') ?? 'access-control';
const names = [NAME];

beforeAll(() => {
  data = mkdtempSync(join(tmpdir(), 'isthmus-simulate-'));
  chmodSync(data, 0o711);
});
afterAll(async () => {
  for (const name of names) await stopSimulator(data, name);
  rmSync(data, { recursive: true, force: true });
}, 30_000);

describe('simulators as processes', () => {
  test('start, write their run file, and are not started twice', async () => {
    started = await startSimulators({ data, names, withParent: true });
    expect(started.started).toEqual(names);
    expect(isRunning(data, NAME)).toBe(true);
    const file = readRunFile(data, NAME);
    expect(file?.pid).not.toBe(process.pid);
    expect(Object.keys(file?.ports ?? {}).length).toBeGreaterThan(0);
    expect(Object.keys(started.env).every((key) => key.startsWith('LAKESIDE_'))).toBe(true);
    expect(simulatorEnvironment(data)).toEqual(started.env);
    expect((await startSimulators({ data, names })).started).toEqual([]);
    expect(readRunFile(data, NAME)?.pid).toBe(file?.pid);
  }, 90_000);

  test('stop, and restart on the same ports with the same settings', async () => {
    const before = readRunFile(data, NAME);
    const lines: string[] = [];
    const say = (text: string) => void lines.push(text);
    await simulateCommand({ name: NAME, stop: true, data, say });
    expect(isRunning(data, NAME)).toBe(false);
    expect(simulatorEnvironment(data)).toEqual(started?.env);
    await simulateCommand({ name: NAME, status: true, data, say });
    expect(lines).toEqual([`Stopped ${NAME}.`, `${NAME} is not running.`]);
    expect(await stopSimulator(data, NAME)).toBe(false);
    started = await startSimulators({ data, names, withParent: true });
    const after = readRunFile(data, NAME);
    expect(after?.ports).toEqual(before?.ports);
    expect(after?.env).toEqual(before?.env);
    expect(after?.pid).not.toBe(before?.pid);
  }, 90_000);

  test('a killed simulator stays down', async () => {
    const pid = readRunFile(data, NAME)?.pid as number;
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => isRunning(data, NAME), { timeout: 5_000 }).toBe(false);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(isRunning(data, NAME)).toBe(false);
  }, 30_000);

  test('a failed start reports the reason', async () => {
    // Its state folder is a file, so creating the folder fails.
    const broken = mkdtempSync(join(tmpdir(), 'isthmus-simulate-'));
    demoWorld(broken);
    writeFileSync(join(broken, 'simulators', NAME), '');
    await expect(startSimulators({ data: broken, names, withParent: true })).rejects.toThrow(
      new RegExp(`Failed to start simulator ${NAME}[^]*EEXIST`),
    );
    rmSync(broken, { recursive: true, force: true });
  }, 90_000);

  test('an interrupted start leaves no process running', async () => {
    const own = mkdtempSync(join(tmpdir(), 'isthmus-simulate-'));
    chmodSync(own, 0o711);
    const control = new AbortController();
    const starting = startSimulators({ data: own, names, withParent: true, signal: control.signal });
    control.abort(new Error('interrupted'));
    await expect(starting).rejects.toThrow('interrupted');
    expect(processesIn(own)).toEqual([]);
    // The interrupted start does not prevent the next one.
    const again = await startSimulators({ data: own, names, withParent: true });
    await again.stop();
    expect(processesIn(own)).toEqual([]);
    rmSync(own, { recursive: true, force: true });
  }, 90_000);

  test('end when the parent is killed', async () => {
    const own = mkdtempSync(join(tmpdir(), 'isthmus-simulate-'));
    chmodSync(own, 0o711);
    const script = `import { startSimulators } from ${JSON.stringify(new URL('./simulators.ts', import.meta.url).pathname)};
      await startSimulators({ data: ${JSON.stringify(own)}, names: ${JSON.stringify(names)}, withParent: true });
      process.stdout.write('started');
      setInterval(() => {}, 1000);`;
    const parent = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => parent.stdout.once('data', resolve));
    expect(isRunning(own, NAME)).toBe(true);
    parent.kill('SIGKILL');
    await expect.poll(() => isRunning(own, NAME), { timeout: 15_000 }).toBe(false);
    rmSync(own, { recursive: true, force: true });
  }, 90_000);

  test('rejects an unknown name and lists the known ones', async () => {
    await expect(startSimulators({ data, names: ['lifts'] })).rejects.toThrow(/Unknown simulator lifts\. Available: /);
  });
});
