/**
 * A document's selections written out: fragments resolved against the types that can really stand there, contradictions and
 * refused fields gone, equal selections merged. Planners differ over all of these; here is one meaning for all.
 */
import {
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLInterfaceType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  type GraphQLUnionType,
  getNamedType,
  isAbstractType,
  isCompositeType,
  isInterfaceType,
  isObjectType,
  isUnionType,
  Kind,
  type SelectionSetNode,
} from 'graphql';
import { argumentsText } from '../document-text.ts';
import type { Refusals } from '../field-access.ts';

export type Composite = GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType;

/** One field, or `__typename` with neither type nor items. */
export interface FieldItem {
  readonly node: FieldNode;
  readonly type: GraphQLOutputType | null;
  readonly items: Item[] | null;
}
/** Selections for some of the types only. */
export interface OnItem {
  readonly on: Composite;
  readonly items: Item[];
}
export type Item = FieldItem | OnItem;

/** The operation is too much for one of the bounds on work. */
export class TooLarge extends Error {
  readonly limit: number;

  constructor(message: string, limit: number) {
    super(message);
    this.limit = limit;
  }
}

export const TYPENAME: FieldNode = { kind: Kind.FIELD, name: { kind: Kind.NAME, value: '__typename' } };

/** Whether a field of an interface is not the same for all these types: of another type, or refused on some only. */
export function dependsOnType(
  parent: GraphQLInterfaceType,
  name: string,
  possible: Iterable<GraphQLObjectType>,
  refusals: Refusals,
): boolean {
  const type = String(parent.getFields()[name]?.type);
  const refused = refusals(parent, name) !== null;
  for (const one of possible)
    if (String(one.getFields()[name]?.type) !== type || (refusals(one, name) !== null) !== refused) return true;
  return false;
}

/** As many items one operation may have, written out. */
const MOST = 20_000;

type Types = ReadonlySet<GraphQLObjectType>;

export class Normalizer {
  readonly #schema: GraphQLSchema;
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly #refusals: Refusals;
  #count = 0;
  readonly #types = new Map<Composite, Types>();

  constructor(schema: GraphQLSchema, fragments: ReadonlyMap<string, FragmentDefinitionNode>, refusals: Refusals) {
    this.#schema = schema;
    this.#fragments = fragments;
    this.#refusals = refusals;
  }

  /** The selections of a position of that type. Throws `TooLarge`. */
  items(sets: readonly SelectionSetNode[], type: Composite): Item[] {
    return this.#merged(this.#collect(sets, type, this.#possible(type), new Set()));
  }

  #possible(type: Composite): Types {
    let types = this.#types.get(type);
    if (!types) {
      types = new Set(isObjectType(type) ? [type] : this.#schema.getPossibleTypes(type));
      this.#types.set(type, types);
    }
    return types;
  }

  /** `spread`: fragments that already stand in this scope. */
  #collect(sets: readonly SelectionSetNode[], parent: Composite, possible: Types, spread: Set<string>): Item[] {
    return sets.flatMap((set) =>
      set.selections.flatMap((one): Item[] => {
        this.#count++;
        if (this.#count > MOST)
          throw new TooLarge(`The operation selects more than ${MOST} fields, fragments written out.`, MOST);
        if (one.kind === Kind.FIELD) return this.#field(one, parent, possible);
        if (one.kind === Kind.FRAGMENT_SPREAD) {
          if (spread.has(one.name.value)) return [];
          spread.add(one.name.value);
        }
        const fragment = one.kind === Kind.INLINE_FRAGMENT ? one : this.#fragments.get(one.name.value);
        if (!fragment) return [];
        const condition = fragment.typeCondition ? this.#schema.getType(fragment.typeCondition.name.value) : parent;
        return isCompositeType(condition) ? this.#on(condition, fragment.selectionSet, parent, possible, spread) : [];
      }),
    );
  }

  #on(condition: Composite, set: SelectionSetNode, parent: Composite, possible: Types, spread: Set<string>): Item[] {
    if (condition === parent) return this.#collect([set], parent, possible, spread);
    const wanted = this.#possible(condition);
    const left = new Set([...possible].filter((one) => wanted.has(one)));
    if (left.size === 0) return [];
    const covers = isAbstractType(condition) && !isUnionType(parent) && this.#schema.isSubType(condition, parent);
    if (covers) return this.#collect([set], parent, possible, spread);
    const [only] = left;
    const on = left.size === 1 && only ? only : condition;
    return [{ on, items: this.#collect([set], on, left, new Set()) }];
  }

  #field(node: FieldNode, parent: Composite, possible: Types): Item[] {
    const name = node.name.value;
    if (name === '__typename') return [{ node, type: null, items: null }];
    const field = isUnionType(parent) ? undefined : parent.getFields()[name];
    // `__schema` and `__type` are no fields of the type: they are answered elsewhere.
    if (!field) return [];
    const refused = this.#refusals(parent, name) !== null;
    if (isInterfaceType(parent) && dependsOnType(parent, name, possible, this.#refusals)) {
      // Whether its null climbs, the type says.
      if (refused) return [{ node: TYPENAME, type: null, items: null }];
      const allowed = [...possible].filter((one) => !this.#refusals(one, name));
      return allowed.map((on) => ({ on, items: this.#field(node, on, new Set([on])) }));
    }
    if (refused) return [];
    const named = getNamedType(field.type);
    const items =
      node.selectionSet && isCompositeType(named)
        ? this.#collect([node.selectionSet], named, this.#possible(named), new Set())
        : null;
    return [{ node, type: field.type, items }];
  }

  /** Equal fields, and fragments on equal types, become one each, where the first of them stood. */
  #merged(items: readonly Item[]): Item[] {
    const groups = new Map<string, Item>();
    for (const one of items) {
      const mark = 'on' in one ? one.on.name : markOf(one.node);
      const known = groups.get(mark);
      if (known?.items && one.items) known.items.push(...one.items);
      else if (!known) groups.set(mark, one.items ? { ...one, items: [...one.items] } : one);
    }
    return [...groups.values()].map((one) => (one.items ? { ...one, items: this.#merged(one.items) } : one));
  }
}

/** Equal for fields that are one in the answer; no type's name has a colon. */
const markOf = (node: FieldNode): string =>
  node.name.value === '__typename'
    ? ':'
    : `${(node.alias ?? node.name).value}:${node.name.value}(${argumentsText(node)})`;
