/** The command `isthmus start` as a process: what it says, how it is interrupted, and how it fails. */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
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
  const child = spawn(process.execPath, ['--import', 'tsx', join(ROOT, 'gateway', 'cli.ts'), ...args], {
    cwd: ROOT,
    env: { ...process.env, PORT: '0', ISTHMUS_DATA: join(folder, 'data'), ISTHMUS_LOG: 'warn', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (text += part.toString()));
  return {
    child,
    said: () => text,
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
  test('is interrupted at each step without leaving a process or a lock, then comes up and stops in order', async () => {
    for (const [step, by] of [
      ['port: ', 'SIGINT'],
      ['database: making', 'SIGTERM'],
      ['migrations: ', 'SIGINT'],
    ] as const) {
      const { child, said, ended } = start();
      await expect.poll(said, { interval: 5 }).toContain(step);
      child.kill(by);
      expect([step, await ended]).toEqual([step, by]);
      expect(said()).toContain('Stopping: the start is interrupted.\n');
      expect(said()).not.toMatch(/\n\s+at /);
      expect(processesOf('-', join(folder, 'data'))).toEqual([]);
      expect(locks()).toEqual([]);
    }
    const { child, said, ended } = start();
    await expect.poll(said).toContain('Isthmus is up after');
    const steps = [...said().matchAll(/^\[ *\d+\.\d s\] (\w+): /gm)].map((one) => one[1]);
    expect([...new Set(steps)]).toEqual(['port', 'hub', 'database', 'migrations', 'connectors']);
    expect(steps.length).toBeLessThan(12);
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(said()).toMatch(/Stopping: finishing what is under way\.\nStopped\.\n$/);
    expect(processesOf('-', join(folder, 'data'))).toEqual([]);
    expect(locks()).toEqual([]);
  }, 120_000);

  test('says that the port is taken before anything is begun', async () => {
    const other = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    const { said, ended } = isthmus(['start', '--demo'], { PORT: String(port) });
    expect(await ended).toBe(1);
    expect(said()).toBe(
      `Port ${port} is in use by another program. Stop that program, or choose another port: PORT=${port + 1} npm start\n`,
    );
    expect(existsSync(join(folder, 'data'))).toBe(false);
    other.close();
  });

  test.each([
    [
      'a database that nobody serves',
      { DATABASE_URL: 'postgres://a:b@127.0.0.1:1/hub' },
      /^The database at postgres:\/\/a@127\.0\.0\.1:1\/hub cannot be opened \(nothing listens there\)\. Check DATABASE_URL/m,
    ],
    [
      'a data folder that cannot be made',
      { ISTHMUS_DATA: '/proc/isthmus' },
      /^The data folder \/proc\/isthmus cannot be used \(.+\)\. .* set ISTHMUS_DATA to another folder/m,
    ],
  ])('refuses %s in one sentence', async (_what, env, sentence) => {
    const { said, ended } = start(env);
    expect(await ended).toBe(1);
    expect(said()).toMatch(sentence);
    expect(said()).not.toMatch(/\n\s+at /);
  });

  test('refuses a configuration that cannot be read', async () => {
    const { said, ended } = isthmus(['start', '--config', folder]);
    expect(await ended).toBe(1);
    expect(said()).toContain('the file cannot be read; name another with --config FILE');
  });
});

test('a command that does one thing ends with its PostgreSQL by a signal', async () => {
  const temporary = join(folder, 'data');
  mkdirSync(temporary, { mode: 0o777 });
  const { child, said, ended } = isthmus(['schema', '--check'], { TMPDIR: temporary });
  const running = () => processesOf('-', join(folder, 'data')).some((one) => one.command.includes('initdb'));
  await expect.poll(running, { interval: 20 }).toBe(true);
  child.kill('SIGINT');
  expect(await ended).toBe('SIGINT');
  expect(said()).not.toMatch(/\n\s+at /);
  await expect.poll(() => processesOf('-', temporary)).toEqual([]);
});

test('help says no step', async () => {
  const { said, ended } = isthmus(['start', '--help']);
  expect(await ended).toBe(0);
  expect(said()).not.toMatch(/^\[/m);
});

test('a bench that is interrupted leaves none of its servers', async () => {
  const { child, ended } = isthmus(['bench', '--rounds', '1', '--milliseconds', '100'], { ISTHMUS_MARK: folder });
  const servers = () => processesOf(folder, folder).filter((one) => /bench\/serve\.ts/.test(one.command));
  await expect.poll(() => servers().length, { interval: 20 }).toBeGreaterThan(0);
  child.kill('SIGTERM');
  expect(await ended).toBe('SIGTERM');
  await expect.poll(servers).toEqual([]);
});
