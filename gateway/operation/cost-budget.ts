/** What operations may cost at worst, and what callers have used of their points. */
import { type GraphQLSchema, getOperationAST } from 'graphql';
import { LRUCache } from 'lru-cache';
import type { Principal } from '../../connectors/kit/auth/principal.ts';
import type { Limits } from '../../connectors/kit/config/sections/limits.ts';
import type { Clock } from '../../connectors/kit/connector.ts';
import { HubError } from '../../connectors/kit/errors.ts';
import type { Compiled } from '../federation/index.ts';
import { type Cost, type CostModel, costOf } from '../trust/limits/operation-cost.ts';
import { Rates } from '../trust/limits/rate-limit.ts';
import type { Texts } from './document-cache.ts';
import type { OperationRequest } from './request.ts';

type Variables = OperationRequest['variables'];

export class Points {
  #costs: CostModel | undefined;
  readonly #limits: Limits;
  readonly #texts: Texts;
  readonly #rates: Rates;
  /** What an operation costs, by the variables that its cost hangs on. */
  readonly #counted = new WeakMap<Compiled, Map<string, Cost>>();
  /** Points of one event, by subscription. */
  readonly #eventCosts = new LRUCache<string, number>({ max: 500 });

  /** @param costs what fields cost; undefined: operations are not counted */
  constructor(costs: CostModel | undefined, limits: Limits, texts: Texts, clock: Clock) {
    this.#costs = costs;
    this.#limits = limits;
    this.#texts = texts;
    this.#rates = new Rates(limits.rate, clock);
  }

  /** What the fields of another graph cost. */
  replace(costs: CostModel | undefined): void {
    this.#costs = costs;
    this.#eventCosts.clear();
  }

  /** The estimate; null where nothing is counted. */
  estimate(compiled: Compiled, variables: Variables): Cost | null {
    if (!this.#costs) return null;
    const { document, operation, schema } = compiled;
    const key = numbersOf(variables);
    let known = this.#counted.get(compiled);
    if (!known || known.size > 50) {
      known = new Map();
      this.#counted.set(compiled, known);
    }
    const cost = known.get(key) ?? costOf(this.#costs, schema, document, operation, variables);
    known.set(key, cost);
    return cost;
  }

  /** Takes what the operation may cost. Throws LIMIT_COST beyond what one may use, LIMIT_RATE beyond what the caller has left. */
  charge(cost: Cost, principal: Principal | null): void {
    within(cost, this.#limits);
    this.#rates.take(principal, Math.max(cost.points, 1));
  }

  /** Points of one event that a subscription delivers, at worst; 0 where nothing is counted. Throws LIMIT_COST beyond what one operation may use. */
  ofEvent(request: Pick<OperationRequest, 'query' | 'operationName' | 'variables'>, schema: GraphQLSchema): number {
    if (!this.#costs) return 0;
    const key = JSON.stringify([request.operationName ?? null, numbersOf(request.variables), request.query]);
    const known = this.#eventCosts.get(key);
    if (known !== undefined) return known;
    // Whether the caller may ask it is decided where the subscription begins.
    const document = this.#texts.parse(request.query, true);
    const operation = getOperationAST(document, request.operationName);
    if (!operation) return 0;
    // One event in each batch.
    const model = { ...this.#costs, lists: new Map(this.#costs.lists).set('EventsBatch.events', { assumedSize: 1 }) };
    const cost = costOf(model, schema, document, operation, request.variables);
    within(cost, this.#limits);
    const each = Math.max(cost.points, 1);
    this.#eventCosts.set(key, each);
    return each;
  }

  /** The hub has worked for this caller and it came to nothing: a document that is none, or not valid. */
  fruitless(principal: Principal | null): void {
    this.#rates.fee(principal);
  }

  /** Points for what is to begin. Throws LIMIT_RATE where they are not there. */
  pay(principal: Principal | null, points: number): void {
    this.#rates.take(principal, points);
  }

  /** Points for what has been delivered already. */
  owe(principal: Principal | null, points: number): void {
    this.#rates.owe(principal, points);
  }

  /** Milliseconds until the caller has paid what has been delivered to it; 0: it has. */
  owes(principal: Principal | null): number {
    return this.#rates.owes(principal);
  }

  /** The refusal of a caller who has used up its points and asks on, and for how many milliseconds it holds; null when it may ask. */
  overdrawn(principal: Principal | null): { error: HubError; milliseconds: number } | null {
    const milliseconds = this.#rates.over(principal);
    if (milliseconds === 0) return null;
    const { limit } = this.#rates;
    const retryAfter = Math.ceil(milliseconds / 1_000);
    const message = `You have used your ${limit} points a minute. Ask again in ${retryAfter} s.`;
    return { error: new HubError('LIMIT_RATE', message, { limit, retryAfter, retryable: true }), milliseconds };
  }
}

/** The variables that a cost can hang on, as a key: page sizes are numbers. */
function numbersOf(variables: Variables): string {
  const numbers = Object.entries(variables ?? {}).filter(([, value]) => typeof value === 'number');
  return numbers.length === 0 ? '' : JSON.stringify(numbers);
}

/** Throws LIMIT_COST when this is more than one operation may use. */
function within({ points, calls }: Cost, { cost: most, calls: mostCalls }: Limits): void {
  if (points > most) {
    throw new HubError('LIMIT_COST', `The operation may cost ${points} points; ${most} are allowed.`, {
      limit: most,
      found: points,
    });
  }
  for (const [system, count] of Object.entries(calls)) {
    if (count > mostCalls) {
      throw new HubError(
        'LIMIT_COST',
        `The operation may call ${system} ${count} times; ${mostCalls} are allowed. Ask for smaller pages.`,
        { limit: mostCalls, found: count, system },
      );
    }
  }
}
