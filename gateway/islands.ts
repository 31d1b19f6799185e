/**
 * The islands of a running hub: which connectors there are, their hosts, and the one graph that they make. A change of
 * isthmus.yaml is made ready beside the running graph and takes its place at once, or is refused and nothing changes.
 */
import { dirname } from 'node:path';
import { connectors, families, HUB_INSTALLATION } from '../connectors/index.ts';
import {
  type AnyConnector,
  type Call,
  type Clock,
  DeclarationError,
  type Subgraph,
} from '../connectors/kit/connector.ts';
import type { GuardPolicy } from '../connectors/kit/guard.ts';
import type { Config, InstallationConfig } from '../connectors/kit/host/config.ts';
import { Host, type HostPace } from '../connectors/kit/host/host.ts';
import type { Keys } from '../connectors/kit/host/services.ts';
import { type BuiltGraph, buildGraph } from '../connectors/kit/host/subgraph.ts';
import type { Log } from '../connectors/kit/log.ts';
import { CompositionError, compose, lint, type SubgraphText } from '../schema/compose.ts';
import type { Database } from '../schema/database/open.ts';
import { createFederation, type Federation, remoteSubgraph } from './federation/index.ts';
import { readSubgraphs, readSupergraph } from './pictures.ts';
import { type AuditWatch, readWatch } from './trust/audit-watch.ts';
import { type CostModel, readCosts } from './trust/cost.ts';
import { type Policy, readPolicy } from './trust/policy.ts';

/** The change was refused; the message names every reason, and the running graph is as it was. */
export class ChangeRefused extends Error {
  override name = 'ChangeRefused';
}

export interface IslandsOptions {
  readonly database: Database;
  readonly keys: Keys;
  readonly log: Log;
  readonly clock?: Clock | undefined;
  readonly pace?: Partial<HostPace> | undefined;
  readonly policy?: Partial<GuardPolicy> | undefined;
  /** Who asks and how much time is left, for a connector's own process. */
  headers(connector: string): (call: Call, body: string) => Record<string, string>;
}

/** One connector of the running hub. */
interface Island {
  readonly name: string;
  /** Tells whether a new configuration asks for anything else. */
  readonly mark: string;
  readonly built: BuiltGraph | null;
  /** Null: it lives in a process of its own. */
  readonly host: Host | null;
  readonly subgraph: Subgraph;
  /** Null: written in code, its text is checked in. */
  readonly made: AnyConnector | null;
}

/** Systems by what has become of them. */
export interface Change {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

/** One supergraph, and all that is read from it. */
export interface RunningGraph {
  readonly supergraph: string;
  readonly federation: Federation;
  readonly policy: Policy;
  readonly watch: AuditWatch;
  readonly costs: CostModel;
}

/** What the hub does around a change. */
export interface Swap {
  /** Everything that may fail; a rejection takes the change back. */
  ready(config: Config): Promise<void>;
  /** Puts the new graph in place; resolves when the last operation on the old one has ended. */
  replace(graph: RunningGraph): Promise<void>;
}

/** What a configuration asks of one connector. */
interface Wanted {
  readonly name: string;
  readonly mark: string;
  readonly installations: readonly InstallationConfig[];
  readonly family: string | null;
  readonly url: string | null;
}

export class Islands {
  readonly #options: IslandsOptions;
  #config: Config;
  #islands = new Map<string, Island>();
  #graph!: RunningGraph;
  #work: Promise<unknown> = Promise.resolve();
  #closed = false;

  private constructor(options: IslandsOptions, config: Config) {
    this.#options = options;
    this.#config = config;
  }

