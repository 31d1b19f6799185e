/** `isthmus start` as a separate process: its output, interruption and failures. */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isthmusArgs } from './run-isthmus.ts';
import { processesOf } from './signals/processes.ts';

const ROOT = join(import.meta.dirname, '..');
const EMPTY = `parks:
  - { id: p, name: P, region: "500112", kind: SOFTWARE, buildings: [] }
installations: []
`;
let folder: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isthmus-start-test-'));
  chmodSync(folder, 0o755);
  writeFileSync(join(folder, 'isthmus.yaml'), EMPTY);
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

function isthmus(args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, isthmusArgs(...args), {
    cwd: ROOT,
    env: { ...process.env, PORT: '0', ISTHMUS_DATA: join(folder, 'data'), ISTHMUS_LOG: 'warn', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (text += part.toString()));
  return {
    child,
    output: () => text,
    ended: new Promise<number | string | null>((resolve) => child.once('close', (code, by) => resolve(by ?? code))),
  };
}
const start = (env: Record<string, string> = {}) => isthmus(['start', '--config', join(folder, 'isthmus.yaml')], env);
const locks = () =>
  existsSync(join(folder, 'data', 'database'))
    ? readdirSync(join(folder, 'data', 'database'), { recursive: true, encoding: 'utf8' }).filter((one) =>
        /hub\.lock|postmaster\.pid/.test(one),
      )
    : [];

describe('isthmus start', () => {
  test('can be interrupted at each step without leaving processes or locks; then starts, and stops in order', async () => {
    for (const [step, by] of [
      ['port: ', 'SIGINT'],
      ['database: creating', 'SIGTERM'],
      ['migrations: ', 'SIGINT'],
    ] as const) {
      const { child, output, ended } = start();
      await expect.poll(output, { interval: 5 }).toContain(step);
      child.kill(by);
      expect([step, await ended]).toEqual([step, by]);
      expect(output()).toContain('Stopping: interrupting the start.\n');
      expect(output()).not.toMatch(/\n\s+at /);
      expect(processesOf('-', join(folder, 'data'))).toEqual([]);
      expect(locks()).toEqual([]);
    }
    const { child, output, ended } = start();
    await expect.poll(output).toContain('Isthmus is up after');
    const steps = [...output().matchAll(/^\[ *\d+\.\d s\] (\w+): /gm)].map((one) => one[1]);
    expect([...new Set(steps)]).toEqual(['port', 'hub', 'database', 'migrations', 'connectors']);
    expect(steps.length).toBeLessThan(12);
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(output()).toMatch(/Stopping: waiting for requests in progress\.\nStopped\.\n$/);
    expect(processesOf('-', join(folder, 'data'))).toEqual([]);
    expect(locks()).toEqual([]);
  }, 120_000);

  test('--demo: if a simulator fails to start, its message is printed and the database and the other simulators are stopped', async () => {
    mkdirSync(join(folder, 'data', 'simulators'), { recursive: true, mode: 0o755 });
    // Its state folder is a file.
    writeFileSync(join(folder, 'data', 'simulators', 'work-orders'), '');
    const { output, ended } = isthmus(['start', '--demo']);
    expect(await ended).toBe(1);
    expect(output()).toContain('database: creating');
    expect(output()).toContain('Failed to start simulator work-orders: ');
    expect(processesOf('-', join(folder, 'data'))).toEqual([]);
    expect(locks()).toEqual([]);
  }, 120_000);

  test('reports a port in use before starting anything', async () => {
    const other = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    const { output, ended } = isthmus(['start', '--demo'], { PORT: String(port) });
    expect(await ended).toBe(1);
    expect(output()).toBe(
      `Port ${port} is in use by another program. Stop that program, or choose another port: PORT=${port + 1} npm start\n`,
    );
    expect(existsSync(join(folder, 'data'))).toBe(false);
    other.close();
  });

  test.each([
    [
      'an unreachable database',
      { DATABASE_URL: 'postgres://a:b@127.0.0.1:1/hub' },
      /^Cannot connect to the database postgres:\/\/a@127\.0\.0\.1:1\/hub \(connection refused\)\. Check DATABASE_URL/m,
    ],
    [
      'a data folder that cannot be created',
      { ISTHMUS_DATA: '/proc/isthmus' },
      /^Data folder \/proc\/isthmus is not writable: .+\. .* set ISTHMUS_DATA to another folder/m,
    ],
  ])('rejects %s with one message', async (_what, env, sentence) => {
    const { output, ended } = start(env);
    expect(await ended).toBe(1);
    expect(output()).toMatch(sentence);
    expect(output()).not.toMatch(/\n\s+at /);
  });

  test('rejects an unreadable configuration', async () => {
    const { output, ended } = isthmus(['start', '--config', folder]);
    expect(await ended).toBe(1);
    expect(output()).toContain('file cannot be read; give another with --config FILE');
  });
});

test('a signal ends a short command together with its PostgreSQL', async () => {
  const temporary = join(folder, 'data');
  mkdirSync(temporary, { mode: 0o777 });
  const { child, output, ended } = isthmus(['schema', '--check'], { TMPDIR: temporary });
  const running = () => processesOf('-', join(folder, 'data')).some((one) => one.command.includes('initdb'));
  await expect.poll(running, { interval: 20 }).toBe(true);
  child.kill('SIGINT');
  expect(await ended).toBe('SIGINT');
  expect(output()).not.toMatch(/\n\s+at /);
  await expect.poll(() => processesOf('-', temporary)).toEqual([]);
});

test('--help prints no start-up steps', async () => {
  const { output, ended } = isthmus(['start', '--help']);
  expect(await ended).toBe(0);
  expect(output()).not.toMatch(/^\[/m);
});

test('an interrupted bench leaves none of its servers running', async () => {
  const { child, ended } = isthmus(['bench', '--rounds', '1', '--milliseconds', '100'], { ISTHMUS_MARK: folder });
  const servers = () =>
    processesOf(folder, folder).filter((one) => /bench\/candidate-process\.[jt]s/.test(one.command));
  await expect.poll(() => servers().length, { interval: 20 }).toBeGreaterThan(0);
  child.kill('SIGTERM');
  expect(await ended).toBe('SIGTERM');
  await expect.poll(servers).toEqual([]);
});
