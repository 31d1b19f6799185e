/** Leaf values as a subgraph writes them. */
import { type GraphQLLeafType, isSpecifiedScalarType } from 'graphql';

/** Serialises as graphql-js does. Throws when the value does not fit. */
export function serialized(value: unknown, type: GraphQLLeafType): unknown {
  const made = type.serialize(value);
  if (made === null || made === undefined)
    throw new Error(
      `Expected \`${type.name}.serialize(${String(value)})\` to return non-nullable value, returned: ${String(made)}`,
    );
  return made;
}

/** A condition under which `value` already is what the subgraph would write; null when only the type can tell. */
export function isWritten(type: GraphQLLeafType, value: string): string | null {
  if (!isSpecifiedScalarType(type)) return null;
  switch (type.name) {
    case 'Int':
      return `typeof ${value}==='number'&&(${value}|0)===${value}`;
    case 'Float':
      return `typeof ${value}==='number'&&Number.isFinite(${value})`;
    case 'Boolean':
      return `typeof ${value}==='boolean'`;
    default:
      return `typeof ${value}==='string'`;
  }
}
