/** What the answer looks like: the client's document, typed by the graph; worked out per concrete type at first use. */
import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLInterfaceType,
  type GraphQLLeafType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  type GraphQLUnionType,
  isAbstractType,
  isEnumType,
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
import type { Tree } from './data.ts';
import type { Names } from './naming.ts';
import type { Refusal, Refusals } from './refusal.ts';

/** One `@skip` or `@include`: holds when its value equals `wanted`. */
interface Condition {
  readonly value: { readonly variable: string } | boolean;
  readonly wanted: boolean;
}

export interface FieldShape {
  /** As the client calls it. */
  readonly key: string;
  /** As it stands in the merged data. */
  readonly from: string;
  readonly name: string;
  /** Null for `__typename` and introspection. */
  readonly value: ValueShape | null;
  readonly refusal: Refusal | null;
  /** Null: always there. Otherwise there when one of these lists holds whole. */
  readonly when: readonly (readonly Condition[])[] | null;
}

export type ValueShape = { readonly nonNull: boolean } & (
  | { readonly kind: 'leaf'; readonly write: (value: unknown) => unknown }
  | { readonly kind: 'list'; readonly of: ValueShape }
  | { readonly kind: 'object'; readonly type: Composite; readonly selection: Selection }
);

export type Composite = GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType;

interface Parts {
  readonly schema: GraphQLSchema;
  readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly refusals: Refusals;
  readonly names: Names;
}

interface Source {
  readonly set: SelectionSetNode;
  readonly when: readonly Condition[];
}

/** One selection set, all its fragments and all selections that merge with it. */
export class Selection {
  readonly #parts: Parts;
  readonly #sources: readonly Source[];
  readonly #fields = new Map<string, readonly FieldShape[]>();

  constructor(parts: Parts, sources: readonly Source[]) {
    this.#parts = parts;
    this.#sources = sources;
  }

  /** The fields of an object of that type, in the order of the answer. For an abstract type: those that all its objects have. */
  fields(type: Composite): readonly FieldShape[] {
    let known = this.#fields.get(type.name);
    if (!known) {
      known = this.#collect(type);
      this.#fields.set(type.name, known);
    }
    return known;
  }

  /**
   * The type of an object where `declared` stands in the graph: the object's own, or `declared` itself where no
   * subgraph needed to know it (interface objects). Null when the object cannot stand there.
   */
  typeOf(object: Tree, declared: Composite): Composite | null {
    if (isObjectType(declared)) return declared;
    const name = object['__typename'];
    if (name === undefined || name === declared.name) return isUnionType(declared) ? null : declared;
    const { schema } = this.#parts;
    const type = schema.getType(String(name));
    if (isObjectType(type)) return schema.isSubType(declared, type) ? type : null;
    return type && isAbstractType(type) && !isUnionType(declared) ? declared : null;
  }

  /** All concrete types that may stand there. */
  possible(declared: Composite): readonly Composite[] {
    return isObjectType(declared) ? [declared] : [declared, ...this.#parts.schema.getPossibleTypes(declared)];
  }

  #collect(type: Composite): FieldShape[] {
    const groups = new Map<string, { node: FieldNode; when: readonly Condition[] }[]>();
    const take = (set: SelectionSetNode, when: readonly Condition[]): void => {
      for (const one of set.selections) {
        const own = conditionsOf(one);
        if (own === null) continue;
        const conditions = own.length > 0 ? [...when, ...own] : when;
        if (one.kind === Kind.FIELD) {
          const key = (one.alias ?? one.name).value;
          const group = groups.get(key);
          if (group) group.push({ node: one, when: conditions });
          else groups.set(key, [{ node: one, when: conditions }]);
          continue;
        }
        const fragment = one.kind === Kind.INLINE_FRAGMENT ? one : this.#parts.fragments.get(one.name.value);
        if (!fragment) continue;
        const condition = fragment.typeCondition?.name.value;
        if (condition === undefined || this.#fits(condition, type)) take(fragment.selectionSet, conditions);
      }
    };
    for (const { set, when } of this.#sources) take(set, when);
    return [...groups].map(([key, nodes]) => this.#field(type, key, nodes));
  }

  #field(type: Composite, key: string, nodes: readonly { node: FieldNode; when: readonly Condition[] }[]): FieldShape {
    const { node } = nodes[0] as { node: FieldNode };
    const name = node.name.value;
    const field = isUnionType(type) || name.startsWith('__') ? undefined : type.getFields()[name];
    const sources = nodes.flatMap((one) =>
      one.node.selectionSet ? [{ set: one.node.selectionSet, when: one.when }] : [],
    );
    return {
      key,
      from: this.#parts.names.key(node),
      name,
      value: field ? valueShape(field.type, new Selection(this.#parts, sources)) : null,
      refusal: this.#parts.refusals(type, name),
      when: nodes.some((one) => one.when.length === 0) ? null : nodes.map((one) => one.when),
    };
  }

  #fits(condition: string, type: Composite): boolean {
    if (condition === type.name) return true;
    const wanted = this.#parts.schema.getType(condition);
    return isAbstractType(wanted) && !isUnionType(type) && this.#parts.schema.isSubType(wanted, type);
  }
}

/** The shape of a whole operation. */
export function shapeOf(
  parts: { schema: GraphQLSchema; refusals: Refusals; names: Names },
  document: DocumentNode,
  operation: OperationDefinitionNode,
): Selection {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const one of document.definitions) if (one.kind === Kind.FRAGMENT_DEFINITION) fragments.set(one.name.value, one);
  return new Selection({ ...parts, fragments }, [{ set: operation.selectionSet, when: [] }]);
}

/** Whether the field stands in this answer. */
export function stands(field: FieldShape, variables: Readonly<Record<string, unknown>>): boolean {
  if (field.when === null) return true;
  return field.when.some((all) =>
    all.every(
      ({ value, wanted }) => (typeof value === 'boolean' ? value : variables[value.variable] === true) === wanted,
    ),
  );
}

function valueShape(type: GraphQLOutputType, selection: Selection): ValueShape {
  const nonNull = isNonNullType(type);
  const inner = nonNull ? type.ofType : type;
  if (isListType(inner)) return { kind: 'list', nonNull, of: valueShape(inner.ofType, selection) };
  if (isLeafType(inner)) return { kind: 'leaf', nonNull, write: leafWriter(inner) };
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

/** Null when it can never hold. */
function conditionsOf(node: { readonly directives?: FieldNode['directives'] }): Condition[] | null {
  const found: Condition[] = [];
  for (const directive of node.directives ?? []) {
    const name = directive.name.value;
    if (name !== 'skip' && name !== 'include') continue;
    const wanted = name === 'include';
    const value = directive.arguments?.find((one) => one.name.value === 'if')?.value;
    if (value?.kind === Kind.VARIABLE) found.push({ value: { variable: value.name.value }, wanted });
    else if ((value?.kind === Kind.BOOLEAN && value.value) !== wanted) return null;
  }
  return found;
}
