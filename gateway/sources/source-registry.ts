/**
 * The islands of a running hub: which connectors there are, their hosts, and the one graph that they make. A change of
 * isthmus.yaml is made ready beside the running graph and takes its place at once, or is refused and nothing changes.
 */
import type { Config } from '../../connectors/kit/config/config.ts';
import type { Host } from '../../connectors/kit/host/host.ts';
import { LONGEST_ID, SCALARS } from '../../schema/graph/scalars.ts';
import { createFederation, type Federation } from '../federation/index.ts';
import { type AuditWatch, readWatch } from '../trust/audit/protected-fields.ts';
import { type CostModel, readCosts } from '../trust/limits/operation-cost.ts';
import { type Policy, readPolicy } from '../trust/rights/field-policy.ts';
import { ChangeRefused, makeAll, type Plan, supergraphOf, type Wanted, wantedOf } from './composition-plan.ts';
import { Retries } from './pending-sources.ts';
import { type Island, type IslandsOptions, raiseAll } from './start-hosts.ts';

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

export class Islands {
  readonly #options: IslandsOptions;
  #config: Config;
  #islands = new Map<string, Island>();
  #graph!: RunningGraph;
  #work: Promise<unknown> = Promise.resolve();
  #closed = false;
  readonly #retries = new Retries();

  private constructor(options: IslandsOptions, config: Config) {
    this.#options = options;
    this.#config = config;
  }

  /** Brings all islands of the plan up; waits for no source. */
  static async raise(config: Config, plan: Plan, options: IslandsOptions): Promise<Islands> {
    const islands = new Islands(options, config);
    islands.#islands = await raiseAll(plan, config, options);
    islands.#graph = islands.#running(plan.supergraph, islands.#islands);
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
    return this.#queued(() => this.#change(config, swap));
  }

  /** Tries the islands that wait again, now and then, until they have come. */
  retry(swap: Swap): void {
    const waits = () => [...this.#islands.values()].some((one) => one.waits !== null);
    const again = async () => {
      // What has been asked for meanwhile is what is tried.
      const { added } = await this.#queued(() => this.#change(this.#config, swap));
      for (const name of added) this.#options.log.warn(`The island ${name} has come.`);
      return waits();
    };
    if (waits()) this.#retries.start(again);
  }

  #queued(change: () => Promise<Change>): Promise<Change> {
    const work = this.#work.then(change);
    this.#work = work.catch(() => undefined);
    return work;
  }

  async #change(config: Config, swap: Swap): Promise<Change> {
    if (this.#closed) throw new ChangeRefused('The hub is going down.');
    const before = this.#islands;
    const wanted = wantedOf(config);
    const known = (one: Wanted): boolean => before.get(one.name)?.mark === one.mark;
    const tried = wanted.filter((one) => !known(one) || before.get(one.name)?.waits);
    const made = await makeAll(tried, config);
    // One that has waited before may go on waiting; a new one that cannot be made is refused.
    const fresh = tried.filter((one) => !known(one) || !made.faults.has(one.name));
    for (const [name, fault] of made.faults) {
      const waits = before.get(name)?.waits;
      if (waits) waits.fault = fault;
    }
    const faults = fresh.flatMap((one) => made.faults.get(one.name) ?? []);
    if (faults.length > 0) throw new ChangeRefused(faults.map((one) => one.whole).join('\n'));
    if (fresh.length === 0 && wanted.length === before.size && config === this.#config)
      return { added: [], changed: [], removed: [] };
    // Everything that may be refused comes before anything is opened.
    const supergraph = await supergraphOf(
      wanted.flatMap(({ name }) => made.graphs.get(name)?.built ?? before.get(name)?.built ?? []),
    );
    const raised = await raiseAll({ wanted: fresh, made: made.graphs, waiting: new Map() }, config, this.#options);
    const after = new Map(
      wanted.flatMap((one) => {
        const island = raised.get(one.name) ?? before.get(one.name);
        return island ? [[one.name, island] as const] : [];
      }),
    );
    const now = this.#graph;
    try {
      this.#graph = this.#running(supergraph, after);
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
      added: fresh.filter((one) => before.get(one.name)?.waits !== null).map((one) => one.name),
      changed: fresh.filter((one) => before.get(one.name)?.waits === null).map((one) => one.name),
      removed: [...before.keys()].filter((name) => !after.has(name)),
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#retries.close();
    await this.#work;
    await Promise.all([...this.#islands.values()].map((one) => one.host?.close()));
  }

  #running(supergraph: string, islands: ReadonlyMap<string, Island>): RunningGraph {
    const watch = readWatch(supergraph);
    const federation = createFederation({
      supergraph,
      subgraphs: new Map([...islands].flatMap(([name, one]) => (one.waits ? [] : [[name, one.subgraph]]))),
      log: this.#options.log,
      watch,
      inputs: { scalars: SCALARS, longestId: LONGEST_ID },
    });
    return { supergraph, federation, policy: readPolicy(supergraph), watch, costs: readCosts(supergraph) };
  }
}
