/** What a guard keeps, with the hub's database behind it. */
import { createHash } from 'node:crypto';
import type { Database } from '../../../schema/database/database.ts';
import { findKept, saveKept, trimKept } from '../../../schema/database/hub/read-cache.ts';
import { pack, unpack } from '../../../schema/database/json-codec.ts';
import type { Clock } from '../connector.ts';
import type { Log } from '../log.ts';
import { type Keeping, Kept, type KeptStore } from './read-cache.ts';

/** Readings of one installation that are kept in the database at most. */
const MOST = 50_000;
/** Every so many writings the table is trimmed. */
const TRIM = 100;

const digest = (key: string): Buffer => createHash('sha256').update(key).digest();

function keptStore(database: Database, installation: string, clock: Clock): KeptStore {
  let writings = 0;
  return {
    find: async (key) => {
      const row = await findKept(database.plain, installation, digest(key));
      return row && { value: unpack(row.value), fetchedAt: row.fetchedAt, recordedAt: row.recordedAt };
    },
    save: async (all) => {
      const rows = [...all].map(([key, one]) => ({
        key: digest(key),
        value: pack(one.value),
        fetchedAt: one.fetchedAt,
        recordedAt: one.recordedAt,
        until: one.until,
      }));
      await saveKept(database.plain, installation, rows, clock.now());
      if (++writings % TRIM === 0) await trimKept(database.plain, installation, MOST);
    },
  };
}

/** The readings of one installation. `pause`: between two writings, in milliseconds. */
export function makeKept(parts: {
  readonly policies: Readonly<Record<string, Keeping>>;
  readonly database: Database;
  readonly installation: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly pause?: number;
}): Kept {
  const { policies, clock, log } = parts;
  return new Kept({
    policies,
    clock,
    store: keptStore(parts.database, parts.installation, clock),
    ...(parts.pause === undefined ? {} : { pause: parts.pause }),
    onFault: (error) => log.warn('What was last read cannot be written to the database or read from it.', { error }),
  });
}
