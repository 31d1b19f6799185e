import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import {
  type Comparison,
  candidateProgramOf,
  compareRounds,
  describeComparison,
  medianInterval,
  sameSubgraphRequests,
} from './checkout-comparison.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function folderWith(...paths: string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-checkout-'));
  folders.push(folder);
  for (const path of paths) {
    mkdirSync(join(folder, dirname(path)), { recursive: true });
    writeFileSync(join(folder, path), path === 'package.json' ? '{"name":"isthmus"}' : '');
  }
  return folder;
}

describe('checkout comparison: the interval of a median', () => {
  test('spans all values while fewer than six cannot reach 95 %', () => {
    expect(medianInterval([1.2])).toEqual({ median: 1.2, low: 1.2, high: 1.2, confidence: 0 });
    expect(medianInterval([1.1, 0.9, 1])).toEqual({ median: 1, low: 0.9, high: 1.1, confidence: 0.75 });
    expect(medianInterval([4, 1, 3, 2, 5])).toEqual({ median: 3, low: 1, high: 5, confidence: 0.9375 });
  });

  test('leaves out as many values at both ends as 95 % allows', () => {
    expect(medianInterval([1, 2, 3, 4, 5, 6])).toMatchObject({ median: 3.5, low: 1, high: 6, confidence: 0.96875 });
    // From 1 - 2 * (1 + 9) / 2^9 = 0.961: one value at either end.
    expect(medianInterval([9, 8, 7, 6, 5, 4, 3, 2, 1])).toMatchObject({ median: 5, low: 2, high: 8 });
    expect(medianInterval(Array.from({ length: 20 }, (_, i) => i))).toMatchObject({ low: 5, high: 14 });
  });

  test('does not exist without values', () => {
    expect(() => medianInterval([])).toThrow(RangeError);
  });
});

test('compares each round with the same round of the other checkout', () => {
  // The machine was half as fast in the second round: the ratio does not change.
  expect(compareRounds([1, 2, 1.1], [2, 4, 2])).toMatchObject({ median: 0.5, low: 0.5, high: 0.55 });
});

test('checkout comparison: describes the ratio, its interval and whether the subgraph requests differ', () => {
  const comparison: Comparison = {
    query: 'Q2',
    mode: 'http',
    cpu: { median: 0.97, low: 0.94, high: 1.02, confidence: 0.75 },
    subgraphRequests: { current: 6, other: 6 },
  };
  expect(sameSubgraphRequests(comparison)).toBe(true);
  expect(describeComparison(comparison)).toBe(
    'Q2 http: CPU ratio 0.970 (0.940 to 1.020, 75 % confidence); same subgraph requests (6)',
  );
  const different = { ...comparison, subgraphRequests: { current: 6, other: 7 } };
  expect(sameSubgraphRequests(different)).toBe(false);
  expect(describeComparison(different)).toMatch(/DIFFERENT subgraph requests: 6 here, 7 there$/);
});

describe('the other checkout', () => {
  const BUILT = ['package.json', 'node_modules/.keep', 'dist/.built'];

  test('is found with the program of its age', () => {
    const old = folderWith(...BUILT, 'dist/gateway/bench/serve.js');
    expect(candidateProgramOf(old)).toBe(join(old, 'dist/gateway/bench/serve.js'));
    const current = folderWith(...BUILT, 'dist/gateway/bench/candidate-process.js');
    writeFileSync(join(current, 'package.json'), '{"name":"@isthmus-hub/isthmus"}');
    expect(candidateProgramOf(current)).toBe(join(current, 'dist/gateway/bench/candidate-process.js'));
  });

  test.each([
    ['does not exist', () => '/nowhere', /must be a checkout of Isthmus, found "\/nowhere"/],
    ['is another package', () => folderWith('readme'), /no package\.json of Isthmus/],
    ['is not installed', () => folderWith('package.json'), /is not installed\. Run `npm ci && node bin\/build\.js`/],
    ['is not built', () => folderWith('package.json', 'node_modules/.keep'), /is not built\. Run/],
    ['was not built to the end', () => folderWith(...BUILT.slice(0, 2), 'dist/gateway/bench/serve.js'), /is not built/],
  ])('is rejected when it %s', (_, folder, message) => {
    expect(() => candidateProgramOf(folder())).toThrow(message);
  });
});
