/**
 * The life of an operation: admit, plan, execute, respond. HTTP, WebSocket and SSE pass their requests to `run`;
 * no other module decides what a caller may see.
 */
import { ANONYMOUS, type Principal } from '../../connectors/kit/auth/principal.ts';
import { type Clock, systemClock } from '../../connectors/kit/clock.ts';
import { DEFAULT_DEADLINE } from '../../connectors/kit/config/sections/deadline.ts';
import { DEFAULT_LIMITS, type Limits } from '../../connectors/kit/config/sections/limits.ts';
import { HubError } from '../../connectors/kit/errors.ts';
import { ClientCall } from '../../connectors/kit/guard/client-disconnect.ts';
import type { OperationCost } from '../trust/limits/operation-cost.ts';
import { Scheduler } from '../trust/limits/scheduler.ts';
import type { Consents } from '../trust/rights/consents.ts';
import { ClientDocuments, type IntrospectionPolicy } from './client-documents.ts';
import { CostBudget } from './cost-budget.ts';
import { CurrentGraph, type GraphGeneration, type OperationGraph } from './current-graph.ts';
import { DocumentCache } from './document-cache.ts';
import { callerRights } from './per-caller-plans.ts';
import { type OperationRequest, type OperationResponse, rejectedResponse, type SignResponse } from './request.ts';
import { TokenExpiry } from './token-expiry.ts';

export interface OperationOptions extends OperationGraph {
  readonly limits?: Partial<Limits>;
  /** Who may introspect the graph; error messages for all others suggest no names. Default: everybody. */
  readonly introspection?: IntrospectionPolicy;
  /** Signs responses; absent: they are not signed. */
  readonly sign?: SignResponse | undefined;
  /** Consents that companies granted to clients; absent: only those that the principal brings. */
  readonly consents?: Consents | undefined;
  /** Milliseconds that one operation may take. Default: `DEFAULT_DEADLINE`. */
  readonly timeout?: number;
  /** The clock by which points are restored and tokens expire; absent: the system's. */
  readonly clock?: Clock | undefined;
}

export interface ScheduleOptions {
  /** The work is a read for a subscription: not counted against the queue limit, since `LogReaderQuota` limits it. */
  readonly isLogRead?: boolean;
  /** Log reads only: start only while the hub is mostly idle, however little the caller requests. */
  readonly background?: boolean;
}

export class Operations {
  /** Reserves and debits a caller's points. Anonymous callers on this machine are not limited. */
  readonly budget: Pick<CostBudget, 'reserve' | 'debit' | 'retryAfterMs' | 'penalize' | 'rejection'>;
  /** Parses and validates documents as one caller may see them. */
  readonly documents: ClientDocuments;
  /** The current graph and its replacement. */
  readonly graph: CurrentGraph;
  /** When callers' tokens expire. */
  readonly tokenExpiry: TokenExpiry;
  readonly limits: Limits;
  readonly #costBudget: CostBudget;
  readonly #scheduler = new Scheduler();
  readonly #timeout: number;
  readonly #sign: SignResponse | undefined;
  readonly #consents: Consents | undefined;

  constructor(options: OperationOptions) {
    const { federation, policy, costs, audit, clock = systemClock } = options;
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    const cache = new DocumentCache(this.limits);
    const budget = new CostBudget(costs, this.limits, cache, clock);
    this.#costBudget = budget;
    this.budget = budget;
    this.graph = new CurrentGraph({ federation, policy, costs, audit }, budget);
    const introspection = options.introspection ?? true;
    this.documents = new ClientDocuments({ cache, budget, graph: this.graph, introspection });
    this.tokenExpiry = new TokenExpiry(clock);
    this.#timeout = options.timeout ?? DEFAULT_DEADLINE;
    this.#sign = options.sign;
    this.#consents = options.consents;
  }

  /**
   * Runs `work` when it is the caller's turn, so that one caller's backlog does not delay another's first request; `release` ends the turn
   * early, which an endless stream does. Throws `LIMIT_RATE` before it runs `work` when too many of the caller's requests are queued;
   * otherwise resolves and rejects as `work` does.
   */
  async schedule<T>(
    caller: Principal | null,
    work: (release: () => void) => Promise<T>,
    { isLogRead = false, background = false }: ScheduleOptions = {},
  ): Promise<T> {
    const queued = this.#scheduler.acquire(caller, isLogRead ? { background } : undefined);
    if (queued !== null) await queued;
    let released = false;
    const release = () => {
      if (!released) this.#scheduler.release(caller);
      released = true;
    };
    try {
      return await work(release);
    } finally {
      release();
    }
  }

