/** The shape of the response: the client's document with the schema's types, computed per object type at first use. */
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
import type { DataKeys } from '../data-keys.ts';
import { type CompositeType, fragmentsOf, groupFields } from '../document-nodes.ts';
import type { AccessError, FieldAccessCheck } from '../field-access.ts';
import { dependsOnType } from '../plan/normalized-selection.ts';
import type { DataObject } from '../response-data.ts';

/** One field of the response. */
export interface FieldShape {
  /** Key in the response. */
  readonly responseKey: string;
  /** Key in the merged data. */
  readonly dataKey: string;
  readonly name: string;
  /** Null for `__typename` and introspection. */
  readonly value: ValueShape | null;
  readonly accessError: AccessError | null;
}

export type ValueShape = { readonly nonNull: boolean } & (
  | { readonly kind: 'leaf'; readonly type: GraphQLLeafType; readonly serialize: (value: unknown) => unknown }
  | { readonly kind: 'list'; readonly item: ValueShape }
  | { readonly kind: 'object'; readonly type: CompositeType; readonly selection: SelectionShape }
);

interface ShapeContext {
  readonly schema: GraphQLSchema;
  readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly accessError: FieldAccessCheck;
  readonly dataKeys: DataKeys;
}

/** A selection set with its fragments and all selection sets that merge with it. */
export class SelectionShape {
  readonly #context: ShapeContext;
  readonly #sets: readonly SelectionSetNode[];
  readonly #fields = new Map<string, readonly FieldShape[]>();
  readonly #typeDependent = new Map<string, boolean>();

  constructor(context: ShapeContext, sets: readonly SelectionSetNode[]) {
    this.#context = context;
    this.#sets = sets;
  }

  /**
   * The fields of objects of that type, in the order of the response. For an abstract type: the fields that all its objects have.
   */
  fields(type: CompositeType): readonly FieldShape[] {
    let fields = this.#fields.get(type.name);
    if (!fields) {
      fields = this.#collectFields(type);
      this.#fields.set(type.name, fields);
    }
    return fields;
  }

  /**
   * The type of an object at a position of type `declared`: its object type, or `declared` if that is unknown (interface objects) and the
   * selections do not depend on it. Null if the object cannot be written.
   */
  typeOf(object: DataObject, declared: CompositeType): CompositeType | null {
    if (isObjectType(declared)) return declared;
    const { schema } = this.#context;
    const name = object['__typename'];
    const type = name === undefined ? declared : schema.getType(String(name));
    if (isObjectType(type)) return schema.isSubType(declared, type) ? type : null;
    return type && !this.needsType(declared) ? declared : null;
  }

  /** Whether the selections at a position of type `declared` depend on the object's type. */
  needsType(declared: CompositeType): boolean {
    const known = this.#typeDependent.get(declared.name);
    if (known !== undefined) return known;
    const { schema, accessError } = this.#context;
    const differs = (field: string): boolean =>
      isInterfaceType(declared) && dependsOnType(declared, field, schema.getPossibleTypes(declared), accessError);
    const dependsOnObjectType = (set: SelectionSetNode): boolean =>
      set.selections.some((selection) => {
        if (selection.kind === Kind.FIELD)
          return selection.name.value === '__typename' || differs(selection.name.value);
        const fragment =
          selection.kind === Kind.INLINE_FRAGMENT ? selection : this.#context.fragments.get(selection.name.value);
        const condition = fragment?.typeCondition?.name.value;
        return (
          fragment !== undefined &&
          ((condition && !this.#matches(condition, declared)) || dependsOnObjectType(fragment.selectionSet))
        );
      });
    const depends = this.#sets.some(dependsOnObjectType);
    this.#typeDependent.set(declared.name, depends);
    return depends;
  }

  /** The possible object types at a position of type `declared`, after `declared` itself. */
  possibleTypes(declared: CompositeType): readonly CompositeType[] {
    return isObjectType(declared) ? [declared] : [declared, ...this.#context.schema.getPossibleTypes(declared)];
  }

  #collectFields(type: CompositeType): FieldShape[] {
    const { fragments } = this.#context;
    const groups = groupFields(
      this.#sets,
      (name) => fragments.get(name),
      (condition) => this.#matches(condition, type),
    );
    return [...groups].map(([key, nodes]) => this.#fieldShape(type, key, nodes));
  }

  #fieldShape(type: CompositeType, key: string, nodes: readonly FieldNode[]): FieldShape {
    const node = nodes[0] as FieldNode;
    const name = node.name.value;
    const field = isUnionType(type) || name.startsWith('__') ? undefined : type.getFields()[name];
    const sets = nodes.flatMap((node) => node.selectionSet ?? []);
    return {
      responseKey: key,
      dataKey: field ? this.#context.dataKeys.keyOf(node, field.type) : name,
      name,
      value: field ? valueShape(field.type, new SelectionShape(this.#context, sets)) : null,
      accessError: this.#context.accessError(type, name),
    };
  }

  #matches(condition: string, type: CompositeType): boolean {
    if (condition === type.name) return true;
    const wanted = this.#context.schema.getType(condition);
    return isAbstractType(wanted) && !isUnionType(type) && this.#context.schema.isSubType(wanted, type);
  }
}

/** The shape of an operation whose conditions are resolved. */
export function createResponseShape(
  context: Omit<ShapeContext, 'fragments'>,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): SelectionShape {
  return new SelectionShape({ ...context, fragments: fragmentsOf(document) }, [operation.selectionSet]);
}

function valueShape(type: GraphQLOutputType, selection: SelectionShape): ValueShape {
  const nonNull = isNonNullType(type);
  const inner = nonNull ? type.ofType : type;
  if (isListType(inner)) return { kind: 'list', nonNull, item: valueShape(inner.ofType, selection) };
  if (isLeafType(inner)) return { kind: 'leaf', nonNull, type: inner, serialize: leafSerializer(inner) };
  return { kind: 'object', nonNull, type: inner, selection };
}

/** Converts a subgraph's value to the client's; undefined if it does not have the type. */
function leafSerializer(type: GraphQLLeafType): (value: unknown) => unknown {
  if (isEnumType(type)) return (value) => (typeof value === 'string' && type.getValue(value) ? value : undefined);
  // Only the subgraphs know custom scalars, so their values are passed on unchanged.
  if (!isSpecifiedScalarType(type)) return (value) => value;
  const isString = type.name === 'String' || type.name === 'ID';
  return (value) => {
    if (isString && typeof value === 'string') return value;
    try {
      return type.serialize(value);
    } catch {
      return undefined;
    }
  };
}
