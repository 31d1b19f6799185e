/** Plan steps as functions: built once per operation, run many times. */
import {
  type DocumentNode,
  type FieldNode,
  isAbstractType,
  isObjectType,
  Kind,
  parse,
  type SelectionSetNode,
} from 'graphql';
import type { Call, Subgraph, SubgraphResponse } from '../../connectors/kit/connector.ts';
import { bare, type Fits, merge, type Path, representation, rewrite, type Tree, walk } from './data.ts';
import type { BatchStep, FetchStep, PlanStep, Requirement, Rewrite, Step } from './planner.ts';
import type { Supergraph } from './supergraph.ts';
import type { PlacedError } from './writer.ts';

/** One run of an operation. */
export interface Run {
  readonly call: Call;
  readonly subgraphs: (name: string) => Subgraph;
  /** As the client sent them, defaults filled in: what subgraphs get. */
  readonly variables: Readonly<Record<string, unknown>>;
  readonly data: Tree;
  readonly errors: PlacedError[];
}

export type Executable = (run: Run) => Promise<void>;

/** A subgraph may answer this long after the operation's time is up: its own limits have told it by then. */
const GRACE = 250;

export function executable(step: PlanStep, supergraph: Supergraph, at: readonly Step[] = []): Executable {
  switch (step.kind) {
    case 'Sequence': {
      const all = step.nodes.map((one) => executable(one, supergraph, at));
      return async (run) => {
        for (const one of all) await one(run);
      };
    }
    case 'Parallel': {
      const all = step.nodes.map((one) => executable(one, supergraph, at));
      return async (run) => {
        await Promise.all(all.map((one) => one(run)));
      };
    }
    case 'Flatten':
      return executable(step.node, supergraph, [...at, ...step.path]);
    case 'Condition': {
      const yes = step.ifClause && executable(step.ifClause, supergraph, at);
      const no = step.elseClause && executable(step.elseClause, supergraph, at);
      return async (run) => {
        await (run.variables[step.condition] === true ? yes : no)?.(run);
      };
    }
    case 'Fetch':
      return step.requires && step.requires.length > 0
        ? entityFetch(step, asBatch(step, at), supergraph)
        : rootFetch(step, at, supergraph);
    case 'BatchFetch':
      return entityFetch(step, step.entityBatch.aliases, supergraph);
    default:
      throw new Error(`The planner made a step that this gateway does not know: ${(step as { kind: string }).kind}.`);
  }
}

interface Alias {
  readonly alias: string;
  readonly representationsVariableName: string;
  readonly paths: readonly (readonly Step[])[];
  readonly requires: readonly Requirement[];
  readonly inputRewrites?: readonly Rewrite[];
  readonly outputRewrites?: readonly Rewrite[];
}

const asBatch = (step: FetchStep, at: readonly Step[]): Alias[] => [
  {
    alias: '_entities',
    representationsVariableName: 'representations',
    paths: [at],
    requires: step.requires ?? [],
    ...(step.inputRewrites ? { inputRewrites: step.inputRewrites } : {}),
    ...(step.outputRewrites ? { outputRewrites: step.outputRewrites } : {}),
  },
];

function rootFetch(step: FetchStep, at: readonly Step[], supergraph: Supergraph): Executable {
  const fits = fitter(supergraph);
  const document = parse(step.operation, { noLocation: true });
  const keys = responseKeys(document, operationSet(document), null, () => true);
  return async (run) => {
    const answer = await ask(run, step.serviceName, step.operation, pick(step.variableUsages, run.variables));
    const data = answer.data ? (bare(answer.data) as Tree) : null;
    const rename = renamed(step.outputRewrites);
    if (data) rewrite(data, step.outputRewrites, fits);
    if (at.length === 0) {
      if (data) merge(run.data, data);
      for (const error of answer.errors ?? []) run.errors.push(placed(error, rename(error.path ?? [])));
    } else {
      walk(run.data, at, (object, path) => {
        if (data) merge(object, data);
        for (const error of answer.errors ?? []) run.errors.push(placed(error, [...path, ...rename(error.path ?? [])]));
      });
    }
    // A fault without a place, and no data at all: every field that was asked is where it shows.
    if (!data) {
      const cause = answer.errors?.find((one) => !one.path || one.path.length === 0) ?? answer.errors?.[0];
      if (cause) for (const key of keys) run.errors.push(placed(cause, rename([key])));
    }
  };
}

interface Place {
  readonly object: Tree;
  readonly path: Path;
  readonly index: number;
}

