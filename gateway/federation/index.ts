/** Entry point of the federation engine: compiles and executes operations. No other module depends on the planner or engine in use. */
import { randomUUID } from 'node:crypto';
import type { DocumentNode, GraphQLFormattedError, GraphQLSchema, OperationDefinitionNode } from 'graphql';
import type { Call, Subgraph } from '../../connectors/kit/call.ts';
import type { Log } from '../../connectors/kit/log.ts';
import { type CompiledOperation, compileOperation, type Variant } from './compile/compile-operation.ts';
import { OperationCache } from './compile/operation-cache.ts';
import { Execution } from './execute/execution.ts';
import { remoteSubgraph } from './execute/remote-subgraph.ts';
import type { AccessCheck } from './field-access.ts';
import { OperationTooLarge } from './operation-too-large.ts';
import { createPlanner } from './plan/planner.ts';
import type { ProtectedFields } from './plan/protected-fields.ts';
import { errorAt } from './respond/error-placement.ts';
import { createErrorReporter } from './respond/error-report.ts';
import { type FieldOwnership, ProvenanceCollector, readFieldOwnership } from './respond/provenance.ts';
import { type FederatedResponse, LazyResponse, type RejectedResponse } from './respond/response.ts';
import { writeResponse } from './respond/response-writer.ts';
import { readSupergraph } from './supergraph.ts';
import { createVariableCoercion } from './validate/coerce-variables.ts';
import { applyScalars, type InputRules } from './validate/input-values.ts';
import { validateDocument } from './validate/validate.ts';
import { variablesToSend } from './variables-to-send.ts';

export type { CompiledOperation } from './compile/compile-operation.ts';
export type { AccessError, FieldCoordinate } from './field-access.ts';
export type { ProtectedFields } from './plan/protected-fields.ts';
export type { AccessedFields, FieldAccess } from './respond/accessed-fields.ts';
export type { FederatedResponse, RejectedResponse } from './respond/response.ts';
export { COMPACT_ABOVE_SELECTIONS, compactDocument } from './validate/compact-document.ts';
export type { InputRules } from './validate/input-values.ts';
export { remoteSubgraph };

export interface Federation {
  /** The public graph. */
  readonly schema: GraphQLSchema;
  /** Identifies the supergraph: a prefix of its SHA-256 digest. */
  readonly id: string;
  /**
   * Compiles the operation, or returns it from the cache. `checkAccess` is called for every selected field before planning: a denied field
   * is not fetched, is null, and has one error at each of its paths. Callers with equal `accessKey` must be denied the same fields.
   * `internal` documents may select `@inaccessible` fields. With `provenance` the response includes the origin of its values.
   */
  compile(
    request: OperationText,
    options?: { checkAccess?: AccessCheck; accessKey?: string; internal?: boolean; provenance?: boolean },
  ): CompiledOperation | { errors: readonly GraphQLFormattedError[] };
  /** The operations in the cache, the most recently used last; a new federation can compile them before it is used. */
  compiledOperations(): KnownOperation[];
  /** Errors of a client's document, as `compile` returns them; `query` is its text. */
  validate(query: string, document: DocumentNode): readonly GraphQLFormattedError[];
  /** Errors of the variables of an operation on the public graph, as `execute` returns them. */
  validateVariables(
    operation: OperationDefinitionNode,
    variables: Readonly<Record<string, unknown>> | undefined,
  ): readonly GraphQLFormattedError[];
  /**
   * Executes the operation; returns synchronously if no subgraph is asynchronous. Never throws or rejects for an error of a subgraph.
   * The response has no data if a variable is invalid.
   */
  execute(
    compiled: CompiledOperation,
    request: { variables: Readonly<Record<string, unknown>> | undefined; call: Call },
  ): FederatedResponse | RejectedResponse | Promise<FederatedResponse>;
}

/** An operation and its document's text. `document` is that text parsed without locations, if it was parsed before. */
export interface OperationText {
  readonly query: string;
  readonly operationName?: string | undefined;
  readonly document?: DocumentNode | undefined;
}

/** An operation in the cache, with the options it was compiled with. */
export interface KnownOperation {
  readonly query: string;
  readonly operationName: string | undefined;
  readonly accessKey: string;
  readonly internal: boolean;
  readonly provenance: boolean;
}

export interface FederationOptions {
  readonly supergraph: string;
  /** Subgraphs by their name in the supergraph, or a function that creates one from name and address. */
  readonly subgraphs: ReadonlyMap<string, Subgraph> | ((name: string, url: string) => Subgraph);
  /** Creates the id that connects a response with its log lines; default: a random UUID. */
  readonly createErrorId?: () => string;
  readonly log?: Log;
  /** Rules for clients' values; absent: only the subgraphs check them. */
  readonly inputRules?: InputRules;
  /** Fields whose accesses are reported with the response; absent: none. */
  readonly protectedFields?: ProtectedFields;
  /** Approximate size of the cache of compiled operations, in bytes. Default: 64 MiB. */
  readonly cacheBytes?: number;
}

const toInputError = ({ message }: { message: string }): GraphQLFormattedError => ({
  message,
  extensions: { code: 'BAD_USER_INPUT' },
});

const NO_VARIABLES = Object.freeze({});
const DEFAULT_CACHE_BYTES = 64 * 1024 * 1024;

