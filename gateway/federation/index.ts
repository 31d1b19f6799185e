/** The face of federation: compile an operation, execute it. Nothing outside this folder knows which planner or engine runs. */
import { randomUUID } from 'node:crypto';
import {
  type DocumentNode,
  type GraphQLFormattedError,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type VariableDefinitionNode,
  valueFromASTUntyped,
} from 'graphql';
import type { Call, Subgraph } from '../../connectors/kit/connector.ts';
import type { Log } from '../../connectors/kit/log.ts';
import { type Compiled, compileOperation, type Variant } from './compile/compile-operation.ts';
import { OperationCache } from './compile/operation-cache.ts';
import { Run } from './execute/execution.ts';
import { remoteSubgraph } from './execute/remote-subgraph.ts';
import type { Refuse } from './field-access.ts';
import { TooLarge } from './plan/normalized-selection.ts';
import { makePlanner } from './plan/planner.ts';
import type { Watch } from './plan/protected-fields.ts';
import { placed } from './respond/error-placement.ts';
import { makeReport } from './respond/error-report.ts';
import { type Ownership, Proof, readOwnership } from './respond/provenance.ts';
import { type Answer, Made, type RefusedAnswer } from './respond/response.ts';
import { write } from './respond/response-writer.ts';
import { Bare } from './response-data.ts';
import { readSupergraph } from './supergraph.ts';
import { coercer } from './validate/coerce-variables.ts';
import type { InputRules } from './validate/input-values.ts';
import { validateDocument } from './validate/validate.ts';

export type { Compiled } from './compile/compile-operation.ts';
export type { FieldCoordinate, Refusal } from './field-access.ts';
export { compact, LARGE } from './plan/compact-document.ts';
export type { Watch } from './plan/protected-fields.ts';
export type { Touch, Touched } from './respond/accessed-fields.ts';
export type { Answer, RefusedAnswer } from './respond/response.ts';
export type { InputRules } from './validate/input-values.ts';
export { remoteSubgraph };

export interface Federation {
  /** The public graph. */
  readonly schema: GraphQLSchema;
  /** Tells one supergraph from another. */
  readonly id: string;
  /**
   * Compiles, or takes from the cache. `refused` is asked for every field before planning: a refused one is not fetched, is null, and
   * has one error at each of its places; callers with equal `refusedKey` are refused the same. `internal` documents may name
   * `@inaccessible` fields. With `provenance` the answer says where its values come from.
   */
  compile(
    request: OperationText,
    options?: { refused?: Refuse; refusedKey?: string; internal?: boolean; provenance?: boolean },
  ): Compiled | { errors: readonly GraphQLFormattedError[] };
  /** What is compiled already, the most useful last; so that another federation can be made as ready as this one. */
  known(): KnownOperation[];
  /** Faults of a client's document, as `compile` finds them; `query` is its text. */
  faults(query: string, document: DocumentNode): readonly GraphQLFormattedError[];
  /** Faults of the variables that an operation of the public graph is given, as `execute` finds them. */
  variableFaults(
    operation: OperationDefinitionNode,
    variables: Readonly<Record<string, unknown>> | undefined,
  ): readonly GraphQLFormattedError[];
  /**
   * Executes; answers at once when no subgraph had to be waited for. Neither throws nor rejects for a fault of a subgraph. Without data
   * when variables cannot be read.
   */
  execute(
    compiled: Compiled,
    request: { variables: Readonly<Record<string, unknown>> | undefined; call: Call },
  ): Answer | RefusedAnswer | Promise<Answer>;
}

/** An operation of a text; `document` is the text parsed without locations, where that has been done already. */
export interface OperationText {
  readonly query: string;
  readonly operationName?: string | undefined;
  readonly document?: DocumentNode | undefined;
}

export interface KnownOperation {
  readonly query: string;
  readonly operationName: string | undefined;
  readonly refusedKey: string;
  readonly internal: boolean;
  readonly provenance: boolean;
}

export interface FederationOptions {
  readonly supergraph: string;
  /** By the name in the supergraph; or how one is made from name and address. */
  readonly subgraphs: ReadonlyMap<string, Subgraph> | ((name: string, url: string) => Subgraph);
  /** Makes the id under which the log has a fault of the hub. */
  readonly errorId?: () => string;
  readonly log?: Log;
  /** What values of clients must be; absent: the subgraphs judge. */
  readonly inputs?: InputRules;
  /** What must be accounted for; absent: nothing. */
  readonly watch?: Watch;
  /** As much of what was compiled is kept, in bytes, about. */
  readonly kept?: number;
}

const unreadable = ({ message }: { message: string }): GraphQLFormattedError => ({
  message,
  extensions: { code: 'BAD_USER_INPUT' },
});

const NONE = Object.freeze({});
const CACHE_BYTES = 64 * 1024 * 1024;

