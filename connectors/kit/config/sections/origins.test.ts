import { expect, test } from 'vitest';
import { readOrigins } from './origins.ts';

const read = (raw: unknown): { origins: readonly string[]; errors: string[] } => {
  const errors: string[] = [];
  return { origins: readOrigins(raw, (message) => errors.push(message)), errors };
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
])('section origins: reads %j in the form that browsers send', (raw, origins) => {
  expect(read(raw)).toEqual({ origins, errors: [] });
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
])('section origins: rejects %j with the value found and an example', (raw) => {
  const { origins, errors } = read(raw);
  expect(origins).toEqual([]);
  expect(errors).toHaveLength(1);
  expect(errors[0]).toMatch(/^origins.*, found .*; example: origins: \[https:\/\/app\.example\]$/);
  expect(errors[0]).not.toContain('secret');
});
