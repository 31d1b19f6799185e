/** Who may ask the wall clock: everything else takes a `Clock`, and measures what passes by its `monotonic()`. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..');

/** Files that may, by a pattern of their path; each with its reason. */
const MAY: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [/^connectors\/kit\/clock\.ts$/, 'it is the system’s clock'],
  [/^connectors\/kit\/testing\//, 'for tests and simulators: it never runs in a hub'],
  [
    /^connectors\/([^/]+\/)?simulat(or(-\w+)?|e)(\/|\.ts$)/,
    'simulators pretend to be other machines, with wall clocks of their own',
  ],
  [/^gateway\/bench\//, 'a measuring program, not part of the hub'],
  [/^gateway\/explorer\/page\//, 'it runs in the browser'],
];

const WALL = /\bDate\.now\b|\bnew Date\(\s*\)|\bnew Date(?![\w(])|(?<!new )\bDate\(\s*\)/;

function files(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return ['fixtures', 'node_modules'].includes(entry.name) ? [] : files(path);
    return /\.(ts|js)$/.test(entry.name) && !/\.test\.ts$/.test(entry.name) ? [path] : [];
  });
}
const all = ['gateway', 'connectors', 'schema', 'migrations'].flatMap(files);
/** Comments may speak of it. */
const codeOf = (path: string): string =>
  readFileSync(join(ROOT, path), 'utf8').replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
const asks = (path: string): boolean => WALL.test(codeOf(path));

test('nothing asks the wall clock past the Clock, but files that are named with a reason', () => {
  const wrong = all.filter((path) => asks(path) && !MAY.some(([pattern]) => pattern.test(path)));
  expect(wrong).toEqual([]);
});

test('every exception is needed', () => {
  const idle = MAY.filter(([pattern]) => !all.some((path) => pattern.test(path) && asks(path))).map(
    ([pattern]) => pattern.source,
  );
  expect(idle).toEqual([]);
});