export function createFederation(options: FederationOptions): Federation {
  const rules = options.inputs ?? null;
  const supergraph = readSupergraph(options.supergraph, rules);
  const planner = makePlanner(options.supergraph);
  const cache = new OperationCache<Compiled>(options.kept ?? CACHE_BYTES);
  const made = new Map<string, Subgraph>();
  const subgraph = (name: string): Subgraph => {
    const known = made.get(name);
    if (known) return known;
    const { subgraphs } = options;
    const one =
      typeof subgraphs === 'function'
        ? subgraphs(name, supergraph.subgraphs.get(name)?.url ?? '')
        : subgraphs.get(name);
    if (!one) throw new Error(`The supergraph names a subgraph ${name} that is not here.`);
    made.set(name, one);
    return one;
  };

  const unplanned = (error: unknown, operation: string | null): GraphQLFormattedError => {
    if (error instanceof TooLarge)
      return { message: error.message, extensions: { code: 'LIMIT_COST', limit: error.limit } };
    const errorId = newId();
    options.log?.error('An operation could not be planned.', { error, operation, errorId });
    return { message: 'The operation cannot be planned over the islands.', extensions: { code: 'INTERNAL', errorId } };
  };

  const newId = () => options.errorId?.() ?? randomUUID();
  const report = makeReport(options.log, newId);

  let owned: Ownership | undefined;
  const proof = (prefix: string): Proof => {
    owned ??= readOwnership(supergraph.text);
    return new Proof(supergraph.inner, owned, prefix);
  };

  return {
    schema: supergraph.open,
    id: supergraph.id,
    compile: (request, { refused, refusedKey = '', internal = false, provenance = false } = {}) => {
      const mark = `${internal ? 'i' : 'o'}${provenance ? 'p' : ''}\0${refusedKey}\0${request.operationName ?? ''}`;
      const known = cache.get(request.query, mark);
      if (known) return known;
      try {
        const compiled = compileOperation({ supergraph, planner, subgraph, report, rules }, request, {
          refuse: refused ?? null,
          internal,
          watch: options.watch ?? null,
          proof: provenance ? proof : null,
        });
        if (!('errors' in compiled)) cache.set(request.query, mark, compiled);
        return compiled;
      } catch (error) {
        return { errors: [unplanned(error, request.operationName ?? null)] };
      }
    },
    known: () =>
      cache.entries().map(([query, mark]) => {
        const [kind = '', refusedKey = '', operationName] = mark.split('\0');
        return {
          query,
          operationName: operationName || undefined,
          refusedKey,
          internal: kind[0] === 'i',
          provenance: kind[1] === 'p',
        };
      }),
    faults: (query, document) => validateDocument(supergraph.open, document, query, rules).faults,
    variableFaults: (operation, variables) => {
      const made = coercer(supergraph.open, operation.variableDefinitions ?? [], rules)(variables ?? NONE);
      return (made.errors ?? []).map(unreadable);
    },
    execute: (compiled, { variables: given, call }) => {
      const definitions = compiled.operation.variableDefinitions ?? [];
      const made = compiled.coerce(given ?? NONE);
      if (made.errors) {
        return { errors: made.errors.map(unreadable) };
      }
      const { coerced: variables } = made;
      let variant: Variant;
      try {
        variant = compiled.variant(variables);
      } catch (error) {
        return { errors: [unplanned(error, compiled.name)] };
      }
      const run = new Run(call, toSend(definitions, given), compiled.kind);
      const waiting = variant.run?.(run);
      if (!waiting) return answered(compiled, variant, run, variables);
      return waiting.finally(() => run.deadline.end()).then(() => answered(compiled, variant, run, variables));
    },
  };
}

/** The answer from what the fetches have brought. */
function answered(compiled: Compiled, variant: Variant, run: Run, variables: Record<string, unknown>): Made {
  const answer = written(compiled, variant, run, variables);
  const touched = variant.account?.read(run.data, variables);
  if (touched) answer.touched = touched;
  if (variant.proof) answer.provenance = variant.proof(run.data);
  return answer;
}

function written(compiled: Compiled, variant: Variant, run: Run, variables: Record<string, unknown>): Made {
  if (run.errors.length === 0 && !variant.introspect) {
    const text = variant.write(run.data);
    if (text !== null) return Made.ofText(text);
  }
  const about = variant.introspect?.(variables);
  const own = about && {
    data: about.data ?? {},
    errors: (about.errors ?? []).map((one) => placed({ message: one.message }, one.path ?? [])),
  };
  const { data, errors } = write(variant.shape, compiled.root, run.data, run.errors, own ?? null);
  return Made.ofData(data, errors);
}

/** Subgraphs coerce again, so they get what the client sent, with defaults filled in. */
function toSend(
  definitions: readonly VariableDefinitionNode[],
  given: Readonly<Record<string, unknown>> | undefined,
): Record<string, unknown> {
  const variables = new Bare();
  for (const { variable, defaultValue } of definitions) {
    const name = variable.name.value;
    const value = given && Object.hasOwn(given, name) ? given[name] : undefined;
    if (value !== undefined) variables[name] = value;
    else if (defaultValue) variables[name] = valueFromASTUntyped(defaultValue);
  }
  return variables;
}
