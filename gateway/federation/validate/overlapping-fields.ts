/**
 * "Field Selection Merging" of the GraphQL specification in time linear in the fields, by the method of Simon Adameit (XING, 2019): fields
 * that come together in an answer are grouped once and each is compared with the first of its group, where graphql-js compares all pairs.
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
import { argumentsText } from '../document-text.ts';
import { type Composite, TooLarge } from '../plan/normalized-selection.ts';
import { fragmentsOf } from '../plan/planner-document.ts';

/** As many fields are looked at for one document: fields of interfaces beside those of several types are looked at for each of the types. */
export const MOST_COMPARED = 250_000;

/** Two fields that one answer cannot hold. */
export interface Conflict {
  readonly message: string;
  readonly nodes: readonly [FieldNode, FieldNode];
}

/** One field as asked somewhere. */
interface Asked {
  readonly node: FieldNode;
  /** The object type that it is asked of; null: an interface or a union. */
  readonly parent: GraphQLObjectType | null;
  /** Null: `__typename`, which may stand for anything, as in graphql-js. */
  readonly type: GraphQLOutputType | null;
  /** What its selections are of. */
  readonly inner: Composite | null;
}
/** A selection set with its inline fragments opened. */
interface Flat {
  readonly fields: readonly Asked[];
  readonly spreads: Iterable<string>;
}

/** The conflicts of a document that is valid otherwise, one for each response key and place. Throws `TooLarge` beyond `MOST_COMPARED`. */
export function overlappingFields(
  schema: GraphQLSchema,
  document: DocumentNode,
): { conflicts: Conflict[]; work: number } {
  const search = new Search(schema, fragmentsOf(document));
  for (const one of document.definitions) {
    if (one.kind !== Kind.OPERATION_DEFINITION) continue;
    const root = schema.getRootType(one.operation);
    if (!root) continue;
    search.open(one.selectionSet, root);
    search.meanings([one.selectionSet]);
  }
  return { conflicts: search.conflicts, work: search.work };
}

const NONE: readonly string[] = [];

class Search {
  readonly conflicts: Conflict[] = [];
  /** Fields that were looked at. */
  work = 0;
  readonly #schema: GraphQLSchema;
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  /** A selection set always stands at the same type, so it is opened once. */
  readonly #flat = new Map<SelectionSetNode, Flat & { readonly id: number }>();
  readonly #inner = new Map<GraphQLOutputType, Composite | null>();
  readonly #seen = { shapes: new Set<string>(), meanings: new Set<string>() };

  constructor(schema: GraphQLSchema, fragments: ReadonlyMap<string, FragmentDefinitionNode>) {
    this.#schema = schema;
    this.#fragments = fragments;
  }

