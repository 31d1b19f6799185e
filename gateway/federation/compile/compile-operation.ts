/** From an operation's text to what is executed again and again: checked, planned, with the shape of its answer. */
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
import type { Subgraph } from '../../../connectors/kit/connector.ts';
import { operationText, withKept } from '../document-text.ts';
import { type Executable, executable } from '../execute/execute-plan.ts';
import { makeRefusals, type Refuse } from '../field-access.ts';
import { narrowed } from '../plan/narrow-plan.ts';
import type { Planner, PlanStep } from '../plan/planner.ts';
import { forPlanner } from '../plan/planner-document.ts';
import { asksWatched, hiddenPrefix, type Watch } from '../plan/protected-fields.ts';
import { deciders, settled } from '../plan/skip-include.ts';
import { Account } from '../respond/accessed-fields.ts';
import type { Report } from '../respond/error-report.ts';
import { type TextWriter, textWriter } from '../respond/json-writer.ts';
import type { Proof, ProofEntry } from '../respond/provenance.ts';
import { type Selection, shapeOf } from '../respond/response-shape.ts';
import type { Tree } from '../response-data.ts';
import type { Supergraph } from '../supergraph.ts';
import { type Coerce, coercer } from '../validate/coerce-variables.ts';
import type { InputRules } from '../validate/input-values.ts';
import { validateDocument } from '../validate/validate.ts';
import { type Introspect, introspection } from './introspection.ts';

/** One operation, ready to run. */
export interface Compiled {
  readonly kind: 'query' | 'mutation';
  readonly name: string | null;
  readonly schema: GraphQLSchema;
  /** As the client wrote it. */
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly root: GraphQLObjectType;
  readonly coerce: Coerce;
  /** What is done for these coerced variables. Throws when the planner finds no way. */
  variant(variables: Readonly<Record<string, unknown>>): Variant;
  /** Bytes that it counts for in the cache. */
  readonly size: number;
}

/** The operation with its `@skip` and `@include` settled. */
export interface Variant {
  readonly shape: Selection;
  /** Writes sound data at once. */
  readonly write: TextWriter;
  /** Null when nothing need be fetched. */
  readonly run: Executable | null;
  /** Answers root fields `__schema` and `__type`; null when there are none. */
  readonly introspect: Introspect | null;
  /** Where the values of that data come from; null when nobody asks. */
  readonly proof: ((data: Tree) => ProofEntry[]) | null;
  /** Tells what was touched of what must be accounted for; null when nothing of it is asked. */
  readonly account: Account | null;
}

/** What the heap holds for each character of a text and of its plan's JSON, measured on Q1 and Q2 of the bench. */
const TEXT_BYTES = 90;
const PLAN_BYTES = 14;

/** As many variants of one operation are kept. */
const VARIANTS = 16;

const fault = (
  error: { message: string; locations?: GraphQLFormattedError['locations'] | undefined },
  code: string,
): GraphQLFormattedError => ({
  message: error.message,
  ...(error.locations ? { locations: error.locations } : {}),
  extensions: { code },
});

