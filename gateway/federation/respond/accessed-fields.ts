/** Reads from the merged data which protected fields an operation has read, and whose data it was. */
import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLInputType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isInputObjectType,
  isLeafType,
  isListType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  valueFromASTUntyped,
} from 'graphql';
import { fragmentsOf } from '../document-nodes.ts';
import { isProtectedField, type ProtectedFields } from '../plan/protected-fields.ts';
import type { DataObject } from '../response-data.ts';
import { type AccessNode, AccessTree, type ProtectedChild } from './accessed-field-tree.ts';
import type { SelectionShape } from './response-shape.ts';

/** Protected fields with one outcome: visible, masked or denied. */
export interface FieldAccess {
  /** Coordinates, such as `TaxAccount.standing`. */
  readonly fields: ReadonlySet<string>;
  /** Ids of the objects and owners, by type. */
  readonly subjects: ReadonlyMap<string, ReadonlySet<string>>;
}

/** The protected fields of one operation by outcome; null if no field has that outcome. */
export interface AccessedFields {
  readonly visible: FieldAccess | null;
  readonly masked: FieldAccess | null;
  readonly denied: FieldAccess | null;
}

/** The nearest reported object above a value, and the owner of the data. */
interface Ancestors {
  readonly type: string | null;
  readonly id: string | null;
  readonly ownerId: string | null;
}

class FieldAccessSet implements FieldAccess {
  readonly fields = new Set<string>();
  readonly subjects = new Map<string, Set<string>>();

  addSubject(type: string | null, id: string | null): void {
    if (type === null || id === null) return;
    const known = this.subjects.get(type);
    if (known) known.add(id);
    else this.subjects.set(type, new Set([id]));
  }
}

/** Reads the accessed fields of one operation from the data of each execution. */
export class AccessedFieldsReader {
  readonly #schema: GraphQLSchema;
  readonly #protectedFields: ProtectedFields;
  readonly #shape: SelectionShape;
  readonly #rootFields: readonly FieldNode[];
  readonly #root: GraphQLObjectType;
  readonly #tree: AccessTree;

  constructor(parts: {
    schema: GraphQLSchema;
    protectedFields: ProtectedFields;
    shape: SelectionShape;
    document: DocumentNode;
    operation: OperationDefinitionNode;
    root: GraphQLObjectType;
    /** From `hiddenKeyPrefix`. */
    prefix: string;
  }) {
    this.#schema = parts.schema;
    this.#protectedFields = parts.protectedFields;
    this.#shape = parts.shape;
    this.#rootFields = rootFields(parts.operation.selectionSet, fragmentsOf(parts.document));
    this.#root = parts.root;
    this.#tree = new AccessTree(parts);
  }

