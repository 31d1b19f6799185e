/** Converts the client's document to the document that is planned: normalized, with hidden fields, under data keys. */
import {
  type DocumentNode,
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
import { DataKeys, type ReservedNames } from '../data-keys.ts';
import { type CompositeType, fragmentsOf, TYPENAME } from '../document-nodes.ts';
import type { FieldAccessCheck } from '../field-access.ts';
import { type NormalizedSelection, type SelectionExtension, SelectionNormalizer } from './normalized-selection.ts';
import { addHiddenFields, type HiddenFieldOptions } from './protected-fields.ts';

export interface PlannerDocumentOptions {
  readonly schema: GraphQLSchema;
  readonly reservedNames: ReservedNames;
  readonly accessError: FieldAccessCheck;
  /** Abstract types of which `schema` lacks some members: `__typename` of their objects is always fetched. */
  readonly partlyHiddenTypes: ReadonlySet<string>;
  /** Adds the fields that identify whose protected data is read; null: no protected fields are selected. */
  readonly hiddenFields: HiddenFieldOptions | null;
  /** Adds the fields for the response's provenance; null: it is not requested. */
  readonly provenance: SelectionExtension | null;
}

export interface PlannerDocument {
  /** The operation to plan; null if there is nothing to fetch. */
  readonly operation: OperationDefinitionNode | null;
  /** Keys of the fields in the merged data. */
  readonly dataKeys: DataKeys;
}

/** Takes a document whose conditions are resolved. Throws `OperationTooLarge`. */
export function toPlannerDocument(
  { schema, reservedNames, accessError, partlyHiddenTypes, hiddenFields, provenance }: PlannerDocumentOptions,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  root: GraphQLObjectType,
): PlannerDocument {
  const normalizer = new SelectionNormalizer(schema, fragmentsOf(document), accessError);
  const items = normalizer.normalize([operation.selectionSet], root);
  provenance?.add(items, root);
  if (hiddenFields) addHiddenFields(schema, hiddenFields, items, root);
  const dataKeys = new DataKeys(reservedNames);
  registerKeys(items, dataKeys);
  // The response writer knows the names of root types.
  const planned = items.filter((item) => 'on' in item || item.type !== null);
  if (planned.length === 0) return { operation: null, dataKeys };
  const selectionSet = toSelectionSet(planned, root, dataKeys, partlyHiddenTypes);
  const variables = new Set<string>();
  collectVariables(selectionSet, variables);
  const variableDefinitions = (operation.variableDefinitions ?? []).filter((variableDefinition) =>
    variables.has(variableDefinition.variable.name.value),
  );
  return { operation: { ...operation, directives: [], variableDefinitions, selectionSet }, dataKeys };
}

/** Adds the names of all variables in arguments of the selections. */
function collectVariables(set: SelectionSetNode, names: Set<string>): void {
  const inValue = (value: ValueNode): void => {
    if (value.kind === Kind.VARIABLE) names.add(value.name.value);
    else if (value.kind === Kind.LIST) for (const item of value.values) inValue(item);
    else if (value.kind === Kind.OBJECT) for (const field of value.fields) inValue(field.value);
  };
  for (const selection of set.selections) {
    if (selection.kind === Kind.FIELD) for (const { value } of selection.arguments ?? []) inValue(value);
    if (selection.kind !== Kind.FRAGMENT_SPREAD && selection.selectionSet)
      collectVariables(selection.selectionSet, names);
  }
}

function registerKeys(items: readonly NormalizedSelection[], dataKeys: DataKeys): void {
  for (const item of items) {
    if (!('on' in item) && item.type) dataKeys.register(item.node, item.type);
    if (item.selections) registerKeys(item.selections, dataKeys);
  }
}

function toSelectionSet(
  items: readonly NormalizedSelection[],
  type: CompositeType,
  dataKeys: DataKeys,
  partlyHiddenTypes: ReadonlySet<string>,
): SelectionSetNode {
  const selections = items.map((item): SelectionNode => {
    if ('on' in item) {
      const typeCondition = { kind: Kind.NAMED_TYPE, name: { kind: Kind.NAME, value: item.on.name } } as const;
      return {
        kind: Kind.INLINE_FRAGMENT,
        typeCondition,
        selectionSet: toSelectionSet(item.selections, item.on, dataKeys, partlyHiddenTypes),
      };
    }
    if (!item.type) return TYPENAME;
    const { node } = item;
    const key = dataKeys.keyOf(node, item.type);
    const inner = getNamedType(item.type);
    return {
      kind: Kind.FIELD,
      ...(key === node.name.value ? {} : { alias: { kind: Kind.NAME, value: key } }),
      name: node.name,
      ...(node.arguments ? { arguments: node.arguments } : {}),
      ...(item.selections && isCompositeType(inner)
        ? { selectionSet: toSelectionSet(item.selections, inner, dataKeys, partlyHiddenTypes) }
        : {}),
    };
  });
  const hasTypename = items.some((item) => !('on' in item) && item.type === null);
  const needsTypename = selections.length === 0 || (isAbstractType(type) && partlyHiddenTypes.has(type.name));
  return {
    kind: Kind.SELECTION_SET,
    selections: needsTypename && !hasTypename ? [TYPENAME, ...selections] : selections,
  };
}