function entityFetch(step: FetchStep | BatchStep, aliases: readonly Alias[], supergraph: Supergraph): Executable {
  const document = parse(step.operation, { noLocation: true });
  const fits = fitter(supergraph);
  const asked = aliases.map((alias) => ({ alias, set: entitySet(document, alias.alias) }));
  return async (run) => {
    const variables = pick(step.variableUsages, run.variables);
    const shared = new Map<string, { list: Tree[]; known: Map<string, number> }>();
    const todo: {
      alias: Alias;
      set: SelectionSetNode | null;
      places: Place[];
      starved: { object: Tree; path: Path }[];
    }[] = [];
    for (const { alias, set } of asked) {
      const name = alias.representationsVariableName;
      const reps = shared.get(name) ?? { list: [], known: new Map<string, number>() };
      shared.set(name, reps);
      const places: Place[] = [];
      const starved: { object: Tree; path: Path }[] = [];
      const visited = new Set<Tree>();
      for (const steps of alias.paths) {
        walk(run.data, steps, (object, path) => {
          const one = representation(object, alias.requires, fits, run.variables);
          if (one === undefined) starved.push({ object, path });
          if (!one) return;
          rewrite(one, alias.inputRewrites, fits);
          const mark = JSON.stringify(one);
          let index = reps.known.get(mark);
          if (index === undefined) {
            index = reps.list.push(one) - 1;
            reps.known.set(mark, index);
          }
          visited.add(object);
          places.push({ object, path, index });
        });
      }
      variables[name] = reps.list;
      todo.push({ alias, set, places, starved });
    }
    for (const { starved, set } of todo) starve(run, starved, document, set, fits);
    if (todo.every(({ places }) => places.length === 0)) return;
    const answer = await ask(run, step.serviceName, step.operation, variables);
    const data = answer.data ? (bare(answer.data) as Tree) : null;
    for (const { alias, set, places } of todo) {
      const entities = data?.[alias.alias];
      const list = Array.isArray(entities) ? entities : null;
      if (list) for (const one of list) rewrite(one, alias.outputRewrites, fits);
      for (const { object, index } of places) {
        const one = list?.[index];
        if (typeof one === 'object' && one !== null) merge(object, one as Tree);
      }
      const rename = renamed(alias.outputRewrites);
      const vague: PlacedError[] = [];
      for (const error of answer.errors ?? []) {
        const [head, index, ...rest] = error.path ?? [];
        if (head === alias.alias && typeof index === 'number') {
          const hit = places.filter((one) => one.index === index);
          if (rest.length > 0) for (const one of hit) run.errors.push(placed(error, [...one.path, ...rename(rest)]));
          else for (const one of hit) everyField(run, one, document, set, fits, placed(error, []), rename);
        } else if (head === undefined || head === alias.alias || !aliases.some((one) => one.alias === head))
          vague.push(placed(error, []));
      }
      const [cause] = vague;
      if (cause)
        for (const one of places)
          everyField(run, one, document, set, fits, cause, rename, list?.[one.index] as Tree | null | undefined);
    }
  };
}

/** Objects that lack what an earlier fetch should have brought: their fields fail for the same reason. */
function starve(
  run: Run,
  starved: readonly { object: Tree; path: Path }[],
  document: DocumentNode,
  set: SelectionSetNode | null,
  fits: Fits,
): void {
  if (starved.length === 0) return;
  for (const one of starved) {
    const cause = run.errors.find((error) => one.path.every((step, i) => error.path[i] === step)) ?? run.errors.at(-1);
    if (cause) everyField(run, one, document, set, fits, cause, (path) => path);
  }
}

/** The same fault at every field that was asked of this object and that it did not get. */
function everyField(
  run: Run,
  place: { object: Tree; path: Path },
  document: DocumentNode,
  set: SelectionSetNode | null,
  fits: Fits,
  cause: PlacedError,
  rename: (path: Path) => Path,
  got?: Tree | null,
): void {
  if (!set) return;
  for (const key of responseKeys(document, set, place.object, fits)) {
    if (key === '__typename' || (got && got[key] !== undefined && got[key] !== null)) continue;
    run.errors.push({ ...cause, path: [...place.path, ...rename([key])] });
  }
}

const placed = (
  error: { message: string; extensions?: Readonly<Record<string, unknown>> | undefined },
  path: Path,
): PlacedError => {
  const { code, source, retryable, errorId } = error.extensions ?? {};
  const extensions = Object.fromEntries(
    Object.entries({ code: code ?? 'INTERNAL', source, retryable, errorId }).filter(([, value]) => value !== undefined),
  );
  return { message: error.message, path, extensions };
};

