/** Which positions of an operation hold protected fields; computed once per operation for `accessed-fields.ts`. */
import { type GraphQLObjectType, type GraphQLSchema, isUnionType } from 'graphql';
import type { CompositeType } from '../document-nodes.ts';
import { isProtectedField, maskedFieldName, type ProtectedFields, pathToOwner } from '../plan/protected-fields.ts';
import type { SelectionShape, ValueShape } from './response-shape.ts';

/** A field that leads to objects with protected fields. */
export interface ProtectedChild {
  readonly dataKey: string;
  readonly type: CompositeType;
  readonly selection: SelectionShape;
  readonly isProtected: boolean;
  /** Coordinate of the field if it is protected itself. */
  readonly coordinate: string | null;
  readonly isPayload: boolean;
}

/** The protected fields of objects of one type at one position of the operation. */
export interface AccessNode {
  /** Data key of the object's id; null if objects of the type are not reported. */
  readonly idKey: string | null;
  readonly type: string;
  /** Data keys that lead to the owner's id. */
  readonly ownerPath: readonly string[] | null;
  /** Whether it is the payload of a mutation. */
  readonly isPayload: boolean;
  readonly leafFields: readonly { readonly dataKey: string; readonly coordinate: string }[];
  readonly maskableFields: readonly {
    readonly dataKey: string;
    readonly maskedKey: string;
    readonly coordinate: string;
  }[];
  readonly deniedFields: readonly string[];
  readonly children: readonly ProtectedChild[];
}

/** Types that wrap records: their own leaf fields are not protected data. */
const WRAPPER_TYPES = /^(PageInfo|Provenance|EventsBatch|Gap|Lagged|.*Connection|.*Edge|.*Payload)$/;

/** The nodes of one operation, each created at first use. */
export class AccessTree {
  readonly #schema: GraphQLSchema;
  readonly #protectedFields: ProtectedFields;
  readonly #root: GraphQLObjectType;
  readonly #prefix: string;
  readonly #nodes = new Map<SelectionShape, Map<string, AccessNode>>();

  constructor(parts: {
    schema: GraphQLSchema;
    protectedFields: ProtectedFields;
    root: GraphQLObjectType;
    prefix: string;
  }) {
    this.#schema = parts.schema;
    this.#protectedFields = parts.protectedFields;
    this.#root = parts.root;
    this.#prefix = parts.prefix;
  }

  /** The node of objects of that type. `isProtected`: they are below a protected field. `isPayload`: they are payloads of a mutation. */
  nodeFor(selection: SelectionShape, type: CompositeType, isProtected: boolean, isPayload: boolean): AccessNode {
    const key = `${type.name}${isProtected ? '+' : '-'}${isPayload ? 'p' : ''}`;
    const nodes = this.#nodes.get(selection) ?? new Map<string, AccessNode>();
    this.#nodes.set(selection, nodes);
    const node = nodes.get(key) ?? this.#createNode(selection, type, isProtected, isPayload);
    nodes.set(key, node);
    return node;
  }

  #createNode(selection: SelectionShape, type: CompositeType, isProtected: boolean, isPayload: boolean): AccessNode {
    const protectedFields = this.#protectedFields;
    const subject = protectedFields.subjects.get(type.name);
    const path =
      isProtected && type.name !== protectedFields.owner.type ? pathToOwner(protectedFields, type, isPayload) : null;
    const leafFields: { dataKey: string; coordinate: string }[] = [];
    const maskableFields: { dataKey: string; maskedKey: string; coordinate: string }[] = [];
    const deniedFields: string[] = [];
    const children: ProtectedChild[] = [];
    const fields = isUnionType(type) ? {} : type.getFields();
    const isWrapper = WRAPPER_TYPES.test(type.name);
    for (const { name, dataKey, value, accessError } of selection.fields(type)) {
      const field = fields[name];
      if (!field || !value) continue;
      const coordinate = `${type.name}.${name}`;
      const isFieldProtected = isProtectedField(protectedFields, this.#schema, type, field);
      if (accessError) {
        if (isFieldProtected) deniedFields.push(coordinate);
        continue;
      }
      const inner = innermostValue(value);
      if (inner.kind === 'object') {
        const isDirect = isFieldProtected && protectedFields.isProtected({ type: type.name, field: name, returns: '' });
        children.push({
          dataKey,
          type: inner.type,
          selection: inner.selection,
          isProtected: isProtected || isFieldProtected,
          coordinate: isDirect ? coordinate : null,
          isPayload: type === this.#root && this.#root.name === 'Mutation',
        });
      } else if ((isProtected || isFieldProtected) && !isWrapper) {
        const maskedKey = this.#prefix + maskedFieldName(name);
        if (fields[maskedFieldName(name)]) maskableFields.push({ dataKey, maskedKey, coordinate });
        else leafFields.push({ dataKey, coordinate });
      }
    }
    return {
      idKey: subject === undefined ? null : this.#prefix + subject,
      type: type.name,
      isPayload,
      ownerPath:
        path &&
        [...path, protectedFields.subjects.get(protectedFields.owner.type) ?? 'id'].map((step) => this.#prefix + step),
      leafFields,
      maskableFields,
      deniedFields,
      children: children.filter((child) => child.isProtected || this.#reaches(child)),
    };
  }

  /** Whether there can be a protected field at the child or below it. */
  #reaches(child: ProtectedChild): boolean {
    return child.selection.possibleTypes(child.type).some((type) => {
      if (child.type !== type && isUnionType(child.type) && isUnionType(type)) return false;
      const node = this.nodeFor(child.selection, type, child.isProtected, child.isPayload);
      const fields = node.deniedFields.length + node.leafFields.length + node.maskableFields.length;
      return child.isPayload || node.children.length + fields > 0;
    });
  }
}

function innermostValue(shape: ValueShape): Exclude<ValueShape, { kind: 'list' }> {
  return shape.kind === 'list' ? innermostValue(shape.item) : shape;
}
