import { expect, test } from 'vitest';
import { until } from '../../tests/hub.ts';
import { Leftovers } from './garbage-collection.ts';

test('what nobody holds any more is given back soon, without a reason that the collector would see', async () => {
  // A weak reference is only cleared by a full collection.
  const make = () => new WeakRef({ left: 'behind' });
  const [before, leftovers] = [make(), new Leftovers()];
  try {
    leftovers.soon();
    leftovers.soon();
    await until('the collection', 30, () => before.deref() === undefined);
  } finally {
    leftovers.close();
  }
  expect(before.deref()).toBeUndefined();
}, 40_000);
