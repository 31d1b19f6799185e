/** `npm run release` in a temporary repository: what it checks, writes, commits and tags. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..');
const CHANGELOG = `# Changelog

## Unreleased

- **One.** Something new.
- Another thing, and \`code\`.

### Fixed

- A fault.

## 0.1.0 (2026-01-31)

- The beginning.
`;
const TODAY = () => new Date().toISOString().slice(0, 10);

let folder: string;
const path = (name: string): string => join(folder, name);
const read = (name: string): string => readFileSync(path(name), 'utf8');
/** Excludes this machine's git settings, such as hooks and signing. */
const env = {
  PATH: process.env['PATH'],
  HOME: tmpdir(),
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
};
const git = (...args: string[]): string =>
  execFileSync('git', args, { cwd: folder, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
const commit = (subject: string): void => {
  git('add', '--all');
  git('commit', '--quiet', '--message', subject);
};
const release = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [path('bin/release.js'), ...args], {
    cwd: tmpdir(),
    env,
    encoding: 'utf8',
  });
  return { code: status, out: stdout, err: stderr };
};
/** Everything that a release can change. */
const state = () => ({
  head: git('rev-parse', 'HEAD'),
  tags: git('tag'),
  status: git('status', '--porcelain'),
  files: ['CHANGELOG.md', 'package.json', 'package-lock.json'].map(read),
});

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isthmus-release-'));
  mkdirSync(path('bin'));
  copyFileSync(join(ROOT, 'bin', 'release.js'), path('bin/release.js'));
  writeFileSync(path('CHANGELOG.md'), CHANGELOG);
  const manifest = { name: 'thing', version: '0.1.0', type: 'module', dependencies: { other: '0.1.0' } };
  writeFileSync(path('package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  const lock = {
    ...{ name: 'thing', version: '0.1.0', lockfileVersion: 3, requires: true },
    packages: { '': { name: 'thing', version: '0.1.0' }, 'node_modules/other': { version: '0.1.0' } },
  };
  writeFileSync(path('package-lock.json'), `${JSON.stringify(lock, null, 2)}\n`);
  git('init', '--quiet', '--initial-branch', 'main');
  git('config', 'user.name', 'Test');
  git('config', 'user.email', 'test@example.com');
  commit('begin');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('npm run release: writes the version and the changelog, commits, tags with the notes, and pushes nothing', () => {
  const before = state();
  const { code, out, err } = release('0.2.0');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  const notes = '- **One.** Something new.\n- Another thing, and `code`.\n\n### Fixed\n\n- A fault.';
  expect(read('CHANGELOG.md')).toBe(
    `# Changelog\n\n## Unreleased\n\n## 0.2.0 (${TODAY()})\n\n${notes}\n\n## 0.1.0 (2026-01-31)\n\n- The beginning.\n`,
  );
  expect(read('package.json')).toBe(before.files[1]?.replace('"version": "0.1.0"', '"version": "0.2.0"'));
  const lock = JSON.parse(read('package-lock.json'));
  expect([lock.version, lock.packages[''].version, lock.packages['node_modules/other'].version]).toEqual([
    '0.2.0',
    '0.2.0',
    '0.1.0',
  ]);
  expect(git('log', '--format=%s', `${before.head}..`)).toBe('release: 0.2.0');
  expect(git('status', '--porcelain')).toBe('');
  expect(git('cat-file', '-t', 'v0.2.0')).toBe('tag');
  expect(git('rev-parse', 'v0.2.0^{commit}')).toBe(git('rev-parse', 'HEAD'));
  // A line of the notes that begins with # is part of the message.
  expect(git('tag', '--list', '--format=%(contents)', 'v0.2.0')).toBe(`0.2.0 (${TODAY()})\n\n${notes}`);
  expect(out).toContain('git push --follow-tags\n  npm publish\n');
  expect(out).toContain(`git tag -d v0.2.0 && git reset --hard ${before.head.slice(0, 12)}`);

  expect(release('0.3.0')).toMatchObject({ code: 1, err: expect.stringContaining('is empty') });
});

test('npm run release: --dry-run shows the notes and changes nothing', () => {
  const before = state();
  const { code, out } = release('1.0.0-beta.1', '--dry-run');
  expect(code).toBe(0);
  expect(out).toContain('Dry run: would release 1.0.0-beta.1 (now 0.1.0).');
  expect(out).toContain('- **One.** Something new.');
  expect(out).toContain('Nothing was changed.');
  expect(state()).toEqual(before);
});

test('npm run release: does not suggest publishing a private package', () => {
  writeFileSync(path('package.json'), read('package.json').replace('"type"', '"private": true,\n  "type"'));
  commit('private');
  const { code, out } = release('0.2.0');
  expect(code).toBe(0);
  expect(out).toContain('no npm publish: package.json says "private": true');
});

describe('npm run release rejects with a hint, changing nothing', () => {
  const refused = (args: readonly string[], message: RegExp) => {
    const before = state();
    const { code, out, err } = release(...args);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(message);
    expect(err).not.toMatch(/^\s+at /m);
    expect(state()).toEqual(before);
  };

  test.each([
    [[], /^Expected one version, got 0\. Usage: npm run release -- X\.Y\.Z/],
    [['0.2.0', '0.3.0'], /^Expected one version, got 2\./],
    [['0.2.0', '--push'], /^Unknown option --push\. Usage/],
    [['v0.2.0'], /^v0\.2\.0 is not a semantic version: .* without a leading v/],
    [['0.2'], /^0\.2 is not a semantic version/],
    [['0.02.0'], /is not a semantic version/],
    [['0.2.0-01'], /is not a semantic version/],
    [['0.1.0'], /^0\.1\.0 is not greater than the current version 0\.1\.0\. Choose a greater version\./],
    [['0.0.9'], /is not greater/],
    [['0.1.0-rc.1'], /is not greater/],
  ])('arguments %j', (args, message) => refused(args, message));

  test('a pre-release lower than the current version', () => {
    const order = ['1.0.0-alpha', '1.0.0-alpha.1', '1.0.0-alpha.beta', '1.0.0-beta.2', '1.0.0-beta.11', '1.0.0-rc.1'];
    for (const [i, current] of order.entries()) {
      for (const file of ['package.json', 'package-lock.json'])
        writeFileSync(
          path(file),
          read(file).replaceAll(/"version": "(0\.1\.0|1\.0\.0-[\w.]+)"/g, `"version": "${current}"`),
        );
      commit(`now ${current}`);
      for (const earlier of order.slice(0, i + 1)) refused([earlier], /is not greater/);
      for (const later of [...order.slice(i + 1), '1.0.0']) expect(release(later, '--dry-run').code, later).toBe(0);
    }
  }, 60_000);

  test('another branch, and a detached HEAD', () => {
    git('switch', '--quiet', '--create', 'feature');
    refused(['0.2.0'], /^Releases are made on main; this is feature\. Run: git switch main/);
    git('checkout', '--quiet', '--detach');
    refused(['0.2.0'], /this is no branch \(a detached HEAD\)/);
  });

  test('a work tree with changes, including untracked files', () => {
    writeFileSync(path('stray.txt'), '');
    refused(['0.2.0'], /^The work tree has changes\. Commit, stash or remove them first:\n\?\? stray\.txt/);
  });

  test('an existing tag', () => {
    git('tag', 'v0.2.0');
    refused(['0.2.0'], /^The tag v0\.2\.0 exists already\..* git tag -d v0\.2\.0/);
  });

  test.each([
    ['no section', CHANGELOG.replace('## Unreleased', '## Coming'), /^CHANGELOG\.md has no section "## Unreleased"/],
    [
      'an empty section',
      CHANGELOG.replace(/- \*\*One[\s\S]*?A fault\.\n/, ''),
      /"## Unreleased" .* is empty\. Add a line/,
    ],
    ['headings alone', CHANGELOG.replace(/^- (?!The beginning).*\n/gm, ''), /is empty/],
    ['the version', CHANGELOG.replace('## 0.1.0', '## 0.2.0'), /has a section 0\.2\.0 already\. Choose another/],
  ])('a changelog with %s', (_, text, message) => {
    writeFileSync(path('CHANGELOG.md'), text);
    commit('changelog');
    refused(['0.2.0'], message);
  });

  test('a lock file with another version', () => {
    writeFileSync(
      path('package-lock.json'),
      read('package-lock.json').replace('"version": "0.1.0"', '"version": "0.0.1"'),
    );
    commit('lock');
    refused(
      ['0.2.0'],
      /^package-lock\.json has the version 0\.0\.1, package\.json has 0\.1\.0\. Run npm install, and commit\./,
    );
  });

  test('a folder that is not a repository', () => {
    rmSync(path('.git'), { recursive: true });
    const { code, err } = release('0.2.0');
    expect(code).toBe(1);
    expect(err).toMatch(/not a git repository/);
    expect(read('CHANGELOG.md')).toBe(CHANGELOG);
  });
});

test('npm run release: undoes the release when the commit fails', () => {
  const hook = path('.git/hooks/pre-commit');
  mkdirSync(path('.git/hooks'), { recursive: true });
  writeFileSync(hook, '#!/bin/sh\necho "The hook says no." >&2\nexit 1\n');
  chmodSync(hook, 0o755);
  const before = state();
  const { code, err } = release('0.2.0');
  expect(code).toBe(1);
  expect(err).toContain('git commit failed: The hook says no.');
  expect(err).toContain('The release was undone; nothing has changed.');
  expect(state()).toEqual(before);
});

test('npm run release: undoes the release when the tag fails', () => {
  git('config', 'tag.gpgSign', 'true');
  git('config', 'gpg.program', 'false');
  const before = state();
  const { code, err } = release('0.2.0');
  expect(code).toBe(1);
  expect(err).toMatch(/^git tag failed: [\s\S]*The release was undone; nothing has changed\.\n$/);
  expect(state()).toEqual(before);
});

test('npm run release runs bin/release.js', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  expect(scripts.release).toBe('node bin/release.js');
});
