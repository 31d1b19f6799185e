/** Brings islands up: a host for each connector that lives here, a way to each that lives in a process of its own. */
import { connectors } from '../../connectors/index.ts';
import type { Config } from '../../connectors/kit/config/config.ts';
import type { HostPace } from '../../connectors/kit/config/sections/check-intervals.ts';
import type { Call, Clock, Subgraph } from '../../connectors/kit/connector.ts';
import type { GuardPolicy } from '../../connectors/kit/guard/guard.ts';
import { Host, OPEN_AT_ONCE } from '../../connectors/kit/host/host.ts';
import type { Keys } from '../../connectors/kit/host/services.ts';
import type { Log } from '../../connectors/kit/log.ts';
import { type BuiltGraph, buildGraph } from '../../connectors/kit/subgraph/subgraph-schema.ts';
import { limited } from '../../connectors/kit/tasks/concurrency-limit.ts';
import type { Database } from '../../schema/database/database.ts';
import { remoteSubgraph } from '../federation/index.ts';
import type { Plan } from './composition-plan.ts';
import { type Waiting, waitingConnector } from './pending-sources.ts';

export interface IslandsOptions {
  readonly database: Database;
  readonly keys: Keys;
  readonly log: Log;
  readonly clock?: Clock | undefined;
  readonly pace?: Partial<HostPace> | undefined;
  readonly policy?: Partial<GuardPolicy> | undefined;
  /** Interrupts a start. */
  readonly signal?: AbortSignal | undefined;
  /** Who asks and how much time is left, for a connector's own process. */
  headers(connector: string): (call: Call, body: string) => Record<string, string>;
}

/** One connector of the running hub. */
export interface Island {
  readonly name: string;
  /** Tells whether a new configuration asks for anything else. */
  readonly mark: string;
  /** Null: it is written in code, and its text is checked in. */
  readonly built: BuiltGraph | null;
  /** Null: it lives in a process of its own. */
  readonly host: Host | null;
  readonly subgraph: Subgraph;
  /** It could not be made yet: its host only says why, and the graph has nothing of it. */
  readonly waits: Waiting | null;
}

/** Raises all of them, or none: what was raised beside one that could not be is closed again. */
export async function raiseAll(
  { wanted, made, waiting }: Pick<Plan, 'wanted' | 'made' | 'waiting'>,
  config: Config,
  options: IslandsOptions,
): Promise<Map<string, Island>> {
  const { headers, ...rest } = options;
  const opening = limited(OPEN_AT_ONCE);
  const outcomes = await Promise.allSettled(
    wanted.map(async ({ name, mark, url, installations }): Promise<Island> => {
      const own = made.get(name) ?? null;
      const fault = waiting.get(name);
      const waits: Waiting | null = fault ? { fault } : null;
      const connector = waits
        ? waitingConnector(name, waits)
        : (own?.connector ?? connectors.find((one) => one.name === name));
      if (!connector) throw new Error(`There is no connector ${name}.`);
      if (url !== null && waits === null) {
        const subgraph = remoteSubgraph({
          name,
          url: new URL('/graphql', url).href,
          headers: headers(name),
        });
        return { name, mark, built: own?.built ?? null, host: null, subgraph, waits: null };
      }
      const graph = own?.built ?? (await buildGraph(name, connector.graph));
      const { clock, pace, policy } = rest;
      const host = await Host.raise({
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
        ...(pace ? { pace } : {}),
        ...(policy ? { policy } : {}),
      });
      return { name, mark, built: own?.built ?? null, host, subgraph: host.subgraph, waits };
    }),
  );
  const raised = outcomes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const fault = outcomes.find((one) => one.status === 'rejected');
  if (fault) {
    await Promise.all(raised.map((one) => one.host?.close()));
    throw fault.reason;
  }
  return new Map(raised.map((one) => [one.name, one]));
}