/** Creates the engine for one supergraph. Throws if the text is not a supergraph. */
export function createFederation(options: FederationOptions): Federation {
  const inputRules = options.inputRules ?? null;
  const supergraph = readSupergraph(options.supergraph);
  if (inputRules)
    for (const schema of [supergraph.publicSchema, supergraph.internalSchema]) applyScalars(schema, inputRules);
  const planner = createPlanner(options.supergraph);
  const cache = new OperationCache<CompiledOperation>(options.cacheBytes ?? DEFAULT_CACHE_BYTES);
  const subgraphByName = new Map<string, Subgraph>();
  const getSubgraph = (name: string): Subgraph => {
    const existing = subgraphByName.get(name);
    if (existing) return existing;
    const { subgraphs } = options;
    const subgraph =
      typeof subgraphs === 'function'
        ? subgraphs(name, supergraph.subgraphs.get(name)?.url ?? '')
        : subgraphs.get(name);
    if (!subgraph) throw new Error(`Subgraph ${name} of the supergraph is not configured.`);
    subgraphByName.set(name, subgraph);
    return subgraph;
  };

  const planningError = (error: unknown, operation: string | null): GraphQLFormattedError => {
    if (error instanceof OperationTooLarge)
      return { message: error.message, extensions: { code: 'LIMIT_COST', limit: error.limit } };
    const errorId = newId();
    options.log?.error('Failed to plan an operation.', { error, operation, errorId });
    return {
      message: 'The operation cannot be planned. Report errorId to the operator.',
      extensions: { code: 'INTERNAL', errorId },
    };
  };

  const newId = () => options.createErrorId?.() ?? randomUUID();
  const reportErrors = createErrorReporter(options.log, newId);

  let ownership: FieldOwnership | undefined;
  const createProvenance = (prefix: string): ProvenanceCollector => {
    ownership ??= readFieldOwnership(supergraph.text);
    return new ProvenanceCollector(supergraph.internalSchema, ownership, prefix);
  };

  return {
    schema: supergraph.publicSchema,
    id: supergraph.id,
    compile: (request, { checkAccess, accessKey = '', internal = false, provenance = false } = {}) => {
      const variant = { operationName: request.operationName, accessKey, internal, provenance };
      const cached = cache.get(request.query, variant);
      if (cached) return cached;
      try {
        const compiled = compileOperation({ supergraph, planner, getSubgraph, reportErrors, inputRules }, request, {
          checkAccess: checkAccess ?? null,
          internal,
          protectedFields: options.protectedFields ?? null,
          createProvenance: provenance ? createProvenance : null,
        });
        if (!('errors' in compiled)) cache.set(request.query, variant, compiled);
        return compiled;
      } catch (error) {
        return { errors: [planningError(error, request.operationName ?? null)] };
      }
    },
    compiledOperations: () => cache.entries().map(([query, variant]) => ({ query, ...variant })),
    validate: (query, document) => validateDocument(supergraph.publicSchema, document, query, inputRules).errors,
    validateVariables: (operation, variables) => {
      const definitions = operation.variableDefinitions ?? [];
      const coerce = createVariableCoercion(supergraph.publicSchema, definitions, inputRules);
      return (coerce(variables ?? NO_VARIABLES).errors ?? []).map(toInputError);
    },
    execute: (compiled, { variables: given, call }) => {
      const definitions = compiled.operation.variableDefinitions ?? [];
      const coerced = compiled.coerceVariables(given ?? NO_VARIABLES);
      if (coerced.errors) {
        return { errors: coerced.errors.map(toInputError) };
      }
      const { coerced: variables } = coerced;
      let variant: Variant;
      try {
        variant = compiled.variantFor(variables);
      } catch (error) {
        return { errors: [planningError(error, compiled.name)] };
      }
      const execution = new Execution(call, variablesToSend(definitions, given), compiled.kind);
      const pending = variant.run?.(execution);
      if (!pending) return buildResponse(compiled, variant, execution, variables);
      return pending
        .finally(() => execution.deadline.clear())
        .then(() => buildResponse(compiled, variant, execution, variables));
    },
  };
}

/** Builds the response from the data that the fetches have merged. */
function buildResponse(
  compiled: CompiledOperation,
  variant: Variant,
  execution: Execution,
  variables: Record<string, unknown>,
): LazyResponse {
  const response = writeData(compiled, variant, execution, variables);
  const accessedFields = variant.accessedFields?.read(execution.data, variables);
  if (accessedFields) response.accessedFields = accessedFields;
  if (variant.readProvenance) response.provenance = variant.readProvenance(execution.data);
  return response;
}

function writeData(
  compiled: CompiledOperation,
  variant: Variant,
  execution: Execution,
  variables: Record<string, unknown>,
): LazyResponse {
  if (execution.errors.length === 0 && !variant.introspect) {
    const json = variant.writeJson(execution.data);
    if (json !== null) return LazyResponse.ofJson(json);
  }
  const result = variant.introspect?.(variables);
  const introspection = result && {
    data: result.data ?? {},
    errors: (result.errors ?? []).map((error) => errorAt({ message: error.message }, error.path ?? [])),
  };
  const { data, errors } = writeResponse(
    variant.responseShape,
    compiled.root,
    execution.data,
    execution.errors,
    introspection ?? null,
  );
  return LazyResponse.ofData(data, errors);
}
