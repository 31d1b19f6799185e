/** Documents of clients: parsed within the limits, validated against the current graph, with errors as the caller may see them. */
import type { DocumentNode, GraphQLFormattedError, OperationDefinitionNode } from 'graphql';
import type { Principal } from '../../connectors/kit/auth/principal.ts';
import { HubError } from '../../connectors/kit/errors.ts';
import { withoutSuggestions } from '../trust/limits/document-limits.ts';
import type { CostBudget } from './cost-budget.ts';
import type { CurrentGraph } from './current-graph.ts';
import type { DocumentCache } from './document-cache.ts';
import type { OperationRequest } from './request.ts';

/** Who may introspect the graph: everybody, nobody, or callers with a role of this hub. */
export type IntrospectionPolicy = boolean | 'roles';

export class ClientDocuments {
  readonly #cache: DocumentCache;
  readonly #budget: CostBudget;
  readonly #graph: CurrentGraph;
  readonly #introspection: IntrospectionPolicy;

  constructor(options: {
    readonly cache: DocumentCache;
    readonly budget: CostBudget;
    readonly graph: CurrentGraph;
    readonly introspection: IntrospectionPolicy;
  }) {
    this.#cache = options.cache;
    this.#budget = options.budget;
    this.#graph = options.graph;
    this.#introspection = options.introspection;
  }

  /** Parses the text. Throws a `HubError` if it is invalid, exceeds a limit, or introspects and the caller may not. */
  parse(text: string, caller: Principal | null = null): DocumentNode {
    return this.#cache.parse(text, this.#mayIntrospect(caller));
  }

  /**
   * Checks the text against the limits, before any other parser reads it. Returns the document, parsed without locations, the first time
   * a text passes; null if it passed before or is not GraphQL: the next parser reports syntax errors. Throws a `HubError`.
   */
  admit(text: string, caller: Principal | null = null): DocumentNode | null {
    try {
      return this.admitValid(text, caller);
    } catch (error) {
      if (error instanceof HubError && error.code === 'GRAPHQL_PARSE_FAILED') return null;
      throw error;
    }
  }

  /** The same, and throws `GRAPHQL_PARSE_FAILED` if the text is not GraphQL. */
  admitValid(text: string, caller: Principal | null): DocumentNode | null {
    return this.#cache.admit(text, this.#mayIntrospect(caller));
  }

  /** True when the request is for a subscription; false for a text that is not GraphQL or exceeds a limit. */
  isSubscription(text: string, operationName: string | undefined): boolean {
    return this.#cache.isSubscription(text, operationName);
  }

  /** The validation errors of a document in the current graph, empty when it is valid; `text` is the document's text. */
  validate(text: string, document: DocumentNode, caller: Principal | null = null): readonly GraphQLFormattedError[] {
    return this.publicErrors(this.#graph.federation.validate(text, document), caller);
  }

  /** The errors of the variables that are given to an operation, empty when all are valid. */
  validateVariables(
    operation: OperationDefinitionNode,
    variables: OperationRequest['variables'],
    caller: Principal | null = null,
  ): readonly GraphQLFormattedError[] {
    return this.publicErrors(this.#graph.federation.validateVariables(operation, variables), caller);
  }

  /** The most points that one event of a subscription costs; 0 where operations cost nothing. Throws `LIMIT_COST` beyond `limits.cost`. */
  eventCost(request: Pick<OperationRequest, 'query' | 'operationName' | 'variables'>): number {
    return this.#budget.eventCost(request, this.#graph.schema);
  }

  /** The errors without suggestions of names, which a caller who may not introspect must not learn. */
  publicErrors(errors: readonly GraphQLFormattedError[], caller: Principal | null): readonly GraphQLFormattedError[] {
    return this.#mayIntrospect(caller) ? errors : errors.map(withoutSuggestions);
  }

  #mayIntrospect(caller: Principal | null): boolean {
    return this.#introspection === 'roles' ? (caller?.roles.length ?? 0) > 0 : this.#introspection;
  }
}
