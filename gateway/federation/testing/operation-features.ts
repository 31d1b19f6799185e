/** Features of operations that executors often get wrong. Random tests count them, so that none is missing. */
import {
  type FieldNode,
  type GraphQLError,
  type GraphQLSchema,
  isAbstractType,
  Kind,
  parse,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from 'graphql';

export const FEATURES = [
  'abstract types',
  '@requires',
  '@provides',
  '@interfaceObject',
  'conditions',
  'aliases',
  'repeated fields',
  'null in a non-null',
  'thrown errors',
] as const;
export type Feature = (typeof FEATURES)[number];

const REQUIRING = new Set(['greeting', 'risk', 'reach']);
const OF_INTERFACE_OBJECT = new Set(['stock', 'shelf']);
const MEDIA = new Set(['Media', 'Book', 'Film']);

/** Features of an operation and of a single server's errors for it. */
export function featuresOf(
  schema: GraphQLSchema,
  query: string,
  errors: readonly Pick<GraphQLError, 'message'>[] = [],
): Set<Feature> {
  const found = new Set<Feature>();
  const types = new TypeInfo(schema);
  visit(
    parse(query),
    visitWithTypeInfo(types, {
      Directive: () => void found.add('conditions'),
      SelectionSet: (node) => {
        const keys = node.selections.flatMap((selection) => (selection.kind === Kind.FIELD ? [keyOf(selection)] : []));
        if (new Set(keys).size < keys.length) found.add('repeated fields');
      },
      Field: (node) => {
        const parent = types.getParentType();
        const name = node.name.value;
        if (node.alias) found.add('aliases');
        if (isAbstractType(parent)) found.add('abstract types');
        if (parent?.name === 'User' && REQUIRING.has(name)) found.add('@requires');
        if (parent?.name === 'Comment' && name === 'author') found.add('@provides');
        if (name === 'stocked' || (MEDIA.has(parent?.name ?? '') && OF_INTERFACE_OBJECT.has(name)))
          found.add('@interfaceObject');
      },
    }),
  );
  for (const { message } of errors) {
    if (message.startsWith('Cannot return null for non-nullable')) found.add('null in a non-null');
    if (message === 'rejected by the source') found.add('thrown errors');
  }
  return found;
}

const keyOf = (field: FieldNode): string => (field.alias ?? field.name).value;