  /** Null if no protected field was read. `variables` must be coerced. */
  read(data: DataObject, variables: Readonly<Record<string, unknown>>): AccessedFields | null {
    const visible = new FieldAccessSet();
    const masked = new FieldAccessSet();
    const denied = new FieldAccessSet();
    const { owner } = this.#protectedFields;

    const addSubjects = (access: FieldAccessSet, above: Ancestors): void => {
      access.addSubject(above.type, above.id);
      access.addSubject(owner.type, above.ownerId);
    };
    const readObject = (value: DataObject, node: AccessNode, above: Ancestors): void => {
      const ancestors = this.#ancestorsAt(value, node, above);
      if (node.isPayload) addSubjects(visible, ancestors);
      let hasVisibleLeaf = false;
      for (const { dataKey, coordinate } of node.leafFields) {
        if (value[dataKey] === null || value[dataKey] === undefined) continue;
        visible.fields.add(coordinate);
        hasVisibleLeaf = true;
      }
      if (hasVisibleLeaf) addSubjects(visible, ancestors);
      for (const { dataKey, maskedKey, coordinate } of node.maskableFields) {
        const readable = value[dataKey];
        if (readable === null || readable === undefined) {
          if (value[maskedKey] === null || value[maskedKey] === undefined) continue;
          masked.fields.add(coordinate);
          addSubjects(masked, ancestors);
        } else {
          visible.fields.add(coordinate);
          addSubjects(visible, ancestors);
        }
      }
      if (node.deniedFields.length > 0) {
        for (const coordinate of node.deniedFields) denied.fields.add(coordinate);
        addSubjects(denied, ancestors);
      }
      for (const child of node.children) {
        const next = value[child.dataKey];
        if (next === null || next === undefined) continue;
        if (child.coordinate && (ancestors.id !== null || ancestors.ownerId !== null)) {
          visible.fields.add(child.coordinate);
          addSubjects(visible, ancestors);
        }
        readValue(next, child, ancestors);
      }
    };
    const readValue = (value: unknown, at: ProtectedChild, above: Ancestors): void => {
      if (Array.isArray(value)) {
        for (const item of value) readValue(item, at, above);
        return;
      }
      if (typeof value !== 'object' || value === null) return;
      const type = at.selection.typeOf(value as DataObject, at.type);
      if (type)
        readObject(value as DataObject, this.#tree.nodeFor(at.selection, type, at.isProtected, at.isPayload), above);
    };
    const rootNode = this.#tree.nodeFor(this.#shape, this.#root, false, false);
    readObject(data, rootNode, { type: null, id: null, ownerId: null });
    this.#readArguments(visible, denied, data, variables);
    const unlessEmpty = (access: FieldAccessSet): FieldAccessSet | null => (access.fields.size > 0 ? access : null);
    if (visible.fields.size + masked.fields.size + denied.fields.size === 0) return null;
    return { visible: unlessEmpty(visible), masked: unlessEmpty(masked), denied: unlessEmpty(denied) };
  }

  #ancestorsAt(value: DataObject, node: AccessNode, above: Ancestors): Ancestors {
    const { owner } = this.#protectedFields;
    let { type, id, ownerId } = above;
    const key = node.idKey === null ? null : value[node.idKey];
    if (typeof key === 'string') {
      type = node.type;
      id = key;
      if (type === owner.type) ownerId = key;
    }
    if (node.ownerPath) {
      let at: unknown = value;
      for (const step of node.ownerPath) at = (at as DataObject | null | undefined)?.[step];
      if (typeof at === 'string') ownerId = at;
    }
    return { type, id, ownerId };
  }

  /** Owners named in arguments of root fields: of mutations, and of fields that are denied before anything is fetched. */
  #readArguments(
    visible: FieldAccessSet,
    denied: FieldAccessSet,
    data: DataObject,
    variables: Readonly<Record<string, unknown>>,
  ): void {
    const { owner } = this.#protectedFields;
    const isMutation = this.#root.name === 'Mutation';
    for (const selected of this.#shape.fields(this.#root)) {
      const field = this.#root.getFields()[selected.name];
      if (!field || !isProtectedField(this.#protectedFields, this.#schema, this.#root, field)) continue;
      if (
        !isMutation &&
        !selected.accessError &&
        (data[selected.dataKey] === null || data[selected.dataKey] === undefined)
      )
        continue;
      const access = selected.accessError ? denied : visible;
      if (isMutation) access.fields.add(`Mutation.${selected.name}`);
      if (access.fields.size === 0) continue;
      for (const id of this.#ownersInArguments(selected.responseKey, field.args, variables))
        access.addSubject(owner.type, id);
    }
  }

  #ownersInArguments(
    key: string,
    args: readonly { readonly name: string; readonly type: GraphQLInputType }[],
    variables: Readonly<Record<string, unknown>>,
  ): string[] {
    const found: string[] = [];
    const collect = (type: GraphQLInputType, value: unknown): void => {
      const nullable = getNullableType(type);
      if (value === null || value === undefined) return;
      if (isListType(nullable))
        for (const item of Array.isArray(value) ? value : [value]) collect(nullable.ofType, item);
      else if (isInputObjectType(nullable)) {
        for (const field of Object.values(nullable.getFields())) collect(field.type, (value as DataObject)[field.name]);
      } else if (isLeafType(nullable) && getNamedType(nullable).name === this.#protectedFields.owner.scalar)
        found.push(String(value));
    };
    for (const node of this.#rootFields) {
      if ((node.alias ?? node.name).value !== key) continue;
      for (const given of node.arguments ?? []) {
        const type = args.find((arg) => arg.name === given.name.value)?.type;
        if (type) collect(type, valueFromASTUntyped(given.value, { ...variables }));
      }
    }
    return found;
  }
}

/** The root fields, including those of fragments. */
function rootFields(set: SelectionSetNode, fragments: ReadonlyMap<string, FragmentDefinitionNode>): FieldNode[] {
  return set.selections.flatMap((selection): FieldNode[] => {
    if (selection.kind === Kind.FIELD) return [selection];
    const fragment = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments.get(selection.name.value);
    return fragment ? rootFields(fragment.selectionSet, fragments) : [];
  });
}
