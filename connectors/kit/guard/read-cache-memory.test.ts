import { expect, test } from 'vitest';
import { Kept, type KeptStore, type KeptValue } from './read-cache.ts';
import { ReadCache } from './read-cache-memory.ts';

const KIB = 1024;
const clock = { now: () => new Date(1_000), monotonic: () => 1_000 };
const reading = (bytes: number): KeptValue => ({
  value: 'x'.repeat(bytes / 2),
  fetchedAt: new Date(1_000),
  recordedAt: null,
});
const POLICY = { Lot: { fresh: 60_000, usable: 60_000 } };
const source = (cache: ReadCache, store?: KeptStore, durable = false) =>
  new Kept({
    policies: { Lot: { ...POLICY.Lot, durable } },
    clock,
    cache,
    ...(store ? { store, pause: 60_000 } : {}),
  });
const keep = (one: Kept, key: string, bytes = 4 * KIB) => one.put('Lot', key, reading(bytes), null, one.epoch('Lot'));

test('all sources of the process share one cache, whatever there are of them', async () => {
  const cache = new ReadCache(256 * KIB);
  const sources = Array.from({ length: 48 }, () => source(cache));
  for (const one of sources) for (let i = 0; i < 20; i++) keep(one, `lot ${i}`);
  // 48 times 20 times 4 KiB would be 3.75 MiB.
  expect(cache.held).toBeLessThanOrEqual(256 * KIB);
  expect(cache.held).toBeGreaterThan(128 * KIB);
  const known = sources
    .flatMap((one) => Array.from({ length: 20 }, (_, i) => one.fresh('Lot', `lot ${i}`)))
    .filter(Boolean);
  expect(known.length).toBe(48 * 20 - cache.evictions);
  // What has not been asked for longest has gone.
  expect(sources[0]?.fresh('Lot', 'lot 0')).toBeNull();
  expect(await sources[0]?.usable('Lot', 'lot 0')).toBeNull();
  expect(sources[47]?.fresh('Lot', 'lot 19')).not.toBeNull();
});

test('equal keys of two sources are two readings; one that is closed leaves nothing behind', () => {
  const cache = new ReadCache(256 * KIB);
  const [one, other] = [source(cache), source(cache)];
  keep(one, 'lot');
  expect(other.fresh('Lot', 'lot')).toBeNull();
  keep(other, 'lot');
  const both = cache.held;
  one.close();
  expect([one.fresh('Lot', 'lot'), cache.held]).toEqual([null, both / 2]);
  expect(other.fresh('Lot', 'lot')).not.toBeNull();
});

test('what was put out is held nowhere else', () => {
  const cache = new ReadCache(64 * KIB);
  const one = source(cache);
  let looked = 0;
  // Looked at once for each reading that may still be fresh, when an event comes.
  const about = { some: () => void looked++ } as unknown as string[];
  const kept = new Kept({ policies: { Lot: { ...POLICY.Lot, changedBy: ['VEHICLE_ENTERED'] } }, clock, cache });
  for (let i = 0; i < 500; i++) kept.put('Lot', `lot ${i}`, reading(4 * KIB), about, kept.epoch('Lot'));
  kept.changed([{ kind: 'VEHICLE_ENTERED' }]);
  expect(looked).toBeGreaterThan(0);
  expect(looked).toBe(500 - cache.evictions);
  one.close();
});

test('one reading takes no more than an eighth of it', () => {
  const cache = new ReadCache(256 * KIB);
  const one = source(cache);
  keep(one, 'small');
  keep(one, 'huge', 100 * KIB);
  expect(one.fresh('Lot', 'huge')).toBeNull();
  expect(one.fresh('Lot', 'small')).not.toBeNull();
});

test('while the database is away, what waits to be written is bounded, too; what is left is written later', async () => {
  const cache = new ReadCache(256 * KIB);
  let away = true;
  const saved: string[] = [];
  const store: KeptStore = {
    find: async () => null,
    save: async (all) => {
      if (away) throw new Error('away');
      saved.push(...all.keys());
    },
  };
  const one = source(cache, store, true);
  for (let i = 0; i < 500; i++) {
    keep(one, `lot ${i}`);
    if (i % 50 === 0) await one.flush();
  }
  expect(cache.held).toBeLessThanOrEqual(256 * KIB);
  away = false;
  await one.flush();
  expect(saved).toContain('lot 499');
  expect(saved.length).toBeLessThan(16);
  one.close();
});