  /** Brings all islands up. One that is made from configuration and cannot be made is left out, with its reason in the log. */
  static async raise(config: Config, options: IslandsOptions): Promise<Islands> {
    const islands = new Islands(options, config);
    let wanted = wantedOf(config);
    const made = await makeAll(wanted, config, islands.#islands);
    for (const [name, fault] of made.faults) {
      options.log.error(`The island ${name} is left out: ${fault.message}`);
      wanted = wanted.filter((one) => one.name !== name);
    }
    islands.#islands = await islands.#raiseAll(wanted, made.connectors);
    try {
      await islands.#join(islands.#islands);
    } catch (error) {
      // The islands in code make one graph by themselves; those of the configuration must wait for a better one.
      if (!(error instanceof ChangeRefused)) throw error;
      options.log.error(`The islands by configuration are left out: ${error.message}`);
      const kept = new Map([...islands.#islands].filter(([, one]) => one.made === null));
      for (const [name, one] of islands.#islands) if (!kept.has(name)) await one.host?.close();
      islands.#islands = kept;
      await islands.#join(kept);
    }
    return islands;
  }

  /** What runs now. */
  get graph(): RunningGraph {
    return this.#graph;
  }

  get config(): Config {
    return this.#config;
  }

  hosts(): Host[] {
    return [...this.#islands.values()].flatMap((one) => (one.host ? [one.host] : []));
  }

  /** Where an installation's webhooks go: its host here, the address of its own process, or null. */
  at(installation: string): { host: Host } | { url: string } | null {
    const one = this.#config.installations.find((each) => each.id === installation);
    if (!one) return null;
    const url = this.#config.subgraphs[one.connector]?.url;
    if (url) return { url };
    const host = this.#islands.get(one.connector)?.host;
    return host ? { host } : null;
  }

  /**
   * Goes over to another configuration of parks, installations and subgraphs; the old hosts close when nothing asks them any
   * more. Rejects with `ChangeRefused`. One at a time.
   */
  change(config: Config, swap: Swap): Promise<Change> {
    const work = this.#work.then(() => this.#change(config, swap));
    this.#work = work.catch(() => undefined);
    return work;
  }

  async #change(config: Config, swap: Swap): Promise<Change> {
    if (this.#closed) throw new ChangeRefused('The hub is going down.');
    const before = this.#islands;
    const wanted = wantedOf(config);
    const fresh = wanted.filter((one) => before.get(one.name)?.mark !== one.mark);
    const made = await makeAll(fresh, config, before);
    if (made.faults.size > 0) throw new ChangeRefused([...made.faults.values()].map((one) => one.message).join('\n'));
    const raised = await this.#raiseAll(fresh, made.connectors, config);
    const after = new Map(
      wanted.flatMap((one) => {
        const island = raised.get(one.name) ?? before.get(one.name);
        return island ? [[one.name, island] as const] : [];
      }),
    );
    const now = this.#graph;
    try {
      await this.#join(after);
      await swap.ready(config);
    } catch (error) {
      this.#graph = now;
      await Promise.all([...raised.values()].map((one) => one.host?.close()));
      throw error;
    }
    this.#islands = after;
    this.#config = config;
    const gone = [...before].filter(([name, one]) => after.get(name) !== one);
    await swap.replace(this.#graph);
    await Promise.all(gone.map(([, one]) => one.host?.close()));
    return {
      added: fresh.filter((one) => !before.has(one.name)).map((one) => one.name),
      changed: fresh.filter((one) => before.has(one.name)).map((one) => one.name),
      removed: [...before.keys()].filter((name) => !after.has(name)),
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#work;
    await Promise.all([...this.#islands.values()].map((one) => one.host?.close()));
  }

  async #raiseAll(
    wanted: readonly Wanted[],
    made: ReadonlyMap<string, AnyConnector>,
    config = this.#config,
  ): Promise<Map<string, Island>> {
    const { headers, ...rest } = this.#options;
    const outcomes = await Promise.allSettled(
      wanted.map(async ({ name, mark, url, installations }): Promise<Island> => {
        const own = made.get(name) ?? null;
        const connector = own ?? connectors.find((one) => one.name === name);
        if (!connector) throw new Error(`There is no connector ${name}.`);
        if (url !== null) {
          const built = own ? await buildGraph(name, own.graph) : null;
          const subgraph = remoteSubgraph({
            name,
            url: new URL('/graphql', url).href,
            headers: headers(name),
          });
          return { name, mark, built, host: null, subgraph, made: own };
        }
        const graph = await buildGraph(name, connector.graph);
        const { clock, pace, policy } = rest;
        const host = await Host.raise({
          connector,
          installations,
          parks: config.parks,
          database: rest.database,
          keys: rest.keys,
          log: rest.log,
          graph,
          ...(clock ? { clock } : {}),
          ...(pace ? { pace } : {}),
          ...(policy ? { policy } : {}),
        });
        return { name, mark, built: graph, host, subgraph: host.subgraph, made: own };
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

  /** Makes the graph of these islands the one to run. The checked-in one serves where nothing is made from configuration. */
  async #join(islands: ReadonlyMap<string, Island>): Promise<void> {
    const made = [...islands.values()].filter((one) => one.made !== null);
    let supergraph: string;
    if (made.length === 0) supergraph = await readSupergraph();
    else {
      const texts: SubgraphText[] = made.map(({ name, built }) => ({
        name,
        sdl: built?.sdl ?? '',
        url: `http://${name}.invalid`,
      }));
      const base = await readSubgraphs(connectors.map((one) => one.name));
      supergraph = joined(base, texts);
    }
    const watch = readWatch(supergraph);
    const federation = createFederation({
      supergraph,
      subgraphs: new Map([...islands].map(([name, one]) => [name, one.subgraph])),
      log: this.#options.log,
      watch,
    });
    this.#graph = { supergraph, federation, policy: readPolicy(supergraph), watch, costs: readCosts(supergraph) };
  }
}

/** One supergraph, under the rules of the house; throws `ChangeRefused` with every reason. */
export function joined(base: readonly SubgraphText[], made: readonly SubgraphText[]): string {
  const all = [...base, ...made];
  let supergraph: string;
  try {
    supergraph = compose(all).supergraph;
  } catch (error) {
    if (error instanceof CompositionError) throw new ChangeRefused(error.message);
    throw error;
  }
  const faults = lint(all);
  if (faults.length > 0)
    throw new ChangeRefused(
      ['The graph would break rules of the house:', ...faults.map((one) => `  - ${one}`)].join('\n'),
    );
  return supergraph;
}

/** Every connector in code, and one for each system that the installations name. */
function wantedOf(config: Config): Wanted[] {
  const names = [
    ...connectors.map((one) => one.name),
    ...config.installations.filter((one) => one.family).map((one) => one.connector),
  ];
  return [...new Set(names)].map((name) => {
    const installations: readonly InstallationConfig[] =
      name === 'hub' ? [HUB_INSTALLATION] : config.installations.filter((one) => one.connector === name);
    const url = config.subgraphs[name]?.url ?? null;
    const family = installations.find((one) => one.family)?.family ?? null;
    return {
      name,
      installations,
      family,
      url,
      mark: JSON.stringify([installations, url, url === null ? config.parks : null]),
    };
  });
}

/** Makes the connectors of the families, all faults kept. */
async function makeAll(wanted: readonly Wanted[], config: Config, running: ReadonlyMap<string, Island>) {
  const made = new Map<string, AnyConnector>();
  const faults = new Map<string, DeclarationError>();
  await Promise.all(
    wanted.map(async ({ name, family: familyName, installations, mark }) => {
      if (familyName === null) return;
      const family = families.find((one) => one.name === familyName);
      if (!family) throw new Error(`There is no family ${familyName}.`);
      const known = running.get(name);
      if (known?.made && known.mark === mark) return;
      try {
        made.set(
          name,
          await family.make(
            name,
            installations.map((one) => one.settings),
            dirname(config.file),
          ),
        );
      } catch (error) {
        if (!(error instanceof DeclarationError)) throw error;
        faults.set(name, error);
      }
    }),
  );
  return { connectors: made, faults };
}
