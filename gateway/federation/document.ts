/** The client's document made ready for the planner: refused fields taken out, equal fields merged, types of abstract objects asked for. */
import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLSchema,
  getNamedType,
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

export interface FieldCoordinate {
  readonly type: string;
  readonly field: string;
  /** Named type that the field returns. */
  readonly returns: string;
}
export interface Refusal {
  readonly code: string;
  readonly message: string;
}
export type Refuse = (coordinate: FieldCoordinate) => Refusal | null;

const TYPENAME: FieldNode = { kind: Kind.FIELD, name: { kind: Kind.NAME, value: '__typename' } };

/** Why a field of `typeName` is refused: on the type itself, or, for an abstract one, on any type it may stand for. */
export function refusalOf(schema: GraphQLSchema, typeName: string, field: string, refuse: Refuse): Refusal | null {
  const type = schema.getType(typeName);
  if (!type || !('getFields' in type) || field.startsWith('__')) return null;
  const found = type.getFields()[field];
  if (!found) return null;
  const returns = getNamedType(found.type).name;
  const own = refuse({ type: typeName, field, returns });
  if (own || !isInterfaceType(type)) return own;
  for (const possible of schema.getPossibleTypes(type)) {
    const other = refuse({ type: possible.name, field, returns });
    if (other) return other;
  }
  return null;
}

/** The document that is planned. `refuse` null: nothing is refused. */
export function forPlanner(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  refuse: Refuse | null,
): string {
  const info = new TypeInfo(schema);
  const cut = visit(
    document,
    visitWithTypeInfo(info, {
      Field: {
        enter: (node) => {
          const parent = info.getParentType();
          if (node.name.value === '__schema' || node.name.value === '__type') return null;
          if (refuse && parent && refusalOf(schema, parent.name, node.name.value, refuse)) return null;
          return undefined;
        },
      },
      SelectionSet: {
        leave: (node) => {
          const parent = info.getParentType();
          const selections = mergeEqual(node.selections);
          const needsType = isAbstractType(parent) || selections.length === 0;
          const hasType = selections.some(
            (one) =>
              one.kind === Kind.FIELD && one.name.value === '__typename' && !one.alias && !one.directives?.length,
          );
          return { ...node, selections: needsType && !hasType ? [TYPENAME, ...selections] : selections };
        },
      },
    }),
  ) as DocumentNode;
  const kept = cut.definitions.filter(
    (one) =>
      one.kind === Kind.FRAGMENT_DEFINITION ||
      (one.kind === Kind.OPERATION_DEFINITION && one.name?.value === operation.name?.value),
  );
  return print(withoutUnused({ kind: Kind.DOCUMENT, definitions: kept }));
}

/** Two selections of the same field under the same key become one: planners and runtimes have doubled lists over it. */
function mergeEqual(selections: readonly SelectionNode[]): SelectionNode[] {
  const kept: SelectionNode[] = [];
  const seen = new Map<string, number>();
  for (const one of selections) {
    if (one.kind !== Kind.FIELD || !one.selectionSet) {
      kept.push(one);
      continue;
    }
    const { selectionSet: _, ...head } = one;
    const mark = print(head);
    const at = seen.get(mark);
    if (at === undefined) {
      seen.set(mark, kept.push(one) - 1);
      continue;
    }
    const before = kept[at] as FieldNode;
    kept[at] = { ...before, selectionSet: joined(before.selectionSet, one.selectionSet) };
  }
  return kept;
}

const joined = (a: SelectionSetNode | undefined, b: SelectionSetNode): SelectionSetNode => ({
  kind: Kind.SELECTION_SET,
  selections: mergeEqual([...(a?.selections ?? []), ...b.selections]),
});

/** Fragments and variables that nothing names any more are left out: the planner would refuse or send them. */
function withoutUnused(document: DocumentNode): DocumentNode {
  const operation = document.definitions.find(
    (one): one is OperationDefinitionNode => one.kind === Kind.OPERATION_DEFINITION,
  );
  if (!operation) return document;
  const fragments = new Map(
    document.definitions
      .filter((one): one is FragmentDefinitionNode => one.kind === Kind.FRAGMENT_DEFINITION)
      .map((one) => [one.name.value, one]),
  );
  const usedFragments = new Set<string>();
  const usedVariables = new Set<string>();
  const look = (node: SelectionSetNode): void => {
    visit(node, {
      Variable: (one) => void usedVariables.add(one.name.value),
      FragmentSpread: (one) => {
        const name = one.name.value;
        const fragment = fragments.get(name);
        if (usedFragments.has(name) || !fragment) return;
        usedFragments.add(name);
        look(fragment.selectionSet);
      },
    });
  };
  look(operation.selectionSet);
  return {
    kind: Kind.DOCUMENT,
    definitions: [
      {
        ...operation,
        variableDefinitions: (operation.variableDefinitions ?? []).filter((one) =>
          usedVariables.has(one.variable.name.value),
        ),
      },
      ...[...usedFragments].flatMap((name) => fragments.get(name) ?? []),
    ],
  };
}
