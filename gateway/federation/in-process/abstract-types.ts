/** Finds the type of a value of an abstract type, with the rules and error messages of graphql-js. */
import {
  type GraphQLAbstractType,
  GraphQLError,
  type GraphQLObjectType,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  isObjectType,
} from 'graphql';
import { isThenable, type ValuePosition } from './typed-operation.ts';

/** The `__typename` of the value, or the name of the first type whose `isTypeOf` returns true, or a promise of it: `defaultTypeResolver`. */
export function defaultTypeName(
  value: unknown,
  type: GraphQLAbstractType,
  schema: GraphQLSchema,
  context: unknown,
  info: GraphQLResolveInfo,
): unknown {
  const typename = (value as { __typename?: unknown }).__typename;
  if (typeof typename === 'string') return typename;
  const pending: Promise<string | undefined>[] = [];
  for (const candidate of schema.getPossibleTypes(type)) {
    const isOfType = candidate.isTypeOf?.(value, context, info);
    if (isOfType === true) return candidate.name;
    if (isThenable(isOfType)) pending.push(Promise.resolve(isOfType).then((yes) => (yes ? candidate.name : undefined)));
  }
  return pending.length === 0
    ? undefined
    : Promise.all(pending).then((names) => names.find((name) => name !== undefined));
}

/** The object type with that name. Throws `GraphQLError` if it is not a possible type at this position. */
export function runtimeTypeNamed(
  name: unknown,
  { type, field }: ValuePosition & { kind: 'abstract' },
  value: unknown,
  schema: GraphQLSchema,
): GraphQLObjectType {
  const where = `for field "${field.parent.name}.${field.name}"`;
  if (name === null || name === undefined)
    throw new GraphQLError(
      `Abstract type "${type.name}" must resolve to an Object type at runtime ${where}. Either the "${type.name}" type should provide a "resolveType" function or each possible type should provide an "isTypeOf" function.`,
    );
  if (typeof name !== 'string')
    throw new GraphQLError(
      `Abstract type "${type.name}" must resolve to an Object type at runtime ${where} with value ${String(value)}, received "${String(name)}".`,
    );
  const objectType = schema.getType(name);
  if (!objectType)
    throw new GraphQLError(
      `Abstract type "${type.name}" was resolved to a type "${name}" that does not exist inside the schema.`,
    );
  if (!isObjectType(objectType))
    throw new GraphQLError(`Abstract type "${type.name}" was resolved to a non-object type "${name}".`);
  if (!schema.isSubType(type, objectType))
    throw new GraphQLError(`Runtime Object type "${name}" is not a possible type for "${type.name}".`);
  return objectType;
}
