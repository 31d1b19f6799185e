/** Walking and merging the data that the fetches bring together. Objects have no prototype, so any key may stand in them. */
import { type GraphQLSchema, isAbstractType, isObjectType } from 'graphql';
import type { Requirement, Rewrite, RewriteStep, Step } from './plan/planner.ts';

export type Tree = Record<string, unknown>;
export type Path = readonly (string | number)[];

/** `new Bare()` has no prototype with keys either, yet V8 keeps it as fast as an ordinary object, which `Object.create(null)` is not. */
function BareObject(this: object): void {}
BareObject.prototype = Object.create(null);
export const Bare = BareObject as unknown as new () => Record<string, unknown>;

const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value);

/** A copy without prototypes, so that keys such as `__proto__` are keys. */
export function bare(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(bare);
  if (!isTree(value)) return value;
  const made = Object.create(null) as Tree;
  for (const key of Object.keys(value)) made[key] = bare(value[key]);
  return made;
}

/** Merges `from` into `into`; lists are merged item by item. `concrete`: whether a type name is that of an object type. */
export function merge(into: Tree, from: Tree, concrete: (name: unknown) => boolean): void {
  for (const key of Object.keys(from)) {
    // Whoever asks for such a key gets objects without prototypes; here it is what a subgraph sent unasked.
    if (key === '__proto__' && Object.getPrototypeOf(into) === Object.prototype) continue;
    const there = into[key];
    const here = from[key];
    if (isTree(there) && isTree(here)) merge(there, here, concrete);
    else if (Array.isArray(there) && Array.isArray(here)) mergeLists(there, here, concrete);
    // A failed or unknowing subgraph does not take away what another one said.
    else if (here === null && there !== undefined) continue;
    // An interface object knows less about its type than what is there.
    else if (key === '__typename' && concrete(there) && !concrete(here)) continue;
    else into[key] = here;
  }
}

function mergeLists(into: unknown[], from: readonly unknown[], concrete: (name: unknown) => boolean): void {
  for (let i = 0; i < from.length; i++) {
    const there = into[i];
    const here = from[i];
    if (isTree(there) && isTree(here)) merge(there, here, concrete);
    else if (Array.isArray(there) && Array.isArray(here)) mergeLists(there, here, concrete);
    else if (there === undefined || there === null) into[i] = here;
  }
}

/** Calls `found` for each object at the end of `steps`, with its place. */
export function walk(data: unknown, steps: readonly Step[], found: (object: Tree, path: Path) => void): void {
  const go = (value: unknown, at: number, path: (string | number)[]): void => {
    if (value === null || value === undefined) return;
    const step = steps[at];
    if (step === '@') {
      if (Array.isArray(value)) value.forEach((one, i) => void go(one, at + 1, [...path, i]));
      return;
    }
    if (Array.isArray(value)) {
      value.forEach((one, i) => void go(one, at, [...path, i]));
      return;
    }
    if (step === undefined) {
      if (isTree(value)) found(value, path);
      return;
    }
    if (!isTree(value)) return;
    if ('Field' in step) go(value[step.Field], at + 1, [...path, step.Field]);
    else if (value['__typename'] === undefined || step.TypeCondition.includes(String(value['__typename'])))
      go(value, at + 1, path);
  };
  go(data, 0, []);
}

/** What of the graph's types must be known to read the data. */
export interface Fits {
  /** Whether an object of type `name` may stand for `condition`; an unknown name may. */
  (condition: string, name: string | undefined): boolean;
  /** Whether the name is that of an object type. */
  readonly concrete: (name: unknown) => boolean;
}

