/** Compiles an operation once for many executions: validates and plans it, and generates the code of its fetches and response. */
import {
  type DocumentNode,
  type GraphQLError,
  type GraphQLFormattedError,
  type GraphQLObjectType,
  type GraphQLSchema,
  getOperationAST,
  type OperationDefinitionNode,
  OperationTypeNode,
  parse,
} from 'graphql';
import { LRUCache } from 'lru-cache';
import type { Subgraph } from '../../../connectors/kit/call.ts';
import { printForPlanner, restoreArguments } from '../document-text.ts';
import { compilePlan, type PlanExecutor } from '../execute/execute-plan.ts';
import { type AccessCheck, createFieldAccessCheck } from '../field-access.ts';
import { narrowPlan } from '../plan/narrow-plan.ts';
import type { PlanStep } from '../plan/plan-types.ts';
import type { Planner } from '../plan/planner.ts';
import { toPlannerDocument } from '../plan/planner-document.ts';
import { hiddenKeyPrefix, type ProtectedFields, selectsProtectedField } from '../plan/protected-fields.ts';
import { conditionVariables, resolveConditions } from '../plan/skip-include.ts';
import { AccessedFieldsReader } from '../respond/accessed-fields.ts';
import type { ErrorReporter } from '../respond/error-report.ts';
import { compileJsonWriter, type JsonWriter } from '../respond/json-writer.ts';
import type { ProvenanceCollector, ProvenanceEntry } from '../respond/provenance.ts';
import { createResponseShape, type SelectionShape } from '../respond/response-shape.ts';
import type { DataObject } from '../response-data.ts';
import type { Supergraph } from '../supergraph.ts';
import { type CoerceVariables, createVariableCoercion } from '../validate/coerce-variables.ts';
import type { InputRules } from '../validate/input-values.ts';
import { validateDocument } from '../validate/validate.ts';
import { createIntrospection, type IntrospectionExecutor } from './introspection.ts';

/** A compiled operation. */
export interface CompiledOperation {
  readonly kind: 'query' | 'mutation';
  readonly name: string | null;
  readonly schema: GraphQLSchema;
  /** The client's document. */
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly root: GraphQLObjectType;
  readonly coerceVariables: CoerceVariables;
  /** The variant for these coerced variables. Throws if the planner finds no plan. */
  variantFor(variables: Readonly<Record<string, unknown>>): Variant;
  /** Approximate size in bytes, for the cache. */
  readonly size: number;
}

/** The operation with resolved `@skip` and `@include`. */
export interface Variant {
  readonly responseShape: SelectionShape;
  /** Writes data without errors; returns null for other data. */
  readonly writeJson: JsonWriter;
  /** Null if there is nothing to fetch. */
  readonly run: PlanExecutor | null;
  /** Executes the root fields `__schema` and `__type`; null if there are none. */
  readonly introspect: IntrospectionExecutor | null;
  /** Reads the response's provenance from the data; null if it is not requested. */
  readonly readProvenance: ((data: DataObject) => ProvenanceEntry[]) | null;
  /** Reads the accessed protected fields from the data; null if none is selected. */
  readonly accessedFields: AccessedFieldsReader | null;
}

/** Heap bytes for each character of an operation and of its plan's JSON, measured on Q1 and Q2 of the bench. */
const BYTES_PER_CHARACTER = 90;
const BYTES_PER_PLAN_CHARACTER = 14;

/** Cached variants of one operation. */
const MAX_VARIANTS = 16;

const toClientError = (
  error: { message: string; locations?: GraphQLFormattedError['locations'] | undefined },
  code: string,
): GraphQLFormattedError => ({
  message: error.message,
  ...(error.locations ? { locations: error.locations } : {}),
  extensions: { code },
});

/**
 * Compiles an operation, or returns the errors of the document. Throws if the planner finds no plan, and `OperationTooLarge`; an operation with
 * conditions is planned at the first use of each variant.
 */
