/** The long way to the entities of a fetch: it knows why something that a representation needs is missing. */
import type { SelectionSetNode } from 'graphql';
import type { EntityAlias, Requirement } from '../plan/planner.ts';
import type { PlacedError } from '../respond/error-placement.ts';
import { type Fits, type Path, representation, rewrite, type Tree, walk } from '../response-data.ts';
import type { Run } from './execution.ts';

/** Where an entity stands in the data. */
export interface Place {
  readonly object: Tree;
  readonly path: Path;
  /** Which representation; -1 when the object lacked what its representation needs. */
  readonly index: number;
  /** Why a required field was missing or null. */
  readonly cause: PlacedError | undefined;
}

/** What is asked of the entities under one alias. */
export interface Asked {
  readonly alias: EntityAlias;
  readonly requires: readonly Requirement[];
  /** What is asked of the entities; keys as in the subgraph's answer. */
  readonly set: SelectionSetNode | null;
  readonly rename: (path: Path) => Path;
}

/**
 * An entity that is sent as an interface may be any type of it. Where the planner has joined fetches for several such types, its
 * condition names only the last of them.
 */
export function widened(alias: EntityAlias, fits: Fits): readonly Requirement[] {
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
export function gather(run: Run, all: readonly Asked[], variables: Record<string, unknown>, fits: Fits): Place[][] {
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
