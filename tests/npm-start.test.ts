/** `npm start` before the hub runs: port, installation, build. Runs in a folder that contains only bin/ and package.json. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { freePort } from '../schema/database/embedded/free-port.ts';

const ROOT = join(import.meta.dirname, '..');
let folder: string;
let other: Server | null = null;
const children: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isthmus-npm-'));
  cpSync(join(ROOT, 'bin'), join(folder, 'bin'), { recursive: true });
  cpSync(join(ROOT, 'package.json'), join(folder, 'package.json'));
  writeFileSync(join(folder, 'package-lock.json'), '{"packages":{}}');
});
afterEach(() => {
  other?.close();
  other = null;
  for (const child of children.splice(0)) {
    try {
      // If a test fails, the process group may outlive npm.
      process.kill(-(child.pid as number), 'SIGKILL');
    } catch {
      // It has ended as a whole.
    }
  }
  rmSync(folder, { recursive: true, force: true });
});

/** Installs a fake compiler that never exits and writes its process id to compiler.pid. */
function slowBuild(): void {
  for (const directory of ['gateway', 'connectors', 'schema', 'migrations', 'node_modules/esbuild'])
    mkdirSync(join(folder, directory), { recursive: true });
  writeFileSync(join(folder, 'node_modules', '.package-lock.json'), '{"packages":{}}');
  writeFileSync(join(folder, 'package-lock.json'), '{"packages":{}}');
  writeFileSync(
    join(folder, 'node_modules/esbuild/index.js'),
    `exports.build = () => {
      require('node:fs').writeFileSync('compiler.pid', String(process.pid));
      setInterval(() => {}, 1000);
      return new Promise(() => {});
    };`,
  );
}

function npmStart(port: number): { child: ChildProcess; output(): string; ended: Promise<number | string | null> } {
  const child = spawn('npm', ['start', '--silent'], {
    cwd: folder,
    env: { ...process.env, PORT: String(port), npm_config_update_notifier: 'false' },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (part: Buffer) => (text += part.toString()));
  return {
    child,
    output: () => text,
    ended: new Promise((resolve) => child.once('close', (code, signal) => resolve(signal ?? code))),
  };
}

const runs = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return !/\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};

test('npm start: reports a port in use before installing anything', async () => {
  other = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await new Promise((resolve) => other?.once('listening', resolve));
  const { port } = other.address() as { port: number };
  const { output, ended } = npmStart(port);
  expect(await ended).toBe(1);
  expect(output()).toContain(`Port ${port} is in use by another program.`);
  expect(output()).not.toContain('packages:');
  expect(existsSync(join(folder, 'node_modules'))).toBe(false);
});

test('starts nothing if npm has already exited', async () => {
  slowBuild();
  const exited = spawn(process.execPath, ['-e', '']);
  await new Promise((resolve) => exited.once('exit', resolve));
  const child = spawn(process.execPath, ['bin/start.js', '--demo'], {
    cwd: folder,
    env: { ...process.env, PORT: '0', npm_lifecycle_event: 'start', ISTHMUS_NPM: String(exited.pid) },
    stdio: 'ignore',
  });
  const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
  expect(signal).toBe('SIGTERM');
  expect(existsSync(join(folder, 'compiler.pid'))).toBe(false);
});

test('npm start: holds the port during the build and prints each step with its time', async () => {
  slowBuild();
  const port = await freePort();
  const { child, output, ended } = npmStart(port);
  await expect.poll(() => existsSync(join(folder, 'compiler.pid'))).toBe(true);
  const answer = await fetch(`http://127.0.0.1:${port}/graphql`);
  expect([answer.status, await answer.json()]).toEqual([
    503,
    { errors: [{ message: 'Server is starting. Retry in 2 s.' }] },
  ]);
  expect(output()).toMatch(
    /^\[ +\d+\.\d s\] port: listening on \d+; .*\n\[ +\d+\.\d s\] build: compiling the sources into dist\n$/,
  );
  child.kill('SIGTERM');
  expect(await ended).toBe('SIGTERM');
});

test.each([
  ['SIGTERM', 'npm'],
  ['SIGINT', 'the process group'],
  ['SIGKILL', 'npm'],
] as const)(
  'npm start: %s to %s during the build also ends the compiler and leaves no build marker',
  async (by, target) => {
    slowBuild();
    const { child, ended } = npmStart(await freePort());
    const note = join(folder, 'compiler.pid');
    await expect.poll(() => existsSync(note) && readFileSync(note, 'utf8') !== '').toBe(true);
    const pid = Number(readFileSync(note, 'utf8'));
    process.kill(target === 'npm' ? (child.pid as number) : -(child.pid as number), by);
    expect(await ended).toBe(by);
    await expect.poll(() => runs(pid)).toBe(false);
    expect(existsSync(join(folder, 'dist', '.built'))).toBe(false);
  },
);
