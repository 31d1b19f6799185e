/**
 * Adds a subgraph to a supergraph that exists for planning only: it has a root field for each entity, which returns the entity's key. A plan
 * that begins there is a plan for entities with a known key.
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

/** Name of the added subgraph in plans. */
export const ENTITY_SUBGRAPH = '_entities_by_key';
const ENTITY_GRAPH = '_ENTITIES_BY_KEY';

/** Name of the root field that returns entities of the type. */
export const entityRootField = (type: string): string => `_by_key_${type}`;

export interface EntityRootFields {
  /** Text of the extended supergraph. */
  readonly supergraph: string;
  /** Fields of the entity's key, by type. */
  readonly keys: ReadonlyMap<string, readonly string[]>;
  /** The internal schema of the original supergraph. */
  readonly schema: GraphQLSchema;
}

/** Extends a supergraph. Throws if the text is not a supergraph. */
export function addEntityRootFields(supergraph: string): EntityRootFields {
  const { internalSchema: schema } = readSupergraph(supergraph);
  const document = parse(supergraph, { noLocation: true });
  const keys = new Map<string, readonly string[]>();
  for (const definition of document.definitions) {
    const key = definition.kind === Kind.OBJECT_TYPE_DEFINITION ? leafKey(definition, schema) : null;
    if (definition.kind === Kind.OBJECT_TYPE_DEFINITION && key) keys.set(definition.name.value, key);
  }
  const query = schema.getQueryType()?.name;
  const definitions = document.definitions.map((definition) => {
    if (definition.kind === Kind.ENUM_TYPE_DEFINITION && definition.name.value === 'join__Graph') {
      const graph = directive('join__graph', { name: `"${ENTITY_SUBGRAPH}"`, url: '""' });
      const value = { kind: Kind.ENUM_VALUE_DEFINITION, name: nameOf(ENTITY_GRAPH), directives: [graph] } as const;
      return { ...definition, values: [...(definition.values ?? []), value] };
    }
    if (definition.kind !== Kind.OBJECT_TYPE_DEFINITION) return definition;
    const key = keys.get(definition.name.value);
    const isRoot = definition.name.value === query;
    if (!key && !isRoot) return definition;
    const joinType = directive('join__type', { graph: ENTITY_GRAPH, ...(key ? { key: `"${key.join(' ')}"` } : {}) });
    const fields = withExplicitSubgraphs(definition, new Set(isRoot ? [] : key));
    const roots = isRoot ? [...keys.keys()].map(entityRootFieldDefinition) : [];
    return { ...definition, directives: [...(definition.directives ?? []), joinType], fields: [...fields, ...roots] };
  });
  return { supergraph: print({ ...document, definitions }), keys, schema };
}

/** A field without `join__field` belongs to all subgraphs of its type. Names them explicitly, to exclude the added one. */
function withExplicitSubgraphs(type: ObjectTypeDefinitionNode, key: ReadonlySet<string>): FieldDefinitionNode[] {
  const graphs = new Set(directivesNamed(type.directives, 'join__type').map((join) => argument(join, 'graph')));
  return (type.fields ?? []).map((field) => {
    const joins = directivesNamed(field.directives, 'join__field');
    const explicit =
      joins.length > 0 ? [] : [...graphs].map((graph) => directive('join__field', { graph: graph ?? '' }));
    const keyField = key.has(field.name.value) ? [directive('join__field', { graph: ENTITY_GRAPH })] : [];
    return { ...field, directives: [...(field.directives ?? []), ...explicit, ...keyField] };
  });
}

function entityRootFieldDefinition(type: string): FieldDefinitionNode {
  return {
    kind: Kind.FIELD_DEFINITION,
    name: nameOf(entityRootField(type)),
    type: { kind: Kind.NAMED_TYPE, name: nameOf(type) },
    directives: [directive('join__field', { graph: ENTITY_GRAPH })],
  };
}

/** The fields of the first resolvable key that consists of leaf fields; null if there is none. */
function leafKey(node: ObjectTypeDefinitionNode, schema: GraphQLSchema): readonly string[] | null {
  const type = schema.getType(node.name.value);
  if (!isObjectType(type)) return null;
  for (const join of directivesNamed(node.directives, 'join__type')) {
    const key = argument(join, 'key');
    if (key === null || argument(join, 'resolvable') === 'false' || argument(join, 'isInterfaceObject') === 'true')
      continue;
    const names = key.trim().split(/[\s,]+/);
    const isLeafKey = names.every((name) => {
      const field = type.getFields()[name];
      return field !== undefined && isLeafType(getNamedType(field.type));
    });
    if (isLeafKey) return names;
  }
  return null;
}

const nameOf = (value: string) => ({ kind: Kind.NAME, value }) as const;

const directivesNamed = (directives: readonly ConstDirectiveNode[] | undefined, name: string): ConstDirectiveNode[] =>
  (directives ?? []).filter((directive) => directive.name.value === name);

function argument(node: ConstDirectiveNode, name: string): string | null {
  const value = node.arguments?.find((argument) => argument.name.value === name)?.value;
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