/** By the whole graph, inaccessible types too. */
export function fitter(schema: GraphQLSchema): Fits {
  const fits = (condition: string, name: string | undefined): boolean => {
    if (name === undefined || name === condition) return true;
    const wanted = schema.getType(condition);
    const type = schema.getType(name);
    if (isAbstractType(wanted)) return (isObjectType(type) && schema.isSubType(wanted, type)) || type === wanted;
    // An interface object: the data says the interface, the plan says one of its types.
    return isAbstractType(type) && isObjectType(wanted) && schema.isSubType(type, wanted);
  };
  return Object.assign(fits, { concrete: (name: unknown) => isObjectType(schema.getType(String(name))) });
}

/** What a subgraph needs to find an object again. */
export interface Representation {
  /** Null when the object is none of the types asked for. */
  readonly value: Tree | null;
  /** A required field that no fetch has brought: the representation must not be sent. */
  readonly missing: string | null;
  /** Required fields that are null. */
  readonly empty: readonly string[];
}

const NONE: Representation = { value: null, missing: null, empty: [] };

/** Reads the required fields of one object out of the merged data. */
export function representation(object: Tree, requires: readonly Requirement[], fits: Fits): Representation {
  const made = Object.create(null) as Tree;
  let fitted = false;
  let missing: string | null = null;
  let empty: string[] | null = null;
  /** `top`: the field of the object itself on the way to here; null while at the object. */
  const take = (from: Tree, into: Tree, all: readonly Requirement[], top: string | null): void => {
    for (const one of all) {
      if (one.kind === 'InlineFragment') {
        if (!fits(one.typeCondition, from['__typename'] as string | undefined)) continue;
        if (top === null) {
          fitted = true;
          into['__typename'] ??= from['__typename'] ?? one.typeCondition;
        }
        take(from, into, one.selections, top);
      } else if (one.kind === 'Field') {
        // Here `name` is the key in the data, and `alias` what the subgraph calls it.
        const value = from[one.name];
        if (one.name === '__typename') {
          if (value !== undefined) into['__typename'] ??= value;
          continue;
        }
        if (value === undefined) missing ??= top ?? one.name;
        else into[one.alias ?? one.name] = one.selections ? part(value, one.selections, top ?? one.name) : value;
        if (value === null) {
          empty ??= [];
          empty.push(top ?? one.name);
        }
      }
    }
  };
  const part = (value: unknown, selections: readonly Requirement[], top: string): unknown => {
    if (Array.isArray(value)) return value.map((one) => part(one, selections, top));
    if (!isTree(value)) return value;
    const inner = Object.create(null) as Tree;
    take(value, inner, selections, top);
    return inner;
  };
  take(object, made, requires, null);
  if (!fitted && requires.some((one) => one.kind === 'InlineFragment')) return NONE;
  return { value: made, missing, empty: empty ?? NONE.empty };
}

/** Applies what the planner says of differing names and types. `value` may be a list. */
export function rewrite(value: unknown, rewrites: readonly Rewrite[] | undefined, fits: Fits): void {
  for (const one of rewrites ?? []) {
    if ('KeyRenamer' in one) {
      apply(value, one.KeyRenamer.path, fits, (object, key) => {
        if (!(key in object)) return;
        object[one.KeyRenamer.renameKeyTo] = object[key];
        delete object[key];
      });
      continue;
    }
    const { path, setValueTo } = 'ValueSetter' in one ? one.ValueSetter : one;
    apply(value, path, fits, (object, key) => {
      object[key] = setValueTo;
    });
  }
}

function apply(
  value: unknown,
  path: readonly RewriteStep[],
  fits: Fits,
  change: (object: Tree, key: string) => void,
): void {
  if (Array.isArray(value)) {
    for (const one of value) apply(one, path, fits, change);
    return;
  }
  if (!isTree(value)) return;
  const [step, ...rest] = path;
  if (!step) return;
  if ('TypenameEquals' in step) {
    if (
      value['__typename'] === undefined ||
      step.TypenameEquals.some((name) => fits(name, value['__typename'] as string))
    )
      apply(value, rest, fits, change);
  } else if (rest.length === 0) change(value, step.Key);
  else apply(value[step.Key], rest, fits, change);
}
