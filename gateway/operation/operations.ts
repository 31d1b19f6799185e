/**
 * THE LIFE OF AN OPERATION: admit, plan, execute, answer. HTTP, WebSocket and everything else that carries GraphQL lend
 * their requests to `run`; nobody else asks who the caller is or what may be seen.
 */
import type { DocumentNode, GraphQLFormattedError, GraphQLSchema, OperationDefinitionNode } from 'graphql';
import { NOBODY, type Principal } from '../../connectors/kit/auth/principal.ts';
import { systemClock, whenWall } from '../../connectors/kit/clock.ts';
import { DEFAULT_LIMITS, type Limits } from '../../connectors/kit/config/sections/limits.ts';
import type { Clock } from '../../connectors/kit/connector.ts';
import { HubError } from '../../connectors/kit/errors.ts';
import { ClientCall } from '../../connectors/kit/guard/client-disconnect.ts';
import type { Federation } from '../federation/index.ts';
import type { Audit } from '../trust/audit/access-recorder.ts';
import { discreet } from '../trust/limits/document-limits.ts';
import type { CostModel } from '../trust/limits/operation-cost.ts';
import { Turns } from '../trust/limits/scheduler.ts';
import type { Consents } from '../trust/rights/consents.ts';
import type { Policy } from '../trust/rights/field-policy.ts';
import { Points } from './cost-budget.ts';
import { Texts } from './document-cache.ts';
import { Callers, rightsOf } from './per-caller-plans.ts';
import { type OperationAnswer, type OperationRequest, refusal, type Sign } from './request.ts';

export interface OperationOptions {
  readonly federation: Federation;
  readonly policy: Policy;
  readonly limits?: Partial<Limits>;
  /**
   * Who may ask what the graph holds; errors to all others suggest no names. True (the default): everybody; false: nobody; `roles`: who
   * holds a role of this hub.
   */
  readonly introspection?: boolean | 'roles';
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
  /** By which points come back and tokens end; absent: the system's. */
  readonly clock?: Clock | undefined;
}

export const OPERATION_TIME = 3_000;

/** The operations that run on one graph. */
interface Generation {
  running: number;
  /** Told when the last one has ended, after another graph has taken its place. */
  ended: (() => void) | null;
}

export class Operations {
  #federation: Federation;
  #policy: Policy;
  #generation: Generation = { running: 0, ended: null };
  readonly #listeners = new Set<(schema: GraphQLSchema) => void>();
  readonly #limits: Limits;
  readonly #introspection: boolean | 'roles';
  readonly #texts: Texts;
  readonly #points: Points;
  readonly #turns = new Turns();
  readonly #time: number;
  readonly #clock: Clock;
  #audit: Audit | undefined;
  readonly #sign: Sign | undefined;
  readonly #consents: Consents | undefined;
  readonly #callers = new Callers();

