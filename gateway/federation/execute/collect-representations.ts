/**
 * The entities of a fetch and what is sent to find them again, by generated code: it walks the plan's steps, makes equal
 * representations one, and remembers places as numbers. It gives up (null) where the data are not as the steps say or a required
 * field is missing or null; `fetch.ts` then goes the long way, which knows about faults.
 */

import type { EntityAlias, Requirement, Step } from '../plan/planner.ts';
import type { Fits, Path, Tree } from '../response-data.ts';

/** Representations under one variable, each once. */
export interface Batch {
  readonly list: Tree[];
  /** From what makes them equal to where they stand, by the kind of representation. */
  readonly known: (Map<unknown, number> | undefined)[];
}

/** One way through the data to entities. */
interface Way {
  readonly collect: Collect;
  readonly steps: readonly Step[];
  /** Lists on the way. */
  readonly width: number;
}

/** The objects at the end of all ways. */
export class Gathered {
  readonly objects: Tree[] = [];
  /** Which representation each object needs. */
  readonly indices: number[] = [];
  /** Of each way: how many objects stand before its own, and the places of these in the lists on the way. */
  readonly #parts: { readonly from: number; readonly at: number[] }[] = [];
  readonly #ways: readonly Way[];

  constructor(ways: readonly Way[]) {
    this.#ways = ways;
  }

  /** False when the data are not as the steps say. */
  collect(data: Tree): boolean {
    for (const { collect } of this.#ways) {
      const at: number[] = [];
      this.#parts.push({ from: this.objects.length, at });
      if (!collect(data, this.objects, at)) return false;
    }
    return true;
  }

  /** Where an object stands; only asked for when something failed. */
  path(place: number): Path {
    const way = this.#parts.findLastIndex((one) => one.from <= place);
    const part = this.#parts[way];
    if (!part) throw new Error('unreachable: each place was found on one of the ways');
    const { steps, width } = this.#ways[way] as Way;
    const first = (place - part.from) * width;
    let n = 0;
    return steps.flatMap((step): Path => {
      if (step === '@') return [part.at[first + n++] as number];
      return 'Field' in step ? [step.Field] : [];
    });
  }
}

/** `batch`: that of the alias's variable. Null when the data are out of the ordinary. */
export type Gather = (data: Tree, batch: Batch) => Gathered | null;

type Collect = (data: Tree, objects: Tree[], at: number[]) => boolean;

/** Null when the alias needs more than generated code can do. `kinds`: of representations under the alias's variable, so far. */
export function compileGather(
  alias: EntityAlias,
  requires: readonly Requirement[],
  fits: Fits,
  kinds: string[],
): Gather | null {
  const represent = compileRepresent(alias, requires, fits, kinds);
  if (!represent) return null;
  const ways = alias.paths.map((steps): Way => ({ collect: compileCollect(steps), steps, width: widthOf(steps) }));
  return (data, batch) => {
    const gathered = new Gathered(ways);
    return gathered.collect(data) && represent(gathered.objects, gathered.indices, batch) ? gathered : null;
  };
}

const widthOf = (steps: readonly Step[]): number => steps.filter((one) => one === '@').length;

/** False when the data are not as the steps say. */
function compileCollect(steps: readonly Step[]): Collect {
  const sets: ReadonlySet<string>[] = [];
  const indices: string[] = [];
  const go = (i: number, value: string): string => {
    const step = steps[i];
    const next = `v${i}`;
    if (step === undefined) {
      const places = indices.length > 0 ? `at.push(${indices.join(',')});` : '';
      return `if(typeof ${value}!=='object'||Array.isArray(${value}))return false;objects.push(${value});${places}`;
    }
    if (step === '@') {
      indices.push(`i${i}`);
      const inner = go(i + 1, next);
      return `if(!Array.isArray(${value}))return false;for(let i${i}=0;i${i}<${value}.length;i${i}++){const ${next}=${value}[i${i}];if(${next}!==null&&${next}!==undefined){${inner}}}`;
    }
    const sound = `if(typeof ${value}!=='object'||Array.isArray(${value}))return false;`;
    if ('Field' in step) {
      return `${sound}const ${next}=${value}[${JSON.stringify(step.Field)}];if(${next}!==null&&${next}!==undefined){${go(i + 1, next)}}`;
    }
    const set = sets.push(new Set(step.TypeCondition)) - 1;
    return `${sound}const t${i}=${value}.__typename;if(t${i}===undefined||S[${set}].has(t${i})){${go(i + 1, value)}}`;
  };
  const body = go(0, 'data');
  return new Function('S', `'use strict';return function(data,objects,at){${body}return true;}`)(sets) as Collect;
}

/** False when an object lacks what its representation needs. */
type Represent = (objects: readonly Tree[], indices: number[], batch: Batch) => boolean;

function compileRepresent(
  alias: EntityAlias,
  requires: readonly Requirement[],
  fits: Fits,
  kinds: string[],
): Represent | null {
  const { inputRewrites } = alias;
  const [only] = requires;
  if (requires.length !== 1 || only?.kind !== 'InlineFragment' || (inputRewrites && inputRewrites.length > 0))
    return null;
  const type = only.typeCondition;
  if (!fits.concrete(type)) return null;
  const fields: { from: string; to: string }[] = [];
  for (const one of only.selections) {
    if (one.kind !== 'Field' || one.selections) return null;
    if (one.name !== '__typename') fields.push({ from: one.name, to: one.alias ?? one.name });
  }
  if (fields.length === 0 || fields.some((one) => one.to === '__proto__')) return null;
  const mark = JSON.stringify([type, fields]);
  const kind = kinds.includes(mark) ? kinds.indexOf(mark) : kinds.push(mark) - 1;
  const reads = fields.map(
    ({ from }, i) => `const f${i}=o[${JSON.stringify(from)}];if(f${i}===null||f${i}===undefined)return false;`,
  );
  // One string stands for itself, anything else for its JSON behind a mark.
  const all = fields.map((_, i) => `f${i}`).join(',');
  const key =
    fields.length === 1
      ? `typeof f0==='string'&&f0.charCodeAt(0)!==0?f0:'\\u0000'+JSON.stringify(f0)`
      : `JSON.stringify([${all}])`;
  const members = fields.map(({ to }, i) => `${JSON.stringify(to)}:f${i}`).join(',');
  const made = new Function(
    `'use strict';return function(objects,indices,list,known){for(let n=0;n<objects.length;n++){const o=objects[n],t=o.__typename;
if(t!==undefined&&t!==${JSON.stringify(type)})return false;${reads.join('')}const k=${key};let i=known.get(k);
if(i===undefined){i=list.push({__typename:${JSON.stringify(type)},${members}})-1;known.set(k,i);}indices[n]=i;}return true;}`,
  )() as (objects: readonly Tree[], indices: number[], list: Tree[], known: Map<unknown, number>) => boolean;
  return (objects, indices, { list, known }) => {
    let own = known[kind];
    if (own === undefined) {
      own = new Map();
      known[kind] = own;
    }
    return made(objects, indices, list, own);
  };
}
