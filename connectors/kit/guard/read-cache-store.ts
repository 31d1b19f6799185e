/** The read cache of an installation, with its durable readings in the hub's database. */
import { createHash } from 'node:crypto';
import type { Database } from '../../../schema/database/database.ts';
import {
  deleteExpiredReadings,
  findCachedReading,
  saveCachedReadings,
  trimCachedReadings,
} from '../../../schema/database/hub/read-cache.ts';
import { decodeJson, encodeJson } from '../../../schema/database/json-codec.ts';
import type { Clock } from '../clock.ts';
import type { CacheAges } from '../config/sections/guard.ts';
import type { Log } from '../log.ts';
import { ReadCache, type ReadCacheStore } from './read-cache.ts';

/** Readings of one installation in the database. */
const MAX_STORED = 50_000;
/** Milliseconds between two deletions of readings that are too old to be used. */
const EXPIRY_INTERVAL = 60_000;
/** The table is trimmed to MAX_STORED once in so many batches. */
const TRIM_INTERVAL = 100;

const digest = (key: string): Buffer => createHash('sha256').update(key).digest();

function databaseStore(database: Database, installation: string, clock: Clock): ReadCacheStore {
  let batches = 0;
  let expiredAt = Number.NEGATIVE_INFINITY;
  return {
    find: async (key) => {
      const row = await findCachedReading(database.requests, installation, digest(key));
      return row && { value: decodeJson(row.value), fetchedAt: row.fetchedAt, recordedAt: row.recordedAt };
    },
    save: async (readings) => {
      const rows = [...readings].map(([key, { value, fetchedAt, recordedAt, until }]) => ({
        key: digest(key),
        value: encodeJson(value),
        fetchedAt,
        recordedAt,
        until,
      }));
      await saveCachedReadings(database.requests, installation, rows, clock.now());
      if (clock.monotonic() - expiredAt >= EXPIRY_INTERVAL) {
        expiredAt = clock.monotonic();
        await deleteExpiredReadings(database.plain, installation, clock.now());
      }
      if (++batches % TRIM_INTERVAL === 0) await trimCachedReadings(database.plain, installation, MAX_STORED);
    },
  };
}

/** The cache of one installation. `saveDelay`: milliseconds between two batches that are written to the database. */
export function createReadCache(options: {
  readonly ages: Readonly<Record<string, CacheAges>>;
  readonly database: Database;
  readonly installation: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly saveDelay?: number;
}): ReadCache {
  const { ages, database, installation, clock, log, saveDelay } = options;
  return new ReadCache({
    ages,
    clock,
    store: databaseStore(database, installation, clock),
    ...(saveDelay === undefined ? {} : { saveDelay }),
    onError: (error) => log.warn('Read cache: database access failed. Readings stay in memory.', { error }),
  });
}
