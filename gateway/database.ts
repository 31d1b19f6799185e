/** The hub's database: opens it, stores the configuration in it, opens the audit log, registers the process, and reports readiness. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { configurable } from '../connectors/index.ts';
import type { Clock } from '../connectors/kit/clock.ts';
import type { Config } from '../connectors/kit/config/config.ts';
import { hashConfig } from '../connectors/kit/config/config-digest.ts';
import { DEFAULT_ZONE } from '../connectors/kit/config/time-zone.ts';
import type { SourceStatus } from '../connectors/kit/host/installation.ts';
import { ProcessRegistration } from '../connectors/kit/host/process-registry.ts';
import type { Log } from '../connectors/kit/log.ts';
import { type Database, openDatabase, withoutPassword } from '../schema/database/database.ts';
import { type EmbeddedCluster, startEmbeddedPostgres } from '../schema/database/embedded/embedded-postgres.ts';
import { replaceParks } from '../schema/database/hub/parks.ts';
import { removeOtherSources } from '../schema/database/hub/source-status.ts';
import { hasProcessTables } from '../schema/database/processes/processes.ts';
import { addressFile, auditHeadsFolder, signingKeyFile } from './data-folder.ts';
import { startLogMaintenance } from './live/log-maintenance.ts';
import { startRollupMaintenance } from './live/rollup-maintenance.ts';
import type { Shutdown } from './ops/shutdown.ts';
import { AuditLog } from './trust/audit/audit-log.ts';
import { startAuditMaintenance } from './trust/audit/audit-maintenance.ts';
import { loadOrCreateSigningKey } from './trust/signing/signing-key.ts';

/** Default of database connections, besides the one for LISTEN. */
const POOL = 16;

/** Opens the database of `databaseUrl`, or starts the embedded one; both are closed by `shutdown`. `folder` is null for the former. */
export async function openHubDatabase(
  options: {
    readonly databaseUrl: string | null;
    readonly data: string;
    readonly log: Log;
    readonly pool?: number | undefined;
    readonly cluster?: Promise<EmbeddedCluster> | undefined;
    readonly signal?: AbortSignal | undefined;
    readonly progress?: ((what: string, text: string) => void) | undefined;
  },
  shutdown: Shutdown,
): Promise<{ database: Database; folder: string | null }> {
  const { signal, log } = options;
  const progress = (text: string) => options.progress?.('database', text);
  let url = options.databaseUrl;
  let folder: string | null = null;
  if (url === null) {
    const embedded = await (options.cluster ??
      startEmbeddedPostgres({ directory: join(options.data, 'database'), signal, onProgress: progress }));
    shutdown.add('embedded database', () => embedded.stop());
    url = embedded.url;
    folder = embedded.directory;
    // Other commands find the database of a running hub by this file.
    const addressPath = addressFile(options.data);
    await writeFile(addressPath, `${url}\n`, { mode: 0o600 });
    shutdown.add('database address file', () => rm(addressPath, { force: true }));
    log.debug('Started the embedded database.', { directory: embedded.directory });
  } else progress(`connecting to ${withoutPassword(url)}`);
  const waiting = (text: string) => {
    progress(text);
    if (!options.progress) log.warn(text);
  };
  const database = await openDatabase(url, {
    poolSize: options.pool ?? POOL,
    signal,
    onWaiting: waiting,
    onUnprepared: (text) => log.warn(text),
  });
  shutdown.add('database connections', () => database.close());
  return { database, folder };
}

/** Stores the parks and sources of the configuration in the hub's tables. */
export async function saveConfiguration(database: Database, config: Config): Promise<void> {
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
    await removeOtherSources(
      tx,
      config.installations.map((installation) => installation.id),
    );
  });
}

/**
 * Registers this process in the database and migrates it to this version. Rejects when another process runs with another isthmus.yaml. A
 * schema without the table of processes is migrated first.
 */
export async function joinHubProcesses(
  { database, config, log }: { readonly database: Database; readonly config: Config; readonly log: Log },
  migrate: (isRepeated: boolean) => Promise<unknown>,
): Promise<ProcessRegistration> {
  const register = () =>
    ProcessRegistration.register({ database, role: 'hub', hashes: hashConfig(config, configurable), log });
  const registration = (await hasProcessTables(database.plain)) ? await register() : null;
  try {
    await migrate(false);
  } catch (error) {
    await registration?.unregister();
    throw error;
  }
  if (registration) return registration;
  const registered = await register();
  // From now on no process can revert a migration; one may have done so in between.
  await migrate(true);
  return registered;
}

/** Starts the maintenance of the event log, of measurements and of their sums; it is stopped by `shutdown`. */
export function startMaintenance(
  {
    database,
    clock,
    log,
    config,
  }: { readonly database: Database; readonly clock: Clock; readonly log: Log; readonly config: () => Config },
  shutdown: Shutdown,
): void {
  const maintenance = startLogMaintenance({ database, clock, log, retention: config().retention });
  shutdown.add('event log maintenance', () => maintenance.close());
  const zones = () => {
    const { parks, installations } = config();
    const zoneOf = new Map(parks.map(({ id, zone }) => [id, zone]));
    return new Map(installations.map(({ id, park }) => [id, zoneOf.get(park) ?? DEFAULT_ZONE]));
  };
  const rollups = startRollupMaintenance({ database, log, zones });
  shutdown.add('sums of measurements', () => rollups.close());
}

/** Opens the audit log and starts its maintenance; both are closed by `shutdown`. Creates the signing key on first use. */
export async function openAuditLog(
  {
    database,
    config: { audit },
    data,
    signingKey: file = null,
    clock,
    log,
  }: {
    readonly database: Database;
    readonly config: Config;
    readonly data: string;
    readonly signingKey?: string | null;
    readonly clock: Clock;
    readonly log: Log;
  },
  shutdown: Shutdown,
) {
  const signingKey = loadOrCreateSigningKey(signingKeyFile({ data, signingKey: file }));
  const heads = { folder: auditHeadsFolder(data), second: audit.heads };
  const shared = { database, key: signingKey, clock, log, heads };
  const auditLog = await AuditLog.open({ ...shared, digest: audit.digest });
  const maintenance = startAuditMaintenance({
    ...shared,
    recordStatement: (statement) => auditLog.recordStatement(statement),
    retention: audit.retention,
  });
  shutdown.add('audit log maintenance', () => maintenance.close());
  shutdown.add('audit log', () => auditLog.close());
  return { auditLog, signingKey };
}

/** Readiness and source states for `/readyz`. `configuration`: a warning about an outdated file, or null. */
export async function readiness(database: Database, sources: SourceStatus[], configuration: string | null) {
  const isUp = await database.plain.query('SELECT 1').then(
    () => true,
    () => false,
  );
  return {
    ready: isUp,
    body: { ready: isUp, database: isUp ? 'up' : 'down', ...(configuration ? { configuration } : {}), sources },
  };
}
