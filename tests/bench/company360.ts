/** A hub on its own database that syncs to disk, with a company that every source knows: the basis of the Company360 benchmarks. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Subgraph } from '../../connectors/kit/call.ts';
import { readSupergraph } from '../../gateway/sources/schema-snapshots.ts';
import { anonymousPrincipal } from '../../gateway/trust/tokens/token-principal.ts';
import { startEmbeddedPostgres } from '../../schema/database/embedded/embedded-postgres.ts';
import { explorerOperation, startTestHub, type TestHub, waitFor } from '../test-hub.ts';

/** What a benchmark needs to query the hub. */
export interface BenchmarkSetup {
  readonly testHub: TestHub;
  readonly supergraph: string;
  readonly subgraphs: ReadonlyMap<string, Subgraph>;
  /** A Company360 request of a developer. */
  readonly request: {
    readonly query: string;
    readonly variables: Readonly<Record<string, unknown>>;
    readonly principal: ReturnType<typeof anonymousPrincipal>;
    readonly signal: AbortSignal;
  };
}

/** Starts everything, runs `measure`, and stops everything. */
export async function withCompany360(measure: (at: BenchmarkSetup) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-bench-'));
  const cluster = await startEmbeddedPostgres({ directory, listen: { host: '127.0.0.1', port: 0 } });
  process.env['ISTHMUS_TEST_CLUSTER'] = cluster.url;
  const testHub = await startTestHub('embedded');
  try {
    const query = explorerOperation('Company360');
    const variables = {
      uscc: testHub.world.companies[0]?.uscc ?? '',
      from: new Date(Date.now() - 86_400_000).toISOString(),
      to: new Date(Date.now() + 3_600_000).toISOString(),
    };
    await waitFor('the company is known to all sources', 120, async () => {
      const { data, errors } = await testHub.query(query, variables);
      return !errors && data?.company?.tax && data.company.registration && data.company.energy?.total;
    });
    await measure({
      testHub: testHub,
      supergraph: await readSupergraph(),
      subgraphs: new Map(testHub.hub.registry.hosts().map((host) => [host.name, host.subgraph])),
      request: { query, variables, principal: anonymousPrincipal('developer'), signal: new AbortController().signal },
    });
  } finally {
    await testHub.close();
    await cluster.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The quantile of the numbers; the median by default. */
export const quantile = (all: readonly number[] | undefined, at = 0.5): number =>
  [...(all ?? [])].sort((a, b) => a - b)[Math.floor((all?.length ?? 0) * at)] ?? 0;
