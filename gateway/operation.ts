/**
 * THE LIFE OF AN OPERATION: admit, plan, execute, answer. HTTP, WebSocket and everything else that carries GraphQL lend
 * their requests to `run`; nobody else asks who the caller is or what may be seen.
 */
import {
  type DocumentNode,
  type ExecutionResult,
  GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
  getOperationAST,
  parse,
} from 'graphql';
import { LRUCache } from 'lru-cache';
import { ClientCall, type Departure } from '../connectors/kit/departure.ts';
import { HubError } from '../connectors/kit/errors.ts';
import { DEFAULT_LIMITS, type Limits } from '../connectors/kit/limits.ts';
import { NOBODY, type Principal } from '../connectors/kit/principal.ts';
import type { Compiled, Federation } from './federation/index.ts';
import type { Audit } from './trust/audit.ts';
import type { Consents } from './trust/consent.ts';
import { type Cost, type CostModel, costOf } from './trust/cost.ts';
import { checkDocument, checkText, discreet, refuseIntrospection } from './trust/limits.ts';
import type { Coordinate, Policy } from './trust/policy.ts';
import { Rates } from './trust/rate.ts';
import { Turns } from './trust/turns.ts';

export interface OperationRequest {
  readonly query: string;
  readonly operationName?: string | undefined;
  readonly variables?: Readonly<Record<string, unknown>> | undefined;
  /** The request's own `extensions`. */
  readonly extensions?: Readonly<Record<string, unknown>>;
  /** Null: nobody is signed in. */
  readonly principal: Principal | null;
  /** Aborts when the client has gone, or tells it on asking. */
  readonly signal: AbortSignal | Departure;
  /** What the client sent, where `query` is the gateway's own text: named in the audit log by its hash. */
  readonly asked?: string;
  /** All who get the answer, where that is not the principal alone: named in the audit log. */
  readonly readers?: readonly { readonly subject: string; readonly client: string }[];
  /** True for documents that the gateway made itself and that may name internal fields. */
  readonly internal?: boolean;
}

export interface OperationAnswer {
  /** Absent when the operation was not executed at all. */
  readonly data?: Record<string, unknown> | null;
  readonly errors?: readonly GraphQLFormattedError[];
  readonly extensions?: Record<string, unknown>;
  /** The JSON of `data`, where it is ready. */
  text?(): string;
}

/** The answer as graphql-js would have it: what libraries of transports take. */
export const resultOf = ({ data, errors, extensions }: OperationAnswer): ExecutionResult => ({
  ...(data === undefined ? {} : { data }),
  ...(errors
    ? {
        errors: errors.map(
          (one) => new GraphQLError(one.message, { path: one.path ?? null, extensions: one.extensions ?? null }),
        ),
      }
    : {}),
  ...(extensions ? { extensions } : {}),
});

/** Adds the signature to the answer's extensions. */
export type Sign = (request: OperationRequest, answer: OperationAnswer) => Promise<OperationAnswer>;

export interface OperationOptions {
  readonly federation: Federation;
  readonly policy: Policy;
  readonly limits?: Partial<Limits>;
  /** False: nobody may ask what the graph holds, and no error tells of it. */
  readonly introspection?: boolean;
  /** What fields cost; absent: operations are not counted. */
  readonly costs?: CostModel | undefined;
  /** Writes down who reads protected data; absent: nobody does. */
  readonly audit?: Audit | undefined;
  /** Signs an answer; absent: answers are not signed. */
  readonly sign?: Sign | undefined;
  /** What companies have granted to clients; absent: nothing beyond what the principal brings. */
  readonly consents?: Consents | undefined;
  /** How long one operation may take, in milliseconds. */
  readonly time?: number;
}

export const OPERATION_TIME = 3_000;

/** The operations that run on one graph. */
interface Generation {
  running: number;
  /** Told when the last one has ended, after another graph has taken its place. */
  ended: (() => void) | null;
}

