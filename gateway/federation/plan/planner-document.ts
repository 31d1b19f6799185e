/** The client's document made ready for the planner. */
import {
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isAbstractType,
  isCompositeType,
  Kind,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
  type ValueNode,
} from 'graphql';
import type { Refusals } from '../field-access.ts';
import { Keys, type Reserved } from '../reserved-names.ts';
import type { Proof } from '../respond/provenance.ts';
import { type Composite, type Item, Normalizer, TYPENAME } from './normalized-selection.ts';
import { addHidden, type Watch } from './protected-fields.ts';

export interface Preparation {
  readonly schema: GraphQLSchema;
  readonly reserved: Reserved;
  readonly refusals: Refusals;
  /** Abstract types with members that `schema` does not show: their objects must say what they are. */
  readonly veiled: ReadonlySet<string>;
  /** What must be accounted for; null: nothing. */
  readonly watch: { readonly watch: Watch; readonly prefix: string } | null;
  /** Given when the answer is to say where its values come from. */
  readonly proof: Proof | null;
}

export interface Prepared {
  /** What is planned; null when nothing need be fetched. */
  readonly asked: OperationDefinitionNode | null;
  /** Where the fields stand in the data that the plan brings. */
  readonly keys: Keys;
}

/** Takes a document with its conditions settled. Throws `TooLarge`. */
export function forPlanner(
  { schema, reserved, refusals, veiled, watch, proof }: Preparation,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  root: GraphQLObjectType,
): Prepared {
  const items = new Normalizer(schema, fragmentsOf(document), refusals).items([operation.selectionSet], root);
  proof?.add(items, root);
  if (watch) addHidden({ schema, ...watch }, items, root);
  const keys = new Keys(reserved);
  learn(items, keys);
  // The writer knows the root types' names.
  const asked = items.filter((one) => 'on' in one || one.type !== null);
  if (asked.length === 0) return { asked: null, keys };
  const selectionSet = toSet(asked, root, keys, veiled);
  const variables = new Set<string>();
  variablesOf(selectionSet, variables);
  const variableDefinitions = (operation.variableDefinitions ?? []).filter((one) =>
    variables.has(one.variable.name.value),
  );
  return { asked: { ...operation, directives: [], variableDefinitions, selectionSet }, keys };
}

/** Adds the names of the variables that arguments of the selections hold. */
function variablesOf(set: SelectionSetNode, names: Set<string>): void {
  const inValue = (value: ValueNode): void => {
    if (value.kind === Kind.VARIABLE) names.add(value.name.value);
    else if (value.kind === Kind.LIST) for (const one of value.values) inValue(one);
    else if (value.kind === Kind.OBJECT) for (const one of value.fields) inValue(one.value);
  };
  for (const one of set.selections) {
    if (one.kind === Kind.FIELD) for (const { value } of one.arguments ?? []) inValue(value);
    if (one.kind !== Kind.FRAGMENT_SPREAD && one.selectionSet) variablesOf(one.selectionSet, names);
  }
}

export function fragmentsOf(document: DocumentNode): Map<string, FragmentDefinitionNode> {
  const found = new Map<string, FragmentDefinitionNode>();
  for (const one of document.definitions) if (one.kind === Kind.FRAGMENT_DEFINITION) found.set(one.name.value, one);
  return found;
}

function learn(items: readonly Item[], keys: Keys): void {
  for (const one of items) {
    if (!('on' in one) && one.type) keys.learn(one.node, one.type);
    if (one.items) learn(one.items, keys);
  }
}

function toSet(items: readonly Item[], type: Composite, keys: Keys, veiled: ReadonlySet<string>): SelectionSetNode {
  const selections = items.map((one): SelectionNode => {
    if ('on' in one) {
      const typeCondition = { kind: Kind.NAMED_TYPE, name: { kind: Kind.NAME, value: one.on.name } } as const;
      return { kind: Kind.INLINE_FRAGMENT, typeCondition, selectionSet: toSet(one.items, one.on, keys, veiled) };
    }
    if (!one.type) return TYPENAME;
    const { node } = one;
    const key = keys.of(node, one.type);
    const inner = getNamedType(one.type);
    return {
      kind: Kind.FIELD,
      ...(key === node.name.value ? {} : { alias: { kind: Kind.NAME, value: key } }),
      name: node.name,
      ...(node.arguments ? { arguments: node.arguments } : {}),
      ...(one.items && isCompositeType(inner) ? { selectionSet: toSet(one.items, inner, keys, veiled) } : {}),
    };
  });
  const tells = items.some((one) => !('on' in one) && one.type === null);
  const must = selections.length === 0 || (isAbstractType(type) && veiled.has(type.name));
  return { kind: Kind.SELECTION_SET, selections: must && !tells ? [TYPENAME, ...selections] : selections };
}
