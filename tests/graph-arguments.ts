/** Every field of the graph that takes arguments, and an operation for each: for tests generated from the schema. */
import {
  astFromValue,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isListType,
  isObjectType,
  isRequiredArgument,
  isRequiredInputField,
  print,
} from 'graphql';

/** A valid value of each scalar. */
const VALID: Readonly<Record<string, unknown>> = {
  USCC: '91500112MA5U0H4T21',
  Plate: '渝A12345',
  DateTime: '2026-03-01T08:00:00+08:00',
  Date: '2026-03-01',
  Duration: 'PT4M12.5S',
  Period: '2026-Q1',
  Decimal: '2201.7838',
  SquareMetres: '1250.5',
  RegionCode: '500112',
  Cursor: 'abc',
  String: 'text',
  ID: 'id',
  Int: 1,
  Float: 1.5,
  Boolean: true,
};
/** A valid value of the type with only its required fields. */
export function validValue(type: GraphQLInputType): unknown {
  const bare = getNullableType(type);
  if (isListType(bare)) return [validValue(bare.ofType)];
  if (isEnumType(bare)) return bare.getValues()[0]?.name;
  if (isInputObjectType(bare)) {
    const needed = Object.values(bare.getFields()).filter(isRequiredInputField);
    return Object.fromEntries(needed.map((one) => [one.name, validValue(one.type)]));
  }
  return VALID[bare.name];
}

type Field = GraphQLField<unknown, unknown>;
export interface ArgumentField {
  readonly root: 'query' | 'mutation' | 'subscription';
  /** Text of the enclosing fields, with `%` in place of the selection. */
  readonly enclosing: string;
  readonly field: Field;
}
/** A value of the type as GraphQL text. */
export const literalOf = (value: unknown, type: GraphQLInputType): string => {
  const node = astFromValue(value, type);
  return node ? print(node) : 'null';
};
const argumentsOf = (field: Field, but?: GraphQLArgument, text = '$v'): string => {
  const all = field.args
    .filter((arg) => arg === but || isRequiredArgument(arg))
    .map((arg) => `${arg.name}: ${arg === but ? text : literalOf(validValue(arg.type), arg.type)}`);
  return all.length > 0 ? `(${all.join(', ')})` : '';
};

/** Every field with arguments, by its shortest path from a root type; interfaces are entered through their possible types. */
export function fieldsWithArguments(schema: GraphQLSchema): ArgumentField[] {
  const found: ArgumentField[] = [];
  const seen = new Set<string>();
  const open: { type: GraphQLObjectType; root: ArgumentField['root']; above: string }[] = [];
  for (const root of ['query', 'mutation', 'subscription'] as const) {
    const type = schema.getRootType(root as never);
    if (type) open.push({ type, root, above: '%' });
  }
  for (let one = open.shift(); one; one = open.shift()) {
    const { type, root, above } = one;
    if (seen.has(type.name)) continue;
    seen.add(type.name);
    for (const field of Object.values(type.getFields())) {
      if (field.args.length > 0) found.push({ root, enclosing: above, field });
      const next = getNamedType(field.type);
      const members = isObjectType(next)
        ? [next]
        : isInterfaceType(next) || 'getTypes' in next
          ? schema.getPossibleTypes(next as never)
          : [];
      for (const member of members) {
        const inner = member === next ? '%' : `... on ${member.name} { % }`;
        open.push({ type: member, root, above: above.replace('%', `${field.name}${argumentsOf(field)} { ${inner} }`) });
      }
    }
  }
  return found;
}

/** An operation that passes the argument as `$v`, or as the literal `text`, with the other required arguments. */
export const operationFor = (
  { root, enclosing: above, field }: ArgumentField,
  argument: GraphQLArgument,
  text?: string,
): string => {
  const leaf =
    isObjectType(getNamedType(field.type)) ||
    'getTypes' in getNamedType(field.type) ||
    isInterfaceType(getNamedType(field.type));
  const head = text === undefined ? `${root} ($v: ${argument.type})` : root;
  return `${head} { ${above.replace('%', `${field.name}${argumentsOf(field, argument, text)}${leaf ? ' { __typename }' : ''}`)} }`;
};
