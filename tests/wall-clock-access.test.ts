/** Only the listed files read the wall clock directly; all others use a `Clock`, and its `monotonic()` for durations. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..');

/** Files that may read the wall clock: pattern of the path, and the reason. */
const ALLOWED: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [/^connectors\/kit\/clock\.ts$/, 'implements the system clock'],
  [/^connectors\/kit\/testing\//, 'tests and simulators; never runs in a hub'],
  [
    /^connectors\/([^/]+\/)?simulator(s|-\w+)?(\/|\.ts$)/,
    'simulators stand for other machines with their own wall clocks',
  ],
  [/^connectors\/demo-world\.ts$/, 'the time of the first start of the simulators'],
  [/^gateway\/bench\//, 'benchmark, not part of the hub'],
  [/^gateway\/explorer\/(page|libraries)\//, 'runs in the browser'],
];

const WALL_CLOCK = /\bDate\.now\b|\bnew Date\(\s*\)|\bnew Date(?![\w(])|(?<!new )\bDate\(\s*\)/;

function files(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return ['fixtures', 'node_modules'].includes(entry.name) ? [] : files(path);
    return /\.(ts|js)$/.test(entry.name) && !/\.test\.ts$/.test(entry.name) ? [path] : [];
  });
}
const all = ['gateway', 'connectors', 'schema', 'migrations'].flatMap(files);
/** The code without comments, which may mention the wall clock. */
const codeOf = (path: string): string =>
  readFileSync(join(ROOT, path), 'utf8').replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
const readsWallClock = (path: string): boolean => WALL_CLOCK.test(codeOf(path));

test('only listed files read the wall clock without a Clock', () => {
  const wrong = all.filter((path) => readsWallClock(path) && !ALLOWED.some(([pattern]) => pattern.test(path)));
  expect(wrong).toEqual([]);
});

test('every exception in the list is needed', () => {
  const idle = ALLOWED.filter(([pattern]) => !all.some((path) => pattern.test(path) && readsWallClock(path))).map(
    ([pattern]) => pattern.source,
  );
  expect(idle).toEqual([]);
});
