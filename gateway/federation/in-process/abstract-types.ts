/** Which type a value of an abstract type has, as graphql-js finds it out, with its words for what is no type of it. */
import {
  type GraphQLAbstractType,
  GraphQLError,
  type GraphQLObjectType,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  isObjectType,
} from 'graphql';
import { isThenable, type Position } from './typed-operation.ts';

/** The name that the value tells, or that of the first type that takes it; maybe promised. As `defaultTypeResolver`. */
export function typeByDefault(
  value: unknown,
  type: GraphQLAbstractType,
  schema: GraphQLSchema,
  context: unknown,
  info: GraphQLResolveInfo,
): unknown {
  const own = (value as { __typename?: unknown }).__typename;
  if (typeof own === 'string') return own;
  const waiting: Promise<string | undefined>[] = [];
  for (const one of schema.getPossibleTypes(type)) {
    const is = one.isTypeOf?.(value, context, info);
    if (is === true) return one.name;
    if (isThenable(is)) waiting.push(Promise.resolve(is).then((yes) => (yes ? one.name : undefined)));
  }
  return waiting.length === 0
    ? undefined
    : Promise.all(waiting).then((names) => names.find((one) => one !== undefined));
}

/** The object type of that name. Throws when it cannot stand at this place. */
export function runtimeType(
  name: unknown,
  { type, field }: Position & { kind: 'abstract' },
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
  const own = schema.getType(name);
  if (!own)
    throw new GraphQLError(
      `Abstract type "${type.name}" was resolved to a type "${name}" that does not exist inside the schema.`,
    );
  if (!isObjectType(own))
    throw new GraphQLError(`Abstract type "${type.name}" was resolved to a non-object type "${name}".`);
  if (!schema.isSubType(type, own))
    throw new GraphQLError(`Runtime Object type "${name}" is not a possible type for "${type.name}".`);
  return own;
}