  constructor(options: OperationOptions) {
    this.#federation = options.federation;
    this.#policy = options.policy;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#introspection = options.introspection ?? true;
    this.#texts = new Texts(this.#limits);
    this.#clock = options.clock ?? systemClock;
    this.#points = new Points(options.costs, this.#limits, this.#texts, this.#clock);
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
    await this.#callers.prepare(next.federation, next.policy, this.#federation);
    const before = this.#generation;
    this.#federation = next.federation;
    this.#policy = next.policy;
    this.#points.replace(next.costs);
    this.#audit = next.audit;
    this.#generation = { running: 0, ended: null };
    for (const listener of this.#listeners) listener(next.federation.schema);
    this.#callers.clear();
    if (before.running === 0) return;
    await new Promise<void>((resolve) => {
      before.ended = resolve;
    });
  }

  /** Told of every other graph that takes the place; answers how to end it. */
  onReplace(listener: (schema: GraphQLSchema) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get limits(): Limits {
    return this.#limits;
  }

  /**
   * Refuses a text beyond the limits, before any other parser sees it; what is no GraphQL is left to others to tell. Returns the document,
   * parsed without locations, of a text that was not let through before. Throws a `HubError`.
   */
  admit(query: string, principal: Principal | null = null): DocumentNode | null {
    try {
      return this.#texts.admit(query, this.#mayIntrospect(principal));
    } catch (error) {
      if (error instanceof HubError && error.code === 'GRAPHQL_PARSE_FAILED') return null;
      throw error;
    }
  }

  /** The faults of a document in the public graph, as this caller may see them; `query` is its text. */
  faults(query: string, document: DocumentNode, principal: Principal | null = null): readonly GraphQLFormattedError[] {
    return this.#shown(this.#federation.faults(query, document), principal);
  }

  /** The refusal of a caller who has used up its points and asks on, and for how many milliseconds it holds; null when it may ask. */
  overdrawn(principal: Principal | null): { error: HubError; milliseconds: number } | null {
    return this.#points.overdrawn(principal);
  }

  /** Waits until it is the caller's turn; null: it is. Throws LIMIT_RATE when too many of its requests wait. */
  turn(principal: Principal | null): Promise<void> | null {
    return this.#turns.enter(principal);
  }

  /** The same for what the hub reads for a subscription; `yielding`: not while others keep the hub at work. */
  turnOfReading(principal: Principal | null, yielding: boolean): Promise<void> | null {
    return this.#turns.enter(principal, { yielding });
  }

  /** What had its turn is over. */
  turned(principal: Principal | null): void {
    this.#turns.leave(principal);
  }

  /** The hub has worked for this caller and it came to nothing: a document that is none, or not valid. */
  fruitless(principal: Principal | null): void {
    this.#points.fruitless(principal);
  }

  /** Faults of the variables that the operation is given, as this caller may see them. */
  variableFaults(
    operation: OperationDefinitionNode,
    variables: OperationRequest['variables'],
    principal: Principal | null = null,
  ): readonly GraphQLFormattedError[] {
    return this.#shown(this.#federation.variableFaults(operation, variables), principal);
  }

  /** Parses within the limits what this caller may ask; throws a `HubError`. */
  parse(query: string, principal: Principal | null = null): DocumentNode {
    return this.#texts.parse(query, this.#mayIntrospect(principal));
  }

  /** Whether a request asks for a subscription; false for what is no document or is beyond the limits. */
  isSubscription(query: string, operationName: string | undefined): boolean {
    return this.#texts.isSubscription(query, operationName);
  }

  /** Points of one event that a subscription delivers, at worst; 0 where nothing is counted. Throws LIMIT_COST beyond what one operation may use. */
  eventPoints(request: Pick<OperationRequest, 'query' | 'operationName' | 'variables'>): number {
    return this.#points.ofEvent(request, this.schema);
  }

  /** Points for what is to begin. Throws LIMIT_RATE where they are not there. */
  pay(principal: Principal | null, points: number): void {
    this.#points.pay(principal, points);
  }

  /** Points for what has been delivered already. */
  owe(principal: Principal | null, points: number): void {
    this.#points.owe(principal, points);
  }

  /** Milliseconds until the caller has paid what has been delivered to it; 0: it has. */
  owes(principal: Principal | null): number {
    return this.#points.owes(principal);
  }

  /** Whether this caller may see the field at all; for subscriptions, whose root field never reaches the planner. */
  refused(coordinate: { type: string; field: string; returns: string }, principal: Principal | null): HubError | null {
    const found = this.#policy.refused(coordinate, principal);
    return found && new HubError(found.code, found.message);
  }

  /** The caller with the consents that hold at this moment; what groups subscribers looks at these. */
  current(principal: Principal): Promise<Principal> {
    // Without the database no consent is known to hold.
    return this.#consents ? this.#consents.current(principal).catch(() => principal) : Promise.resolve(principal);
  }

  /** Whether the caller's token has ended, by the wall clock. */
  expired(principal: Principal | null): boolean {
    return principal?.expires != null && principal.expires <= this.#clock.now().getTime();
  }

  /** Calls `ended` when the caller's token ends; returns what cancels it. */
  onExpiry(principal: Principal | null, ended: () => void): () => void {
    return principal?.expires == null ? () => undefined : whenWall(this.#clock, principal.expires, ended);
  }

  #mayIntrospect(principal: Principal | null): boolean {
    return this.#introspection === 'roles' ? (principal?.roles.length ?? 0) > 0 : this.#introspection;
  }

  #shown(faults: readonly GraphQLFormattedError[], principal: Principal | null): readonly GraphQLFormattedError[] {
    return this.#mayIntrospect(principal) ? faults : faults.map(discreet);
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
    if (this.expired(request.principal)) {
      return refusal(new HubError('UNAUTHENTICATED', 'The token has expired.'));
    }
    // What companies have granted is asked anew for every operation, so also for every event of a subscription.
    const principal = request.principal && (await this.current(request.principal));
    let { document } = request;
    if (!request.internal) {
      try {
        document = this.#texts.admit(request.query, this.#mayIntrospect(principal)) ?? document;
      } catch (error) {
        if (error instanceof HubError) return refusal(error);
        throw error;
      }
    }
    const rights = rightsOf(policy, principal, request.internal ?? false);
    this.#callers.note(rights.refusedKey, principal);
    const compiled = federation.compile(
      { query: request.query, operationName: request.operationName, document },
      { ...rights, provenance: request.extensions?.['provenance'] === true },
    );
    if ('errors' in compiled) {
      this.fruitless(request.principal);
      return { errors: this.#shown(compiled.errors, principal) };
    }
    const cost = request.internal ? null : this.#points.estimate(compiled, request.variables);
    try {
      if (cost) this.#points.charge(cost, request.principal);
    } catch (error) {
      if (!(error instanceof HubError)) throw error;
      if (error.code !== 'LIMIT_RATE') this.fruitless(request.principal);
      return refusal(error);
    }
    const calls = cost && request.extensions?.['cost'] === true ? new Map<string, number>() : null;
    const call = new ClientCall(request.signal, principal ?? NOBODY, systemClock.monotonic() + this.#time);
    if (calls) call.calls = calls;
    const made = federation.execute(compiled, { variables: request.variables, call });
    const answer = made instanceof Promise ? await made : made;
    if (!answer.text) return { errors: this.#shown(answer.errors, principal) };
    if (compiled.kind === 'mutation') this.#consents?.forget();
    // Who is not signed in sees nothing protected; a flood of such callers must not fill the log.
    if (answer.touched && this.#audit && principal) {
      const { readers } = request;
      const query = request.asked ?? request.query;
      const refused = await this.#audit.record({ touched: answer.touched, principal, readers, query }).then(
        () => null,
        (error: unknown) => error,
      );
      if (refused instanceof HubError) return { data: null, ...refusal(refused) };
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
}
