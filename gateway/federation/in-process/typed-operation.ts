/** A subgraph's operation with the types of the subgraph's schema, for code generation and for `ExecutionFrame`. */
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
import { groupFields } from '../document-nodes.ts';
import type { DataObject } from '../response-data.ts';
import { type ArgumentsPlan, planArguments } from './field-arguments.ts';

/** A path in the response, in the form of `info.path`. */
export interface ResponsePath {
  readonly prev: ResponsePath | undefined;
  readonly key: string | number;
  readonly typename: string | undefined;
}

/** Builds the response object of a source object. `frame`: the `ExecutionFrame`. `at`: path of the object, if the plan needs it. */
export type BuildObject = (source: unknown, frame: object, at: ResponsePath | undefined) => DataObject;

/** The position of a value: a field, or the items of a list. */
export type ValuePosition = { readonly nonNull: boolean; readonly field: FieldPlan } & (
  | { readonly kind: 'leaf'; readonly type: GraphQLLeafType }
  | { readonly kind: 'list'; readonly of: ValuePosition; readonly list: GraphQLOutputType }
  | { readonly kind: 'object'; readonly type: GraphQLObjectType; readonly unit: ObjectPlan }
  | {
      readonly kind: 'abstract';
      readonly type: GraphQLAbstractType;
      /** Plans by type name, added when a type first occurs. */
      readonly units: Map<string, ObjectPlan>;
      readonly sets: readonly SelectionSetNode[];
    }
);

/** A selected field of an object type. */
export interface FieldPlan extends ArgumentsPlan {
  readonly key: string;
  readonly name: string;
  readonly parent: GraphQLObjectType;
  readonly nodes: readonly FieldNode[];
  /** Null for `__typename`. */
  readonly definition: GraphQLField<unknown, unknown> | null;
  /** Null: the property of that name is the value. */
  readonly resolve: GraphQLFieldResolver<unknown, unknown> | null;
  /** Whether its resolver, or a resolver or type below it, declares the parameter `info`. */
  readonly needsInfo: boolean;
  readonly position: ValuePosition;
}

/** The selected fields of objects of one type at one position. */
export interface ObjectPlan {
  readonly type: GraphQLObjectType;
  readonly fields: readonly FieldPlan[];
  /** Whether building its objects needs their path. */
  readonly needsPath: boolean;
  /** Set when the code is generated. */
  build: BuildObject;
}

/** An operation and its schema. */
export interface TypedOperation {
  readonly schema: GraphQLSchema;
  readonly node: OperationDefinitionNode;
  readonly fragments: Record<string, FragmentDefinitionNode>;
  /** Plans by the prototype of the objects that they build. */
  readonly planByPrototype: Map<object, ObjectPlan>;
}

/** The fragments in the form of `info.fragments`. */
export const fragmentsByName = (document: DocumentNode): Record<string, FragmentDefinitionNode> => {
  const fragments = Object.create(null) as Record<string, FragmentDefinitionNode>;
  for (const definition of document.definitions)
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments[definition.name.value] = definition;
  return fragments;
};

/** Whether the value is a promise, of any implementation. */
export const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  (typeof value === 'object' || typeof value === 'function') &&
  value !== null &&
  typeof (value as { then?: unknown }).then === 'function';

const NOT_GENERATED: BuildObject = () => {
  throw new Error('unreachable: the code of a plan is generated before it runs');
};

/** The plan of objects of that type with these selection sets. */
export function planObject(
  operation: TypedOperation,
  type: GraphQLObjectType,
  sets: readonly SelectionSetNode[],
): ObjectPlan {
  const { schema, fragments } = operation;
  const groups = groupFields(
    sets,
    (name) => fragments[name],
    (condition) => typeConditionMatches(schema, condition, type),
  );
  const fields = [...groups].flatMap(([key, nodes]) => planField(operation, type, key, nodes) ?? []);
  const needsPath = fields.some((field) => field.needsInfo);
  return { type, fields, needsPath, build: NOT_GENERATED };
}

function typeConditionMatches(schema: GraphQLSchema, condition: string, type: GraphQLObjectType): boolean {
  if (condition === type.name) return true;
  const wanted = schema.getType(condition);
  return isAbstractType(wanted) && schema.isSubType(wanted, type);
}

function planField(
  operation: TypedOperation,
  parent: GraphQLObjectType,
  key: string,
  nodes: readonly FieldNode[],
): FieldPlan | null {
  const node = nodes[0] as FieldNode;
  const name = node.name.value;
  const definition = name === '__typename' ? null : parent.getFields()[name];
  if (definition === undefined) return null;
  const resolve = definition?.resolve ?? null;
  const sets = nodes.flatMap((node) => node.selectionSet ?? []);
  const takesInfo = resolve !== null && resolverTakesInfo(resolve);
  // Functions that are property values receive `info` too; their path is only correct if another resolver needs it.
  const plan = { key, name, parent, nodes, definition, resolve, ...planArguments(definition, node) };
  const field = plan as unknown as { -readonly [K in keyof FieldPlan]: FieldPlan[K] };
  if (definition) field.position = planPosition(operation, definition.type, field as FieldPlan, sets);
  field.needsInfo = takesInfo || (definition !== null && positionNeedsInfo(field.position));
  return field;
}

/** Whether the function declares its nth parameter. One without declared parameters may read `arguments`, so it counts. */
const declaresParameter = (callback: (...args: never[]) => unknown, nth: number): boolean =>
  callback.length === 0 || callback.length >= nth;

export const resolverTakesInfo = (resolve: (...args: never[]) => unknown): boolean => declaresParameter(resolve, 4);
export const typeResolverTakesInfo = (resolveType: (...args: never[]) => unknown): boolean =>
  declaresParameter(resolveType, 3);

function positionNeedsInfo(position: ValuePosition): boolean {
  switch (position.kind) {
    case 'leaf':
      return false;
    case 'list':
      return positionNeedsInfo(position.of);
    case 'object':
      return position.unit.needsPath || position.type.isTypeOf != null;
    // The possible types are planned later.
    case 'abstract':
      return true;
  }
}

function planPosition(
  operation: TypedOperation,
  type: GraphQLOutputType,
  field: FieldPlan,
  sets: readonly SelectionSetNode[],
): ValuePosition {
  const nonNull = isNonNullType(type);
  const inner = nonNull ? type.ofType : type;
  if (isListType(inner)) {
    return { nonNull, field, kind: 'list', of: planPosition(operation, inner.ofType, field, sets), list: inner };
  }
  if (isLeafType(inner)) return { nonNull, field, kind: 'leaf', type: inner };
  if (isObjectType(inner))
    return { nonNull, field, kind: 'object', type: inner, unit: planObject(operation, inner, sets) };
  return { nonNull, field, kind: 'abstract', type: inner, units: new Map(), sets };
}
