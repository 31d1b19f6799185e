/** What `npm start` and `npm test` install: how much, and how an incomplete installation is completed. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { builtinModules } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type LockedPackage, requiredPackages } from '../bin/prepare.js';
import { programSources } from '../bin/program-sources.js';

const ROOT = join(import.meta.dirname, '..');
/** Limits of an installation for running the hub. */
const MAX_PACKAGES = 400;
const MAX_MEGABYTES = 250;

interface Lock {
  readonly packages: Readonly<Record<string, LockedPackage>>;
}
const readJson = <T>(path: string): T => JSON.parse(readFileSync(path, 'utf8')) as T;
const lock = readJson<Lock>(join(ROOT, 'package-lock.json'));

/** Bytes that a package uses on disk, without the packages inside it. */
function diskUsage(folder: string): number {
  return readdirSync(folder, { withFileTypes: true }).reduce((sum, entry) => {
    if (entry.name === 'node_modules') return sum;
    const path = join(folder, entry.name);
    return sum + lstatSync(path).blocks * 512 + (entry.isDirectory() ? diskUsage(path) : 0);
  }, 0);
}

describe('an installation for running the hub', () => {
  const names = Object.keys(lock.packages).filter((path) => {
    const { dev, devOptional, optional, os } = lock.packages[path] as LockedPackage;
    return (
      path !== '' &&
      !dev &&
      !devOptional &&
      !(optional && os && !requiredPackages(lock, { withDevelopment: false }).includes(path))
    );
  });

  test(`has at most ${MAX_PACKAGES} packages`, () => {
    expect(names.length).toBeGreaterThan(100);
    expect(names.length).toBeLessThanOrEqual(MAX_PACKAGES);
  });

  test(`uses at most ${MAX_MEGABYTES} MB`, () => {
    // npm leaves out an optional package that cannot be installed here.
    const installed = names.filter((path) => existsSync(join(ROOT, path)));
    const megabytes = installed.reduce((sum, path) => sum + diskUsage(join(ROOT, path)), 0) / 2 ** 20;
    expect(megabytes).toBeGreaterThan(50);
    expect(megabytes).toBeLessThanOrEqual(MAX_MEGABYTES);
  });

  test('contains every package that the program and its build import', () => {
    const { dependencies } = readJson<{ dependencies: Record<string, string> }>(join(ROOT, 'package.json'));
    const own = readdirSync(join(ROOT, 'bin')).filter((name) => name.endsWith('.js') && name !== 'isthmus.js');
    const files = [...programSources(ROOT), ...own.map((name) => `bin/${name}`), 'gateway/explorer/build.js'];
    const missing = files.flatMap((file) =>
      [
        ...readFileSync(join(ROOT, file), 'utf8').matchAll(
          /^(?:import|export)\s(?!type\b)[^'"`;]*?from\s*'([^'.][^']*)'|^import\s+'([^'.][^']*)'|\bimport\('([^'.][^']*)'\)/gm,
        ),
      ]
        .map((match) => (match[1] ?? match[2] ?? match[3]) as string)
        .map((name) =>
          name
            .split('/')
            .slice(0, name.startsWith('@') ? 2 : 1)
            .join('/'),
        )
        .filter((name) => !name.startsWith('node:') && !builtinModules.includes(name) && !(name in dependencies))
        .map((name) => `${file} imports ${name}`),
    );
    expect(missing).toEqual([]);
  });
});

describe('bin/prepare.js', () => {
  let folder: string;
  const platform = { optional: true, os: [process.platform], cpu: [process.arch] };
  const packages: Record<string, LockedPackage> = {
    '': {},
    'node_modules/run': { version: '1.0.0' },
    'node_modules/test': { version: '1.0.0', dev: true },
    'node_modules/both': { version: '1.0.0', devOptional: true },
    'node_modules/here': { version: '1.0.0', ...platform },
    'node_modules/elsewhere': { version: '1.0.0', ...platform, os: ['none'] },
    'node_modules/extra': { version: '1.0.0', optional: true },
  };
  /** What npm would install with these arguments. */
  const FAKE_NPM = `#!${process.execPath}
    const { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
    const args = process.argv.slice(2);
    appendFileSync('npm.log', args.join(' ') + '\\n');
    if (process.env.FAIL) {
      mkdirSync('node_modules/test', { recursive: true });
      process.exit(1);
    }
    if (args[0] === 'ci') rmSync('node_modules', { recursive: true, force: true });
    const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
    const present = {};
    for (const [path, entry] of Object.entries(packages)) {
      if (path === '' || (entry.dev && args.includes('--omit=dev')) || path.endsWith('elsewhere')) continue;
      present[path] = entry;
      mkdirSync(path, { recursive: true });
      writeFileSync(path + '/package.json', '{}');
    }
    writeFileSync('node_modules/.package-lock.json', JSON.stringify({ packages: present }));`;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'isthmus-install-'));
    cpSync(join(ROOT, 'bin'), join(folder, 'bin'), { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(folder, 'package-lock.json'), JSON.stringify({ packages }));
    mkdirSync(join(folder, 'path'));
    writeFileSync(join(folder, 'path', 'package.json'), '{}');
    writeFileSync(join(folder, 'path', 'npm'), FAKE_NPM);
    chmodSync(join(folder, 'path', 'npm'), 0o755);
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const node = (args: readonly string[], env: Record<string, string> = {}) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      cwd: folder,
      encoding: 'utf8',
      env: { PATH: `${join(folder, 'path')}${delimiter}${process.env['PATH']}`, ...env },
    });
    if (stderr) process.stderr.write(stderr);
    return { status, stdout };
  };
  /** What `npm start` installs before it builds. */
  const forRunning = () =>
    node([
      ...['--input-type=module', '-e'],
      `const { install, isInstalled } = await import('./bin/prepare.js');
      if (!isInstalled({ withDevelopment: false })) await install({ withDevelopment: false });`,
    ]);
  const forTests = (env: Record<string, string> = {}) => node(['bin/prepare.js'], env);
  const calls = (): string[] =>
    existsSync(join(folder, 'npm.log'))
      ? readFileSync(join(folder, 'npm.log'), 'utf8')
          .trim()
          .split('\n')
          .map((line) =>
            line
              .split(' ')
              .filter((word) => /^(ci|install|--no-save|--\w+=dev)$/.test(word))
              .join(' '),
          )
      : [];
  const ONLY_RUNNING = 'ci --omit=dev';
  const ALL = 'ci --include=dev';
  const ADDITION = 'install --no-save --include=dev';

  test('npm start: installs what running needs, once, and reports the step', () => {
    const { stdout } = forRunning();
    expect(stdout).toMatch(/^\[.* s\] packages: installing 2 with npm ci; .*\n\[.* s\] packages: done in \d+\.\d s\n$/);
    expect(forRunning()).toEqual({ status: 0, stdout: '' });
    expect(calls()).toEqual([ONLY_RUNNING]);
  });

  test('npm test: adds development packages to the packages of a running hub, once', () => {
    forRunning();
    writeFileSync(join(folder, 'node_modules', 'run', 'untouched'), '');
    forTests();
    forTests();
    forRunning();
    expect(calls()).toEqual([ONLY_RUNNING, ADDITION]);
    expect(existsSync(join(folder, 'node_modules', 'run', 'untouched'))).toBe(true);
  });

  test('npm test in a fresh clone installs everything, also with NODE_ENV=production; npm start then installs nothing', () => {
    forTests({ NODE_ENV: 'production' });
    forRunning();
    expect(calls()).toEqual([ALL]);
  });

  test('an interrupted addition is not taken for a complete one', () => {
    forRunning();
    expect(forTests({ FAIL: '1' }).status).toBe(1);
    forRunning();
    forTests();
    expect(calls()).toEqual([ONLY_RUNNING, ADDITION, ALL]);
  });

  test.each([
    ['a package folder is missing', () => rmSync(join(folder, 'node_modules', 'run'), { recursive: true })],
    ["this platform's package is missing", () => rmSync(join(folder, 'node_modules', 'here'), { recursive: true })],
    ['npm did not finish', () => rmSync(join(folder, 'node_modules', '.package-lock.json'))],
    [
      'the lock file has another version',
      () => {
        const changed = { ...packages, 'node_modules/run': { version: '2.0.0' } };
        writeFileSync(join(folder, 'package-lock.json'), JSON.stringify({ packages: changed }));
      },
    ],
  ])('installs again if %s', (_what, damage) => {
    forRunning();
    damage();
    forRunning();
    expect(calls()).toEqual([ONLY_RUNNING, ONLY_RUNNING]);
  });

  test.each([
    ['a development package', 'test'],
    ['an optional package', 'extra'],
  ])('npm start does not miss %s', (_what, name) => {
    forTests();
    rmSync(join(folder, 'node_modules', name), { recursive: true });
    forRunning();
    expect(calls()).toEqual([ALL]);
  });
});
