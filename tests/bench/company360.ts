/** A whole hub on a database of its own that syncs to disk, with a company that every island knows: what the measures of Company360 run on. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Subgraph } from '../../connectors/kit/connector.ts';
import { readSupergraph } from '../../gateway/sources/schema-snapshots.ts';
import { anonymousPrincipal } from '../../gateway/trust/tokens/token-principal.ts';
import { startEmbedded } from '../../schema/database/embedded/embedded-postgres.ts';
import { operation, until, type WholeHub, wholeHub } from '../hub.ts';

/** What a measure asks, and of whom. */
export interface Measured {
  readonly whole: WholeHub;
  readonly supergraph: string;
  readonly subgraphs: ReadonlyMap<string, Subgraph>;
  /** One request for Company360 of a developer. */
  readonly request: {
    readonly query: string;
    readonly variables: Readonly<Record<string, unknown>>;
    readonly principal: ReturnType<typeof anonymousPrincipal>;
    readonly signal: AbortSignal;
  };
}

/** Raises all of it, lets `measure` work, and takes all of it down again. */
export async function onCompany360(measure: (at: Measured) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-bench-'));
  const cluster = await startEmbedded({ directory, listen: { host: '127.0.0.1', port: 0 } });
  process.env['ISTHMUS_TEST_CLUSTER'] = cluster.url;
  const whole = await wholeHub('embedded');
  try {
    const query = operation('Company360');
    const variables = {
      uscc: whole.world.companies[0]?.uscc ?? '',
      from: new Date(Date.now() - 86_400_000).toISOString(),
      to: new Date(Date.now() + 3_600_000).toISOString(),
    };
    await until('the company is known to all', 120, async () => {
      const { data, errors } = await whole.ask(query, variables);
      return !errors && data?.company?.tax && data.company.registration && data.company.energy?.total;
    });
    await measure({
      whole,
      supergraph: await readSupergraph(),
      subgraphs: new Map(whole.hub.islands.hosts().map((host) => [host.name, host.subgraph])),
      request: { query, variables, principal: anonymousPrincipal('developer'), signal: new AbortController().signal },
    });
  } finally {
    await whole.close();
    await cluster.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The value at this share of all of them; the median when not said. */
export const middle = (all: readonly number[] | undefined, at = 0.5): number =>
  [...(all ?? [])].sort((a, b) => a - b)[Math.floor((all?.length ?? 0) * at)] ?? 0;
