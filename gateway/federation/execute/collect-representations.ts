/**
 * Collects the entities of a fetch and their representations with generated code: it walks the plan's steps, adds equal representations once and
 * keeps paths as list indexes. Returns null if the data does not match the steps or a required field is missing or null; `entity-fetch.ts` then
 * uses `collect-representations-slow.ts`, which knows the errors.
 */
import type { EntityAlias, Requirement } from '../plan/plan-types.ts';
import type { DataObject, Path, Step, TypeMatcher } from '../response-data.ts';

/** The distinct representations of one variable. */
export interface RepresentationBatch {
  readonly list: DataObject[];
  /** Index in `list` by the values of the representation; one map for each kind of representation. */
  readonly indexes: (Map<unknown, number> | undefined)[];
}

/** One path to entities. */
interface EntityPath {
  readonly collect: CollectObjects;
  readonly steps: readonly Step[];
  /** Number of lists on the path. */
  readonly listCount: number;
}

/** The objects at the end of all paths. */
export class CollectedEntities {
  readonly objects: DataObject[] = [];
  /** Index of each object's representation. */
  readonly representationIndexes: number[] = [];
  /** For each path: the index of its first object, and the list indexes of all its objects in turn. */
  readonly #segments: { readonly first: number; readonly listIndexes: number[] }[] = [];
  readonly #paths: readonly EntityPath[];

  constructor(paths: readonly EntityPath[]) {
    this.#paths = paths;
  }

  /** Collects the objects. False if the data does not match the steps. */
  collect(data: DataObject): boolean {
    for (const { collect } of this.#paths) {
      const listIndexes: number[] = [];
      this.#segments.push({ first: this.objects.length, listIndexes });
      if (!collect(data, this.objects, listIndexes)) return false;
    }
    return true;
  }

  /** The path of the object with that index; computed only for errors. */
  pathOf(index: number): Path {
    const pathIndex = this.#segments.findLastIndex((segment) => segment.first <= index);
    const segment = this.#segments[pathIndex];
    if (!segment) throw new Error('unreachable: each object was found on one of the paths');
    const { steps, listCount } = this.#paths[pathIndex] as EntityPath;
    const first = (index - segment.first) * listCount;
    let listIndex = 0;
    return steps.flatMap((step): Path => {
      if (step === '@') return [segment.listIndexes[first + listIndex++] as number];
      return 'Field' in step ? [step.Field] : [];
    });
  }
}

/** Collects the entities of an alias and adds their representations to `batch`, that of the alias's variable. Null if the data is incomplete. */
export type CollectRepresentations = (data: DataObject, batch: RepresentationBatch) => CollectedEntities | null;

/** False if the data does not match the steps. */
type CollectObjects = (data: DataObject, objects: DataObject[], listIndexes: number[]) => boolean;

/** Null if the alias needs rewrites or nested fields. `kinds`: the kinds of representations of the alias's variable so far; added to. */
export function compileCollectRepresentations(
  alias: EntityAlias,
  requires: readonly Requirement[],
  matchesType: TypeMatcher,
  kinds: string[],
): CollectRepresentations | null {
  const addRepresentations = compileAddRepresentations(alias, requires, matchesType, kinds);
  if (!addRepresentations) return null;
  const paths = alias.paths.map(
    (steps): EntityPath => ({ collect: compileCollectObjects(steps), steps, listCount: listCountOf(steps) }),
  );
  return (data, batch) => {
    const collected = new CollectedEntities(paths);
    return collected.collect(data) && addRepresentations(collected.objects, collected.representationIndexes, batch)
      ? collected
      : null;
  };
}

const listCountOf = (steps: readonly Step[]): number => steps.filter((step) => step === '@').length;