export function compileOperation(
  parts: {
    supergraph: Supergraph;
    planner: Planner;
    getSubgraph: (name: string) => Subgraph;
    reportErrors: ErrorReporter;
    inputRules: InputRules | null;
  },
  request: { query: string; operationName?: string | undefined; document?: DocumentNode | undefined },
  options: {
    checkAccess: AccessCheck | null;
    internal: boolean;
    protectedFields?: ProtectedFields | null;
    createProvenance?: ((prefix: string) => ProvenanceCollector) | null;
  },
): CompiledOperation | { errors: readonly GraphQLFormattedError[] } {
  const { supergraph, planner, getSubgraph, reportErrors, inputRules } = parts;
  const schema = options.internal ? supergraph.internalSchema : supergraph.publicSchema;
  let document: DocumentNode;
  try {
    // Without locations, which would keep every token of the text in memory.
    document = request.document ?? parse(request.query, { noLocation: true });
  } catch (error) {
    const syntax = error as GraphQLError;
    return {
      errors: [toClientError({ message: syntax.message, locations: syntax.locations }, 'GRAPHQL_PARSE_FAILED')],
    };
  }
  const { errors } = validateDocument(schema, document, request.query, inputRules);
  if (errors.length > 0) return { errors };
  const operation = getOperationAST(document, request.operationName || undefined);
  if (!operation) {
    const message = request.operationName
      ? `Unknown operation ${JSON.stringify(request.operationName.slice(0, 100))}. Set operationName to an operation of the document.`
      : 'The document contains several operations. Set operationName.';
    return { errors: [toClientError({ message }, 'OPERATION_RESOLUTION_FAILURE')] };
  }
  if (operation.operation === OperationTypeNode.SUBSCRIPTION) {
    const message = 'Subscriptions are not available as JSON. Use a WebSocket, or accept text/event-stream.';
    return { errors: [toClientError({ message }, 'OPERATION_RESOLUTION_FAILURE')] };
  }
  const root = schema.getRootType(operation.operation);
  if (!root)
    return {
      errors: [
        toClientError({ message: `The schema has no ${operation.operation} type.` }, 'GRAPHQL_VALIDATION_FAILED'),
      ],
    };
  const { reservedNames } = supergraph;
  const accessError = createFieldAccessCheck(schema, options.checkAccess);
  const partlyHiddenTypes = options.internal ? NO_TYPES : supergraph.partlyHiddenTypes;
  const conditions = conditionVariables(document);
  const variableNames = conditions ?? [];
  let planSize = 0;
  const createVariant = (variables: Readonly<Record<string, unknown>>): Variant => {
    const resolved = conditions ? resolveConditions(document, variables) : document;
    const resolvedOperation = getOperationAST(resolved, request.operationName || undefined);
    if (!resolvedOperation) throw new Error('unreachable: operations are not skipped');
    const hiddenFields =
      options.protectedFields && selectsProtectedField(schema, resolved, options.protectedFields)
        ? { protectedFields: options.protectedFields, prefix: hiddenKeyPrefix(resolved) }
        : null;
    const provenance = options.createProvenance?.(hiddenKeyPrefix(resolved)) ?? null;
    const { operation: plannerOperation, dataKeys } = toPlannerDocument(
      {
        schema,
        reservedNames,
        accessError,
        partlyHiddenTypes,
        hiddenFields,
        provenance,
      },
      resolved,
      resolvedOperation,
      root,
    );
    const longArguments = new Map<string, number>();
    const plan =
      plannerOperation && planner.plan(printForPlanner(plannerOperation, longArguments), operation.name?.value ?? null);
    const fullPlan =
      plannerOperation &&
      plan &&
      restorePlanArguments(narrowPlan(plan, plannerOperation, supergraph.internalSchema), [...longArguments.keys()]);
    const executor = fullPlan && compilePlan(fullPlan, supergraph, getSubgraph, reportErrors);
    planSize = executor?.size ?? 0;
    const shape = createResponseShape({ schema, accessError, dataKeys }, resolved, resolvedOperation);
    return {
      responseShape: shape,
      writeJson: compileJsonWriter(shape, root),
      run: executor?.run ?? null,
      introspect: createIntrospection(schema, resolved, resolvedOperation),
      readProvenance: provenance && ((data) => provenance.read(shape, root, data)),
      accessedFields:
        hiddenFields &&
        new AccessedFieldsReader({
          schema,
          ...hiddenFields,
          shape,
          document: resolved,
          operation: resolvedOperation,
          root,
        }),
    };
  };
  const variants = new LRUCache<string, Variant>({ max: MAX_VARIANTS });
  const only = variableNames.length === 0 ? createVariant({}) : null;
  const variantFor = (variables: Readonly<Record<string, unknown>>): Variant => {
    if (only) return only;
    const key = variableNames.map((name) => (variables[name] === true ? '1' : '0')).join('');
    let variant = variants.get(key);
    if (!variant) {
      variant = createVariant(variables);
      variants.set(key, variant);
    }
    return variant;
  };
  return {
    kind: operation.operation,
    name: operation.name?.value ?? null,
    schema,
    document,
    operation,
    root,
    coerceVariables: createVariableCoercion(schema, operation.variableDefinitions ?? [], inputRules),
    variantFor,
    size:
      2_000 +
      (BYTES_PER_CHARACTER * request.query.length +
        BYTES_PER_PLAN_CHARACTER * Math.max(planSize, 5 * request.query.length)) *
        Math.min(2 ** variableNames.length, MAX_VARIANTS),
  };
}

/** The plan with the arguments that were replaced by placeholders for the planner. */
function restorePlanArguments(step: PlanStep, longArguments: readonly string[]): PlanStep {
  if (longArguments.length === 0) return step;
  if ('nodes' in step) return { ...step, nodes: step.nodes.map((node) => restorePlanArguments(node, longArguments)) };
  if (step.kind === 'Flatten') return { ...step, node: restorePlanArguments(step.node, longArguments) };
  return { ...step, sentOperation: restoreArguments(step.operation, longArguments) };
}

const NO_TYPES: ReadonlySet<string> = new Set();