/** Response keys that the planner renamed, as the client knows them. Only the first step can differ. */
function renamed(rewrites: readonly Rewrite[] | undefined): (path: Path) => Path {
  const names = new Map<string, string>();
  for (const one of rewrites ?? []) {
    if (!('KeyRenamer' in one)) continue;
    const last = one.KeyRenamer.path.at(-1);
    if (last && 'Key' in last) names.set(last.Key, one.KeyRenamer.renameKeyTo);
  }
  return names.size === 0
    ? (path) => path
    : (path) => path.map((step) => (typeof step === 'string' ? (names.get(step) ?? step) : step));
}

function fitter(supergraph: Supergraph): Fits {
  return (condition, name) => {
    if (name === undefined || name === condition) return true;
    const wanted = supergraph.inner.getType(condition);
    const type = supergraph.inner.getType(name);
    if (isAbstractType(wanted))
      return (isObjectType(type) && supergraph.inner.isSubType(wanted, type)) || type === wanted;
    // An interface object: the data says the interface, the plan says one of its types.
    return isAbstractType(type) && isObjectType(wanted) && supergraph.inner.isSubType(type, wanted);
  };
}

const pick = (
  names: readonly string[] | undefined,
  variables: Readonly<Record<string, unknown>>,
): Record<string, unknown> => {
  const picked: Record<string, unknown> = {};
  for (const name of names ?? []) if (variables[name] !== undefined) picked[name] = variables[name];
  return picked;
};

const operationSet = (document: DocumentNode): SelectionSetNode => {
  const operation = document.definitions.find((one) => one.kind === Kind.OPERATION_DEFINITION);
  if (operation?.kind !== Kind.OPERATION_DEFINITION) throw new Error('A fetch of the plan has no operation.');
  return operation.selectionSet;
};

/** What is asked of the entities under that alias. */
function entitySet(document: DocumentNode, alias: string): SelectionSetNode | null {
  const field = operationSet(document).selections.find(
    (one): one is FieldNode => one.kind === Kind.FIELD && (one.alias ?? one.name).value === alias,
  );
  return field?.selectionSet ?? null;
}

/** Keys at the top of a selection, for an object of this type. */
function responseKeys(document: DocumentNode, set: SelectionSetNode, object: Tree | null, fits: Fits): string[] {
  return set.selections.flatMap((one): string[] => {
    if (one.kind === Kind.FIELD) return [(one.alias ?? one.name).value];
    const fragment =
      one.kind === Kind.INLINE_FRAGMENT
        ? one
        : document.definitions.find(
            (each) => each.kind === Kind.FRAGMENT_DEFINITION && each.name.value === one.name.value,
          );
    if (!fragment || !('selectionSet' in fragment) || !('typeCondition' in fragment)) return [];
    const condition = fragment.typeCondition?.name.value;
    if (condition && object && !fits(condition, object['__typename'] as string | undefined)) return [];
    return responseKeys(document, fragment.selectionSet, object, fits);
  });
}

/** Asks the subgraph; its silence and its faults are answers. */
async function ask(
  run: Run,
  name: string,
  query: string,
  variables: Record<string, unknown>,
): Promise<SubgraphResponse> {
  const { call } = run;
  const left = call.deadline + GRACE - Date.now();
  const fault = (code: string, message: string): SubgraphResponse => ({
    errors: [{ message, extensions: { code, source: name, retryable: true } }],
  });
  const late = fault('SOURCE_TIMEOUT', `The source ${name} did not answer in time.`);
  if (left <= 0 || call.signal.aborted) return late;
  let timer: NodeJS.Timeout | undefined;
  let onAbort: (() => void) | undefined;
  const over = new Promise<SubgraphResponse>((resolve) => {
    timer = setTimeout(() => resolve(late), left);
    onAbort = () => resolve(late);
    call.signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([run.subgraphs(name).execute({ query, variables, call }), over]);
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (code === 'SOURCE_TIMEOUT') return late;
    if (code === 'SOURCE_MALFORMED')
      return fault('SOURCE_MALFORMED', `The source ${name} gave an answer that cannot be understood.`);
    return fault('SOURCE_UNAVAILABLE', `The source ${name} cannot be reached at the moment.`);
  } finally {
    clearTimeout(timer);
    if (onAbort) call.signal.removeEventListener('abort', onAbort);
  }
}
