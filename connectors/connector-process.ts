/** Runs one connector as a process: all its installations, behind one port. */
import 'reflect-metadata';
import type { Server as HeldPort } from 'node:net';
import { dirname } from 'node:path';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { waitForVersion } from '../migrations/migrate.ts';
import { openDatabase } from '../schema/database/database.ts';
import { configurable, connectors, families, HUB_INSTALLATION } from './index.ts';
import type { Config } from './kit/config/config.ts';
import { hashConfig } from './kit/config/config-digest.ts';
import { applyProcessLimits } from './kit/config/process-limits.ts';
import type { CheckIntervals } from './kit/config/sections/check-intervals.ts';
import type { GuardPolicy } from './kit/config/sections/guard.ts';
import type { AnyConnector } from './kit/connector.ts';
import { Host } from './kit/host/host.ts';
import { ProcessRegistration } from './kit/host/process-registry.ts';
import { loadKeys } from './kit/host/services.ts';
import type { Log } from './kit/log.ts';
import { registerSourceMetrics } from './kit/monitoring/source-metrics.ts';
import { serveSubgraph } from './kit/subgraph/subgraph-server.ts';

/** There is no such connector. The message is for the user. */
export class ConnectorError extends Error {
  override name = 'ConnectorError';
}

export interface ServeOptions {
  readonly name: string;
  readonly config: Config;
  readonly databaseUrl: string;
  readonly host: string;
  readonly port: number;
  readonly log: Log;
  readonly pace?: Partial<CheckIntervals>;
  readonly policy?: Partial<GuardPolicy>;
  /** A port that is listening already; `port` and `host` are not opened then. */
  readonly heldPort?: HeldPort;
  /** Cancels the start: the call rejects and releases everything it opened. */
  readonly signal?: AbortSignal;
}

/**
 * Serves the connector until `stop` is called. Waits up to a minute until the database is migrated to this version. Throws
 * `ConnectorError` for an unknown name, and rejects if another process on the database uses a different isthmus.yaml.
 */
export async function serveConnector(options: ServeOptions): Promise<{ url: string; stop(): Promise<void> }> {
  const connector = connectors.find(({ name }) => name === options.name) ?? (await configuredConnector(options));
  if (!connector) {
    const configured = options.config.installations.flatMap(({ family, connector }) => (family ? [connector] : []));
    throw new ConnectorError(
      `Unknown connector ${options.name}. Available: ${[...connectors.map(({ name }) => name), ...new Set(configured)].join(', ')}.`,
    );
  }
  applyProcessLimits(options.config.limits);
  const { signal, log } = options;
  const database = await openDatabase(options.databaseUrl, {
    poolSize: 8,
    name: `isthmus ${options.name}`,
    signal,
    onWaiting: (text) => log.warn(text),
    onUnprepared: (text) => log.warn(text),
  });
  let registration: ProcessRegistration | undefined;
  let host: Host | null = null;
  try {
    await waitForVersion(database.source, 60_000, signal);
    registration = await ProcessRegistration.register({
      database,
      role: `connector ${options.name}`,
      hashes: hashConfig(options.config, configurable),
      log,
    });
    const opened = await Host.open({
      signal,
      connector,
      installations:
        connector.name === 'hub'
          ? [HUB_INSTALLATION]
          : options.config.installations.filter((installation) => installation.connector === connector.name),
      parks: options.config.parks,
      database,
      keys: await loadKeys(database),
      log,
      ...(options.pace ? { intervals: options.pace } : {}),
      ...(options.policy ? { policy: options.policy } : {}),
    });
    host = opened;
    const registry = new Registry();
    collectDefaultMetrics({ register: registry });
    const unregisterMetrics = registerSourceMetrics(registry, () =>
      connector.name === 'hub' ? [] : opened.sourceStatuses(),
    );
    const served = await serveSubgraph(opened, {
      port: options.port,
      host: options.host,
      heldPort: options.heldPort,
      log,
      limits: options.config.limits,
      metrics: async () => ({ type: registry.contentType, body: await registry.metrics() }),
    });
    database.endStartup();
    return {
      url: served.url,
      stop: async () => {
        await served.close();
        unregisterMetrics();
        registry.clear();
        await opened.close();
        await registration?.unregister();
        await database.close();
      },
    };
  } catch (error) {
    await host?.close();
    await registration?.unregister();
    await database.close();
    throw error;
  }
}

/** The connector that a family creates under this name from isthmus.yaml; null if there is none. */
async function configuredConnector({ name, config }: ServeOptions): Promise<AnyConnector | null> {
  const own = config.installations.filter(({ family, connector }) => family && connector === name);
  const family = families.find((candidate) => candidate.name === own[0]?.family);
  if (!family) return null;
  return family.createConnector(
    name,
    own.map(({ settings }) => settings),
    dirname(config.file),
  );
}
