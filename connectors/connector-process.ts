/** One connector in a process of its own: all its installations, behind one port. */
import 'reflect-metadata';
import type { Server as HeldPort } from 'node:net';
import { dirname } from 'node:path';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { waitForVersion } from '../migrations/migrate.ts';
import { openDatabase } from '../schema/database/database.ts';
import { configurable, connectors, families, HUB_INSTALLATION } from './index.ts';
import type { Config } from './kit/config/config.ts';
import { outlineOf } from './kit/config/config-digest.ts';
import { limitProcess } from './kit/config/process-limits.ts';
import type { HostPace } from './kit/config/sections/check-intervals.ts';
import type { AnyConnector } from './kit/connector.ts';
import type { GuardPolicy } from './kit/guard/guard.ts';
import { Host } from './kit/host/host.ts';
import { Presence } from './kit/host/process-registry.ts';
import { loadKeys } from './kit/host/services.ts';
import type { Log } from './kit/log.ts';
import { countSources } from './kit/monitoring/source-metrics.ts';
import { serveHost } from './kit/subgraph/subgraph-server.ts';

/** There is no such connector; the message is a sentence for people. */
export class ConnectorError extends Error {
  override name = 'CommandError';
}

export interface ServeOptions {
  readonly name: string;
  readonly config: Config;
  readonly databaseUrl: string;
  readonly host: string;
  readonly port: number;
  readonly log: Log;
  readonly pace?: Partial<HostPace>;
  readonly policy?: Partial<GuardPolicy>;
  /** The port, when it has been taken before. */
  readonly held?: HeldPort;
  /** Interrupts the start: it then rejects, and nothing stays behind. */
  readonly signal?: AbortSignal;
}

/** Serves until stopped; waits up to a minute for the database to be brought to this version. Rejects with `PresenceRefused` when a hub there goes by another isthmus.yaml. */
export async function serveConnector(options: ServeOptions): Promise<{ url: string; stop(): Promise<void> }> {
  const connector = connectors.find((one) => one.name === options.name) ?? (await madeConnector(options));
  if (!connector) {
    const made = options.config.installations.flatMap((one) => (one.family ? [one.connector] : []));
    throw new ConnectorError(
      `There is no connector ${options.name}. Known are ${[...connectors.map((one) => one.name), ...new Set(made)].join(', ')}.`,
    );
  }
  limitProcess(options.config.limits);
  const { signal, log } = options;
  const database = await openDatabase(options.databaseUrl, {
    pool: 8,
    name: `isthmus ${options.name}`,
    signal,
    waiting: (text) => log.warn(text),
  });
  let presence: Presence | undefined;
  let host: Host | null = null;
  try {
    await waitForVersion(database.source, 60_000, signal);
    presence = await Presence.join({
      database,
      role: `connector ${options.name}`,
      outline: outlineOf(options.config, configurable),
      log,
    });
    const raised = await Host.raise({
      signal,
      connector,
      installations:
        connector.name === 'hub'
          ? [HUB_INSTALLATION]
          : options.config.installations.filter((one) => one.connector === connector.name),
      parks: options.config.parks,
      database,
      keys: await loadKeys(database),
      log,
      ...(options.pace ? { pace: options.pace } : {}),
      ...(options.policy ? { policy: options.policy } : {}),
    });
    host = raised;
    const registry = new Registry();
    collectDefaultMetrics({ register: registry });
    const uncounted = countSources(registry, () => (connector.name === 'hub' ? [] : raised.sources()));
    const served = await serveHost(raised, {
      port: options.port,
      host: options.host,
      held: options.held,
      log,
      limits: options.config.limits,
      metrics: async () => ({ type: registry.contentType, body: await registry.metrics() }),
    });
    database.settle();
    return {
      url: served.url,
      stop: async () => {
        await served.close();
        uncounted();
        registry.clear();
        await raised.close();
        await presence?.leave();
        await database.close();
      },
    };
  } catch (error) {
    await host?.close();
    await presence?.leave();
    await database.close();
    throw error;
  }
}

/** The connector that the configuration makes under this name, if it does. */
async function madeConnector({ name, config }: ServeOptions): Promise<AnyConnector | null> {
  const own = config.installations.filter((one) => one.family && one.connector === name);
  const family = families.find((one) => one.name === own[0]?.family);
  if (!family) return null;
  return family.make(
    name,
    own.map((one) => one.settings),
    dirname(config.file),
  );
}
