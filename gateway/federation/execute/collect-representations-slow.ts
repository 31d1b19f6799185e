/** Collects the entities of a fetch where `collect-representations.ts` cannot: it finds out why a required field is missing. */
import type { SelectionSetNode } from 'graphql';
import type { EntityAlias, Requirement } from '../plan/plan-types.ts';
import type { PlacedError } from '../respond/error-placement.ts';
import { type DataObject, forEachObjectAt, type Path, type TypeMatcher } from '../response-data.ts';
import type { Execution } from './execution.ts';
import { buildRepresentation } from './representation.ts';
import { applyRewrites } from './rewrites.ts';

/** One occurrence of an entity in the data. */
export interface EntityPlace {
  readonly object: DataObject;
  readonly path: Path;
  /** Index of its representation; -1 if the representation could not be built. */
  readonly representationIndex: number;
  /** Error because of which a required field is missing or null. */
  readonly cause: PlacedError | undefined;
}

/** The entities fetched under one alias. */
export interface EntityRequest {
  readonly alias: EntityAlias;
  readonly requires: readonly Requirement[];
  /** Selections of the entities, with the keys of the subgraph's response. */
  readonly selections: SelectionSetNode | null;
  readonly renamePath: (path: Path) => Path;
}

/**
 * The alias's requirements, with type conditions widened to the interface that representations are sent as. If the planner merged fetches for
 * several types of an interface, its condition names only the last of them.
 */
export function widenTypeConditions(alias: EntityAlias, matchesType: TypeMatcher): readonly Requirement[] {
  const interfaces = (alias.inputRewrites ?? []).flatMap((inputRewrite) => {
    if ('KeyRenamer' in inputRewrite) return [];
    const { path, setValueTo } = 'ValueSetter' in inputRewrite ? inputRewrite.ValueSetter : inputRewrite;
    const last = path.at(-1);
    return last && 'Key' in last && last.Key === '__typename' && !matchesType.isObjectTypeName(setValueTo)
      ? [setValueTo]
      : [];
  });
  return alias.requires.map((requirement) => {
    if (requirement.kind !== 'InlineFragment') return requirement;
    const sentAs = interfaces.find((name) => matchesType(name, requirement.typeCondition));
    return sentAs ? { ...requirement, typeCondition: sentAs } : requirement;
  });
}

/** Collects the entities of each alias, and adds their representations to `variables`, each once. */
export function collectEntityPlaces(
  execution: Execution,
  requests: readonly EntityRequest[],
  variables: Record<string, unknown>,
  matchesType: TypeMatcher,
): EntityPlace[][] {
  const batches = new Map<string, { list: DataObject[]; indexes: Map<string, number> }>();
  let causes: Map<string, PlacedError> | undefined;
  const causeOf = (path: Path, keys: readonly string[]): PlacedError | undefined => {
    if (execution.errors.length === 0) return undefined;
    causes ??= errorsByPath(execution.errors);
    for (const key of keys) {
      const cause = causes.get(JSON.stringify([...path, key]));
      if (cause) return cause;
    }
    return undefined;
  };
  return requests.map(({ alias, requires }) => {
    const name = alias.representationsVariableName;
    const batch = batches.get(name) ?? { list: [], indexes: new Map<string, number>() };
    batches.set(name, batch);
    variables[name] = batch.list;
    const places: EntityPlace[] = [];
    const visit = (object: DataObject, path: Path): void => {
      const { value, missingField, nullFields } = buildRepresentation(object, requires, matchesType);
      if (!value) return;
      if (missingField !== null) {
        const cause = causeOf(path, [missingField]);
        if (cause || execution.incomplete.has(object)) {
          places.push({ object, path, representationIndex: -1, cause });
          return;
        }
        // No fetch was to provide it: the planner merged this fetch with one for other types, which require more.
      }
      applyRewrites(value, alias.inputRewrites, matchesType);
      const key = JSON.stringify(value);
      let index = batch.indexes.get(key);
      if (index === undefined) {
        index = batch.list.push(value) - 1;
        batch.indexes.set(key, index);
      }
      places.push({
        object,
        path,
        representationIndex: index,
        cause: nullFields.length > 0 ? causeOf(path, nullFields) : undefined,
      });
    };
    for (const steps of alias.paths) forEachObjectAt(execution.data, steps, visit);
    return places;
  });
}

/** The first error at or below each path; paths as JSON. */
function errorsByPath(errors: readonly PlacedError[]): Map<string, PlacedError> {
  const byPath = new Map<string, PlacedError>();
  for (const error of errors)
    for (let length = error.path.length; length > 0; length--) {
      const key = JSON.stringify(error.path.slice(0, length));
      if (byPath.has(key)) break;
      byPath.set(key, error);
    }
  return byPath;
}
