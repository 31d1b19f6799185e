/** The two kinds of fetch: fields of a root type, and fields of entities by their representations. */
import { parse, type SelectionSetNode } from 'graphql';
import type { Subgraph, SubgraphError, SubgraphResponse } from '../../connectors/kit/connector.ts';
import { compileAssign } from './assign.ts';
import { bare, type Fits, merge, type Path, representation, rewrite, type Tree, walk } from './data.ts';
import { type PlacedError, placed } from './faults.ts';
import { type Batch, compileGather, type Gathered } from './gather.ts';
import { entitySet, keyRenames, operationSet, responseKeys } from './operation-text.ts';
import type { BatchStep, EntityAlias, FetchStep, Requirement, Step } from './planner.ts';
import { asker, malformed, type Run } from './run.ts';

/** What fetches are built with. */
export interface FetchParts {
  readonly fits: Fits;
  readonly subgraph: (name: string) => Subgraph;
  /** A key of the plan has a meaning of its own in ordinary objects: data are copied into objects without prototypes. */
  readonly exotic: boolean;
}

/** Runs a fetch; waits only where the subgraph does. Never throws for a fault of a subgraph. */
export type Fetch = (run: Run) => void | Promise<void>;

const then = (answer: SubgraphResponse | Promise<SubgraphResponse>, settle: (answer: SubgraphResponse) => void) =>
  'then' in answer ? answer.then(settle) : settle(answer);

const isSound = (answer: SubgraphResponse): boolean => answer.errors === undefined || answer.errors.length === 0;

/** A fetch of fields of a root type, merged at `at`. */
export function rootFetch(step: FetchStep, at: readonly Step[], parts: FetchParts): Fetch {
  const { fits } = parts;
  const document = parse(step.operation, { noLocation: true });
  const rename = keyRenames(step.outputRewrites);
  const keys = responseKeys(document, operationSet(document), null, fits);
  const ask = asker(parts.subgraph, step.serviceName, step.operation);
  const clean = parts.exotic ? bare : (data: unknown) => data;
  const assign = at.length === 0 ? compileAssign(keys, step.outputRewrites, fits) : null;
  const settle = (run: Run, answer: SubgraphResponse): void => {
    const data = answer.data ? (clean(answer.data) as Tree) : null;
    if (data && assign && isSound(answer)) {
      assign(run.data, data);
      return;
    }
    const faults: PlacedError[] = [];
    const vague: SubgraphError[] = [];
    for (const error of answer.errors ?? []) {
      if (error.path && error.path.length > 0) faults.push(placed(error, rename(error.path)));
      else vague.push(error);
    }
    // A fault without a place shows where there is nothing; so does any fault, when there is no data at all.
    const cause = vague[0] ?? (data ? undefined : answer.errors?.[0]);
    if (cause) {
      const told = new Set(faults.map((one) => one.path[0]));
      const bereft = keys.filter((key) => (data?.[key] ?? null) === null && !told.has(rename([key])[0] ?? key));
      const spare = vague.length === 0;
      for (const key of bereft) faults.push({ ...placed(cause, rename([key])), spare, inferred: true });
      if (faults.length === 0) faults.push(placed(cause, []));
    }
    if (data) rewrite(data, step.outputRewrites, fits);
    const places: { object: Tree; path: Path }[] = [];
    if (at.length === 0) places.push({ object: run.data, path: [] });
    else walk(run.data, at, (object, path) => void places.push({ object, path }));
    places.forEach(({ object, path }, i) => {
      if (data) merge(object, i === 0 ? data : (bare(data) as Tree), fits.concrete);
      for (const one of faults) run.errors.push(path.length === 0 ? one : { ...one, path: [...path, ...one.path] });
    });
  };
  return (run) => then(ask(run, pick(step.variableUsages, run.variables)), (answer) => settle(run, answer));
}

interface Place {
  readonly object: Tree;
  readonly path: Path;
  /** Which representation; -1 when the object lacked what its representation needs. */
  readonly index: number;
  /** Why a required field was missing or null. */
  readonly cause: PlacedError | undefined;
}

interface Asked {
  readonly alias: EntityAlias;
  readonly requires: readonly Requirement[];
  /** What is asked of the entities; keys as in the subgraph's answer. */
  readonly set: SelectionSetNode | null;
  readonly rename: (path: Path) => Path;
}

