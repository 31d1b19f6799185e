/**
 * "Field Selection Merging" of the GraphQL specification in time linear in the fields, by the method of Simon Adameit (XING, 2019): fields that
 * merge in a response are grouped once and each is compared with the first of its group, whereas graphql-js compares all pairs.
 */
import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  getNamedType,
  isCompositeType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  isUnionType,
  Kind,
  SchemaMetaFieldDef,
  type SelectionSetNode,
  TypeMetaFieldDef,
} from 'graphql';
import { type CompositeType, fragmentsOf } from '../document-nodes.ts';
import { argumentsText } from '../document-text.ts';
import { OperationTooLarge } from '../operation-too-large.ts';

/** Fields visited for one document. Fields of interfaces beside fields of several types are visited once for each type. */
export const MAX_FIELDS_COMPARED = 250_000;

/** Two fields that cannot be merged in one response. */
export interface Conflict {
  readonly message: string;
  readonly nodes: readonly [FieldNode, FieldNode];
}

/** A field of a selection set. */
interface SelectedField {
  readonly node: FieldNode;
  /** The object type to which it belongs; null: an interface or a union. */
  readonly parent: GraphQLObjectType | null;
  /** Null for `__typename`, which conflicts with no type, as in graphql-js. */
  readonly type: GraphQLOutputType | null;
  /** Type of its selections. */
  readonly innerType: CompositeType | null;
}
/** A selection set with the fields of its inline fragments. */
interface FlatSelectionSet {
  readonly fields: readonly SelectedField[];
  readonly spreads: Iterable<string>;
}

/** The conflicts of an otherwise valid document, one for each response key and position. Throws `OperationTooLarge`. */
export function overlappingFields(
  schema: GraphQLSchema,
  document: DocumentNode,
): { conflicts: Conflict[]; work: number } {
  const search = new OverlapSearch(schema, fragmentsOf(document));
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue;
    const root = schema.getRootType(definition.operation);
    if (!root) continue;
    search.flatten(definition.selectionSet, root);
    search.compareFields([definition.selectionSet]);
  }
  return { conflicts: search.conflicts, work: search.work };
}

const NO_SPREADS: readonly string[] = [];

class OverlapSearch {
  readonly conflicts: Conflict[] = [];
  /** Number of visited fields. */
  work = 0;
  readonly #schema: GraphQLSchema;
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  /** A selection set always has the same type, so it is flattened once. */
  readonly #flatSets = new Map<SelectionSetNode, FlatSelectionSet & { readonly id: number }>();
  readonly #innerTypes = new Map<GraphQLOutputType, CompositeType | null>();
  readonly #seen = { forms: new Set<string>(), fields: new Set<string>() };

  constructor(schema: GraphQLSchema, fragments: ReadonlyMap<string, FragmentDefinitionNode>) {
    this.#schema = schema;
    this.#fragments = fragments;
  }

