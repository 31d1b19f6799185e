/**
 * The conformance suite that every connector must pass. Its checks are numbered C1 to C14 (docs/connectors.md). A connector's test
 * calls `conformance({...})` with its simulator and sample queries.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import type { Principal } from '../../auth/principal.ts';
import type { Subgraph, SubgraphResponse } from '../../call.ts';
import { Host, type HostOptions } from '../../host/host.ts';
import { hubCall, loadKeys } from '../../host/services.ts';
import { createLog } from '../../log.ts';
import { createWorld } from '../park/index.ts';
import type { RunningSimulator } from '../simulator.ts';
import { createTestDatabase } from '../test-database.ts';
import { demoParkConfig, installationConfig } from '../test-installation.ts';
import {
  type CheckContext,
  type ConformanceContract,
  defineDeclarationChecks,
  defineDeliveryChecks,
  defineFixtureChecks,
  defineQueryChecks,
  defineSecretsCheck,
  defineServingCheck,
} from './conformance-checks.ts';
import { defineFaultChecks, type LocalSource, type NetworkSource } from './conformance-faults.ts';
import { defineIngestChecks, type IngestPaths } from './conformance-ingest.ts';

/** What a connector's test gives to the suite. */
export type ConformanceOptions = ConformanceContract & IngestPaths & (NetworkSource | LocalSource);

const PARK = demoParkConfig(createWorld());

/** Defines the checks C1 to C14 for the connector. Call it at the top level of a test file. */
export function conformance(options: ConformanceOptions): void {
  const { connector } = options;
  describe(`${connector.name} keeps the contract`, () => {
    const world = createWorld();
    const logLines: string[] = [];
    const log = createLog((line) => logLines.push(line), 'debug');
    const directory = mkdtempSync(join(tmpdir(), `isthmus-${connector.name}-`));
    let running: RunningSimulator;
    let database: Awaited<ReturnType<typeof createTestDatabase>>;
    let keys: Awaited<ReturnType<typeof loadKeys>>;
    let host: Host;

    // A job needs a lease that the first host does not hold; a query may use record ids of the first host's installation.
    const faultyId = 'job' in options.live ? 'trap' : 'test';
    const startHost = (
      raw: Record<string, unknown>,
      id = 'test',
      { intervals, ...extra }: Pick<HostOptions, 'runJobs' | 'intervals'> = {},
    ): Promise<Host> =>
      Host.open({
        connector,
        installations: [installationConfig(connector, id, raw)],
        parks: [PARK],
        database,
        keys,
        log,
        intervals: { checkUp: 300, checkDown: 200, checkTime: 1_500, heartbeat: 500, ...intervals },
        policy: { timeout: 1_000, retries: 1 },
        cacheReads: false,
        ...extra,
      });
    const execute = (
      subgraph: Pick<Subgraph, 'execute'>,
      query: string,
      variables: Record<string, unknown> = {},
      timeout = 10_000,
    ) =>
      subgraph.execute({
        query,
        variables,
        call: { ...hubCall(timeout, AbortSignal.timeout(timeout + 5_000)), principal: ALL_SCOPES },
      });
    const liveErrorCodes = async (at: Host, timeout = 10_000): Promise<string[]> => {
      const { live } = options;
      if ('job' in live) {
        return at.runJob(faultyId, live.job).then(
          () => [],
          (error: { code?: string }) => [error.code ?? String(error)],
        );
      }
      return errorCodes(await execute(at.subgraph, live.query, live.variables?.(world) ?? {}, timeout));
    };

    beforeAll(async () => {
      database = await createTestDatabase();
      keys = await loadKeys(database);
      running = await options.simulator.start({
        directory,
        world,
        now: () => new Date(),
        history: 3 * 86_400_000,
        live: false,
      });
      host = await startHost(options.settings(running, world));
      for (const job of options.prepare ?? []) await host.runJob('test', job);
    }, 120_000);

    afterAll(async () => {
      await host?.close();
      await running?.close();
      await database?.drop();
      rmSync(directory, { recursive: true, force: true });
    }, 60_000);

    const context: CheckContext = {
      world,
      log,
      logLines,
      started: () => ({ running, database, host, principalKey: keys.principal }),
      startHost,
      execute,
    };
    defineDeclarationChecks(options);
    defineQueryChecks(options, context);
    defineFaultChecks(options, { startHost, liveErrorCodes, logLines, id: faultyId, world, running: () => running });
    defineDeliveryChecks(options, context);
    defineServingCheck(options, context);
    defineFixtureChecks(options);
    defineIngestChecks(options, () => ({
      ...{ running, world, directory, host, database },
      raw: options.settings(running, world),
    }));
    defineSecretsCheck(options, context);
  });
}

/** A caller with every scope, so that the suite sees all fields. */
const ALL_SCOPES: Principal = {
  subject: 'conformance',
  client: 'conformance',
  roles: ['test'],
  scopes: new Set(
    'access:read access:log access:persons access:names parking:read parking:plates permits:write registration:file registration:representatives tax:read tax:file'.split(
      ' ',
    ),
  ),
  parks: null,
  companies: null,
  purpose: null,
  consents: new Set(['tax']),
  expires: null,
};

const errorCodes = (response: SubgraphResponse): string[] =>
  (response.errors ?? []).map((error) => String(error.extensions?.['code'] ?? error.message));
