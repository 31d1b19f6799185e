/** What the answer looks like: the client's document, typed by the graph; worked out per concrete type at first use. */
import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLLeafType,
  type GraphQLOutputType,
  type GraphQLSchema,
  isAbstractType,
  isEnumType,
  isInterfaceType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  isSpecifiedScalarType,
  isUnionType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';
import type { Refusal, Refusals } from '../field-access.ts';
import { type Composite, dependsOnType } from '../plan/normalized-selection.ts';
import { fragmentsOf } from '../plan/planner-document.ts';
import type { Keys } from '../reserved-names.ts';
import type { Tree } from '../response-data.ts';

export interface FieldShape {
  /** As the client calls it. */
  readonly key: string;
  /** As it stands in the merged data. */
  readonly from: string;
  readonly name: string;
  /** Null for `__typename` and introspection. */
  readonly value: ValueShape | null;
  readonly refusal: Refusal | null;
}

export type ValueShape = { readonly nonNull: boolean } & (
  | { readonly kind: 'leaf'; readonly type: GraphQLLeafType; readonly write: (value: unknown) => unknown }
  | { readonly kind: 'list'; readonly of: ValueShape }
  | { readonly kind: 'object'; readonly type: Composite; readonly selection: Selection }
);

interface Parts {
  readonly schema: GraphQLSchema;
  readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly refusals: Refusals;
  readonly keys: Keys;
}

/** One selection set, all its fragments and all selections that merge with it. */
export class Selection {
  readonly #parts: Parts;
  readonly #sets: readonly SelectionSetNode[];
  readonly #fields = new Map<string, readonly FieldShape[]>();
  readonly #depends = new Map<string, boolean>();

  constructor(parts: Parts, sets: readonly SelectionSetNode[]) {
    this.#parts = parts;
    this.#sets = sets;
  }

  /**
   * The fields of an object of that type, in the order of the answer. For an abstract type: the fields that all its
   * objects have.
   */
  fields(type: Composite): readonly FieldShape[] {
    let known = this.#fields.get(type.name);
    if (!known) {
      known = this.#collect(type);
      this.#fields.set(type.name, known);
    }
    return known;
  }

  /**
   * The type of an object where `declared` stands in the graph: the object's own, or `declared` itself where nobody knows
   * it (interface objects) and nothing that is selected depends on it. Null when the object cannot be written.
   */
  typeOf(object: Tree, declared: Composite): Composite | null {
    if (isObjectType(declared)) return declared;
    const { schema } = this.#parts;
    const name = object['__typename'];
    const type = name === undefined ? declared : schema.getType(String(name));
    if (isObjectType(type)) return schema.isSubType(declared, type) ? type : null;
    return type && !this.needsType(declared) ? declared : null;
  }

  /** Whether what is selected of an object of that declared type depends on its own type. */
  needsType(declared: Composite): boolean {
    const known = this.#depends.get(declared.name);
    if (known !== undefined) return known;
    const { schema, refusals } = this.#parts;
    const differs = (field: string): boolean =>
      isInterfaceType(declared) && dependsOnType(declared, field, schema.getPossibleTypes(declared), refusals);
    const look = (set: SelectionSetNode): boolean =>
      set.selections.some((one) => {
        if (one.kind === Kind.FIELD) return one.name.value === '__typename' || differs(one.name.value);
        const fragment = one.kind === Kind.INLINE_FRAGMENT ? one : this.#parts.fragments.get(one.name.value);
        const condition = fragment?.typeCondition?.name.value;
        return (
          fragment !== undefined && ((condition && !this.#fits(condition, declared)) || look(fragment.selectionSet))
        );
      });
    const depends = this.#sets.some(look);
    this.#depends.set(declared.name, depends);
    return depends;
  }

  /** All concrete types that may stand there. */
  possible(declared: Composite): readonly Composite[] {
    return isObjectType(declared) ? [declared] : [declared, ...this.#parts.schema.getPossibleTypes(declared)];
  }

  #collect(type: Composite): FieldShape[] {
    const groups = new Map<string, FieldNode[]>();
    const take = (set: SelectionSetNode): void => {
      for (const one of set.selections) {
        if (one.kind === Kind.FIELD) {
          const key = (one.alias ?? one.name).value;
          const group = groups.get(key);
          if (group) group.push(one);
          else groups.set(key, [one]);
          continue;
        }
        const fragment = one.kind === Kind.INLINE_FRAGMENT ? one : this.#parts.fragments.get(one.name.value);
        const condition = fragment?.typeCondition?.name.value;
        if (fragment && (condition === undefined || this.#fits(condition, type))) take(fragment.selectionSet);
      }
    };
    for (const set of this.#sets) take(set);
    return [...groups].map(([key, nodes]) => this.#field(type, key, nodes));
  }

  #field(type: Composite, key: string, nodes: readonly FieldNode[]): FieldShape {
    const node = nodes[0] as FieldNode;
    const name = node.name.value;
    const field = isUnionType(type) || name.startsWith('__') ? undefined : type.getFields()[name];
    const sets = nodes.flatMap((one) => one.selectionSet ?? []);
    return {
      key,
      from: field ? this.#parts.keys.of(node, field.type) : name,
      name,
      value: field ? valueShape(field.type, new Selection(this.#parts, sets)) : null,
      refusal: this.#parts.refusals(type, name),
    };
  }

  #fits(condition: string, type: Composite): boolean {
    if (condition === type.name) return true;
    const wanted = this.#parts.schema.getType(condition);
    return isAbstractType(wanted) && !isUnionType(type) && this.#parts.schema.isSubType(wanted, type);
  }
}

/** The shape of a whole operation, its conditions settled. */
export function shapeOf(
  parts: { schema: GraphQLSchema; refusals: Refusals; keys: Keys },
  document: DocumentNode,
  operation: OperationDefinitionNode,
): Selection {
  return new Selection({ ...parts, fragments: fragmentsOf(document) }, [operation.selectionSet]);
}

function valueShape(type: GraphQLOutputType, selection: Selection): ValueShape {
  const nonNull = isNonNullType(type);
  const inner = nonNull ? type.ofType : type;
  if (isListType(inner)) return { kind: 'list', nonNull, of: valueShape(inner.ofType, selection) };
  if (isLeafType(inner)) return { kind: 'leaf', nonNull, type: inner, write: leafWriter(inner) };
  return { kind: 'object', nonNull, type: inner, selection };
}

/** From what a subgraph said to what the client is told; undefined when it does not fit the type. */
function leafWriter(type: GraphQLLeafType): (value: unknown) => unknown {
  if (isEnumType(type)) return (value) => (typeof value === 'string' && type.getValue(value) ? value : undefined);
  // The gateway does not know the meaning of custom scalars; their subgraphs have written them.
  if (!isSpecifiedScalarType(type)) return (value) => value;
  const text = type.name === 'String' || type.name === 'ID';
  return (value) => {
    if (text && typeof value === 'string') return value;
    try {
      return type.serialize(value);
    } catch {
      return undefined;
    }
  };
}
