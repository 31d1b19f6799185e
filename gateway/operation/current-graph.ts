/** The graph that operations run on, and its replacement by another one while operations run. */
import type { GraphQLSchema } from 'graphql';
import type { Principal } from '../../connectors/kit/auth/principal.ts';
import { HubError } from '../../connectors/kit/errors.ts';
import type { Federation } from '../federation/index.ts';
import type { AccessRecorder } from '../trust/audit/access-recorder.ts';
import type { CostModel } from '../trust/limits/operation-cost.ts';
import type { Coordinate, FieldPolicy } from '../trust/rights/field-policy.ts';
import type { CostBudget } from './cost-budget.ts';
import { PerCallerPlans } from './per-caller-plans.ts';

/** A supergraph and all that is read from it. */
export interface OperationGraph {
  readonly federation: Federation;
  readonly policy: FieldPolicy;
  /** The cost of each field; absent: operations cost nothing. */
  readonly costs?: CostModel | undefined;
  /** Records who reads protected data; absent: nothing is recorded. */
  readonly audit?: AccessRecorder | undefined;
}

/** A graph and the operations that run on it. */
export interface GraphGeneration {
  readonly graph: OperationGraph;
  running: number;
  /** Called when the last operation has ended after the graph was replaced. */
  onEnded: (() => void) | null;
}

export class CurrentGraph {
  #generation: GraphGeneration;
  readonly #budget: CostBudget;
  readonly #plans = new PerCallerPlans();
  readonly #listeners = new Set<(schema: GraphQLSchema) => void>();

  constructor(graph: OperationGraph, budget: CostBudget) {
    this.#generation = { graph, running: 0, onEnded: null };
    this.#budget = budget;
  }

  /** The public graph. */
  get schema(): GraphQLSchema {
    return this.#generation.graph.federation.schema;
  }

  get federation(): Federation {
    return this.#generation.graph.federation;
  }

  get audit(): AccessRecorder | undefined {
    return this.#generation.graph.audit;
  }

  /**
   * Switches to another graph; running operations finish on the old one. Compiles the known operations for the new graph before the
   * switch, so that no request waits for the planner. Resolves when the last operation on the old graph has ended.
   */
  async replace(next: OperationGraph): Promise<void> {
    await this.#plans.recompile(next.federation, next.policy, this.#generation.graph.federation);
    const before = this.#generation;
    this.#budget.setCosts(next.costs);
    this.#generation = { graph: next, running: 0, onEnded: null };
    for (const listener of this.#listeners) listener(next.federation.schema);
    this.#plans.clear();
    if (before.running === 0) return;
    await new Promise<void>((resolve) => {
      before.onEnded = resolve;
    });
  }

  /** Calls the listener with the new schema after each replacement; returns the function that removes it. */
  onReplace(listener: (schema: GraphQLSchema) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The graph for an operation that starts now. `replace` waits until `end` is called. */
  start(): GraphGeneration {
    this.#generation.running++;
    return this.#generation;
  }

  /** Records the end of an operation. */
  end(generation: GraphGeneration): void {
    generation.running--;
    if (generation.running === 0) generation.onEnded?.();
  }

  /** Remembers a caller with these rights, so that its operations can be compiled for the next graph. */
  rememberCaller(accessKey: string, caller: Principal | null): void {
    this.#plans.remember(accessKey, caller);
  }

  /** The error of a caller who may not see the field; null if it may. For root fields of subscriptions, which are never planned. */
  fieldError(coordinate: Coordinate, caller: Principal | null): HubError | null {
    const found = this.#generation.graph.policy.rejection(coordinate, caller);
    return found && new HubError(found.code, found.message);
  }
}