/** Characters of texts that are remembered as within the limits; more than there is room for in what is compiled of them. */
const TEXTS = 512 * 1024;
/** As many kinds of callers are remembered for a new supergraph. */
const CALLERS = 1_000;

const rightsOf = (policy: Policy, principal: Principal | null, internal: boolean) => ({
  refused: (coordinate: Coordinate) => policy.refused(coordinate, principal),
  refusedKey: policy.mark(principal),
  internal,
});

export class Operations {
  #federation: Federation;
  #policy: Policy;
  #generation: Generation = { running: 0, ended: null };
  readonly #listeners = new Set<(schema: GraphQLSchema) => void>();
  readonly #limits: Limits;
  readonly #introspection: boolean;
  #costs: CostModel | undefined;
  readonly #rates: Rates;
  readonly #turns = new Turns();
  /** What an operation costs, by the variables that its cost hangs on. */
  readonly #counted = new WeakMap<Compiled, Map<string, Cost>>();
  /** Points of one event, by subscription. */
  readonly #eventCosts = new LRUCache<string, number>({ max: 500 });
  readonly #time: number;
  #audit: Audit | undefined;
  readonly #sign: Sign | undefined;
  readonly #consents: Consents | undefined;
  /** One caller of each kind, by the mark of the policy. */
  readonly #callers = new Map<string, Principal | null>();
  /** Texts that have passed the limits. */
  readonly #admitted = new LRUCache<string, true>({
    maxSize: TEXTS,
    sizeCalculation: (_, text) => text.length,
  });

  constructor(options: OperationOptions) {
    this.#federation = options.federation;
    this.#policy = options.policy;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#introspection = options.introspection ?? true;
    this.#costs = options.costs;
    this.#rates = new Rates(this.#limits.rate);
    this.#time = options.time ?? OPERATION_TIME;
    this.#audit = options.audit;
    this.#sign = options.sign;
    this.#consents = options.consents;
  }

  /** The public graph. */
  get schema(): GraphQLSchema {
    return this.#federation.schema;
  }

  /**
   * Another supergraph; operations under way end on the old one. What was compiled for the old one is compiled for the new one
   * first, a little at a time, so that nobody waits for it. Resolves when the last operation on the old one has ended.
   */
  async replace(next: Pick<OperationOptions, 'federation' | 'policy' | 'costs' | 'audit'>): Promise<void> {
    await this.#warm(next.federation, next.policy);
    const before = this.#generation;
    this.#federation = next.federation;
    this.#policy = next.policy;
    this.#costs = next.costs;
    this.#audit = next.audit;
    this.#generation = { running: 0, ended: null };
    for (const listener of this.#listeners) listener(next.federation.schema);
    this.#callers.clear();
    this.#eventCosts.clear();
    if (before.running === 0) return;
    await new Promise<void>((resolve) => {
      before.ended = resolve;
    });
  }

  async #warm(federation: Federation, policy: Policy): Promise<void> {
    for (const { query, operationName, refusedKey, internal, provenance } of this.#federation.known()) {
      const principal = this.#callers.get(refusedKey);
      if (principal === undefined) continue;
      federation.compile({ query, operationName }, { ...rightsOf(policy, principal, internal), provenance });
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Told of every other graph that takes the place; answers how to end it. */
  onReplace(listener: (schema: GraphQLSchema) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get limits(): Limits {
    return this.#limits;
  }

  /** Refuses a text beyond the limits, before any other parser sees it; what is no GraphQL is left to others to tell. Throws a `HubError`. */
  admit(query: string): void {
    if (this.#admitted.get(query)) return;
    try {
      this.parse(query);
    } catch (error) {
      if (error instanceof HubError && error.code === 'GRAPHQL_PARSE_FAILED') return;
      throw error;
    }
    this.#admitted.set(query, true);
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

  /** Waits until it is the caller's turn; null: it is. Throws LIMIT_RATE when too many of its requests wait. */
  turn(principal: Principal | null): Promise<void> | null {
    return this.#turns.enter(principal);
  }

  /** What had its turn is over. */
  turned(principal: Principal | null): void {
    this.#turns.leave(principal);
  }

  /** The hub has worked for this caller and it came to nothing: a document that is none, or not valid. */
  fruitless(principal: Principal | null): void {
    this.#rates.fee(principal);
  }

  /** What a client may be told of a fault in its document. */
  told(message: string): string {
    return this.#introspection ? message : discreet({ message }).message;
  }

  /** Parses within the limits; throws a `HubError`. */
  parse(query: string): DocumentNode {
    checkText(query, this.#limits);
    let document: DocumentNode;
    try {
      document = parse(query, { maxTokens: this.#limits.tokens });
    } catch (error) {
      const text = error instanceof Error ? error.message : 'The document is not GraphQL.';
      if (/tokens/.test(text))
        throw new HubError('LIMIT_SIZE', `The document has more than ${this.#limits.tokens} tokens.`, {
          limit: this.#limits.tokens,
        });
      throw new HubError('GRAPHQL_PARSE_FAILED', text);
    }
    checkDocument(document, this.#limits);
    if (!this.#introspection) refuseIntrospection(document);
    return document;
  }

  /** Whether this caller may see the field at all; for subscriptions, whose root field never reaches the planner. */
  refused(coordinate: { type: string; field: string; returns: string }, principal: Principal | null): HubError | null {
    const refusal = this.#policy.refused(coordinate, principal);
    return refusal && new HubError(refusal.code, refusal.message);
  }

  /** The caller with the consents that hold at this moment; what groups subscribers looks at these. */
  current(principal: Principal): Promise<Principal> {
    // Without the database no consent is known to hold.
    return this.#consents ? this.#consents.current(principal).catch(() => principal) : Promise.resolve(principal);
  }

  /** Runs one query or mutation. Never rejects: every fault is in the answer. With `extensions.sign` the answer is signed. */
  async run(request: OperationRequest): Promise<OperationAnswer> {
    const generation = this.#generation;
    generation.running++;
    try {
      return await (request.extensions?.['sign'] === true ? this.#signed(request) : this.#run(request));
    } finally {
      generation.running--;
      if (generation.running === 0) generation.ended?.();
    }
  }

  async #signed(request: OperationRequest): Promise<OperationAnswer> {
    if (!this.#sign || request.internal) return this.#run(request);
    // A signed answer brings its proof along.
    const answer = await this.#run({ ...request, extensions: { ...request.extensions, provenance: true } });
    return answer.data === undefined ? answer : this.#sign(request, answer);
  }

  async #run(request: OperationRequest): Promise<OperationAnswer> {
    const federation = this.#federation;
    const policy = this.#policy;
    if (request.principal?.expires != null && request.principal.expires <= Date.now()) {
      const error = new HubError('UNAUTHENTICATED', 'The token has expired.');
      return { errors: [{ message: error.message, extensions: { ...error.extensions } }] };
    }
    // What companies have granted is asked anew for every operation, so also for every event of a subscription.
    const principal = request.principal && (await this.current(request.principal));
    if (!request.internal && !this.#admitted.get(request.query)) {
      try {
        this.parse(request.query);
      } catch (error) {
        if (error instanceof HubError)
          return { errors: [{ message: error.message, extensions: { ...error.extensions } }] };
        throw error;
      }
      this.#admitted.set(request.query, true);
    }
    const rights = rightsOf(policy, principal, request.internal ?? false);
    if (!this.#callers.has(rights.refusedKey) && this.#callers.size < CALLERS)
      this.#callers.set(rights.refusedKey, principal);
    const compiled = federation.compile(
      { query: request.query, operationName: request.operationName },
      { ...rights, provenance: request.extensions?.['provenance'] === true },
    );
    if ('errors' in compiled) {
      this.fruitless(request.principal);
      return { errors: this.#introspection ? compiled.errors : compiled.errors.map(discreet) };
    }
    const cost = request.internal ? null : this.#cost(compiled, request.variables);
    try {
      if (cost) this.#charge(cost, request.principal);
    } catch (error) {
      if (!(error instanceof HubError)) throw error;
      if (error.code !== 'LIMIT_RATE') this.fruitless(request.principal);
      return { errors: [{ message: error.message, extensions: { ...error.extensions } }] };
    }
    const calls = cost && request.extensions?.['cost'] === true ? new Map<string, number>() : null;
    const call = new ClientCall(request.signal, principal ?? NOBODY, Date.now() + this.#time);
    if (calls) call.calls = calls;
    const made = federation.execute(compiled, { variables: request.variables, call });
    const answer = made instanceof Promise ? await made : made;
    if (compiled.kind === 'mutation') this.#consents?.forget();
    // Who is not signed in sees nothing protected; a flood of such callers must not fill the log.
    if (answer.touched && this.#audit && principal) {
      const { readers } = request;
      const query = request.asked ?? request.query;
      const refused = await this.#audit.record({ touched: answer.touched, principal, readers, query }).then(
        () => null,
        (error: unknown) => error,
      );
      if (refused instanceof HubError) {
        return { data: null, errors: [{ message: refused.message, extensions: { ...refused.extensions } }] };
      }
      if (refused) throw refused;
    }
    const { provenance } = answer;
    if (call.noted.size === 0 && !calls && !provenance) return answer;
    const sources = [...call.noted].map(([source, state]) => ({ source, state }));
    const extensions = {
      ...(sources.length > 0 ? { sources } : {}),
      ...(provenance ? { provenance } : {}),
      ...(cost && calls ? { cost: { estimated: cost, actual: { calls: Object.fromEntries(calls) } } } : {}),
    };
    return Object.assign(answer, { extensions: { ...(answer as OperationAnswer).extensions, ...extensions } });
  }

  /** Points of one event that a subscription delivers, at worst; 0 where nothing is counted. Throws LIMIT_COST beyond what one operation may use. */
  eventPoints(request: Pick<OperationRequest, 'query' | 'operationName' | 'variables'>): number {
    if (!this.#costs) return 0;
    const numbers = Object.entries(request.variables ?? {}).filter(([, value]) => typeof value === 'number');
    const key = JSON.stringify([request.operationName ?? null, numbers, request.query]);
    const known = this.#eventCosts.get(key);
    if (known !== undefined) return known;
    const document = this.parse(request.query);
    const operation = getOperationAST(document, request.operationName);
    if (!operation) return 0;
    // One event in each batch.
    const model = { ...this.#costs, lists: new Map(this.#costs.lists).set('EventsBatch.events', { assumedSize: 1 }) };
    const cost = costOf(model, this.schema, document, operation, request.variables);
    this.#within(cost);
    const each = Math.max(cost.points, 1);
    this.#eventCosts.set(key, each);
    return each;
  }

  /** Points for what has been delivered already. */
  owe(principal: Principal | null, points: number): void {
    this.#rates.owe(principal, points);
  }

  /** Milliseconds until the caller has paid what has been delivered to it; 0: it has. */
  owes(principal: Principal | null): number {
    return this.#rates.owes(principal);
  }

  /** The estimate; null where nothing is counted. */
  #cost(compiled: Compiled, variables: Readonly<Record<string, unknown>> | undefined): Cost | null {
    if (!this.#costs) return null;
    const { document, operation, schema } = compiled;
    const numbers = Object.entries(variables ?? {}).filter(([, value]) => typeof value === 'number');
    const key = numbers.length === 0 ? '' : JSON.stringify(numbers);
    let known = this.#counted.get(compiled);
    if (!known || known.size > 50) {
      known = new Map();
      this.#counted.set(compiled, known);
    }
    const cost = known.get(key) ?? costOf(this.#costs, schema, document, operation, variables);
    known.set(key, cost);
    return cost;
  }

  #charge(cost: Cost, principal: Principal | null): void {
    this.#within(cost);
    this.#rates.take(principal, Math.max(cost.points, 1));
  }

  #within({ points, calls }: Cost): void {
    const { cost: most, calls: mostCalls } = this.#limits;
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
}
