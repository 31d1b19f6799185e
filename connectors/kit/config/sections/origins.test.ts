import { expect, test } from 'vitest';
import { readOrigins } from './origins.ts';

const read = (raw: unknown): { origins: readonly string[]; faults: string[] } => {
  const faults: string[] = [];
  return { origins: readOrigins(raw, (one) => faults.push(one)), faults };
};

test.each([
  [undefined, []],
  [null, []],
  [[], []],
  [['https://app.example'], ['https://app.example']],
  [['https://app.example/'], ['https://app.example']],
  [['HTTPS://App.Example:443/'], ['https://app.example']],
  [
    ['http://localhost:5173', 'http://[::1]:5173'],
    ['http://localhost:5173', 'http://[::1]:5173'],
  ],
  [['https://app.example', 'https://app.example:443'], ['https://app.example']],
  [['https://bücher.example'], ['https://xn--bcher-kva.example']],
])('%j is read as browsers send it', (raw, origins) => {
  expect(read(raw)).toEqual({ origins, faults: [] });
});

test.each([
  ['https://app.example'],
  [{ app: 'https://app.example' }],
  [['*']],
  [['https://*.example']],
  [['https://app.example/path']],
  [['https://app.example//']],
  [['https://app.example?x']],
  [['https://app.example#x']],
  [['https://user:secret@app.example']],
  [['app.example']],
  [['ftp://app.example']],
  [['null']],
  [['https://']],
  [['https://app.example:99999']],
  [[7]],
  [[null]],
])('%j is refused with what was found and an example', (raw) => {
  const { origins, faults } = read(raw);
  expect(origins).toEqual([]);
  expect(faults).toHaveLength(1);
  expect(faults[0]).toMatch(/^origins.*, found .*; example: origins: \[https:\/\/app\.example\]$/);
  expect(faults[0]).not.toContain('secret');
});