  /** What comes together for an object of some type is the same field with the same arguments; for objects of other types it has the same form. */
  meanings(sets: readonly SelectionSetNode[]): void {
    for (const group of this.#groups(sets, this.#seen.meanings)) {
      if (group.length === 1) {
        this.#below(group, (inner) => this.meanings(inner));
        continue;
      }
      const common: Asked[] = [];
      const own = new Map<GraphQLObjectType, Asked[]>();
      for (const one of group) {
        const part = one.parent ? own.get(one.parent) : common;
        if (part) part.push(one);
        else if (one.parent) own.set(one.parent, [one]);
      }
      const parts = [...own.values()];
      if (!this.#alike(group) || [common, ...parts].some((part) => this.#differ(part, common[0] ?? part[0]))) continue;
      if (parts.length < 2) this.#below(group, (inner) => this.meanings(inner));
      else {
        for (const part of parts) this.#below([...common, ...part], (inner) => this.meanings(inner));
        this.#below(group, (inner) => this.shapes(inner));
      }
    }
  }

  /** What comes together under one response key, for objects of different types, has the same form. */
  shapes(sets: readonly SelectionSetNode[]): void {
    for (const group of this.#groups(sets, this.#seen.shapes))
      if (this.#alike(group)) this.#below(group, (inner) => this.shapes(inner));
  }

  /** Whether values of all these fields have the same form; reports a conflict if not. */
  #alike(group: readonly Asked[]): boolean {
    if (group.length === 1) return true;
    const first = group.find((one) => one.type !== null);
    const type = first?.type;
    if (!type) return true;
    const other = group.find((one) => one.type !== null && !sameForm(one.type, type));
    if (other) this.#conflict(first, other, `they return conflicting types "${type}" and "${other.type}"`);
    return !other;
  }

  /** Fields by response key; none when these sets have been looked at together before. */
  #groups(sets: readonly SelectionSetNode[], seen: Set<string>): Iterable<readonly Asked[]> {
    const ids = sets.map((one) => this.#flat.get(one)?.id);
    const key = ids.length === 1 ? String(ids[0]) : ids.sort().join();
    if (seen.has(key)) return [];
    seen.add(key);
    const groups = new Map<string, Asked[]>();
    const spread = new Set<string>();
    const take = (set: SelectionSetNode): void => {
      const flat = this.#flat.get(set);
      for (const one of flat?.fields ?? []) {
        const name = (one.node.alias ?? one.node.name).value;
        const group = groups.get(name);
        if (group) group.push(one);
        else groups.set(name, [one]);
      }
      this.work += (flat?.fields.length ?? 0) + 1;
      if (this.work > MOST_COMPARED)
        throw new TooLarge(
          `Comparing the fields of the document takes more than ${MOST_COMPARED} steps.`,
          MOST_COMPARED,
        );
      for (const name of flat?.spreads ?? NONE) spread.add(name);
    };
    for (const set of sets) take(set);
    // The set grows while it is walked.
    for (const name of spread) {
      const fragment = this.#fragments.get(name);
      const type = fragment && this.#schema.getType(fragment.typeCondition.name.value);
      if (!fragment || !isCompositeType(type)) continue;
      this.open(fragment.selectionSet, type);
      take(fragment.selectionSet);
    }
    return groups.values();
  }

  /** Goes on with the selections of these fields taken together. */
  #below(group: readonly Asked[], look: (sets: readonly SelectionSetNode[]) => void): void {
    const sets = new Set<SelectionSetNode>();
    for (const { node, inner } of group) {
      if (!node.selectionSet || !inner) continue;
      this.open(node.selectionSet, inner);
      sets.add(node.selectionSet);
    }
    if (sets.size > 0) look([...sets]);
  }

  /** Whether one of them is not the same field as `first`; reports a conflict then. */
  #differ(group: readonly Asked[], first: Asked | undefined): boolean {
    for (const one of group) {
      if (!first || one === first) continue;
      const [name, other] = [first.node.name.value, one.node.name.value];
      if (name !== other) this.#conflict(first, one, `"${name}" and "${other}" are different fields`);
      else if (argumentsText(first.node) !== argumentsText(one.node))
        this.#conflict(first, one, 'they have differing arguments');
      else continue;
      return true;
    }
    return false;
  }

  #conflict(first: Asked, other: Asked, reason: string): void {
    const key = (first.node.alias ?? first.node.name).value;
    const message = `Fields "${key}" conflict because ${reason}. Use different aliases on the fields to fetch both if this was intentional.`;
    this.conflicts.push({ message, nodes: [first.node, other.node] });
  }

  /** Learns what a selection set of that type holds. */
  open(set: SelectionSetNode, type: Composite): void {
    if (this.#flat.has(set)) return;
    const fields: Asked[] = [];
    let spreads: Set<string> | null = null;
    const take = (inner: SelectionSetNode, parent: Composite): void => {
      const own = isObjectType(parent) ? parent : null;
      for (const one of inner.selections) {
        if (one.kind === Kind.FRAGMENT_SPREAD) {
          spreads ??= new Set();
          spreads.add(one.name.value);
        } else if (one.kind === Kind.FIELD) {
          const found = this.#typeOf(one, parent);
          if (found !== undefined)
            fields.push({ node: one, parent: own, type: found, inner: found && this.#innerOf(found) });
        } else {
          const on = one.typeCondition ? this.#schema.getType(one.typeCondition.name.value) : parent;
          if (isCompositeType(on)) take(one.selectionSet, on);
        }
      }
    };
    take(set, type);
    this.#flat.set(set, { fields, spreads: spreads ?? NONE, id: this.#flat.size });
  }

  #innerOf(type: GraphQLOutputType): Composite | null {
    let inner = this.#inner.get(type);
    if (inner === undefined) {
      const named = getNamedType(type);
      inner = isCompositeType(named) ? named : null;
      this.#inner.set(type, inner);
    }
    return inner;
  }

  #typeOf(node: FieldNode, parent: Composite): GraphQLOutputType | null | undefined {
    const name = node.name.value;
    if (name === '__typename') return null;
    if (name === SchemaMetaFieldDef.name) return SchemaMetaFieldDef.type;
    if (name === TypeMetaFieldDef.name) return TypeMetaFieldDef.type;
    return isUnionType(parent) ? undefined : parent.getFields()[name]?.type;
  }
}

/** Whether values of the two types have the same form: objects always have, what they hold is compared field by field. */
function sameForm(one: GraphQLOutputType, other: GraphQLOutputType): boolean {
  if (one === other) return true;
  if (isNonNullType(one) || isNonNullType(other))
    return isNonNullType(one) && isNonNullType(other) && sameForm(one.ofType, other.ofType);
  if (isListType(one) || isListType(other))
    return isListType(one) && isListType(other) && sameForm(one.ofType, other.ofType);
  return !isLeafType(one) && !isLeafType(other);
}
