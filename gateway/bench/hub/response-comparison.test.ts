import { expect, test } from 'vitest';
import { compareResponses, differences } from './response-comparison.ts';

test('comparison: values, items, missing fields and null differ, ages do not', () => {
  expect(differences({ a: [{ age: 'PT1S', b: 1 }] }, { a: [{ age: 'PT2S', b: 1 }] })).toEqual([]);
  expect(differences({ a: [1, 2], b: null, c: '1' }, { a: [1], b: {}, c: 1, d: 0 })).toEqual([
    'a: 2 and 1 items',
    'b: null and {}',
    'c: "1" and 1',
    'd: only in the second',
  ]);
  expect(differences({ age: 'PT1S' }, { age: null })).toEqual(['age: "PT1S" and null']);
});

test('comparison: asks again while the sources change, and gives up with what differs', async () => {
  let state = 0;
  const pauses: number[] = [];
  const pause = async () => void pauses.push(state);
  const first = async () => ({ free: state++ });
  expect(await compareResponses({ first, second: async () => ({ free: Math.max(state, 3) - 1 }) }, pause)).toEqual([]);
  expect(pauses).toHaveLength(2);
  const found = await compareResponses({ first: async () => ({ a: 1 }), second: async () => ({ a: 2 }) }, pause);
  expect(found).toEqual(['a: 1 and 2']);
});
