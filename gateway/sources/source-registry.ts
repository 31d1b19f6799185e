/**
 * The connectors of a running hub, their hosts, and the graph they compose. A new configuration is prepared beside the running graph and
 * replaces it at once, or is rejected and changes nothing.
 */
import type { Config } from '../../connectors/kit/config/config.ts';
import type { Host } from '../../connectors/kit/host/host.ts';
import { MAX_ID_LENGTH, SCALARS } from '../../schema/graph/scalars.ts';
import { createFederation, type Federation } from '../federation/index.ts';
import { type ProtectedFields, readProtectedFields } from '../trust/audit/protected-fields.ts';
import { type CostModel, readCostModel } from '../trust/limits/operation-cost.ts';
import { type FieldPolicy, readFieldPolicy } from '../trust/rights/field-policy.ts';
import {
  buildConnectors,
  ChangeRejected,
  type CompositionPlan,
  type ConnectorPlan,
  plannedConnectors,
  supergraphWith,
} from './composition-plan.ts';
import { RetryTimer } from './pending-sources.ts';
import { type HostOptions, type RunningConnector, startHosts } from './start-hosts.ts';

/** Connectors by the effect of a new configuration. */
export interface ConfigChange {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

/** A supergraph and all that is read from it. */
export interface RunningGraph {
  readonly supergraph: string;
  readonly federation: Federation;
  readonly policy: FieldPolicy;
  readonly protectedFields: ProtectedFields;
  readonly costs: CostModel;
}

/** Called while a new configuration is applied. */
export interface SwapHooks {
  /** Everything that can fail; a rejection reverts the change. */
  prepare(config: Config): Promise<void>;
  /** Switches to the new graph; resolves when the last operation on the old one has ended. */
  replace(graph: RunningGraph): Promise<void>;
}

export class SourceRegistry {
  readonly #options: HostOptions;
  #config: Config;
  #connectors = new Map<string, RunningConnector>();
  #graph!: RunningGraph;
  #queue: Promise<unknown> = Promise.resolve();
  #closed = false;
  readonly #retries = new RetryTimer();

  private constructor(options: HostOptions, config: Config) {
    this.#options = options;
    this.#config = config;
  }

  /** Starts all connectors of the plan; does not wait for any source. */
  static async start(config: Config, plan: CompositionPlan, options: HostOptions): Promise<SourceRegistry> {
    const registry = new SourceRegistry(options, config);
    registry.#connectors = await startHosts(plan, config, options);
    registry.#graph = registry.#createGraph(plan.supergraph, registry.#connectors);
    return registry;
  }

  /** The graph of the current configuration. */
  get graph(): RunningGraph {
    return this.#graph;
  }

  /** The current configuration. */
  get config(): Config {
    return this.#config;
  }

