/**
 * A supergraph with one more subgraph, which exists for planning only: it has a root field for each entity and knows nothing but its
 * key. A plan that begins there is a plan for entities of which the key is known.
 */
import {
  type ConstDirectiveNode,
  type FieldDefinitionNode,
  type GraphQLSchema,
  getNamedType,
  isLeafType,
  isObjectType,
  Kind,
  type ObjectTypeDefinitionNode,
  parse,
  parseConstValue,
  print,
} from 'graphql';
import { readSupergraph } from '../supergraph.ts';

/** How the subgraph is called in plans. */
export const ENTITIES = '_entities_by_key';
const GRAPH = '_ENTITIES_BY_KEY';

/** The root field of a type. */
export const rootOf = (type: string): string => `_by_key_${type}`;

export interface EntityRoots {
  /** The supergraph's text. */
  readonly text: string;
  /** Fields of the key by which an entity is found, by type. */
  readonly keys: ReadonlyMap<string, readonly string[]>;
  /** Of the whole graph, as it was. */
  readonly schema: GraphQLSchema;
}

/** Throws when the text is no supergraph. */
export function entityRoots(supergraph: string): EntityRoots {
  const { inner: schema } = readSupergraph(supergraph);
  const document = parse(supergraph, { noLocation: true });
  const keys = new Map<string, readonly string[]>();
  for (const one of document.definitions) {
    const key = one.kind === Kind.OBJECT_TYPE_DEFINITION ? plainKey(one, schema) : null;
    if (one.kind === Kind.OBJECT_TYPE_DEFINITION && key) keys.set(one.name.value, key);
  }
  const query = schema.getQueryType()?.name;
  const definitions = document.definitions.map((one) => {
    if (one.kind === Kind.ENUM_TYPE_DEFINITION && one.name.value === 'join__Graph') {
      const graph = directive('join__graph', { name: `"${ENTITIES}"`, url: '""' });
      const value = { kind: Kind.ENUM_VALUE_DEFINITION, name: nameOf(GRAPH), directives: [graph] } as const;
      return { ...one, values: [...(one.values ?? []), value] };
    }
    if (one.kind !== Kind.OBJECT_TYPE_DEFINITION) return one;
    const key = keys.get(one.name.value);
    const isRoot = one.name.value === query;
    if (!key && !isRoot) return one;
    const own = directive('join__type', { graph: GRAPH, ...(key ? { key: `"${key.join(' ')}"` } : {}) });
    const fields = placed(one, new Set(isRoot ? [] : key));
    const roots = isRoot ? [...keys.keys()].map(rootField) : [];
    return { ...one, directives: [...(one.directives ?? []), own], fields: [...fields, ...roots] };
  });
  return { text: print({ ...document, definitions }), keys, schema };
}

/** A field without a place is in all subgraphs of its type: the one that is added must not count among them. */
function placed(type: ObjectTypeDefinitionNode, key: ReadonlySet<string>): FieldDefinitionNode[] {
  const graphs = new Set(all(type.directives, 'join__type').map((one) => argument(one, 'graph')));
  return (type.fields ?? []).map((field) => {
    const said = all(field.directives, 'join__field');
    const where = said.length > 0 ? [] : [...graphs].map((graph) => directive('join__field', { graph: graph ?? '' }));
    const own = key.has(field.name.value) ? [directive('join__field', { graph: GRAPH })] : [];
    return { ...field, directives: [...(field.directives ?? []), ...where, ...own] };
  });
}

function rootField(type: string): FieldDefinitionNode {
  return {
    kind: Kind.FIELD_DEFINITION,
    name: nameOf(rootOf(type)),
    type: { kind: Kind.NAMED_TYPE, name: nameOf(type) },
    directives: [directive('join__field', { graph: GRAPH })],
  };
}

/** The fields of the first key that is made of leaf fields and by which some subgraph finds the entity. */
function plainKey(node: ObjectTypeDefinitionNode, schema: GraphQLSchema): readonly string[] | null {
  const type = schema.getType(node.name.value);
  if (!isObjectType(type)) return null;
  for (const one of all(node.directives, 'join__type')) {
    const key = argument(one, 'key');
    if (key === null || argument(one, 'resolvable') === 'false' || argument(one, 'isInterfaceObject') === 'true')
      continue;
    const names = key.trim().split(/[\s,]+/);
    const plain = names.every((name) => {
      const field = type.getFields()[name];
      return field !== undefined && isLeafType(getNamedType(field.type));
    });
    if (plain) return names;
  }
  return null;
}

const nameOf = (value: string) => ({ kind: Kind.NAME, value }) as const;

const all = (directives: readonly ConstDirectiveNode[] | undefined, name: string): ConstDirectiveNode[] =>
  (directives ?? []).filter((one) => one.name.value === name);

function argument(node: ConstDirectiveNode, name: string): string | null {
  const value = node.arguments?.find((one) => one.name.value === name)?.value;
  if (!value) return null;
  return 'value' in value ? String(value.value) : print(value);
}

const directive = (name: string, args: Readonly<Record<string, string>>): ConstDirectiveNode => ({
  kind: Kind.DIRECTIVE,
  name: nameOf(name),
  arguments: Object.entries(args).map(([key, text]) => ({
    kind: Kind.ARGUMENT,
    name: nameOf(key),
    value: parseConstValue(text, { noLocation: true }),
  })),
});
