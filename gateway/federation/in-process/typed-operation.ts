/** A subgraph's operation, typed by the subgraph's own schema: what generated code and the slow way both read. */
import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLAbstractType,
  type GraphQLField,
  type GraphQLFieldResolver,
  type GraphQLLeafType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  isAbstractType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';
import type { Tree } from '../response-data.ts';
import { type ArgumentsPlan, planArguments } from './field-arguments.ts';

/** A place in the answer, as resolvers see it in `info.path`. */
export interface Link {
  readonly prev: Link | undefined;
  readonly key: string | number;
  readonly typename: string | undefined;
}

/** Makes the object of the answer from the object of the source, in one run's frame; `at`: its place. */
export type Make = (source: unknown, frame: object, at: Link | undefined) => Tree;

/** One place for a value: a field's, or that of a list's items. */
export type Position = { readonly nonNull: boolean; readonly field: FieldPlan } & (
  | { readonly kind: 'leaf'; readonly type: GraphQLLeafType }
  | { readonly kind: 'list'; readonly of: Position; readonly list: GraphQLOutputType }
  | { readonly kind: 'object'; readonly type: GraphQLObjectType; readonly unit: Unit }
  | {
      readonly kind: 'abstract';
      readonly type: GraphQLAbstractType;
      /** By the name of the type. */
      readonly units: Map<string, Unit>;
      readonly sets: readonly SelectionSetNode[];
    }
);

export interface FieldPlan extends ArgumentsPlan {
  readonly key: string;
  readonly name: string;
  readonly parent: GraphQLObjectType;
  readonly nodes: readonly FieldNode[];
  /** Null for `__typename`. */
  readonly definition: GraphQLField<unknown, unknown> | null;
  /** Null: the property of the same name. */
  readonly resolve: GraphQLFieldResolver<unknown, unknown> | null;
  /** Whether a resolver or a type below it declares `info`. */
  readonly informs: boolean;
  readonly position: Position;
}

/** The fields of objects of one type at one place. */
export interface Unit {
  readonly type: GraphQLObjectType;
  readonly fields: readonly FieldPlan[];
  /** Whether the place of its objects must be known while they are made. */
  readonly tracks: boolean;
  /** Set once the code is generated. */
  make: Make;
}

export interface Operation {
  readonly schema: GraphQLSchema;
  readonly node: OperationDefinitionNode;
  readonly fragments: Record<string, FragmentDefinitionNode>;
  /** Units by the prototype of the objects that they make. */
  readonly made: Map<object, Unit>;
}

export const fragmentsOf = (document: DocumentNode): Record<string, FragmentDefinitionNode> => {
  const found = Object.create(null) as Record<string, FragmentDefinitionNode>;
  for (const one of document.definitions) if (one.kind === Kind.FRAGMENT_DEFINITION) found[one.name.value] = one;
  return found;
};

export const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  (typeof value === 'object' || typeof value === 'function') &&
  value !== null &&
  typeof (value as { then?: unknown }).then === 'function';

const UNMADE: Make = () => {
  throw new Error('unreachable: the code of a unit is made before it runs');
};

/** The unit of a type for these selection sets. */
export function unitOf(operation: Operation, type: GraphQLObjectType, sets: readonly SelectionSetNode[]): Unit {
  const groups = new Map<string, FieldNode[]>();
  const take = (set: SelectionSetNode): void => {
    for (const one of set.selections) {
      if (one.kind === Kind.FIELD) {
        const key = (one.alias ?? one.name).value;
        const group = groups.get(key);
        if (group) group.push(one);
        else groups.set(key, [one]);
        continue;
      }
      const fragment = one.kind === Kind.INLINE_FRAGMENT ? one : operation.fragments[one.name.value];
      if (fragment && applies(operation.schema, fragment.typeCondition?.name.value, type)) take(fragment.selectionSet);
    }
  };
  for (const set of sets) take(set);
  const fields = [...groups].flatMap(([key, nodes]) => fieldOf(operation, type, key, nodes) ?? []);
  const tracks = fields.some((one) => one.informs);
  return { type, fields, tracks, make: UNMADE };
}

function applies(schema: GraphQLSchema, condition: string | undefined, type: GraphQLObjectType): boolean {
  if (condition === undefined || condition === type.name) return true;
  const wanted = schema.getType(condition);
  return isAbstractType(wanted) && schema.isSubType(wanted, type);
}

function fieldOf(
  operation: Operation,
  parent: GraphQLObjectType,
  key: string,
  nodes: readonly FieldNode[],
): FieldPlan | null {
  const node = nodes[0] as FieldNode;
  const name = node.name.value;
  const definition = name === '__typename' ? null : parent.getFields()[name];
  if (definition === undefined) return null;
  const resolve = definition?.resolve ?? null;
  const sets = nodes.flatMap((one) => one.selectionSet ?? []);
  const own = resolve !== null && declaresInfo(resolve);
  // A default resolver that meets a function calls it with `info` too, but only there is its place worked out.
  const plan = { key, name, parent, nodes, definition, resolve, ...planArguments(definition, node) };
  const field = plan as unknown as { -readonly [K in keyof FieldPlan]: FieldPlan[K] };
  if (definition) field.position = positionOf(operation, definition.type, field as FieldPlan, sets);
  field.informs = own || (definition !== null && informs(field.position));
  return field;
}

/** Whether the function has the parameter of that number; one without a fixed number may look at all of them. */
const declares = (all: (...all: never[]) => unknown, number: number): boolean =>
  all.length === 0 || all.length >= number;

export const declaresInfo = (resolve: (...all: never[]) => unknown): boolean => declares(resolve, 4);
export const typeDeclaresInfo = (resolveType: (...all: never[]) => unknown): boolean => declares(resolveType, 3);

function informs(position: Position): boolean {
  switch (position.kind) {
    case 'leaf':
      return false;
    case 'list':
      return informs(position.of);
    case 'object':
      return position.unit.tracks || position.type.isTypeOf != null;
    // Which types will stand there is not known yet.
    case 'abstract':
      return true;
  }
}

function positionOf(
  operation: Operation,
  type: GraphQLOutputType,
  field: FieldPlan,
  sets: readonly SelectionSetNode[],
): Position {
  const nonNull = isNonNullType(type);
  const inner = nonNull ? type.ofType : type;
  if (isListType(inner)) {
    return { nonNull, field, kind: 'list', of: positionOf(operation, inner.ofType, field, sets), list: inner };
  }
  if (isLeafType(inner)) return { nonNull, field, kind: 'leaf', type: inner };
  if (isObjectType(inner)) return { nonNull, field, kind: 'object', type: inner, unit: unitOf(operation, inner, sets) };
  return { nonNull, field, kind: 'abstract', type: inner, units: new Map(), sets };
}
