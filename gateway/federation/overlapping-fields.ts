/**
 * "Field Selection Merging" of the GraphQL specification in time linear in the fields, by the method of Simon Adameit (XING, 2019): fields
 * that come together in an answer are grouped once and each is compared with the first of its group, where graphql-js compares all pairs.
 */
import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
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
  TypeNameMetaFieldDef,
} from 'graphql';
import { argumentsText } from './argument-text.ts';
import { fragmentsOf } from './document.ts';
import { type Composite, TooLarge } from './normal.ts';

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
  readonly parent: Composite;
  readonly type: GraphQLOutputType;
}
/** A selection set with its inline fragments opened. */
interface Flat {
  readonly fields: readonly Asked[];
  readonly spreads: readonly string[];
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
    search.shapes([one.selectionSet]);
    search.meanings([one.selectionSet]);
  }
  return { conflicts: search.conflicts, work: search.work };
}

class Search {
  readonly conflicts: Conflict[] = [];
  /** Fields that were looked at. */
  work = 0;
  readonly #schema: GraphQLSchema;
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  /** A selection set always stands at the same type, so it is opened once. */
  readonly #flat = new Map<SelectionSetNode, Flat & { readonly id: number }>();
  readonly #seen = { shapes: new Set<string>(), meanings: new Set<string>() };

  constructor(schema: GraphQLSchema, fragments: ReadonlyMap<string, FragmentDefinitionNode>) {
    this.#schema = schema;
    this.#fragments = fragments;
  }

  /** All that comes together under one response key has the same form, whatever the type of the object. */
  shapes(sets: readonly SelectionSetNode[]): void {
    for (const group of this.#groups(sets, this.#seen.shapes)) {
      const [first] = group;
      if (!first) continue;
      const other = group.find((one) => !sameForm(one.type, first.type));
      if (other) this.#conflict(first, other, `they return conflicting types "${first.type}" and "${other.type}"`);
      else this.#below(group, (inner) => this.shapes(inner));
    }
  }

  /** What comes together for an object of some type is the same field with the same arguments. */
  meanings(sets: readonly SelectionSetNode[]): void {
    for (const group of this.#groups(sets, this.#seen.meanings)) {
      const common = group.filter((one) => !isObjectType(one.parent));
      const own = new Map<Composite, Asked[]>();
      for (const one of group) {
        if (!isObjectType(one.parent)) continue;
        const known = own.get(one.parent);
        if (known) known.push(one);
        else own.set(one.parent, [one]);
      }
      const parts = own.size === 0 ? [common] : [...own.values()];
      const differ = [common, ...own.values()].some((part) => this.#differ(part, common[0] ?? part[0]));
      if (!differ)
        for (const part of parts)
          this.#below(common === part ? part : [...common, ...part], (inner) => this.meanings(inner));
    }
  }

  /** Fields by response key; none when these sets have been looked at together before. */
  #groups(sets: readonly SelectionSetNode[], seen: Set<string>): Iterable<readonly Asked[]> {
    const key = sets
      .map((one) => this.#flat.get(one)?.id)
      .sort()
      .join();
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
      for (const name of flat?.spreads ?? []) spread.add(name);
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
    for (const { node, type } of group) {
      const inner = getNamedType(type);
      if (!node.selectionSet || !isCompositeType(inner)) continue;
      this.open(node.selectionSet, inner);
      sets.add(node.selectionSet);
    }
    if (sets.size > 0) look([...sets]);
  }

  /** Whether one of them is not the same field as `first`; then it is told. */
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
    const spreads = new Set<string>();
    const take = (inner: SelectionSetNode, parent: Composite): void => {
      for (const one of inner.selections) {
        if (one.kind === Kind.FRAGMENT_SPREAD) spreads.add(one.name.value);
        else if (one.kind === Kind.FIELD) {
          const found = this.#typeOf(one, parent);
          if (found) fields.push({ node: one, parent, type: found });
        } else {
          const on = one.typeCondition ? this.#schema.getType(one.typeCondition.name.value) : parent;
          if (isCompositeType(on)) take(one.selectionSet, on);
        }
      }
    };
    take(set, type);
    this.#flat.set(set, { fields, spreads: [...spreads], id: this.#flat.size });
  }

  #typeOf(node: FieldNode, parent: Composite): GraphQLOutputType | undefined {
    const name = node.name.value;
    if (name === TypeNameMetaFieldDef.name) return TypeNameMetaFieldDef.type;
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