export function compileOperation(
  parts: {
    supergraph: Supergraph;
    planner: Planner;
    subgraph: (name: string) => Subgraph;
    report: Report;
    rules: InputRules | null;
  },
  request: { query: string; operationName?: string | undefined; document?: DocumentNode | undefined },
  options: {
    refuse: Refuse | null;
    internal: boolean;
    watch?: Watch | null;
    proof?: ((prefix: string) => Proof) | null;
  },
): Compiled | { errors: readonly GraphQLFormattedError[] } {
  const { supergraph, planner, subgraph, report, rules } = parts;
  const schema = options.internal ? supergraph.inner : supergraph.open;
  let document: DocumentNode;
  try {
    // What is kept knows no places in the text: they hold every token of it.
    document = request.document ?? parse(request.query, { noLocation: true });
  } catch (error) {
    const syntax = error as GraphQLError;
    return { errors: [fault({ message: syntax.message, locations: syntax.locations }, 'GRAPHQL_PARSE_FAILED')] };
  }
  const { faults } = validateDocument(schema, document, request.query, rules);
  if (faults.length > 0) return { errors: faults };
  const operation = getOperationAST(document, request.operationName || undefined);
  if (!operation) {
    const message = request.operationName
      ? `The document has no operation ${JSON.stringify(request.operationName.slice(0, 100))}.`
      : 'The document has several operations: give operationName.';
    return { errors: [fault({ message }, 'OPERATION_RESOLUTION_FAILURE')] };
  }
  if (operation.operation === OperationTypeNode.SUBSCRIPTION) {
    const message = 'Subscriptions need a WebSocket or `text/event-stream`.';
    return { errors: [fault({ message }, 'OPERATION_RESOLUTION_FAILURE')] };
  }
  const root = schema.getRootType(operation.operation);
  if (!root)
    return { errors: [fault({ message: `The graph has no ${operation.operation}.` }, 'GRAPHQL_VALIDATION_FAILED')] };
  const { reserved } = supergraph;
  const refusals = makeRefusals(schema, options.refuse);
  const veiled = options.internal ? NONE : supergraph.veiled;
  const decide = deciders(document);
  const choices = decide ?? [];
  let planSize = 0;
  const make = (variables: Readonly<Record<string, unknown>>): Variant => {
    const plain = decide ? settled(document, variables) : document;
    const same = getOperationAST(plain, request.operationName || undefined);
    if (!same) throw new Error('unreachable: operations are not skipped');
    const watch =
      options.watch && asksWatched(schema, plain, options.watch)
        ? { watch: options.watch, prefix: hiddenPrefix(plain) }
        : null;
    const proof = options.proof?.(hiddenPrefix(plain)) ?? null;
    const { asked, keys } = forPlanner({ schema, reserved, refusals, veiled, watch, proof }, plain, same, root);
    const kept = new Map<string, number>();
    const plan = asked && planner.plan(operationText(asked, kept), operation.name?.value ?? null);
    const whole = asked && plan && withArguments(narrowed(plan, asked, supergraph.inner), [...kept.keys()]);
    const made = whole && executable(whole, supergraph, subgraph, report);
    planSize = made?.size ?? 0;
    const shape = shapeOf({ schema, refusals, keys }, plain, same);
    return {
      shape,
      write: textWriter(shape, root),
      run: made?.run ?? null,
      introspect: introspection(schema, plain, same),
      proof: proof && ((data) => proof.read(shape, root, data)),
      account: watch && new Account({ schema, ...watch, shape, document: plain, operation: same, root }),
    };
  };
  const variants = new LRUCache<string, Variant>({ max: VARIANTS });
  const variant = (variables: Readonly<Record<string, unknown>>): Variant => {
    const key = choices.map((name) => (variables[name] === true ? '1' : '0')).join('');
    const known = variants.get(key) ?? make(variables);
    variants.set(key, known);
    return known;
  };
  if (choices.length === 0) variant({});
  return {
    kind: operation.operation,
    name: operation.name?.value ?? null,
    schema,
    document,
    operation,
    root,
    coerce: coercer(schema, operation.variableDefinitions ?? [], rules),
    variant,
    size:
      2_000 +
      (TEXT_BYTES * request.query.length + PLAN_BYTES * Math.max(planSize, 5 * request.query.length)) *
        Math.min(2 ** choices.length, VARIANTS),
  };
}

/** The plan with the arguments that the planner was not shown. */
function withArguments(step: PlanStep, kept: readonly string[]): PlanStep {
  if (kept.length === 0) return step;
  if ('nodes' in step) return { ...step, nodes: step.nodes.map((one) => withArguments(one, kept)) };
  if (step.kind === 'Flatten') return { ...step, node: withArguments(step.node, kept) };
  return { ...step, sent: withKept(step.operation, kept) };
}

const NONE: ReadonlySet<string> = new Set();
