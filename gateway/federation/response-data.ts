/** Walks and merges the data of fetches. Objects have no prototype, so that any key is allowed in them. */
import { type GraphQLSchema, isAbstractType, isObjectType } from 'graphql';

/** An object of a response, or of the data that fetches have merged. */
export type DataObject = Record<string, unknown>;
/** A path into a response: keys and list indexes. */
export type Path = readonly (string | number)[];

/** A step into the data: the field with that key, every item of a list, or only objects of these types. */
export type Step = { readonly Field: string } | { readonly TypeCondition: readonly string[] } | '@';

/** Like `Object.create(null)`, `new NullPrototypeObject()` inherits no keys, but V8 keeps it as fast as an ordinary object. */
function NullPrototypeConstructor(this: object): void {}
NullPrototypeConstructor.prototype = Object.create(null);
export const NullPrototypeObject = NullPrototypeConstructor as unknown as new () => Record<string, unknown>;

export const isDataObject = (value: unknown): value is DataObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A deep copy without prototypes, in which `__proto__` is an ordinary key. */
export function withoutPrototypes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutPrototypes);
  if (!isDataObject(value)) return value;
  const copy = Object.create(null) as DataObject;
  for (const key of Object.keys(value)) copy[key] = withoutPrototypes(value[key]);
  return copy;
}

/** Merges `from` into `into`; lists are merged item by item. Values may be shared with `from`. */
export function merge(into: DataObject, from: DataObject, isObjectTypeName: (name: unknown) => boolean): void {
  for (const key of Object.keys(from)) {
    // Operations that select such a key are merged without prototypes; here a subgraph sent it unrequested.
    if (key === '__proto__' && Object.getPrototypeOf(into) === Object.prototype) continue;
    const existing = into[key];
    const added = from[key];
    if (isDataObject(existing) && isDataObject(added)) merge(existing, added, isObjectTypeName);
    else if (Array.isArray(existing) && Array.isArray(added)) mergeLists(existing, added, isObjectTypeName);
    // A null of one subgraph does not replace the value of another.
    else if (added === null && existing !== undefined) continue;
    // An interface object does not know its object type.
    else if (key === '__typename' && isObjectTypeName(existing) && !isObjectTypeName(added)) continue;
    else into[key] = added;
  }
}

function mergeLists(into: unknown[], from: readonly unknown[], isObjectTypeName: (name: unknown) => boolean): void {
  for (let i = 0; i < from.length; i++) {
    const existing = into[i];
    const added = from[i];
    if (isDataObject(existing) && isDataObject(added)) merge(existing, added, isObjectTypeName);
    else if (Array.isArray(existing) && Array.isArray(added)) mergeLists(existing, added, isObjectTypeName);
    else if (existing === undefined || existing === null) into[i] = added;
  }
}

/** Calls `found` for each object at the end of `steps`, with its path. */
export function forEachObjectAt(
  data: unknown,
  steps: readonly Step[],
  found: (object: DataObject, path: Path) => void,
): void {
  const visit = (value: unknown, at: number, path: (string | number)[]): void => {
    if (value === null || value === undefined) return;
    const step = steps[at];
    if (step === '@') {
      if (Array.isArray(value)) value.forEach((item, i) => void visit(item, at + 1, [...path, i]));
      return;
    }
    if (Array.isArray(value)) {
      value.forEach((item, i) => void visit(item, at, [...path, i]));
      return;
    }
    if (step === undefined) {
      if (isDataObject(value)) found(value, path);
      return;
    }
    if (!isDataObject(value)) return;
    if ('Field' in step) visit(value[step.Field], at + 1, [...path, step.Field]);
    else if (value['__typename'] === undefined || step.TypeCondition.includes(String(value['__typename'])))
      visit(value, at + 1, path);
  };
  visit(data, 0, []);
}

/** Type checks that are needed to read the data. */
export interface TypeMatcher {
  /** Whether the type condition `condition` applies to an object of type `name`; true if the name is not known. */
  (condition: string, name: string | undefined): boolean;
  /** Whether it is the name of an object type. */
  readonly isObjectTypeName: (name: unknown) => boolean;
}

/** Type checks by the internal schema. */
export function createTypeMatcher(schema: GraphQLSchema): TypeMatcher {
  const matches = (condition: string, name: string | undefined): boolean => {
    if (name === undefined || name === condition) return true;
    const wanted = schema.getType(condition);
    const type = schema.getType(name);
    if (isAbstractType(wanted)) return (isObjectType(type) && schema.isSubType(wanted, type)) || type === wanted;
    // An interface object: the data has the interface's name, the plan that of an object type.
    return isAbstractType(type) && isObjectType(wanted) && schema.isSubType(type, wanted);
  };
  return Object.assign(matches, { isObjectTypeName: (name: unknown) => isObjectType(schema.getType(String(name))) });
}
