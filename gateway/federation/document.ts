/**
 * The client's document made ready for the planner: refused fields and introspection taken out, keys made safe, equal
 * selections merged.
 */
import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLInterfaceType,
  type GraphQLSchema,
  type InlineFragmentNode,
  isAbstractType,
  isInterfaceType,
  Kind,
  type OperationDefinitionNode,
  print,
  type SelectionNode,
  type SelectionSetNode,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from 'graphql';
import type { Names } from './naming.ts';
import type { Refusals } from './refusal.ts';

const TYPENAME: FieldNode = { kind: Kind.FIELD, name: { kind: Kind.NAME, value: '__typename' } };

export interface Preparation {
  readonly schema: GraphQLSchema;
  readonly names: Names;
  readonly refusals: Refusals;
  /** Abstract types with members that `schema` does not show: their objects must say what they are. */
  readonly veiled: ReadonlySet<string>;
}

/** The document that is planned; null when nothing of it need be fetched. */
export function forPlanner(
  { schema, names, refusals, veiled }: Preparation,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): string | null {
  const info = new TypeInfo(schema);
  const cut = visit(
    document,
    visitWithTypeInfo(info, {
      Field: {
        enter: (node) => {
          const name = node.name.value;
          const parent = info.getParentType();
          if (name === '__schema' || name === '__type' || !parent) return null;
          if (refusals(parent, name)) return null;
          if (!isInterfaceType(parent)) return undefined;
          return onlyAllowed(schema, parent, node, refusals);
        },
        leave: (node) => renamed(node, names.key(node)),
      },
      SelectionSet: {
        leave: (node) => {
          const parent = info.getParentType();
          const selections = mergeEqual(node.selections);
          const tell = selections.length === 0 || (isAbstractType(parent) && veiled.has(parent.name));
          return { ...node, selections: tell ? [TYPENAME, ...selections] : selections };
        },
      },
    }),
  ) as DocumentNode;
  const fragments = new Map<string, FragmentDefinitionNode>();
  let planned: OperationDefinitionNode | undefined;
  for (const one of cut.definitions) {
    if (one.kind === Kind.FRAGMENT_DEFINITION) fragments.set(one.name.value, one);
    else if (one.kind === Kind.OPERATION_DEFINITION && one.name?.value === operation.name?.value) planned = one;
  }
  if (!planned || isIdle(planned.selectionSet, fragments)) return null;
  return print(withoutUnused(planned, fragments));
}

/** A field of an interface, asked only of the types that the caller may see it on; undefined when that is all of them. */
function onlyAllowed(
  schema: GraphQLSchema,
  parent: GraphQLInterfaceType,
  node: FieldNode,
  refusals: Refusals,
): InlineFragmentNode | null | undefined {
  const possible = schema.getPossibleTypes(parent);
  const allowed = possible.filter((type) => !refusals(type, node.name.value));
  if (allowed.length === possible.length) return undefined;
  if (allowed.length === 0) return null;
  const on = (type: string, selections: SelectionNode[]): InlineFragmentNode => ({
    kind: Kind.INLINE_FRAGMENT,
    typeCondition: { kind: Kind.NAMED_TYPE, name: { kind: Kind.NAME, value: type } },
    selectionSet: { kind: Kind.SELECTION_SET, selections },
  });
  return on(
    parent.name,
    allowed.map((type) => on(type.name, [node])),
  );
}

function renamed(node: FieldNode, key: string): FieldNode {
  const { alias: _, ...bare } = node;
  return key === node.name.value ? bare : { ...bare, alias: { kind: Kind.NAME, value: key } };
}

/** Two selections of the same field under the same key become one: planners and runtimes have doubled lists over it. */
function mergeEqual(selections: readonly SelectionNode[]): SelectionNode[] {
  const kept: SelectionNode[] = [];
  const seen = new Map<string, number>();
  for (const one of selections) {
    if (one.kind !== Kind.FIELD) {
      kept.push(one);
      continue;
    }
    const { selectionSet, ...head } = one;
    const mark = print(head);
    const at = seen.get(mark);
    if (at === undefined) {
      seen.set(mark, kept.push(one) - 1);
      continue;
    }
    if (!selectionSet) continue;
    const before = kept[at] as FieldNode;
    kept[at] = { ...before, selectionSet: joined(before.selectionSet, selectionSet) };
  }
  return kept;
}

const joined = (a: SelectionSetNode | undefined, b: SelectionSetNode): SelectionSetNode => ({
  kind: Kind.SELECTION_SET,
  selections: mergeEqual([...(a?.selections ?? []), ...b.selections]),
});

/** Whether only names of root types are asked for: the writer knows them. */
function isIdle(set: SelectionSetNode, fragments: ReadonlyMap<string, FragmentDefinitionNode>): boolean {
  return set.selections.every((one) => {
    if (one.kind === Kind.FIELD) return one.name.value === '__typename';
    if (one.kind === Kind.INLINE_FRAGMENT) return isIdle(one.selectionSet, fragments);
    const fragment = fragments.get(one.name.value);
    return !fragment || isIdle(fragment.selectionSet, fragments);
  });
}

/** Fragments and variables that nothing names any more are left out: the planner would refuse or send them. */
function withoutUnused(
  operation: OperationDefinitionNode,
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
): DocumentNode {
  const used = new Map<string, FragmentDefinitionNode>();
  const variables = new Set<string>();
  const look = (node: SelectionSetNode): void => {
    visit(node, {
      Variable: (one) => void variables.add(one.name.value),
      FragmentSpread: (one) => {
        const fragment = fragments.get(one.name.value);
        if (!fragment || used.has(fragment.name.value)) return;
        used.set(fragment.name.value, fragment);
        look(fragment.selectionSet);
      },
    });
  };
  look(operation.selectionSet);
  const variableDefinitions = (operation.variableDefinitions ?? []).filter((one) =>
    variables.has(one.variable.name.value),
  );
  return { kind: Kind.DOCUMENT, definitions: [{ ...operation, variableDefinitions }, ...used.values()] };
}