  /**
   * Executes one query or mutation and resolves with its response; expected errors are in the response. With `extensions.sign` the
   * response is signed and includes its provenance.
   */
  run(request: OperationRequest): Promise<OperationResponse> {
    const generation = this.graph.start();
    const isSigned = request.extensions?.['sign'] === true && this.#sign !== undefined && !request.internal;
    return isSigned ? this.#runSigned(request, generation) : this.#run(request, generation);
  }

  async #runSigned(request: OperationRequest, generation: GraphGeneration): Promise<OperationResponse> {
    const withProvenance = { ...request, extensions: { ...request.extensions, provenance: true } };
    const response = await this.#run(withProvenance, generation);
    return response.data === undefined || !this.#sign ? response : this.#sign(request, response);
  }

  /** Runs the operation and ends it in its generation. */
  async #run(request: OperationRequest, generation: GraphGeneration): Promise<OperationResponse> {
    const { federation, policy } = generation.graph;
    try {
      if (this.tokenExpiry.isExpired(request.principal)) {
        return rejectedResponse(new HubError('UNAUTHENTICATED', 'The token has expired.'));
      }
      // Consents are read for every operation, so also for every delivery of a subscription.
      const caller = request.principal && (await this.#withConsents(request.principal));
      let { document } = request;
      if (!request.internal) {
        try {
          document = this.documents.admitValid(request.query, caller) ?? document;
        } catch (error) {
          if (error instanceof HubError) return rejectedResponse(error);
          throw error;
        }
      }
      const rights = callerRights(policy, caller, request.internal ?? false);
      this.graph.rememberCaller(rights.accessKey, caller);
      const compiled = federation.compile(
        { query: request.query, operationName: request.operationName, document },
        { ...rights, provenance: request.extensions?.['provenance'] === true },
      );
      if ('errors' in compiled) {
        this.budget.penalize(request.principal);
        return { errors: this.documents.publicErrors(compiled.errors, caller) };
      }
      const cost = request.internal ? null : this.#costBudget.estimate(compiled, request.variables);
      try {
        if (cost) this.#costBudget.charge(cost, request.principal);
      } catch (error) {
        if (!(error instanceof HubError)) throw error;
        if (error.code !== 'LIMIT_RATE') this.budget.penalize(request.principal);
        return rejectedResponse(error);
      }
      const callCounts = cost && request.extensions?.['cost'] === true ? new Map<string, number>() : null;
      const call = new ClientCall(request.signal, caller ?? ANONYMOUS, systemClock.monotonic() + this.#timeout);
      if (callCounts) call.callCounts = callCounts;
      const executed = federation.execute(compiled, { variables: request.variables, call });
      const response = executed instanceof Promise ? await executed : executed;
      if (!response.json) return { errors: this.documents.publicErrors(response.errors, caller) };
      if (compiled.kind === 'mutation') this.#consents?.clear();
      const { audit } = this.graph;
      // A caller who is not signed in sees nothing protected; many such requests must not fill the log.
      if (response.accessedFields && audit && caller) {
        const { readers } = request;
        const query = request.clientQuery ?? request.query;
        const failure = await audit
          .record({ outcomes: response.accessedFields, principal: caller, readers, query })
          .then(
            () => null,
            (error: unknown) => error,
          );
        if (failure instanceof HubError) return { data: null, ...rejectedResponse(failure) };
        if (failure) throw failure;
      }
      const { provenance } = response;
      if (call.sourceConditions.size === 0 && !callCounts && !provenance) return response;
      const sources = [...call.sourceConditions].map(([source, state]) => ({ source, state }));
      const extensions = {
        ...(sources.length > 0 ? { sources } : {}),
        ...(provenance ? { provenance } : {}),
        ...(cost && callCounts ? { cost: costReport(cost, callCounts) } : {}),
      };
      return Object.assign(response, { extensions: { ...(response as OperationResponse).extensions, ...extensions } });
    } finally {
      this.graph.end(generation);
    }
  }

  /** The caller with the consents in force now. */
  #withConsents(caller: Principal): Promise<Principal> {
    // Without the database no consent is known to be in force.
    return this.#consents ? this.#consents.withConsents(caller).catch(() => caller) : Promise.resolve(caller);
  }
}

const costReport = (estimated: OperationCost, calls: ReadonlyMap<string, number>) => ({
  estimated,
  actual: { calls: Object.fromEntries(calls) },
});
