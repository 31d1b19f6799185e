/** The hub's database as the house stands on it: opened, filled with what isthmus.yaml names, and asked whether it is there. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { configurable } from '../connectors/index.ts';
import type { Config } from '../connectors/kit/config/config.ts';
import { outlineOf } from '../connectors/kit/config/config-digest.ts';
import type { SourceStatus } from '../connectors/kit/host/installation.ts';
import { Presence } from '../connectors/kit/host/process-registry.ts';
import type { Log } from '../connectors/kit/log.ts';
import { type Database, openDatabase, shownUrl } from '../schema/database/database.ts';
import { startEmbedded } from '../schema/database/embedded/embedded-postgres.ts';
import { replaceParks } from '../schema/database/hub/parks.ts';
import { keepSources } from '../schema/database/hub/source-status.ts';
import { knowsProcesses } from '../schema/database/processes/processes.ts';
import { addressFile } from './data-folder.ts';
import type { Shutdown } from './ops/shutdown.ts';

/** Connections of one hub; one more listens. */
const POOL = 16;

/** Opens the database that the operator names, or starts the embedded one; both end with the hub. */
export async function raiseDatabase(
  options: {
    readonly databaseUrl: string | null;
    readonly data: string;
    readonly log: Log;
    readonly pool?: number | undefined;
    readonly signal?: AbortSignal | undefined;
    readonly progress?: ((what: string, text: string) => void) | undefined;
  },
  shutdown: Shutdown,
): Promise<{ database: Database; records: string | null }> {
  const { signal, log } = options;
  const progress = (text: string) => options.progress?.('database', text);
  let url = options.databaseUrl;
  let records: string | null = null;
  if (url === null) {
    const embedded = await startEmbedded({ directory: join(options.data, 'database'), signal, progress });
    shutdown.add('the embedded database', () => embedded.stop());
    url = embedded.url;
    records = embedded.directory;
    // Commands beside the running hub find the database by this file.
    const address = addressFile(options.data);
    await writeFile(address, `${url}\n`, { mode: 0o600 });
    shutdown.add('the address of the database', () => rm(address, { force: true }));
    log.debug('The embedded database runs.', { directory: embedded.directory });
  } else progress(`connecting to ${shownUrl(url)}`);
  const waiting = (text: string) => {
    progress(text);
    if (!options.progress) log.warn(text);
  };
  const database = await openDatabase(url, { pool: options.pool ?? POOL, signal, waiting });
  shutdown.add('the database connections', () => database.close());
  return { database, records };
}

/** The parks and sources of the configuration in the hub's tables. */
export async function keepConfigured(database: Database, config: Config): Promise<void> {
  await database.transaction(async (tx) => {
    await replaceParks(
      tx,
      config.parks.map((park, position) => ({ ...park, position })),
      config.parks.flatMap((park) =>
        park.buildings.map((building, position) => ({
          ...building,
          known: [...building.known],
          park: park.id,
          position,
        })),
      ),
    );
    await keepSources(
      tx,
      config.installations.map((one) => one.id),
    );
  });
}

/**
 * Joins the processes that work on the database, and brings it to this version. Rejects with `PresenceRefused` when another one goes by
 * another isthmus.yaml; an older schema that knows no processes is brought forward first.
 */
export async function joinProcesses(
  { database, config, log }: { readonly database: Database; readonly config: Config; readonly log: Log },
  migrate: (isRepeated: boolean) => Promise<unknown>,
): Promise<Presence> {
  const join = () => Presence.join({ database, role: 'hub', outline: outlineOf(config, configurable), log });
  const joined = (await knowsProcesses(database.plain)) ? await join() : null;
  try {
    await migrate(false);
  } catch (error) {
    await joined?.leave();
    throw error;
  }
  if (joined) return joined;
  const late = await join();
  // Nobody can take a step back from now on; somebody may have in between.
  await migrate(true);
  return late;
}

/** Whether the hub can answer, and how each source is, for `/readyz`. `configuration`: what is to be said of the file. */
export async function readiness(database: Database, sources: SourceStatus[], configuration: string | null) {
  const alive = await database.plain.query('SELECT 1').then(
    () => true,
    () => false,
  );
  return {
    ready: alive,
    body: { ready: alive, database: alive ? 'up' : 'down', ...(configuration ? { configuration } : {}), sources },
  };
}
