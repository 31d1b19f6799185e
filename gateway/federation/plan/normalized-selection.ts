/**
 * Normalizes a document's selections: resolves fragments against the possible types of their position, removes impossible selections and
 * denied fields, merges equal selections. Planners differ in how they treat these.
 */
import {
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLInterfaceType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  getNamedType,
  isAbstractType,
  isCompositeType,
  isInterfaceType,
  isObjectType,
  isUnionType,
  Kind,
  type SelectionSetNode,
} from 'graphql';
import { type CompositeType, TYPENAME } from '../document-nodes.ts';
import { argumentsText } from '../document-text.ts';
import type { FieldAccessCheck } from '../field-access.ts';
import { OperationTooLarge } from '../operation-too-large.ts';

/** A field; for `__typename` both `type` and `selections` are null. */
export interface FieldSelection {
  readonly node: FieldNode;
  readonly type: GraphQLOutputType | null;
  readonly selections: NormalizedSelection[] | null;
}
/** Selections that apply to some types only. */
export interface FragmentSelection {
  readonly on: CompositeType;
  readonly selections: NormalizedSelection[];
}
export type NormalizedSelection = FieldSelection | FragmentSelection;

/** Adds fields that the client did not select. */
export interface SelectionExtension {
  /** Adds to the selections of a position of type `root`. */
  add(items: NormalizedSelection[], root: CompositeType): void;
}

/** Whether a field of an interface differs between these types: has another type, or is denied on some of them only. */
export function dependsOnType(
  parent: GraphQLInterfaceType,
  name: string,
  possibleTypes: Iterable<GraphQLObjectType>,
  accessError: FieldAccessCheck,
): boolean {
  const type = String(parent.getFields()[name]?.type);
  const isDenied = accessError(parent, name) !== null;
  for (const possibleType of possibleTypes)
    if (
      String(possibleType.getFields()[name]?.type) !== type ||
      (accessError(possibleType, name) !== null) !== isDenied
    )
      return true;
  return false;
}

/** Selections of one operation after fragments are expanded. */
const MAX_SELECTIONS = 20_000;

type ObjectTypes = ReadonlySet<GraphQLObjectType>;

/** Normalizes the selections of one operation. */
export class SelectionNormalizer {
  readonly #schema: GraphQLSchema;
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly #accessError: FieldAccessCheck;
  #count = 0;
  readonly #possibleTypes = new Map<CompositeType, ObjectTypes>();

  constructor(
    schema: GraphQLSchema,
    fragments: ReadonlyMap<string, FragmentDefinitionNode>,
    accessError: FieldAccessCheck,
  ) {
    this.#schema = schema;
    this.#fragments = fragments;
    this.#accessError = accessError;
  }

  /** The selections of a position of that type. Throws `OperationTooLarge`. */
  normalize(sets: readonly SelectionSetNode[], type: CompositeType): NormalizedSelection[] {
    return this.#merge(this.#collect(sets, type, this.#possible(type), new Set()));
  }

  #possible(type: CompositeType): ObjectTypes {
    let types = this.#possibleTypes.get(type);
    if (!types) {
      types = new Set(isObjectType(type) ? [type] : this.#schema.getPossibleTypes(type));
      this.#possibleTypes.set(type, types);
    }
    return types;
  }

  /** `spread`: fragments that this scope contains already. */
  #collect(
    sets: readonly SelectionSetNode[],
    parent: CompositeType,
    possible: ObjectTypes,
    spread: Set<string>,
  ): NormalizedSelection[] {
    return sets.flatMap((set) =>
      set.selections.flatMap((selection): NormalizedSelection[] => {
        this.#count++;
        if (this.#count > MAX_SELECTIONS)
          throw new OperationTooLarge(
            `Operation is too large: more than ${MAX_SELECTIONS.toLocaleString('en')} fields after fragments are expanded. Select fewer fields.`,
            MAX_SELECTIONS,
          );
        if (selection.kind === Kind.FIELD) return this.#field(selection, parent, possible);
        if (selection.kind === Kind.FRAGMENT_SPREAD) {
          if (spread.has(selection.name.value)) return [];
          spread.add(selection.name.value);
        }
        const fragment =
          selection.kind === Kind.INLINE_FRAGMENT ? selection : this.#fragments.get(selection.name.value);
        if (!fragment) return [];
        const condition = fragment.typeCondition ? this.#schema.getType(fragment.typeCondition.name.value) : parent;
        return isCompositeType(condition)
          ? this.#fragment(condition, fragment.selectionSet, parent, possible, spread)
          : [];
      }),
    );
  }

  #fragment(
    condition: CompositeType,
    set: SelectionSetNode,
    parent: CompositeType,
    possible: ObjectTypes,
    spread: Set<string>,
  ): NormalizedSelection[] {
    if (condition === parent) return this.#collect([set], parent, possible, spread);
    const wanted = this.#possible(condition);
    const remaining = new Set([...possible].filter((possibleType) => wanted.has(possibleType)));
    if (remaining.size === 0) return [];
    const covers = isAbstractType(condition) && !isUnionType(parent) && this.#schema.isSubType(condition, parent);
    if (covers) return this.#collect([set], parent, possible, spread);
    const [only] = remaining;
    const on = remaining.size === 1 && only ? only : condition;
    return [{ on, selections: this.#collect([set], on, remaining, new Set()) }];
  }

  #field(node: FieldNode, parent: CompositeType, possible: ObjectTypes): NormalizedSelection[] {
    const name = node.name.value;
    if (name === '__typename') return [{ node, type: null, selections: null }];
    const field = isUnionType(parent) ? undefined : parent.getFields()[name];
    // `__schema` and `__type` are not fields of the type; introspection is executed separately.
    if (!field) return [];
    const isDenied = this.#accessError(parent, name) !== null;
    if (isInterfaceType(parent) && dependsOnType(parent, name, possible, this.#accessError)) {
      // Whether the field's null propagates depends on the object's type.
      if (isDenied) return [{ node: TYPENAME, type: null, selections: null }];
      const allowed = [...possible].filter((possibleType) => !this.#accessError(possibleType, name));
      return allowed.map((on) => ({ on, selections: this.#field(node, on, new Set([on])) }));
    }
    if (isDenied) return [];
    const named = getNamedType(field.type);
    const items =
      node.selectionSet && isCompositeType(named)
        ? this.#collect([node.selectionSet], named, this.#possible(named), new Set())
        : null;
    return [{ node, type: field.type, selections: items }];
  }

  /** Merges equal fields and fragments on equal types, at the position of the first. */
  #merge(items: readonly NormalizedSelection[]): NormalizedSelection[] {
    const groups = new Map<string, NormalizedSelection>();
    for (const item of items) {
      const key = 'on' in item ? item.on.name : mergeKeyOf(item.node);
      const known = groups.get(key);
      if (known?.selections && item.selections) known.selections.push(...item.selections);
      else if (!known) groups.set(key, item.selections ? { ...item, selections: [...item.selections] } : item);
    }
    return [...groups.values()].map((group) =>
      group.selections ? { ...group, selections: this.#merge(group.selections) } : group,
    );
  }
}

/** Equal for fields with the same response key and value. Contains a colon, unlike the names of types. */
const mergeKeyOf = (node: FieldNode): string =>
  node.name.value === '__typename'
    ? ':'
    : `${(node.alias ?? node.name).value}:${node.name.value}(${argumentsText(node)})`;
