/** Estimates the maximum cost of an operation in points, and charges the caller's budget of points per minute. */
import { type DocumentNode, type GraphQLSchema, getOperationAST } from 'graphql';
import { LRUCache } from 'lru-cache';
import type { Principal } from '../../connectors/kit/auth/principal.ts';
import type { Clock } from '../../connectors/kit/clock.ts';
import type { Limits } from '../../connectors/kit/config/sections/limits.ts';
import { HubError } from '../../connectors/kit/errors.ts';
import type { CompiledOperation } from '../federation/index.ts';
import { type CostModel, costVariables, type OperationCost, operationCost } from '../trust/limits/operation-cost.ts';
import { RateLimiter } from '../trust/limits/rate-limit.ts';
import type { DocumentCache } from './document-cache.ts';
import type { OperationRequest } from './request.ts';

type Variables = OperationRequest['variables'];

export class CostBudget {
  #costs: CostModel | undefined;
  readonly #limits: Limits;
  readonly #documents: DocumentCache;
  readonly #rates: RateLimiter;
  /** By operation and by its variables that can change the cost. */
  readonly #estimates = new WeakMap<CompiledOperation, Map<string, OperationCost>>();
  /** Names of these variables, by document. */
  #variables = new WeakMap<DocumentNode, readonly string[]>();
  /** Points of one event, by subscription request. */
  readonly #eventCosts = new LRUCache<string, number>({ max: 500 });

  /** @param costs the cost of each field; undefined: operations cost nothing */
  constructor(costs: CostModel | undefined, limits: Limits, documents: DocumentCache, clock: Clock) {
    this.#costs = costs;
    this.#limits = limits;
    this.#documents = documents;
    this.#rates = new RateLimiter(limits.rate, clock);
  }

  /** Uses the costs of another graph from now on. */
  setCosts(costs: CostModel | undefined): void {
    this.#costs = costs;
    this.#variables = new WeakMap();
    this.#eventCosts.clear();
  }

  /** The maximum cost of an operation with these variables; null where operations cost nothing. */
  estimate(compiled: CompiledOperation, variables: Variables): OperationCost | null {
    if (!this.#costs) return null;
    const { document, operation, schema } = compiled;
    const key = this.#costKey(document, variables);
    let known = this.#estimates.get(compiled);
    if (!known || known.size > 50) {
      known = new Map();
      this.#estimates.set(compiled, known);
    }
    const cost = known.get(key) ?? operationCost(this.#costs, schema, document, operation, variables);
    known.set(key, cost);
    return cost;
  }

  /** The variables that can change the cost, as a key: page sizes and ranges of series. */
  #costKey(document: DocumentNode, variables: Variables): string {
    if (!this.#costs || !variables) return '';
    let names = this.#variables.get(document);
    if (!names) {
      names = costVariables(this.#costs, document);
      this.#variables.set(document, names);
    }
    return names.length === 0 ? '' : JSON.stringify(names.map((name) => variables[name]));
  }

  /** Charges an operation before it runs. Throws `LIMIT_COST` when it exceeds the limit of one operation, `LIMIT_RATE` when the caller lacks the points. */
  charge(cost: OperationCost, principal: Principal | null): void {
    assertWithinLimits(cost, this.#limits);
    this.#rates.reserve(principal, Math.max(cost.points, 1));
  }

  /** The maximum points of one event of a subscription; 0 where operations cost nothing. Throws `LIMIT_COST` when it exceeds the limit of one operation. */
  eventCost(request: Pick<OperationRequest, 'query' | 'operationName' | 'variables'>, schema: GraphQLSchema): number {
    if (!this.#costs) return 0;
    // The caller's rights are checked when the subscription starts.
    const document = this.#documents.parse(request.query, true);
    const key = JSON.stringify([
      request.operationName ?? null,
      this.#costKey(document, request.variables),
      request.query,
    ]);
    const known = this.#eventCosts.get(key);
    if (known !== undefined) return known;
    const operation = getOperationAST(document, request.operationName);
    if (!operation) return 0;
    // The cost of a batch with one event.
    const model = { ...this.#costs, lists: new Map(this.#costs.lists).set('EventsBatch.events', { assumedSize: 1 }) };
    const cost = operationCost(model, schema, document, operation, request.variables);
    assertWithinLimits(cost, this.#limits);
    const eventPoints = Math.max(cost.points, 1);
    this.#eventCosts.set(key, eventPoints);
    return eventPoints;
  }

  /** Charges the caller for an invalid document: 1 % of the budget, at most 100 points, never more than it has left. */
  penalize(principal: Principal | null): void {
    this.#rates.penalize(principal);
  }

  /** Charges points before work starts. Throws `LIMIT_RATE` when the caller lacks them. */
  reserve(principal: Principal | null, points: number): void {
    this.#rates.reserve(principal, points);
  }

  /** Charges points after work was done; the balance may become negative. */
  debit(principal: Principal | null, points: number): void {
    this.#rates.debit(principal, points);
  }

  /** Milliseconds until the caller's balance is no longer negative; 0: the caller may continue. */
  retryAfterMs(principal: Principal | null): number {
    return this.#rates.retryAfterMs(principal);
  }

  /** The error of a caller that was rejected for lack of points and still lacks them, and the milliseconds for which it applies; null when it may continue. */
  rejection(principal: Principal | null): { error: HubError; milliseconds: number } | null {
    const milliseconds = this.#rates.rejectedForMs(principal);
    if (milliseconds === 0) return null;
    const { limit } = this.#rates;
    const retryAfter = Math.ceil(milliseconds / 1_000);
    const message = `Rate limit exceeded: ${limit.toLocaleString('en')} points a minute. Retry in ${retryAfter} s.`;
    return { error: new HubError('LIMIT_RATE', message, { limit, retryAfter, retryable: true }), milliseconds };
  }
}

/** Throws `LIMIT_COST`. */
function assertWithinLimits({ points, calls, buckets }: OperationCost, limits: Limits): void {
  const figure = (value: number) => value.toLocaleString('en');
  if (points > limits.cost) {
    const advice = buckets
      ? `It computes up to ${figure(buckets)} time buckets: request wider buckets, a shorter time range, smaller pages or fewer fields.`
      : 'Request fewer fields or smaller pages.';
    throw new HubError(
      'LIMIT_COST',
      `Operation is too expensive: up to ${figure(points)} points, ${figure(limits.cost)} allowed. ${advice}`,
      { limit: limits.cost, found: points, ...(buckets ? { buckets } : {}) },
    );
  }
  for (const [system, count] of Object.entries(calls)) {
    if (count > limits.calls) {
      throw new HubError(
        'LIMIT_COST',
        `Operation is too expensive: up to ${figure(count)} calls to ${system}, ${figure(limits.calls)} allowed. Request smaller pages.`,
        { limit: limits.calls, found: count, system },
      );
    }
  }
}