/** Generates nested loops over the steps. */
function compileCollectObjects(steps: readonly Step[]): CollectObjects {
  const typeSets: ReadonlySet<string>[] = [];
  const indexNames: string[] = [];
  const codeFrom = (i: number, value: string): string => {
    const step = steps[i];
    const next = `v${i}`;
    if (step === undefined) {
      const addIndexes = indexNames.length > 0 ? `at.push(${indexNames.join(',')});` : '';
      return `if(typeof ${value}!=='object'||Array.isArray(${value}))return false;objects.push(${value});${addIndexes}`;
    }
    if (step === '@') {
      indexNames.push(`i${i}`);
      const inner = codeFrom(i + 1, next);
      return `if(!Array.isArray(${value}))return false;for(let i${i}=0;i${i}<${value}.length;i${i}++){const ${next}=${value}[i${i}];if(${next}!==null&&${next}!==undefined){${inner}}}`;
    }
    const objectCheck = `if(typeof ${value}!=='object'||Array.isArray(${value}))return false;`;
    if ('Field' in step) {
      return `${objectCheck}const ${next}=${value}[${JSON.stringify(step.Field)}];if(${next}!==null&&${next}!==undefined){${codeFrom(i + 1, next)}}`;
    }
    const set = typeSets.push(new Set(step.TypeCondition)) - 1;
    return `${objectCheck}const t${i}=${value}.__typename;if(t${i}===undefined||S[${set}].has(t${i})){${codeFrom(i + 1, value)}}`;
  };
  const body = codeFrom(0, 'data');
  return new Function('S', `'use strict';return function(data,objects,at){${body}return true;}`)(
    typeSets,
  ) as CollectObjects;
}

/** False if a required field of an object is missing or null. */
type AddRepresentations = (
  objects: readonly DataObject[],
  representationIndexes: number[],
  batch: RepresentationBatch,
) => boolean;

function compileAddRepresentations(
  alias: EntityAlias,
  requires: readonly Requirement[],
  matchesType: TypeMatcher,
  kinds: string[],
): AddRepresentations | null {
  const { inputRewrites } = alias;
  const [requirement] = requires;
  if (requires.length !== 1 || requirement?.kind !== 'InlineFragment' || (inputRewrites && inputRewrites.length > 0))
    return null;
  const type = requirement.typeCondition;
  if (!matchesType.isObjectTypeName(type)) return null;
  const fields: { from: string; to: string }[] = [];
  for (const selection of requirement.selections) {
    if (selection.kind !== 'Field' || selection.selections) return null;
    if (selection.name !== '__typename') fields.push({ from: selection.name, to: selection.alias ?? selection.name });
  }
  if (fields.length === 0 || fields.some((field) => field.to === '__proto__')) return null;
  const kindKey = JSON.stringify([type, fields]);
  const kind = kinds.includes(kindKey) ? kinds.indexOf(kindKey) : kinds.push(kindKey) - 1;
  const reads = fields.map(
    ({ from }, i) => `const f${i}=o[${JSON.stringify(from)}];if(f${i}===null||f${i}===undefined)return false;`,
  );
  // A single string is its own key; other values have their JSON as key, after a NUL to tell them from strings.
  const values = fields.map((_, i) => `f${i}`).join(',');
  const key =
    fields.length === 1
      ? `typeof f0==='string'&&f0.charCodeAt(0)!==0?f0:'\\u0000'+JSON.stringify(f0)`
      : `JSON.stringify([${values}])`;
  const members = fields.map(({ to }, i) => `${JSON.stringify(to)}:f${i}`).join(',');
  const addAll = new Function(
    `'use strict';return function(objects,indices,list,known){for(let n=0;n<objects.length;n++){const o=objects[n],t=o.__typename;
if(t!==undefined&&t!==${JSON.stringify(type)})return false;${reads.join('')}const k=${key};let i=known.get(k);
if(i===undefined){i=list.push({__typename:${JSON.stringify(type)},${members}})-1;known.set(k,i);}indices[n]=i;}return true;}`,
  )() as (
    objects: readonly DataObject[],
    indices: number[],
    list: DataObject[],
    known: Map<unknown, number>,
  ) => boolean;
  return (objects, representationIndexes, { list, indexes }) => {
    let ownIndexes = indexes[kind];
    if (ownIndexes === undefined) {
      ownIndexes = new Map();
      indexes[kind] = ownIndexes;
    }
    return addAll(objects, representationIndexes, list, ownIndexes);
  };
}
