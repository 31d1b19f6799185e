/** Serializes leaf values. */
import { type GraphQLLeafType, isSpecifiedScalarType } from 'graphql';

/** Serializes as graphql-js does. Throws if the value does not have the type. */
export function serializeLeaf(value: unknown, type: GraphQLLeafType): unknown {
  const serialized = type.serialize(value);
  if (serialized === null || serialized === undefined)
    throw new Error(
      `Expected \`${type.name}.serialize(${String(value)})\` to return non-nullable value, returned: ${String(serialized)}`,
    );
  return serialized;
}

/** Code of a condition under which `value` needs no serialization; null if the type must serialize every value. */
export function serializedCondition(type: GraphQLLeafType, value: string): string | null {
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