  /** Checks that fields which merge for some object type are the same field with the same arguments, and have the same form for other types. */
  compareFields(sets: readonly SelectionSetNode[]): void {
    for (const group of this.#groupByKey(sets, this.#seen.fields)) {
      if (group.length === 1) {
        this.#forSelectionsOf(group, (inner) => this.compareFields(inner));
        continue;
      }
      const common: SelectedField[] = [];
      const byParent = new Map<GraphQLObjectType, SelectedField[]>();
      for (const field of group) {
        const part = field.parent ? byParent.get(field.parent) : common;
        if (part) part.push(field);
        else if (field.parent) byParent.set(field.parent, [field]);
      }
      const parts = [...byParent.values()];
      if (
        !this.#haveSameForm(group) ||
        [common, ...parts].some((part) => this.#haveConflict(part, common[0] ?? part[0]))
      )
        continue;
      if (parts.length < 2) this.#forSelectionsOf(group, (inner) => this.compareFields(inner));
      else {
        for (const part of parts) this.#forSelectionsOf([...common, ...part], (inner) => this.compareFields(inner));
        this.#forSelectionsOf(group, (inner) => this.compareForms(inner));
      }
    }
  }

  /** Checks that fields with one response key have the same form, for objects of different types. */
  compareForms(sets: readonly SelectionSetNode[]): void {
    for (const group of this.#groupByKey(sets, this.#seen.forms))
      if (this.#haveSameForm(group)) this.#forSelectionsOf(group, (inner) => this.compareForms(inner));
  }

  /** Whether the values of all these fields have the same form; reports a conflict if not. */
  #haveSameForm(group: readonly SelectedField[]): boolean {
    if (group.length === 1) return true;
    const first = group.find((candidate) => candidate.type !== null);
    const type = first?.type;
    if (!type) return true;
    const other = group.find((candidate) => candidate.type !== null && !sameForm(candidate.type, type));
    if (other) this.#reportConflict(first, other, `they return conflicting types "${type}" and "${other.type}"`);
    return !other;
  }

  /** Groups the fields of the sets by response key; no groups if these sets have been visited together before. */
  #groupByKey(sets: readonly SelectionSetNode[], seen: Set<string>): Iterable<readonly SelectedField[]> {
    const ids = sets.map((set) => this.#flatSets.get(set)?.id);
    const key = ids.length === 1 ? String(ids[0]) : ids.sort().join();
    if (seen.has(key)) return [];
    seen.add(key);
    const groups = new Map<string, SelectedField[]>();
    const spread = new Set<string>();
    const collect = (set: SelectionSetNode): void => {
      const flat = this.#flatSets.get(set);
      for (const field of flat?.fields ?? []) {
        const name = (field.node.alias ?? field.node.name).value;
        const group = groups.get(name);
        if (group) group.push(field);
        else groups.set(name, [field]);
      }
      this.work += (flat?.fields.length ?? 0) + 1;
      if (this.work > MAX_FIELDS_COMPARED)
        throw new OperationTooLarge(
          `Document is too complex: comparing its fields takes more than ${MAX_FIELDS_COMPARED.toLocaleString('en')} steps. Select fewer overlapping fields.`,
          MAX_FIELDS_COMPARED,
        );
      for (const name of flat?.spreads ?? NO_SPREADS) spread.add(name);
    };
    for (const set of sets) collect(set);
    // The set grows during the iteration.
    for (const name of spread) {
      const fragment = this.#fragments.get(name);
      const type = fragment && this.#schema.getType(fragment.typeCondition.name.value);
      if (!fragment || !isCompositeType(type)) continue;
      this.flatten(fragment.selectionSet, type);
      collect(fragment.selectionSet);
    }
    return groups.values();
  }

  /** Calls `continueWith` with the selection sets of these fields. */
  #forSelectionsOf(group: readonly SelectedField[], continueWith: (sets: readonly SelectionSetNode[]) => void): void {
    const sets = new Set<SelectionSetNode>();
    for (const { node, innerType } of group) {
      if (!node.selectionSet || !innerType) continue;
      this.flatten(node.selectionSet, innerType);
      sets.add(node.selectionSet);
    }
    if (sets.size > 0) continueWith([...sets]);
  }

  /** Whether one of them is not the same field as `first`; reports a conflict if so. */
  #haveConflict(group: readonly SelectedField[], first: SelectedField | undefined): boolean {
    for (const field of group) {
      if (!first || field === first) continue;
      const [name, other] = [first.node.name.value, field.node.name.value];
      if (name !== other) this.#reportConflict(first, field, `"${name}" and "${other}" are different fields`);
      else if (argumentsText(first.node) !== argumentsText(field.node))
        this.#reportConflict(first, field, 'they have differing arguments');
      else continue;
      return true;
    }
    return false;
  }

  #reportConflict(first: SelectedField, other: SelectedField, reason: string): void {
    const key = (first.node.alias ?? first.node.name).value;
    const message = `Fields "${key}" conflict because ${reason}. Use different aliases on the fields to fetch both if this was intentional.`;
    this.conflicts.push({ message, nodes: [first.node, other.node] });
  }

  /** Collects the fields of a selection set of that type. */
  flatten(set: SelectionSetNode, type: CompositeType): void {
    if (this.#flatSets.has(set)) return;
    const fields: SelectedField[] = [];
    let spreads: Set<string> | null = null;
    const collect = (inner: SelectionSetNode, parent: CompositeType): void => {
      const objectType = isObjectType(parent) ? parent : null;
      for (const selection of inner.selections) {
        if (selection.kind === Kind.FRAGMENT_SPREAD) {
          spreads ??= new Set();
          spreads.add(selection.name.value);
        } else if (selection.kind === Kind.FIELD) {
          const found = this.#typeOf(selection, parent);
          if (found !== undefined)
            fields.push({
              node: selection,
              parent: objectType,
              type: found,
              innerType: found && this.#innerTypeOf(found),
            });
        } else {
          const on = selection.typeCondition ? this.#schema.getType(selection.typeCondition.name.value) : parent;
          if (isCompositeType(on)) collect(selection.selectionSet, on);
        }
      }
    };
    collect(set, type);
    this.#flatSets.set(set, { fields, spreads: spreads ?? NO_SPREADS, id: this.#flatSets.size });
  }

  #innerTypeOf(type: GraphQLOutputType): CompositeType | null {
    let inner = this.#innerTypes.get(type);
    if (inner === undefined) {
      const named = getNamedType(type);
      inner = isCompositeType(named) ? named : null;
      this.#innerTypes.set(type, inner);
    }
    return inner;
  }

  #typeOf(node: FieldNode, parent: CompositeType): GraphQLOutputType | null | undefined {
    const name = node.name.value;
    if (name === '__typename') return null;
    if (name === SchemaMetaFieldDef.name) return SchemaMetaFieldDef.type;
    if (name === TypeMetaFieldDef.name) return TypeMetaFieldDef.type;
    return isUnionType(parent) ? undefined : parent.getFields()[name]?.type;
  }
}

/** Whether values of the types have the same form. Objects always have: their fields are compared separately. */
function sameForm(first: GraphQLOutputType, other: GraphQLOutputType): boolean {
  if (first === other) return true;
  if (isNonNullType(first) || isNonNullType(other))
    return isNonNullType(first) && isNonNullType(other) && sameForm(first.ofType, other.ofType);
  if (isListType(first) || isListType(other))
    return isListType(first) && isListType(other) && sameForm(first.ofType, other.ofType);
  return !isLeafType(first) && !isLeafType(other);
}
