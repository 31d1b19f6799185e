/** Keeps the sums of measurements (docs/decisions/0035-rollups.md) up to date, by one replica at a time. */
import type { Log } from '../../connectors/kit/log.ts';
import { startPeriodicTask } from '../../connectors/kit/tasks/periodic-task.ts';
import type { Database, Tx } from '../../schema/database/database.ts';
import { buildSums, claimSums, unsummedMeters } from '../../schema/database/energy/rollup.ts';
import {
  buildOccupancySums,
  claimOccupancySums,
  unsummedLots,
} from '../../schema/database/parking/occupancy-rollup.ts';

/** Milliseconds between two rounds. Queries read what is newer from the measurements, so answers do not depend on it. */
const INTERVAL = 60_000;
/** Meters or lots of one step: at a reading per quarter of an hour a step reads at most 60,000 readings. */
const BATCH = 20;

interface RollupOptions {
  readonly database: Database;
  /** Time zone of each installation's park, as configured now. */
  readonly zones: () => ReadonlyMap<string, string>;
  /** False: no waiting between two steps; for tests and measurements. */
  readonly paced?: boolean;
  /** Stops between two steps. */
  readonly signal?: AbortSignal;
}

/**
 * Adds all new measurements to the sums and builds outdated ones anew, in steps; between two steps it waits as long as the last one took, so
 * that a first build leaves time to queries. Resolves with the number of steps. Rejects with the database's error.
 */
export async function updateSumsOnce({ database, zones, paced = true, signal }: RollupOptions): Promise<number> {
  const zoneOf = zones();
  let steps = 0;
  const runAll = async <T>(
    all: readonly T[],
    claim: (tx: Tx, items: readonly T[]) => Promise<void>,
    build: (tx: Tx, items: readonly T[]) => Promise<T[] | null>,
  ): Promise<void> => {
    for (let first = 0; first < all.length; first += BATCH) {
      let items: T[] | null = all.slice(first, first + BATCH);
      await database.transaction((tx) => claim(tx, items ?? []));
      while (items !== null && items.length > 0) {
        if (signal?.aborted) return;
        const current: readonly T[] = items;
        const began = performance.now();
        items = await database.transaction((tx) => build(tx, current));
        steps++;
        if (items === null) return;
        if (paced) await pause(performance.now() - began, signal);
      }
    }
  };
  await runAll(await unsummedMeters(database.plain, zoneOf), claimSums, buildSums);
  await runAll(await unsummedLots(database.plain, [...zoneOf.keys()]), claimOccupancySums, buildOccupancySums);
  return steps;
}

/** Waits, or until the signal aborts. */
function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, milliseconds);
    function done() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    }
    signal?.addEventListener('abort', done);
  });
}

/** Runs a round now and every minute. Logs errors and retries in the next round. */
export function startRollupMaintenance({ log, ...options }: Omit<RollupOptions, 'signal'> & { readonly log: Log }): {
  close(): Promise<void>;
} {
  const stop = new AbortController();
  const task = startPeriodicTask(
    INTERVAL,
    async () => {
      await updateSumsOnce({ ...options, signal: stop.signal });
    },
    (error) =>
      log.warn('Failed to update the sums of measurements. Queries read the measurements instead. Retrying in 1 min.', {
        error,
      }),
  );
  return {
    close: () => {
      stop.abort();
      return task.close();
    },
  };
}