  /** Hosts of the connectors that run in this process. */
  hosts(): Host[] {
    return [...this.#connectors.values()].flatMap((connector) => (connector.host ? [connector.host] : []));
  }

  /** The host of an installation, or the URL of its connector's own process; null for an unknown installation. */
  locate(installation: string): { host: Host } | { url: string } | null {
    const found = this.#config.installations.find(({ id }) => id === installation);
    if (!found) return null;
    const url = this.#config.subgraphs[found.connector]?.url;
    if (url) return { url };
    const host = this.#connectors.get(found.connector)?.host;
    return host ? { host } : null;
  }

  /**
   * Applies another configuration of parks, installations and subgraphs; replaced hosts close when the last operation on the old graph has
   * ended. Rejects with `ChangeRejected`. Calls run one at a time.
   */
  apply(config: Config, hooks: SwapHooks): Promise<ConfigChange> {
    return this.#enqueue(() => this.#change(config, hooks));
  }

  /** Retries to build the pending connectors until none is left. */
  retryPending(hooks: SwapHooks): void {
    const hasPending = () => [...this.#connectors.values()].some((connector) => connector.pending !== null);
    const attempt = async () => {
      // Uses the configuration that is current when the retry runs.
      const { added } = await this.#enqueue(() => this.#change(this.#config, hooks));
      for (const name of added)
        this.#options.log.warn(`Connector ${name} is no longer pending. Added it to the graph.`);
      return hasPending();
    };
    if (hasPending()) this.#retries.start(attempt);
  }

  #enqueue(change: () => Promise<ConfigChange>): Promise<ConfigChange> {
    const result = this.#queue.then(change);
    this.#queue = result.catch(() => undefined);
    return result;
  }

  async #change(config: Config, hooks: SwapHooks): Promise<ConfigChange> {
    if (this.#closed) throw new ChangeRejected('Server is shutting down.');
    const current = this.#connectors;
    const plans = plannedConnectors(config);
    const isUnchanged = (plan: ConnectorPlan): boolean => current.get(plan.name)?.fingerprint === plan.fingerprint;
    const affected = plans.filter((plan) => !isUnchanged(plan) || current.get(plan.name)?.pending);
    const built = await buildConnectors(affected, config);
    // A pending connector may stay pending; a new one that cannot be built is rejected.
    const toStart = affected.filter((plan) => !isUnchanged(plan) || !built.errors.has(plan.name));
    for (const [name, error] of built.errors) {
      const pending = current.get(name)?.pending;
      if (pending) pending.error = error;
    }
    const errors = toStart.flatMap(({ name }) => built.errors.get(name) ?? []);
    if (errors.length > 0) throw new ChangeRejected(errors.map((error) => error.fullMessage).join('\n'));
    if (toStart.length === 0 && plans.length === current.size && config === this.#config)
      return { added: [], changed: [], removed: [] };
    // Everything that can be rejected is checked before any host opens.
    const supergraph = await supergraphWith(
      plans.flatMap(({ name }) => built.graphs.get(name)?.graph ?? current.get(name)?.graph ?? []),
    );
    const started = await startHosts(
      { connectors: toStart, built: built.graphs, pending: new Map() },
      config,
      this.#options,
    );
    const next = new Map(
      plans.flatMap(({ name }) => {
        const connector = started.get(name) ?? current.get(name);
        return connector ? [[name, connector] as const] : [];
      }),
    );
    const currentGraph = this.#graph;
    try {
      this.#graph = this.#createGraph(supergraph, next);
      await hooks.prepare(config);
    } catch (error) {
      this.#graph = currentGraph;
      await Promise.all([...started.values()].map((connector) => connector.host?.close()));
      throw error;
    }
    this.#connectors = next;
    this.#config = config;
    const replaced = [...current].filter(([name, connector]) => next.get(name) !== connector);
    await hooks.replace(this.#graph);
    await Promise.all(replaced.map(([, connector]) => connector.host?.close()));
    return {
      added: toStart.filter(({ name }) => current.get(name)?.pending !== null).map(({ name }) => name),
      changed: toStart.filter(({ name }) => current.get(name)?.pending === null).map(({ name }) => name),
      removed: [...current.keys()].filter((name) => !next.has(name)),
    };
  }

  /** Closes all hosts after the configuration in progress. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#retries.close();
    await this.#queue;
    await Promise.all([...this.#connectors.values()].map((connector) => connector.host?.close()));
  }

  #createGraph(supergraph: string, connectors: ReadonlyMap<string, RunningConnector>): RunningGraph {
    const protectedFields = readProtectedFields(supergraph);
    const federation = createFederation({
      supergraph,
      subgraphs: new Map(
        [...connectors].flatMap(([name, connector]) => (connector.pending ? [] : [[name, connector.subgraph]])),
      ),
      log: this.#options.log,
      protectedFields,
      inputRules: { scalars: SCALARS, maxIdLength: MAX_ID_LENGTH },
    });
    return {
      supergraph,
      federation,
      policy: readFieldPolicy(supergraph),
      protectedFields,
      costs: readCostModel(supergraph),
    };
  }
}