/** A fetch of fields of entities; equal representations are sent once. */
export function entityFetch(step: FetchStep | BatchStep, aliases: readonly EntityAlias[], parts: FetchParts): Fetch {
  const { fits } = parts;
  const document = parse(step.operation, { noLocation: true });
  const all: readonly Asked[] = aliases.map((alias) => ({
    alias,
    set: entitySet(document, alias.alias),
    requires: widened(alias, fits),
    rename: keyRenames(alias.outputRewrites),
  }));
  const known = new Set(aliases.map((one) => one.alias));

  /** Tells the fault at every field that was asked of the place and is null. Answers whether there was one. */
  const blame = (
    run: Run,
    asked: Asked,
    place: Place,
    got: Tree | null,
    cause: PlacedError,
    covered: ReadonlySet<unknown>,
  ): boolean => {
    if (!asked.set) return false;
    let told = false;
    for (const raw of responseKeys(document, asked.set, place.object, fits)) {
      const path = asked.rename([raw]);
      const key = path[0] as string;
      if (covered.has(key) || (got?.[key] ?? null) !== null) continue;
      if (key === '__typename' && fits.concrete(place.object[key])) continue;
      run.errors.push({ ...cause, path: [...place.path, ...path], inferred: true });
      told = true;
    }
    return told;
  };

  const settle = (
    run: Run,
    asked: Asked,
    places: readonly Place[],
    data: Tree | null,
    errors: readonly SubgraphError[],
  ): void => {
    const { alias, outputRewrites } = asked.alias;
    const list = data?.[alias];
    const entities = Array.isArray(list) ? (list as unknown[]) : null;
    for (const one of entities ?? []) rewrite(one, outputRewrites, fits);
    const { exact, whole, vague } = sorted(errors, alias, known);
    /** Why fields of a sent entity are null, where an error does not say so itself. */
    const reason = (index: number, value: unknown, own: SubgraphError | undefined): PlacedError | undefined => {
      const fault = whole.get(index) ?? vague;
      if (fault) return placed(fault, []);
      if (!entities) return { ...placed(errors[0] ?? misfit, []), spare: errors.length > 0 };
      if (value === null) return own && { ...placed(own, []), spare: true };
      return tree(value) ? undefined : placed(misfit, []);
    };
    const given = new Set<number>();
    let told = entities === null;
    for (const place of places) {
      const { index, object, path } = place;
      const value = entities?.[index];
      const got = tree(value);
      const own = exact.get(index) ?? [];
      const covered = new Set<unknown>();
      for (const error of own) {
        const rest = asked.rename((error.path ?? []).slice(2));
        covered.add(rest[0]);
        run.errors.push(placed(error, [...path, ...rest]));
      }
      const cause = index < 0 ? place.cause : (reason(index, value, own[0]) ?? place.cause);
      if (cause) told = blame(run, asked, place, got, cause, covered) || told;
      if (!got) {
        run.bereft.add(object);
        continue;
      }
      merge(object, given.has(index) ? (bare(got) as Tree) : got, fits.concrete);
      given.add(index);
    }
    if (vague && !told) run.errors.push(placed(vague, []));
  };

  const misfit = malformed(step.serviceName);

  const ask = asker(parts.subgraph, step.serviceName, step.operation);
  const clean = parts.exotic ? bare : (data: unknown) => data;
  const ways = all.map((asked) => ({
    asked,
    name: asked.alias.alias,
    variable: asked.alias.representationsVariableName,
    gather: compileGather(asked.alias, asked.requires, fits),
    assign: asked.set
      ? compileAssign(responseKeys(document, asked.set, null, fits), asked.alias.outputRewrites, fits)
      : null,
  }));

  /** The short way; false when the data are out of the ordinary. */
  const quick = (run: Run): boolean | Promise<void> => {
    const variables = pick(step.variableUsages, run.variables);
    const batches = new Map<string, Batch>();
    const found: Gathered[] = [];
    for (const { variable, gather } of ways) {
      const batch = batches.get(variable) ?? { list: [], known: new Map() };
      batches.set(variable, batch);
      const gathered = gather?.(run.data, batch);
      if (!gathered) return false;
      found.push(gathered);
      variables[variable] = batch.list;
    }
    let sent = 0;
    for (const { list } of batches.values()) sent += list.length;
    if (sent === 0) return true;
    const receive = (answer: SubgraphResponse): void => {
      const data = answer.data ? (clean(answer.data) as Tree) : null;
      const sound = isSound(answer);
      ways.forEach(({ asked, name, variable, assign }, i) => {
        const { objects, indices, path } = found[i] as Gathered;
        const list = data?.[name];
        const whole = sound && assign && Array.isArray(list) && list.length === batches.get(variable)?.list.length;
        if (whole && list.every(isTree)) {
          for (let n = 0; n < objects.length; n++) assign(objects[n] as Tree, list[indices[n] as number] as Tree);
          return;
        }
        const places = objects.map(
          (object, n): Place => ({
            object,
            path: path(n),
            index: indices[n] as number,
            cause: undefined,
          }),
        );
        settle(run, asked, places, data, answer.errors ?? []);
      });
    };
    const answer = ask(run, variables);
    if ('then' in answer) return answer.then(receive);
    receive(answer);
    return true;
  };

  return (run) => {
    // Where something has failed before, what is missing has a cause that must be told.
    const done = quick(run);
    if (done !== false) return done === true ? undefined : done;
    const variables = pick(step.variableUsages, run.variables);
    const found = gather(run, all, variables, fits);
    const sent = all.some(({ alias }) => (variables[alias.representationsVariableName] as unknown[]).length > 0);
    return then(sent ? ask(run, variables) : { data: {} }, (answer) => {
      const data = answer.data ? (clean(answer.data) as Tree) : null;
      all.forEach((asked, i) => void settle(run, asked, found[i] ?? [], data, answer.errors ?? []));
    });
  };
}

