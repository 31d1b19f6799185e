import { expect, test } from 'vitest';
import { waitFor } from '../../tests/test-hub.ts';
import { GarbageCollection } from './garbage-collection.ts';

test('garbage collection: collects unreferenced objects soon, before V8 would', async () => {
  // A weak reference is only cleared by a full collection.
  const make = () => new WeakRef({ left: 'behind' });
  const [before, collection] = [make(), new GarbageCollection()];
  try {
    collection.schedule();
    collection.schedule();
    await waitFor('the collection', 30, () => before.deref() === undefined);
  } finally {
    collection.close();
  }
  expect(before.deref()).toBeUndefined();
}, 40_000);
