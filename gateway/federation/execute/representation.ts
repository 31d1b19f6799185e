/** Builds the representation by which a subgraph finds an entity again. */
import type { Requirement } from '../plan/plan-types.ts';
import { type DataObject, isDataObject, type TypeMatcher } from '../response-data.ts';

/** The representation of one object, or why it cannot be sent. */
export interface Representation {
  /** Null if the object has none of the required types. */
  readonly value: DataObject | null;
  /** A required field that is missing in the data: the representation must not be sent. */
  readonly missingField: string | null;
  /** Required fields that are null. */
  readonly nullFields: readonly string[];
}

const NO_REPRESENTATION: Representation = { value: null, missingField: null, nullFields: [] };

/** Reads the required fields of one object from the merged data. */
export function buildRepresentation(
  object: DataObject,
  requires: readonly Requirement[],
  matchesType: TypeMatcher,
): Representation {
  const result = Object.create(null) as DataObject;
  let hasRequiredType = false;
  let missingField: string | null = null;
  let nullFields: string[] | null = null;
  /** `top`: the object's own field that contains `from`; null if `from` is the object. */
  const collect = (
    from: DataObject,
    into: DataObject,
    requirements: readonly Requirement[],
    top: string | null,
  ): void => {
    for (const requirement of requirements) {
      if (requirement.kind === 'InlineFragment') {
        if (!matchesType(requirement.typeCondition, from['__typename'] as string | undefined)) continue;
        if (top === null) {
          hasRequiredType = true;
          into['__typename'] ??= from['__typename'] ?? requirement.typeCondition;
        }
        collect(from, into, requirement.selections, top);
      } else if (requirement.kind === 'Field') {
        // `name` is the key in the data, `alias` the name in the subgraph.
        const value = from[requirement.name];
        if (requirement.name === '__typename') {
          if (value !== undefined) into['__typename'] ??= value;
          continue;
        }
        if (value === undefined) missingField ??= top ?? requirement.name;
        else
          into[requirement.alias ?? requirement.name] = requirement.selections
            ? copySelected(value, requirement.selections, top ?? requirement.name)
            : value;
        if (value === null) {
          nullFields ??= [];
          nullFields.push(top ?? requirement.name);
        }
      }
    }
  };
  const copySelected = (value: unknown, selections: readonly Requirement[], top: string): unknown => {
    if (Array.isArray(value)) return value.map((item) => copySelected(item, selections, top));
    if (!isDataObject(value)) return value;
    const inner = Object.create(null) as DataObject;
    collect(value, inner, selections, top);
    return inner;
  };
  collect(object, result, requires, null);
  if (!hasRequiredType && requires.some(({ kind }) => kind === 'InlineFragment')) return NO_REPRESENTATION;
  return { value: result, missingField, nullFields: nullFields ?? NO_REPRESENTATION.nullFields };
}
