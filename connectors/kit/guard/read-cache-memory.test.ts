import { expect, test } from 'vitest';
import { ReadCache, type ReadCacheStore } from './read-cache.ts';
import { type CachedReading, ReadCacheMemory } from './read-cache-memory.ts';

const KIB = 1024;
const clock = { now: () => new Date(1_000), monotonic: () => 1_000 };
const reading = (bytes: number): CachedReading => ({
  value: 'x'.repeat(bytes / 2),
  fetchedAt: new Date(1_000),
  recordedAt: null,
});
const POLICY = { Lot: { fresh: 60_000, usable: 60_000 } };
const source = (cache: ReadCacheMemory, store?: ReadCacheStore, durable = false) =>
  new ReadCache({
    ages: { Lot: { ...POLICY.Lot, durable } },
    clock,
    memory: cache,
    ...(store ? { store, saveDelay: 60_000 } : {}),
  });
const keep = (one: ReadCache, key: string, bytes = 4 * KIB) =>
  one.set('Lot', key, reading(bytes), null, one.epoch('Lot'));

test('read cache memory: all sources share one memory, and the least recently used readings are evicted', async () => {
  const cache = new ReadCacheMemory(256 * KIB);
  const sources = Array.from({ length: 48 }, () => source(cache));
  for (const one of sources) for (let i = 0; i < 20; i++) keep(one, `lot ${i}`);
  // 48 × 20 × 4 KiB would be 3.75 MiB.
  expect(cache.usedBytes).toBeLessThanOrEqual(256 * KIB);
  expect(cache.usedBytes).toBeGreaterThan(128 * KIB);
  const known = sources
    .flatMap((one) => Array.from({ length: 20 }, (_, i) => one.getFresh('Lot', `lot ${i}`)))
    .filter(Boolean);
  expect(known.length).toBe(48 * 20 - cache.evictions);
  // The least recently used reading is evicted.
  expect(sources[0]?.getFresh('Lot', 'lot 0')).toBeNull();
  expect(await sources[0]?.getStale('Lot', 'lot 0')).toBeNull();
  expect(sources[47]?.getFresh('Lot', 'lot 19')).not.toBeNull();
});

test('read cache memory: equal keys of two sources are separate readings; closing a source frees its own', () => {
  const cache = new ReadCacheMemory(256 * KIB);
  const [one, other] = [source(cache), source(cache)];
  keep(one, 'lot');
  expect(other.getFresh('Lot', 'lot')).toBeNull();
  keep(other, 'lot');
  const both = cache.usedBytes;
  one.close();
  expect([one.getFresh('Lot', 'lot'), cache.usedBytes]).toEqual([null, both / 2]);
  expect(other.getFresh('Lot', 'lot')).not.toBeNull();
});

test('read cache memory: an evicted reading is referenced nowhere else', () => {
  const cache = new ReadCacheMemory(64 * KIB);
  const one = source(cache);
  let looked = 0;
  // Called by an event, once for each reading that may be fresh.
  const about = { some: () => void looked++ } as unknown as string[];
  const readings = new ReadCache({
    ages: { Lot: { ...POLICY.Lot, changedBy: ['VEHICLE_ENTERED'] } },
    clock,
    memory: cache,
  });
  for (let i = 0; i < 500; i++) readings.set('Lot', `lot ${i}`, reading(4 * KIB), about, readings.epoch('Lot'));
  readings.invalidate([{ kind: 'VEHICLE_ENTERED' }]);
  expect(looked).toBeGreaterThan(0);
  expect(looked).toBe(500 - cache.evictions);
  one.close();
});

test('does not cache a reading larger than an eighth of the memory', () => {
  const cache = new ReadCacheMemory(256 * KIB);
  const one = source(cache);
  keep(one, 'small');
  keep(one, 'huge', 100 * KIB);
  expect(one.getFresh('Lot', 'huge')).toBeNull();
  expect(one.getFresh('Lot', 'small')).not.toBeNull();
});

test('read cache memory: limits the unsaved readings while the database is unavailable and writes them later', async () => {
  const cache = new ReadCacheMemory(256 * KIB);
  let away = true;
  const saved: string[] = [];
  const store: ReadCacheStore = {
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
  expect(cache.usedBytes).toBeLessThanOrEqual(256 * KIB);
  away = false;
  await one.flush();
  expect(saved).toContain('lot 499');
  expect(saved.length).toBeLessThan(16);
  one.close();
});
