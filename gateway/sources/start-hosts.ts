/** Starts the connectors: a host for each that runs in this process, a remote subgraph for each that runs in its own. */
import { connectors } from '../../connectors/index.ts';
import type { Call, Subgraph } from '../../connectors/kit/call.ts';
import type { Clock } from '../../connectors/kit/clock.ts';
import type { Config } from '../../connectors/kit/config/config.ts';
import type { CheckIntervals } from '../../connectors/kit/config/sections/check-intervals.ts';
import type { GuardPolicy } from '../../connectors/kit/config/sections/guard.ts';
import { Host, MAX_CONCURRENT_OPENS } from '../../connectors/kit/host/host.ts';
import type { Keys } from '../../connectors/kit/host/services.ts';
import type { Log } from '../../connectors/kit/log.ts';
import { type BuiltGraph, buildGraph } from '../../connectors/kit/subgraph/subgraph-schema.ts';
import { limitConcurrency } from '../../connectors/kit/tasks/concurrency-limit.ts';
import type { Database } from '../../schema/database/database.ts';
import { remoteSubgraph } from '../federation/index.ts';
import type { CompositionPlan } from './composition-plan.ts';
import { type PendingReason, pendingConnector } from './pending-sources.ts';

export interface HostOptions {
  readonly database: Database;
  readonly keys: Keys;
  readonly log: Log;
  readonly clock?: Clock | undefined;
  readonly intervals?: Partial<CheckIntervals> | undefined;
  readonly policy?: Partial<GuardPolicy> | undefined;
  /** Interrupts a start. */
  readonly signal?: AbortSignal | undefined;
  /** The headers of calls to a connector that runs in its own process. */
  headers(connector: string): (call: Call, body: string) => Record<string, string>;
}

/** One connector of the running hub. */
export interface RunningConnector {
  readonly name: string;
  /** Of the configuration it was started with. */
  readonly fingerprint: string;
  /** Null: a connector in code, whose graph is checked in. */
  readonly graph: BuiltGraph | null;
  /** Null: it runs in its own process. */
  readonly host: Host | null;
  readonly subgraph: Subgraph;
  /** Set while the connector cannot be built: its host reports the error, and its graph is not part of the supergraph. */
  readonly pending: PendingReason | null;
}

/** Starts all connectors of the plan. If one fails, closes the others and rejects with its error. */
export async function startHosts(
  { connectors: plans, built, pending }: Pick<CompositionPlan, 'connectors' | 'built' | 'pending'>,
  config: Config,
  options: HostOptions,
): Promise<Map<string, RunningConnector>> {
  const { headers, ...rest } = options;
  const opening = limitConcurrency(MAX_CONCURRENT_OPENS);
  const outcomes = await Promise.allSettled(
    plans.map(async ({ name, fingerprint, url, installations }): Promise<RunningConnector> => {
      const described = built.get(name) ?? null;
      const error = pending.get(name);
      const pendingReason: PendingReason | null = error ? { error } : null;
      const connector = pendingReason
        ? pendingConnector(name, pendingReason)
        : (described?.connector ?? connectors.find((known) => known.name === name));
      if (!connector) throw new Error(`unknown connector ${name}`);
      if (url !== null && pendingReason === null) {
        const subgraph = remoteSubgraph({
          name,
          url: new URL('/graphql', url).href,
          headers: headers(name),
        });
        return { name, fingerprint, graph: described?.graph ?? null, host: null, subgraph, pending: null };
      }
      const graph = described?.graph ?? (await buildGraph(name, connector.graph));
      const { clock, intervals, policy } = rest;
      const host = await Host.open({
        connector,
        installations,
        parks: config.parks,
        database: rest.database,
        keys: rest.keys,
        log: rest.log,
        graph,
        opening,
        signal: rest.signal,
        ...(clock ? { clock } : {}),
        ...(intervals ? { intervals } : {}),
        ...(policy ? { policy } : {}),
      });
      return {
        name,
        fingerprint,
        graph: described?.graph ?? null,
        host,
        subgraph: host.subgraph,
        pending: pendingReason,
      };
    }),
  );
  const started = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const failure = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failure) {
    await Promise.all(started.map((connector) => connector.host?.close()));
    throw failure.reason;
  }
  return new Map(started.map((connector) => [connector.name, connector]));
}