/**
 * An entity that is sent as an interface may be any type of it. Where the planner has joined fetches for several such types, its
 * condition names only the last of them.
 */
function widened(alias: EntityAlias, fits: Fits): readonly Requirement[] {
  const faces = (alias.inputRewrites ?? []).flatMap((one) => {
    if ('KeyRenamer' in one) return [];
    const { path, setValueTo } = 'ValueSetter' in one ? one.ValueSetter : one;
    const last = path.at(-1);
    return last && 'Key' in last && last.Key === '__typename' && !fits.concrete(setValueTo) ? [setValueTo] : [];
  });
  return alias.requires.map((one) => {
    if (one.kind !== 'InlineFragment') return one;
    const face = faces.find((each) => fits(each, one.typeCondition));
    return face ? { ...one, typeCondition: face } : one;
  });
}

/** Walks to the entities and fills in the variables with their representations. Places of each alias in turn. */
function gather(run: Run, all: readonly Asked[], variables: Record<string, unknown>, fits: Fits): Place[][] {
  const shared = new Map<string, { list: Tree[]; known: Map<string, number> }>();
  let causes: Map<string, PlacedError> | undefined;
  const causeOf = (path: Path, keys: readonly string[]): PlacedError | undefined => {
    if (run.errors.length === 0) return undefined;
    causes ??= byPlace(run.errors);
    for (const key of keys) {
      const cause = causes.get(JSON.stringify([...path, key]));
      if (cause) return cause;
    }
    return undefined;
  };
  return all.map(({ alias, requires }) => {
    const name = alias.representationsVariableName;
    const batch = shared.get(name) ?? { list: [], known: new Map<string, number>() };
    shared.set(name, batch);
    variables[name] = batch.list;
    const places: Place[] = [];
    const visit = (object: Tree, path: Path): void => {
      const { value, missing, empty } = representation(object, requires, fits);
      if (!value) return;
      if (missing !== null) {
        const cause = causeOf(path, [missing]);
        if (cause || run.bereft.has(object)) {
          places.push({ object, path, index: -1, cause });
          return;
        }
        // Nobody was asked for it here: the planner joined this fetch with one for other types, which need more.
      }
      rewrite(value, alias.inputRewrites, fits);
      const mark = JSON.stringify(value);
      let index = batch.known.get(mark);
      if (index === undefined) {
        index = batch.list.push(value) - 1;
        batch.known.set(mark, index);
      }
      places.push({ object, path, index, cause: empty.length > 0 ? causeOf(path, empty) : undefined });
    };
    for (const steps of alias.paths) walk(run.data, steps, visit);
    return places;
  });
}

/** Faults by the places they stand at or below. */
function byPlace(errors: readonly PlacedError[]): Map<string, PlacedError> {
  const found = new Map<string, PlacedError>();
  for (const one of errors)
    for (let length = one.path.length; length > 0; length--) {
      const mark = JSON.stringify(one.path.slice(0, length));
      if (found.has(mark)) break;
      found.set(mark, one);
    }
  return found;
}

/** Errors of an alias: of a field of one entity, of one entity as a whole, and the first that tells no entity. */
function sorted(errors: readonly SubgraphError[], alias: string, known: ReadonlySet<string>) {
  const exact = new Map<number, SubgraphError[]>();
  const whole = new Map<number, SubgraphError>();
  let vague: SubgraphError | undefined;
  for (const error of errors) {
    const [head, index, ...rest] = error.path ?? [];
    if (head !== alias && typeof head === 'string' && known.has(head)) continue;
    if (head !== alias || typeof index !== 'number') vague ??= error;
    else if (rest.length === 0) whole.set(index, whole.get(index) ?? error);
    else exact.set(index, [...(exact.get(index) ?? []), error]);
  }
  return { exact, whole, vague };
}

const isTree = (value: unknown): value is Tree => tree(value) !== null;

const tree = (value: unknown): Tree | null =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Tree) : null;

const pick = (
  names: readonly string[] | undefined,
  variables: Readonly<Record<string, unknown>>,
): Record<string, unknown> => {
  const picked: Record<string, unknown> = {};
  for (const name of names ?? []) if (variables[name] !== undefined) picked[name] = variables[name];
  return picked;
};
