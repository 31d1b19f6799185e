/** The `isthmus` program with a build that is older than its sources, in a folder of its own. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..');
let folder: string;

/** Writes a file of the program, last changed at that second. */
const write = (path: string, second: number, text = ''): void => {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  utimesSync(file, second, second);
};
const run = () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, 'bin', 'isthmus.js'), 'verify'], {
    cwd: tmpdir(),
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] },
  });
  return { status, stdout, stderr };
};
const BUILT = { status: 0, stdout: 'the build\n' };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isthmus-stale-'));
  cpSync(join(ROOT, 'bin'), join(folder, 'bin'), { recursive: true, preserveTimestamps: true });
  const now = Date.now() / 1000;
  write('package.json', now, '{ "type": "module" }');
  write('dist/gateway/cli.js', now, "console.log('the build');");
  write('dist/.built', now);
  mkdirSync(join(folder, 'node_modules', 'esbuild'), { recursive: true });
  for (const source of ['gateway', 'connectors', 'schema', 'migrations']) write(`${source}/a/b.ts`, now - 10);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('isthmus runs a build that is older than the sources, and says so on standard error', () => {
  write('connectors/a/c.ts', Date.now() / 1000 + 10);
  expect(run()).toEqual({
    ...BUILT,
    stderr: `dist is older than ${join('connectors', 'a', 'c.ts')}: running the old build. To update it: npm run build\n`,
  });
});

test('isthmus reports nothing about a build that is newer than the sources; tests do not count', () => {
  write('connectors/a/c.test.ts', Date.now() / 1000 + 10);
  expect(run()).toEqual({ ...BUILT, stderr: '' });
});

test('isthmus reports nothing about the build of an installed package, which has no compiler', () => {
  write('connectors/a/c.ts', Date.now() / 1000 + 10);
  rmSync(join(folder, 'node_modules'), { recursive: true });
  expect(run()).toEqual({ ...BUILT, stderr: '' });
});

test('isthmus without a complete build and without tsx says how to build', () => {
  rmSync(join(folder, 'dist', '.built'));
  expect(run()).toEqual({
    status: 1,
    stdout: '',
    stderr: 'dist is missing or incomplete. Build it: npm run build\n',
  });
});

test('the build says which command installs its compiler, and keeps the old build', () => {
  write('connectors/a/c.ts', Date.now() / 1000 + 10);
  rmSync(join(folder, 'node_modules'), { recursive: true });
  const { status, stderr } = spawnSync(process.execPath, [join(folder, 'bin', 'build.js')], { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: 'Cannot build dist: the package esbuild is not installed. Run: npm ci\n',
  });
  expect(run()).toEqual({ ...BUILT, stderr: '' });
});
